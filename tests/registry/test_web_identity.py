"""Keyless CI: tokens of identity providers, each proven by a provider that runs on this machine."""

from __future__ import annotations

import hmac
import json
import threading
import time
import warnings
from dataclasses import dataclass, field, replace
from ipaddress import ip_network

import pytest
from joserfc import jws
from joserfc.jwk import RSAKey

from holdfast import registry, store
from holdfast.http.server import THREADS
from holdfast.model import errors
from holdfast.outbound import Fetcher
from holdfast.registry import identity_providers
from holdfast.registry.iam.assuming import Wish
from holdfast.registry.throttle import BURST_SECONDS, Throttle
from tests.issuer import Authority, Issuer, part
from tests.registry.ground import HOME

HERE = [ip_network("127.0.0.0/8")]
AUDIENCE = "sts.amazonaws.com"
ASSUME = "sts:AssumeRoleWithWebIdentity"
NO_KEY = identity_providers.NO_KEY
NO_JWT = "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)"
DENIED = "Not authorized to perform sts:AssumeRoleWithWebIdentity"


@dataclass
class Asking:
    """How the request came in."""

    id: str = "a-request"
    peer: str = "192.0.2.1"
    is_secure: bool = True
    headers: dict = field(default_factory=dict)

    def header(self, name):
        return self.headers.get(name)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def issuer(authority):
    running = Issuer(authority)
    yield running
    running.close()


@pytest.fixture
def on(on, authority):
    return replace(on, fetcher=Fetcher(HERE, authority.file))


@pytest.fixture
def trusted(on, issuer):
    """The account trusts the issuer's tokens that are for the usual audience."""
    return trust(on, issuer)


def trust(on, issuer, *client_ids, account=HOME.account_id, **members):
    return registry.iam.oidc_providers.create(on, account, issuer.url, client_ids=client_ids or [AUDIENCE], **members)


def a_role(on, issuer, condition=None, *, actions=(ASSUME,), name="ci", account=HOME.account_id, **members):
    """A role that trusts the issuer's tokens under a condition."""
    principal = {"Federated": f"arn:aws:iam::{account}:oidc-provider/{issuer.host}"}
    statement = {"Effect": "Allow", "Principal": principal, "Action": list(actions)}
    if condition:
        statement["Condition"] = condition
    document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    return registry.iam.roles.create(on, account, name, document, **members)


def assume(on, token, arn=f"arn:aws:iam::{HOME.account_id}:role/ci", peer="192.0.2.1", **wish):
    """Become a role; the session that began, and what is told of the token."""
    wish = Wish(**{"name": "run-1", "region": "eu-west-1"} | wish)
    assumed, identity = registry.iam.assuming.assume_with_web_identity(on, arn, token, wish, Asking(peer=peer))
    return registry.iam.sessions.find(on, assumed.credentials.access_key_id), identity


def refused(on, token, kind=errors.InvalidIdentityToken, account=HOME.account_id):
    """The words in which a token is refused."""
    with pytest.raises(kind) as caught:
        registry.iam.web_identity.verify(on, account, token)
    assert type(caught.value) is kind
    return caught.value.message


def signed(issuer, header, claims, key="first"):
    """A token with just this header, and with claims that may be a text of its own."""
    text = claims if isinstance(claims, str) else json.dumps(claims)
    checker = jws.JWSRegistry(algorithms=["RS256"], strict_check_header=False)
    checker.max_header_length = 10_000
    return jws.serialize_compact(header, text.encode(), issuer.keys[key], registry=checker)


def verified(on, token):
    return registry.iam.web_identity.verify(on, HOME.account_id, token)


# ---- A token that is right


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512"])
def test_a_token_of_each_algorithm_is_believed(on, clock, issuer, trusted, algorithm):
    issuer.add_key("mine", algorithm)

    identity = verified(on, issuer.token(issuer.claims(clock()), "mine", algorithm))

    assert (identity.subject, identity.audience) == ("somebody", AUDIENCE)
    assert identity.provider_arn == f"arn:aws:iam::{HOME.account_id}:oidc-provider/{issuer.host}"


@pytest.mark.parametrize("path", ["", "/", "/id/0123456789ABCDEF", "/_services/token"])
def test_an_issuer_may_be_below_a_path(on, clock, authority, path):
    issuer = Issuer(authority, path)
    try:
        provider = trust(on, issuer)
        identity = verified(on, issuer.token(issuer.claims(clock())))
    finally:
        issuer.close()

    assert provider.url == issuer.host
    assert identity.provider_arn == f"arn:aws:iam::{HOME.account_id}:oidc-provider/{issuer.host}"


def test_a_token_may_have_several_audiences(on, clock, issuer, trusted):
    token = issuer.token(issuer.claims(clock(), aud=["another", AUDIENCE]))

    assert verified(on, token).audience == AUDIENCE


def test_a_token_without_a_key_id_needs_a_provider_with_one_key(on, clock, issuer, trusted):
    header = {"alg": "RS256"}
    assert verified(on, signed(issuer, header, issuer.claims(clock()))).subject == "somebody"

    issuer.add_key("second", "RS256")
    clock.pass_(hours=25)

    assert refused(on, signed(issuer, header, issuer.claims(clock()))) == NO_KEY


@pytest.mark.parametrize("header", ["jwk", "jku", "x5u", "x5c"])
def test_what_a_token_says_about_its_key_is_not_looked_at(on, clock, issuer, trusted, header):
    evil = RSAKey.generate_key(2048)
    issuer.keys["evil"] = evil  # not published
    public = {name: evil.as_dict(private=False)[name] for name in ("kty", "n", "e")}
    value = {"jwk": public, "jku": f"{issuer.url}/evil", "x5u": f"{issuer.url}/evil", "x5c": ["AAAA"]}[header]
    heading = {"alg": "RS256", "kid": "first", header: value}
    forged = signed(issuer, heading, issuer.claims(clock()), "evil")
    honest = signed(issuer, heading, issuer.claims(clock()))

    assert refused(on, forged) == "The signature of the token is not valid"
    if header != "x5c":
        assert verified(on, honest).subject == "somebody"
    assert "evil" not in issuer.asked


# ---- A token that is wrong


@pytest.mark.parametrize(
    "text",
    [
        "nope",
        "a.b",
        "a.b.c",
        "a.b.c.d.e",
        "..",
        f"{part(b'[]')}.{part({})}.x",
        f"{part(b'not json')}.{part({})}.x",
        f"{part({'alg': 'RS256'})}.{part(b'[]')}.x",
        f"{part({'alg': 'RS256'})}.{part(b'[' * 10_000)}.x",
        f"{part({'alg': 'RS256'})}=.{part({})}.x",
        "ä.ä.ä",
        "x" * 20_001,
    ],
)
def test_what_is_no_token_is_refused(on, text):
    assert refused(on, text) == NO_JWT


def test_a_token_that_is_too_long_is_refused_unread(on, clock, issuer, trusted):
    token = issuer.token(issuer.claims(clock(), padding="x" * 20_000))

    assert refused(on, token) == NO_JWT
    assert issuer.asked == []


@pytest.mark.parametrize("name", ["iss", "sub", "aud", "exp", "iat"])
def test_a_required_claim_that_is_missing_is_named(on, clock, issuer, trusted, name):
    token = issuer.token(issuer.claims(clock(), **{name: None}))

    assert refused(on, token) == f"Missing a required claim: {name}"


@pytest.mark.parametrize(
    "changed",
    [
        {"sub": 5},
        {"sub": ""},
        {"iss": ["https://x"]},
        {"aud": 5},
        {"aud": []},
        {"aud": [AUDIENCE, 5]},
        {"exp": "4000000000"},
        {"exp": 4000000000.5},
        {"exp": True},
        {"iat": 1.5},
        {"iat": "now"},
        {"nbf": "now"},
        {"nbf": False},
    ],
)
def test_a_claim_of_another_type_is_refused(on, clock, issuer, trusted, changed):
    assert refused(on, issuer.token(issuer.claims(clock(), **changed))) == NO_JWT


@pytest.mark.parametrize("text", ['{"sub":"a","sub":"b"', '{"exp":1,"exp":9999999999', '{"x":{"y":1,"y":2}'])
def test_a_claim_that_is_written_twice_is_refused(on, clock, issuer, trusted, text):
    claims = text + "," + json.dumps(issuer.claims(clock()))[1:]
    token = signed(issuer, {"alg": "RS256", "kid": "first"}, claims)

    assert refused(on, token) == NO_JWT


@pytest.mark.parametrize("digits", [20, 5000])
def test_a_huge_expiry_breaks_nothing(on, clock, issuer, trusted, digits):
    claims = json.dumps(issuer.claims(clock(), exp=12345)).replace("12345", "9" * digits)
    token = signed(issuer, {"alg": "RS256", "kid": "first"}, claims)

    if digits == 20:
        assert verified(on, token).subject == "somebody"
    else:
        assert refused(on, token) == NO_JWT


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "", "HS256", "HS384", "HS512", "PS256", "EdDSA", "ES256K", "rs256"]
)
def test_other_algorithms_are_refused_before_a_provider_is_asked(on, clock, issuer, trusted, algorithm):
    token = f"{part({'alg': algorithm, 'kid': 'first'})}.{part(issuer.claims(clock()))}."

    assert "signature algorithm of the token must be one of RS256" in refused(on, token)
    assert issuer.asked == []


@pytest.mark.parametrize("alg", [None, 5, ["RS256"], {"RS256": 1}])
def test_an_algorithm_that_is_no_text_is_refused(on, clock, issuer, trusted, alg):
    token = f"{part({'alg': alg, 'kid': 'first'})}.{part(issuer.claims(clock()))}.x"

    assert "must be one of" in refused(on, token)


def test_a_public_key_is_no_shared_secret(on, clock, issuer, trusted):
    """The swap from RS256 to HS256, with the provider's public key as the secret."""
    pem = issuer.keys["first"].as_pem(private=False)
    signed = f"{part({'alg': 'HS256', 'kid': 'first'})}.{part(issuer.claims(clock()))}"
    token = f"{signed}.{part(hmac.digest(pem, signed.encode(), 'sha256'))}"

    assert "must be one of" in refused(on, token)


@pytest.mark.parametrize(("kid", "algorithm"), [("first", "ES256"), ("curve", "RS256"), ("curve", "ES384")])
def test_a_key_proves_only_signatures_of_its_own_kind(on, clock, issuer, trusted, kid, algorithm):
    issuer.add_key("curve", "ES256")
    token = f"{part({'alg': algorithm, 'kid': kid})}.{part(issuer.claims(clock()))}.{part(bytes(64))}"

    assert refused(on, token) == NO_KEY


def test_a_key_that_is_for_one_algorithm_proves_no_other(on, clock, issuer, trusted):
    issuer.publish([{**issuer.keys["first"].as_dict(private=False), "kid": "first", "alg": "RS512"}])

    assert refused(on, issuer.token(issuer.claims(clock()))) == NO_KEY
    assert verified(on, issuer.token(issuer.claims(clock()), algorithm="RS512")).subject == "somebody"


@pytest.mark.parametrize("crit", [["exp"], ["b64"], [], "exp"])
def test_a_header_that_must_be_understood_is_not(on, clock, issuer, trusted, crit):
    header = {"alg": "RS256", "kid": "first", "crit": crit, "exp": 1, "b64": False}
    token = f"{part(header)}.{part(issuer.claims(clock()))}.x"

    assert refused(on, token) == NO_JWT


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_token_that_was_changed_is_refused(on, clock, issuer, trusted, place):
    parts = issuer.token(issuer.claims(clock())).split(".")
    parts[place] = {
        0: part({"alg": "RS256", "kid": "first", "typ": "at"}),
        1: part(issuer.claims(clock(), sub="an administrator")),
        2: part(bytes(256)),
    }[place]

    assert refused(on, ".".join(parts)) == "The signature of the token is not valid"


def test_the_key_of_another_issuer_proves_nothing(on, clock, authority, issuer, trusted):
    another = Issuer(authority)
    try:
        trust(on, another)
        token = another.token(issuer.claims(clock()))
    finally:
        another.close()

    assert refused(on, token) == "The signature of the token is not valid"


# ---- Whose provider


def test_an_issuer_that_the_account_does_not_trust_is_named(on, clock, issuer):
    text = refused(on, issuer.token(issuer.claims(clock())))

    assert text == f"No OpenIDConnect provider found in your account for {issuer.url}"
    assert issuer.asked == []


def test_an_issuer_that_another_account_trusts_is_not_trusted(on, clock, issuer):
    registry.accounts.create(on, "111122223333")
    trust(on, issuer, account="111122223333")

    assert refused(on, issuer.token(issuer.claims(clock()))).startswith("No OpenIDConnect provider found")
    assert issuer.asked == []


@pytest.mark.parametrize(
    "change",
    [
        lambda url: url.removeprefix("https://"),
        lambda url: url.replace("https", "http"),
        lambda url: url.replace("https", "HTTPS"),
        lambda url: url.replace("localhost", "LOCALHOST"),
        lambda url: f"{url}/",
        lambda url: f"{url}/more",
        lambda url: f" {url}",
    ],
)
def test_an_issuer_is_named_exactly(on, clock, issuer, trusted, change):
    token = issuer.token(issuer.claims(clock(), iss=change(issuer.url)))

    assert refused(on, token).startswith("No OpenIDConnect provider found in your account for ")
    assert issuer.asked == []


# ---- Times


def test_a_token_past_its_time_is_refused_with_both_times(on, clock, issuer, trusted):
    token = issuer.token(issuer.claims(clock()))
    clock.pass_(seconds=600)
    now = int(clock().timestamp())

    text = refused(on, token, errors.ExpiredToken)

    assert text == f"Token expired: current date/time {now} must be before the expiration date/time {now}"


def test_a_token_lives_until_its_time(on, clock, issuer, trusted):
    token = issuer.token(issuer.claims(clock()))
    clock.pass_(seconds=599)

    assert verified(on, token).subject == "somebody"


@pytest.mark.parametrize("name", ["iat", "nbf"])
def test_the_clock_of_a_provider_may_be_a_minute_ahead(on, clock, issuer, trusted, name):
    now = int(clock().timestamp())

    assert verified(on, issuer.token(issuer.claims(clock(), **{name: now + 60}))).subject == "somebody"
    assert f"its claim {name} is in the future" in refused(on, issuer.token(issuer.claims(clock(), **{name: now + 61})))


# ---- Audience


@pytest.mark.parametrize("audience", ["another", "STS.amazonaws.com", ["another", "yet-another"], f"{AUDIENCE} "])
def test_a_token_for_somebody_else_is_refused(on, clock, issuer, trusted, audience):
    assert refused(on, issuer.token(issuer.claims(clock(), aud=audience))) == "Incorrect token audience"


def test_a_client_that_was_removed_is_nobody_any_more(on, clock, issuer):
    provider = trust(on, issuer, AUDIENCE, "another")
    named = registry.iam.oidc_providers.iam_oidc_providers.read_arn(provider.arn)
    registry.iam.oidc_providers.remove_client(on, named, AUDIENCE)

    assert refused(on, issuer.token(issuer.claims(clock()))) == "Incorrect token audience"


def test_a_provider_without_clients_accepts_nothing(on, clock, issuer):
    registry.iam.oidc_providers.create(on, HOME.account_id, issuer.url)

    assert refused(on, issuer.token(issuer.claims(clock()))) == "Incorrect token audience"


# ---- Keys


def test_keys_are_fetched_once(on, clock, issuer, trusted):
    for _ in range(3):
        verified(on, issuer.token(issuer.claims(clock())))

    assert issuer.asked == ["openid-configuration", "keys"]


@pytest.mark.parametrize(
    ("cache_control", "seconds"),
    [("", 3600), ("max-age=1", 300), ("no-store", 300), ("max-age=7200", 7200), ("max-age=999999", 86400)],
)
def test_keys_are_fresh_as_long_as_the_provider_says_within_bounds(on, clock, issuer, trusted, cache_control, seconds):
    issuer.headers = {"Cache-Control": cache_control}
    issuer.publish()
    verified(on, issuer.token(issuer.claims(clock())))

    clock.pass_(seconds=seconds - 1)
    verified(on, issuer.token(issuer.claims(clock())))
    assert issuer.asked.count("keys") == 1

    clock.pass_(seconds=1)
    verified(on, issuer.token(issuer.claims(clock())))
    assert issuer.asked.count("keys") == 2


def test_a_new_key_is_fetched_at_most_once_a_minute(on, clock, issuer, trusted):
    verified(on, issuer.token(issuer.claims(clock())))
    issuer.add_key("second", "ES256")

    assert refused(on, issuer.token(issuer.claims(clock()), "second", "ES256")) == NO_KEY

    clock.pass_(seconds=60)
    assert verified(on, issuer.token(issuer.claims(clock()), "second", "ES256")).subject == "somebody"
    assert issuer.asked.count("keys") == 2


def test_an_unknown_key_does_not_make_the_provider_be_asked_again_and_again(on, clock, issuer, trusted):
    verified(on, issuer.token(issuer.claims(clock())))
    clock.pass_(seconds=60)

    for number in range(5):
        token = issuer.token(issuer.claims(clock(), sub=str(number)))
        header = part({"alg": "RS256", "kid": f"unknown-{number}"})
        assert refused(on, f"{header}.{token.split('.', 1)[1]}") == NO_KEY

    assert issuer.asked.count("keys") == 2


def test_a_key_that_was_withdrawn_proves_nothing_once_the_keys_are_fetched_again(on, clock, issuer, trusted):
    old = issuer.keys["first"]
    verified(on, issuer.token(issuer.claims(clock())))
    del issuer.keys["first"]
    issuer.add_key("second", "RS256")
    clock.pass_(hours=1)
    issuer.keys["first"] = old

    assert refused(on, issuer.token(issuer.claims(clock()))) == NO_KEY


def test_known_keys_serve_while_the_provider_is_down(on, clock, issuer, trusted):
    verified(on, issuer.token(issuer.claims(clock())))
    issuer.close()

    clock.pass_(hours=24)
    assert verified(on, issuer.token(issuer.claims(clock()))).subject == "somebody"

    clock.pass_(hours=2)
    text = refused(on, issuer.token(issuer.claims(clock())), errors.IDPCommunicationError)
    assert issuer.url in text


def test_a_provider_that_is_down_is_told_and_not_asked_at_once_again(on, clock, issuer, trusted, monkeypatch):
    issuer.https.answers = {}  # it answers 404
    token = issuer.token(issuer.claims(clock()))

    refused(on, token, errors.IDPCommunicationError)
    refused(on, token, errors.IDPCommunicationError)
    assert issuer.asked == ["openid-configuration"]

    issuer.publish()
    clock.pass_(seconds=10)
    assert verified(on, token).subject == "somebody"


def test_a_provider_that_nobody_reaches_is_told(on, clock, issuer, trusted):
    issuer.close()

    refused(on, issuer.token(issuer.claims(clock())), errors.IDPCommunicationError)


def test_a_provider_in_a_network_that_is_not_allowed_is_not_reached(on, clock, authority, issuer, trusted):
    on = replace(on, fetcher=Fetcher(ca_file=authority.file))

    refused(on, issuer.token(issuer.claims(clock())), errors.IDPCommunicationError)
    assert issuer.asked == []


@pytest.mark.parametrize(
    "place",
    [
        "https://169.254.169.254/latest/meta-data",
        "https://10.0.0.1/keys",
        "http://localhost/keys",
        "file:///etc/passwd",
        "https://[::ffff:169.254.169.254]/",
    ],
)
def test_a_provider_cannot_send_us_elsewhere_for_its_keys(on, clock, issuer, trusted, place):
    issuer.configuration["jwks_uri"] = place
    issuer.publish()

    refused(on, issuer.token(issuer.claims(clock())), errors.IDPCommunicationError)


def test_a_redirect_to_a_private_address_is_not_followed(on, clock, issuer, trusted):
    issuer.https.answers["/keys"] = (302, {"Location": "https://10.0.0.1/keys"}, b"")

    refused(on, issuer.token(issuer.claims(clock())), errors.IDPCommunicationError)


def test_a_slow_provider_is_given_up(on, clock, issuer, trusted, monkeypatch):
    monkeypatch.setattr("holdfast.outbound.fetch.SECONDS", 0.3)
    is_over = threading.Event()
    issuer.https.answers["/keys"] = lambda _handler: is_over.wait(10)
    begin = time.monotonic()

    refused(on, issuer.token(issuer.claims(clock())), errors.IDPCommunicationError)

    is_over.set()
    assert time.monotonic() - begin < 3


def test_a_huge_set_of_keys_is_refused(on, clock, issuer, trusted):
    key = {**issuer.keys["first"].as_dict(private=False), "kid": "first"}
    issuer.publish([{**key, "kid": str(number)} for number in range(200)] + [key])

    refused(on, issuer.token(issuer.claims(clock())), errors.IDPCommunicationError)


@pytest.mark.parametrize("changed", [{"issuer": "https://another.example"}, {"issuer": None}, {"jwks_uri": 5}])
def test_the_configuration_of_another_issuer_is_refused(on, clock, issuer, trusted, changed):
    issuer.configuration |= changed
    issuer.publish()

    assert refused(on, issuer.token(issuer.claims(clock()))) == NO_KEY


@pytest.mark.parametrize("keys", ["no list", [], [5], [{"kty": "oct", "k": "AAAA", "kid": "first"}]])
def test_a_provider_without_keys_proves_nothing(on, clock, issuer, trusted, keys):
    issuer.publish(keys)

    assert refused(on, issuer.token(issuer.claims(clock()))) == NO_KEY


@pytest.mark.parametrize(
    "changed",
    [
        {"use": "enc"},
        {"key_ops": ["encrypt"]},
        {"key_ops": "verify"},
        {"kty": "EC"},
        {"kty": 5},
        {"kid": "another"},
        {"kid": 5},
        {"alg": 5},
        {"n": "AQAB"},
        {"n": "!"},
        {"n": None},
        {"e": "AA"},
        {"e": "A" * 100},
        {"n": "A" + "_" * 4000},
    ],
)
def test_a_key_that_cannot_be_used_is_passed_over(on, clock, issuer, trusted, changed):
    issuer.publish([{**issuer.keys["first"].as_dict(private=False), "kid": "first", **changed}])

    assert refused(on, issuer.token(issuer.claims(clock()))) == NO_KEY


def test_a_weak_key_is_passed_over(on, clock, issuer, trusted):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # joserfc does not like it, either
        issuer.add_key("weak", "RS256", 1024)
        token = issuer.token(issuer.claims(clock()), "weak")

    assert refused(on, token) == NO_KEY


def test_one_request_asks_for_all_that_come_at_the_same_time(on, clock, issuer, trusted):
    published = issuer.https.answers["/keys"]

    def slowly(handler):
        time.sleep(0.2)
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(published[2])

    issuer.https.answers["/keys"] = slowly
    token = issuer.token(issuer.claims(clock()))
    found = []

    def ask():
        try:
            found.append(verified(on, token).subject)
        finally:
            on.database.close()

    threads = [threading.Thread(target=ask) for _ in range(identity_providers.WAITING_FOR_ONE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == ["somebody"] * identity_providers.WAITING_FOR_ONE
    assert issuer.asked == ["openid-configuration", "keys"]


def test_who_comes_when_too_many_wait_is_sent_away(on, clock, issuer, trusted):
    token = issuer.token(issuer.claims(clock()))
    provider = on.identity_providers._provider(issuer.url, frozenset())
    for _ in range(identity_providers.WAITING_FOR_ONE):
        assert provider.waiting.acquire(blocking=False)

    refused(on, token, errors.IDPCommunicationError)
    assert issuer.asked == []


def test_providers_that_do_not_answer_leave_threads_for_other_work(on, clock, issuer, trusted):
    """Anybody can name roles of accounts that trust them, without a signature."""
    verified(on, issuer.token(issuer.claims(clock())))
    for _ in range(identity_providers.WAITING):
        assert on.identity_providers._waiting.acquire(blocking=False)

    assert identity_providers.WAITING <= THREADS // 2
    assert verified(on, issuer.token(issuer.claims(clock()))).subject == "somebody"
    clock.pass_(hours=50)
    refused(on, issuer.token(issuer.claims(clock())), errors.IDPCommunicationError)


def test_whoever_has_a_known_key_does_not_wait_for_those_who_ask(on, clock, issuer, trusted):
    verified(on, issuer.token(issuer.claims(clock())))
    clock.pass_(hours=2)  # the keys are stale, and somebody is asking
    provider = on.identity_providers._provider(issuer.url, frozenset())

    with provider.asking:
        assert verified(on, issuer.token(issuer.claims(clock()))).subject == "somebody"


# ---- Private CAs


def test_a_thumbprint_of_the_provider_pins_its_private_ca(on, clock, authority, issuer):
    on = replace(on, fetcher=Fetcher(HERE))
    trust(on, issuer, thumbprints=[authority.thumbprint])

    assert verified(on, issuer.token(issuer.claims(clock()))).subject == "somebody"


def test_without_its_thumbprint_a_private_ca_is_not_trusted(on, clock, issuer):
    on = replace(on, fetcher=Fetcher(HERE))
    trust(on, issuer, thumbprints=["0" * 40])

    refused(on, issuer.token(issuer.claims(clock())), errors.IDPCommunicationError)
    assert issuer.asked == []


def test_the_keys_of_one_accounts_pinned_ca_are_not_those_of_another_account(on, clock, authority, issuer):
    on = replace(on, fetcher=Fetcher(HERE))
    registry.accounts.create(on, "111122223333")
    trust(on, issuer, thumbprints=[authority.thumbprint], account="111122223333")
    trust(on, issuer)
    token = issuer.token(issuer.claims(clock()))
    registry.iam.web_identity.verify(on, "111122223333", token)

    refused(on, token, errors.IDPCommunicationError)


# ---- What policies are told

GITHUB = {
    "sub": "repo:acme/api:ref:refs/heads/main",
    "aud": AUDIENCE,
    "jti": "0c1d",
    "actor": "octocat",
    "repository": "acme/api",
    "repository_owner": "acme",
    "repository_id": "74",
    "ref": "refs/heads/main",
    "sha": "0" * 40,
    "workflow": "CI",
    "job_workflow_ref": "acme/api/.github/workflows/ci.yml@refs/heads/main",
    "event_name": "push",
    "run_id": "30433642",
    "runner_environment": "github-hosted",
}
GITLAB = {
    "sub": "project_path:acme/api:ref_type:branch:ref:main",
    "aud": AUDIENCE,
    "namespace_id": "1",
    "project_path": "acme/api",
    "user_login": "somebody",
    "user_identities": [{"provider": "github", "extern_uid": "1"}],
    "pipeline_source": "push",
    "ref": "main",
    "ref_type": "branch",
    "ref_protected": "true",
}
KUBERNETES = {
    "sub": "system:serviceaccount:ci:builder",
    "aud": [AUDIENCE],
    "kubernetes.io": {"namespace": "ci", "serviceaccount": {"name": "builder", "uid": "0"}},
}


@pytest.mark.parametrize(
    ("claims", "pattern", "another"),
    [
        (GITHUB, "repo:acme/api:*", {"sub": "repo:evil/api:ref:refs/heads/main"}),
        (GITHUB, "repo:acme/api:ref:refs/heads/main", {"sub": "repo:acme/api:pull_request"}),
        (GITHUB, "repo:acme/api:environment:*", {}),
        (
            GITLAB,
            "project_path:acme/*:ref_type:branch:ref:main",
            {"sub": "project_path:evil/x:ref_type:branch:ref:main"},
        ),
        (KUBERNETES, "system:serviceaccount:ci:*", {"sub": "system:serviceaccount:default:builder"}),
    ],
)
def test_a_trust_policy_says_whose_jobs_may_become_the_role(on, clock, issuer, trusted, claims, pattern, another):
    role = a_role(
        on,
        issuer,
        {"StringEquals": {f"{issuer.host}:aud": AUDIENCE}, "StringLike": {f"{issuer.host}:sub": pattern}},
    )
    if another:
        session, identity = assume(on, issuer.token(issuer.claims(clock(), **claims)))
        assert (session.entity_id, session.name, identity.subject) == (role.id, "run-1", claims["sub"])

    with pytest.raises(errors.StsAccessDenied) as caught:
        assume(on, issuer.token(issuer.claims(clock(), **claims | another)))

    assert caught.value.message == DENIED


def test_a_trust_policy_may_ask_for_every_claim_that_is_text(on, clock, issuer, trusted):
    a_role(on, issuer, {"StringEquals": {f"{issuer.host}:repository_owner": "acme"}})
    assume(on, issuer.token(issuer.claims(clock(), **GITHUB)))

    with pytest.raises(errors.StsAccessDenied):
        assume(on, issuer.token(issuer.claims(clock(), **GITHUB | {"repository_owner": "evil"})))


@pytest.mark.parametrize("name", ["SUB", "Sub", "AUD", "Aud", "oaud", "OAUD"])
def test_no_other_claim_passes_for_the_subject_or_the_audience(on, clock, issuer, trusted, name):
    key = name.lower()
    a_role(on, issuer, {"StringEquals": {f"{issuer.host}:{key}": "an administrator"}})

    with pytest.raises(errors.StsAccessDenied):
        assume(on, issuer.token(issuer.claims(clock(), **{name: "an administrator"})))


def test_whoever_a_token_was_made_for_is_its_audience_to_policies(on, clock, issuer, trusted):
    a_role(on, issuer, {"StringEquals": {f"{issuer.host}:aud": "an-app", f"{issuer.host}:oaud": AUDIENCE}})

    session, identity = assume(on, issuer.token(issuer.claims(clock(), azp="an-app")))

    assert identity.audience == "an-app"
    assert session.facts[f"{issuer.host}:oaud"] == AUDIENCE


def test_what_policies_may_ask_of_the_token_lasts_as_long_as_the_session(on, clock, issuer, trusted):
    a_role(on, issuer)

    session, _ = assume(on, issuer.token(issuer.claims(clock(), amr=["pwd", "otp"], **GITHUB)))

    assert {key: fact for key, fact in session.facts.items() if not key.startswith(("aws:token", "aws:multi"))} == {
        "aws:federatedprovider": f"arn:aws:iam::{HOME.account_id}:oidc-provider/{issuer.host}",
        f"{issuer.host}:sub": GITHUB["sub"],
        f"{issuer.host}:aud": AUDIENCE,
        f"{issuer.host}:amr": ["pwd", "otp"],
    }


def test_a_role_that_trusts_no_provider_is_not_told_from_one_that_is_not_there(on, clock, issuer, trusted):
    registry.iam.roles.create(
        on,
        HOME.account_id,
        "ci",
        json.dumps({"Version": "2012-10-17", "Statement": [
            {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}),
    )  # fmt: skip
    token = issuer.token(issuer.claims(clock()))
    texts = []
    for name in ("ci", "nobody"):
        with pytest.raises(errors.StsAccessDenied) as caught:
            assume(on, token, f"arn:aws:iam::{HOME.account_id}:role/{name}")
        texts.append(caught.value.message)

    assert texts == [DENIED, DENIED]


def test_a_role_that_trusts_another_provider_is_refused(on, clock, authority, issuer, trusted):
    another = Issuer(authority)
    try:
        trust(on, another)
        a_role(on, another)
    finally:
        another.close()

    with pytest.raises(errors.StsAccessDenied, match=DENIED):
        assume(on, issuer.token(issuer.claims(clock())))


# ---- What a provider sets

TAGS = {"principal_tags": {"Team": ["api"], "Stage": "prod"}, "transitive_tag_keys": ["team"]}


def test_a_provider_may_tag_the_session(on, clock, issuer, trusted):
    a_role(on, issuer, {"StringEquals": {"aws:RequestTag/Team": "api"}}, actions=(ASSUME, "sts:TagSession"))

    session, _ = assume(on, issuer.token(issuer.claims(clock(), **{"https://aws.amazon.com/tags": TAGS})))

    assert session.tags == {"Team": "api", "Stage": "prod"}
    assert session.transitive_keys == ("Team",)


def test_tags_need_a_trust_that_allows_them(on, clock, issuer, trusted):
    a_role(on, issuer)

    with pytest.raises(errors.StsAccessDenied, match="Not authorized to perform sts:TagSession"):
        assume(on, issuer.token(issuer.claims(clock(), **{"https://aws.amazon.com/tags": TAGS})))


def test_a_provider_may_tell_the_source_identity(on, clock, issuer, trusted):
    a_role(on, issuer, actions=(ASSUME, "sts:SetSourceIdentity"))

    session, _ = assume(on, issuer.token(issuer.claims(clock(), **{"https://aws.amazon.com/source_identity": "ann"})))

    assert session.source_identity == "ann"


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("tags", "no"),
        ("tags", []),
        ("tags", {"principal_tags": []}),
        ("tags", {"principal_tags": {"a": ["b", "c"]}}),
        ("tags", {"principal_tags": {"a": 5}}),
        ("tags", {"principal_tags": {"a": "<b>"}}),
        ("tags", {"principal_tags": {"": "b"}}),
        ("tags", {"principal_tags": {"a" * 129: "b"}}),
        ("tags", {"principal_tags": {"a": "b" * 257}}),
        ("tags", {"principal_tags": {"a": "1", "A": "2"}}),
        ("tags", {"principal_tags": {"aws:a": "1"}}),
        ("tags", {"principal_tags": {str(n): "1" for n in range(51)}}),
        ("tags", {"principal_tags": {"a": "b"}, "transitive_tag_keys": "a"}),
        ("tags", {"principal_tags": {"a": "b"}, "transitive_tag_keys": ["c"]}),
        ("source_identity", 5),
        ("source_identity", "a"),
        ("source_identity", "a b"),
        ("source_identity", "a" * 65),
    ],
)
def test_a_claim_about_the_session_that_cannot_be_followed_is_refused(on, clock, issuer, trusted, claim, value):
    token = issuer.token(issuer.claims(clock(), **{f"https://aws.amazon.com/{claim}": value}))

    assert f"https://aws.amazon.com/{claim}" in refused(on, token, errors.IDPRejectedClaim)


def test_a_refusal_begins_no_session(on, clock, issuer, trusted):
    a_role(on, issuer)
    for token in ("nope", issuer.token(issuer.claims(clock(), aud="another"))):
        with pytest.raises(errors.InvalidIdentityToken):
            assume(on, token)

    with on.database.snapshot() as tx:
        assert store.secrets.find_all(tx, "session-key") == {}


# ---- How often


def count(on, token, peer):
    """How often an address may come with a token at once, if it is right or not."""
    for times in range(100):
        try:
            assume(on, token, peer=peer)
        except errors.InvalidIdentityToken:
            pass
        except errors.Throttling:
            return times
    return None


@pytest.mark.parametrize(
    ("mine", "others"),
    [
        ("192.0.2.1", ["192.0.2.2", "::ffff:192.0.2.3"]),
        ("::ffff:192.0.2.1", ["192.0.2.2"]),
        ("2001:db8::1", ["2001:db8:0:1::1", "192.0.2.2"]),
        ("fe80::1%eth0", ["192.0.2.2"]),
        ("a socket", ["192.0.2.2"]),
    ],
)
def test_an_address_comes_only_so_often_whatever_its_tokens_are(on, mine, others):
    on = replace(on, web_identity_throttle=Throttle({"address": 2}, lambda: 0.0))

    assert count(on, "nope", mine) == 2 * BURST_SECONDS
    for other in others:
        assert count(on, "nope", other) == 2 * BURST_SECONDS
    assert count(on, "nope", mine) == 0


def test_the_addresses_of_one_network_of_ipv6_are_one_client(on):
    on = replace(on, web_identity_throttle=Throttle({"address": 2}, lambda: 0.0))

    assert [count(on, "nope", f"2001:db8::{n}") for n in (1, 2)] == [2 * BURST_SECONDS, 0]


def test_only_proven_tokens_count_against_their_provider(on, clock, issuer, trusted):
    a_role(on, issuer)
    on = replace(on, web_identity_throttle=Throttle({"provider": 2}, lambda: 0.0))
    right = issuer.token(issuer.claims(clock()))
    forged = f"{right.rpartition('.')[0]}.{'A' * 342}"

    assert count(on, forged, "192.0.2.1") is None
    assert count(on, right, "192.0.2.1") == 2 * BURST_SECONDS
    assert count(on, right, "192.0.2.2") == 0
