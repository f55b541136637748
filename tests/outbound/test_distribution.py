"""A registry elsewhere: what is had from it, what is given to it, and what it cannot make us do."""

from __future__ import annotations

import json
import os
import threading
from ipaddress import ip_address, ip_network

import pytest

from holdfast.model.remotes import AccessKey, Password, Remote
from holdfast.outbound.distribution import (
    Lied,
    NotThere,
    Pusher,
    Refused,
    Rejected,
    TooManyRequests,
    Unreachable,
    Wire,
)
from tests import builders
from tests.hostile import Hostile
from tests.issuer import Authority

HERE = [ip_network("127.0.0.0/8")]
NAME = "some/where"
LARGE = os.urandom(700_000)


@pytest.fixture
def server():
    with Hostile() as running:
        yield running


@pytest.fixture
def remote(server):
    return pusher(server)


def pusher(server, credentials=None, allowed=HERE, **members):
    return Pusher(Remote(server.address, is_plain=True, **members), credentials, wire=Wire(allowed))


def read(remote, digest, start=0, **members):
    return b"".join(remote.read_blob(NAME, digest, start, pause=lambda _: None, **members))


# ---- Pulling


def test_a_manifest_is_had_by_tag_and_by_digest(server, remote):
    image = server.add_image(NAME, "v1")

    by_tag, by_digest = remote.manifest(NAME, "v1"), remote.manifest(NAME, image.digest)

    assert by_tag == by_digest
    assert (by_tag.digest, by_tag.media_type, by_tag.body) == (image.digest, image.media_type, image.body)
    assert remote.stat_manifest(NAME, "v1").digest == image.digest
    with pytest.raises(NotThere, match="MANIFEST_UNKNOWN"):
        remote.manifest(NAME, "v2")


def test_a_tag_whose_digest_is_not_told_is_read(server, remote):
    image = server.add_image(NAME, "v1")
    server.trick("HEAD", "manifests/v1", lambda handler: handler.say(200, image.body, content_type=image.media_type))

    assert remote.stat_manifest(NAME, "v1").digest == image.digest


@pytest.mark.parametrize("reference", ["v1", "digest"])
def test_bytes_that_are_not_what_they_are_called_are_refused(server, remote, reference):
    image = server.add_image(NAME, "v1")
    reference = image.digest if reference == "digest" else reference
    server.trick("GET", "manifests", lambda handler: handler.say(200, b"{}", docker_content_digest=image.digest))

    with pytest.raises(Lied):
        remote.manifest(NAME, reference)


def test_a_manifest_without_end_is_refused(server, remote):
    server.trick("GET", "manifests", lambda handler: handler.say(200, bytes(5 * 1024 * 1024)))

    with pytest.raises(Lied, match="more than"):
        remote.manifest(NAME, "v1")


def test_a_blob_is_had_from_any_offset(server, remote):
    digest = server.add_blob(LARGE)

    assert remote.stat_blob(NAME, digest) == len(LARGE)
    assert read(remote, digest) == LARGE
    assert read(remote, digest, 500_000) == LARGE[500_000:]


def test_a_server_without_ranges_gives_the_rest_all_the_same(server, remote):
    digest = server.add_blob(LARGE)
    server.trick("GET", "blobs", lambda handler: handler.say(200, LARGE))

    assert read(remote, digest, 500_000) == LARGE[500_000:]


def test_a_blob_that_breaks_off_is_gone_on_with(server, remote):
    digest = server.add_blob(LARGE)
    server.trick("GET", "blobs", lambda handler: handler.cut(200, LARGE[:300_000], len(LARGE)), times=1)

    assert read(remote, digest) == LARGE
    assert server.count("GET", "blobs") == 2


def test_a_blob_that_breaks_off_at_once_is_given_up(server, remote):
    digest = server.add_blob(LARGE)
    server.trick("GET", "blobs", lambda handler: handler.cut(200, b"", len(LARGE)))

    with pytest.raises(Unreachable, match="broke off"):
        read(remote, digest)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda handler: handler.say(200, b"x" + LARGE[1:]), "other bytes"),
        (lambda handler: handler.say(200, LARGE[:-1]), "must have"),
        (lambda handler: handler.say(200, LARGE, content_encoding="gzip"), "encoding"),
    ],
    ids=["bytes", "size", "encoding"],
)
def test_a_blob_that_is_not_what_it_should_be_is_refused(server, remote, answer, words):
    digest = server.add_blob(LARGE)
    server.trick("GET", "blobs", answer)

    with pytest.raises(Lied, match=words):
        read(remote, digest, size_bytes=len(LARGE))


@pytest.mark.parametrize("told", ["bytes 0-699999/700000", "bytes 500000-600000/700000", "bytes 500000-699999/*", "x"])
def test_another_range_than_was_asked_for_is_refused(server, remote, told):
    digest = server.add_blob(LARGE)
    server.trick("GET", "blobs", lambda handler: handler.say(206, LARGE[500_000:], content_range=told))

    with pytest.raises(Lied, match="range"):
        read(remote, digest, 500_000)


def test_tags_are_listed_over_pages(server, remote):
    image = server.add_image(NAME)
    for number in range(1500):
        server.manifests[NAME, f"v{number:04}"] = image.media_type, image.body

    assert list(remote.tags(NAME)) == [f"v{number:04}" for number in range(1500)]


def test_a_list_that_goes_on_elsewhere_or_is_none_is_refused(server, remote):
    server.trick("GET", "tags", lambda handler: handler.say(200, b"{}", link='<http://127.0.0.2/v2/>; rel="next"'))
    with pytest.raises(Lied, match=r"goes on .* at 127\.0\.0\.2"):
        list(remote.tags(NAME))
    server.trick("GET", "tags", lambda handler: handler.say(200, b"[]"))
    with pytest.raises(Lied):
        list(remote.tags(NAME))


@pytest.mark.parametrize("has_api", [True, False])
def test_referrers_are_found_by_the_api_or_by_the_tag_in_place_of_it(server, remote, has_api):
    server.has_referrers = has_api
    image = server.add_image(NAME)
    signature = server.add_image(NAME, seed="sig", subject=image.descriptor, artifactType="application/sig")
    if not has_api:
        listed = builders.document(
            builders.OCI_INDEX, manifests=[{**signature.descriptor, "artifactType": "application/sig"}]
        )
        server.add(NAME, listed, image.digest.replace(":", "-"))

    assert [one.digest for one in remote.referrers(NAME, image.digest)] == [signature.digest]
    assert remote.referrers(NAME, image.digest, "application/other") == []
    assert remote.referrers(NAME, signature.digest) == []


# ---- Pushing


def test_an_image_is_given(server, remote):
    image = builders.an_image(
        lambda data: remote.push_blob(NAME, builders.digest(data), len(data), lambda at: [data[at:]])
    )

    told = remote.push_manifest(NAME, "v1", image.media_type, image.body)

    assert told.digest == image.digest
    assert server.manifests[NAME, "v1"] == (image.media_type, image.body)
    assert len(server.blobs) == 2
    assert remote.delete_manifest(NAME, image.digest)
    assert not remote.delete_manifest(NAME, image.digest)


def test_what_is_there_is_not_sent_and_what_another_repository_has_is_mounted(server, remote):
    digest = server.add_blob(LARGE)

    def never(_):
        raise AssertionError

    assert not remote.push_blob(NAME, digest, len(LARGE), never)
    assert remote.mount(NAME, digest, "other")
    assert not remote.mount(NAME, builders.digest(b"no"), "other")


def test_an_upload_is_resumed_where_it_broke_off(server, remote):
    digest, sent = builders.digest(LARGE), []

    def source(start):
        sent.append(start)
        yield LARGE[start:]

    def breaks(handler):
        first = int(handler.headers["content-range"].partition("-")[0])
        if first != 200_000:
            return False
        server.uploads["1"] += handler.rfile.read(50_000)  # and no answer
        handler.close_connection = True
        return True

    server.trick("PATCH", "uploads/1", breaks, times=2)

    assert remote.push_blob(NAME, digest, len(LARGE), source, chunk_bytes=200_000, pause=lambda _: None)
    assert server.blobs[digest] == LARGE
    assert sent == [0, 200_000, 250_000, 450_000, 650_000]


def test_an_upload_that_the_remote_forgot_begins_anew(server, remote):
    digest = builders.digest(LARGE)

    def forgets(handler):
        handler.body()
        del server.uploads["1"]
        return handler.error(404, "BLOB_UPLOAD_UNKNOWN")

    server.trick("PATCH", "uploads/1", forgets)

    assert remote.push_blob(NAME, digest, len(LARGE), lambda at: [LARGE[at:]], pause=lambda _: None)
    assert server.blobs == {digest: LARGE}


def test_an_upload_whose_last_answer_was_lost_counts(server, remote):
    digest = builders.digest(LARGE)

    def loses(handler):
        server.blobs[digest] = bytes(server.uploads.pop("1"))
        handler.close_connection = True
        return True

    server.trick("PUT", "uploads/1", loses)

    assert remote.push_blob(NAME, digest, len(LARGE), lambda at: [LARGE[at:]], pause=lambda _: None)
    assert server.count("POST", "uploads") == 1


def test_what_the_remote_will_not_take_is_told_with_its_words(server, remote):
    server.trick("PUT", "manifests", lambda handler: handler.body() and handler.error(400, "TAG_INVALID"))

    with pytest.raises(Rejected, match=r"400 .* TAG_INVALID so it says") as caught:
        remote.push_manifest(NAME, "v1", builders.OCI_MANIFEST, b"{}")
    assert caught.value.code == "TAG_INVALID"


# ---- As whom


def test_a_password_is_sent_once_it_is_asked_for(server):
    server.basic = "name:password"
    server.add_image(NAME, "v1")

    pusher(server, Password("name", "password")).manifest(NAME, "v1")

    assert [bool(given) for given in server.authorizations] == [False, True]
    with pytest.raises(Refused, match="answered 401"):
        pusher(server, Password("name", "wrong")).ping()
    with pytest.raises(Refused, match="without credentials"):
        pusher(server).ping()


def test_a_token_is_fetched_once_and_again_when_it_is_over(server):
    server.basic, server.token = "name:password", "first"
    server.add_image(NAME, "v1")
    remote = pusher(server, Password("name", "password"))

    remote.manifest(NAME, "v1")
    remote.manifest(NAME, "v1")
    assert server.count("GET", "/token") == 1
    assert "scope=repository%3Asome%2Fwhere%3Apull" in next(path for _, path in server.asked if "/token" in path)

    server.token = "second"
    remote.manifest(NAME, "v1")
    assert server.count("GET", "/token") == 2


def test_a_realm_is_judged_like_an_address(server):
    def elsewhere(handler):
        return handler.error(401, "UNAUTHORIZED", www_authenticate='Bearer realm="http://169.254.169.254/token"')

    server.trick("GET", "/v2/", elsewhere)

    with pytest.raises(Unreachable, match=r"169\.254\.169\.254 is not spoken to in plain HTTP"):
        pusher(server, Password("name", "password")).ping()


def test_a_token_that_could_break_a_header_is_none(server):
    server.token = "in\r\njected"

    with pytest.raises(Unreachable, match="without a token"):
        pusher(server).ping()


def test_an_access_key_gets_a_login_token(server):
    server.basic = "AWS:secret"

    def token(handler):
        handler.body()
        assert "/us-east-1/ecr/aws4_request" in handler.headers["authorization"]
        given = {"authorizationToken": "QVdTOnNlY3JldA==", "expiresAt": 4e9}
        return handler.say(200, json.dumps({"authorizationData": [given]}).encode())

    server.trick("POST", "^/$", token)
    remote = pusher(server, AccessKey("AKIAEXAMPLE", "secret", "us-east-1"))

    remote.ping()
    remote.ping()

    assert server.count("POST", "^/$") == 1


# ---- Where it leads


def test_a_redirect_is_followed_without_credentials(server):
    server.basic = "name:password"
    digest = server.add_blob(LARGE)
    with Hostile(host="127.0.0.2") as store:
        store.add_blob(LARGE)
        server.trick("GET", "blobs", lambda handler: handler.say(307, location=f"{store.url}/v2/x/blobs/{digest}"))

        assert read(pusher(server, Password("name", "password")), digest) == LARGE

    assert store.authorizations == [""]


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/",
        "http://[::1]/",
        "https://127.0.0.1.nip.example/",
        "file:///etc/passwd",
        "//user@127.0.0.1/",
        "",
    ],
)
def test_a_redirect_to_where_nothing_may_be_fetched_is_not_followed(server, location):
    def resolve(host, _):
        return [ip_address("127.0.0.1" if host == "127.0.0.1" else "10.0.0.9" if "nip" in host else host)]

    server.trick("GET", "blobs", lambda handler: handler.say(307, location=location))
    remote = Pusher(Remote(server.address, is_plain=True), wire=Wire([ip_network("127.0.0.1/32")], resolve=resolve))

    with pytest.raises(Unreachable):
        read(remote, builders.digest(LARGE))


def test_plain_http_is_spoken_where_the_operator_allows_it_only(server):
    with pytest.raises(Unreachable, match="is not spoken to in plain HTTP"):
        pusher(server, allowed=[]).ping()
    public = Wire([], resolve=lambda *_: [ip_address("8.8.8.8")])
    with pytest.raises(Unreachable, match="is not spoken to in plain HTTP"):
        Pusher(Remote("example.org", is_plain=True), wire=public).ping()


def test_a_remote_may_have_a_ca_of_its_own(tmp_path):
    authority = Authority(tmp_path)
    with Hostile(tls=authority.server("localhost")) as server:
        remote = Remote(f"localhost:{server.port}", ca_pem=authority.file.read_text())
        Pusher(remote, wire=Wire(HERE, remote.ca_pem)).ping()
        with pytest.raises(Unreachable, match="certificate verify failed: self-signed"):
            Pusher(remote, wire=Wire(HERE)).ping()


# ---- Bad days


@pytest.mark.parametrize(
    ("status", "code", "fault"),
    [
        (403, "DENIED", Refused),
        (404, "NAME_UNKNOWN", NotThere),
        (429, "TOOMANYREQUESTS", TooManyRequests),
        (500, "UNKNOWN", Unreachable),
        (400, "NAME_INVALID", Rejected),
    ],
)
def test_each_refusal_is_told_apart(server, remote, status, code, fault):
    server.trick("GET", "manifests", lambda handler: handler.error(status, code, retry_after="7"))

    with pytest.raises(fault, match=f"answered {status} for GET /v2/some/where/manifests/v1: {code}") as caught:
        remote.manifest(NAME, "v1")
    assert getattr(caught.value, "retry_after_seconds", 7) == 7


def test_a_server_that_hung_up_in_between_is_asked_again(server, remote):
    server.add_image(NAME, "v1")

    def last(handler):
        handler.close_connection = True  # without saying so
        return False

    server.trick("GET", "manifests", last)

    assert remote.manifest(NAME, "v1") == remote.manifest(NAME, "v1")


def test_an_answer_may_take_longer_than_a_connection(server, remote, monkeypatch):
    monkeypatch.setattr("holdfast.outbound.distribution.wire.CONNECT_SECONDS", 0.2)
    image = server.add_image(NAME, "v1")

    def thinks(_):
        threading.Event().wait(0.3)
        return False

    server.trick("GET", "manifests", thinks, times=1)

    assert remote.manifest(NAME, "v1").digest == image.digest
    assert server.count("GET", "manifests") == 1


def test_a_server_that_answers_no_more_on_a_connection_that_was_kept_is_unreachable(server, remote, monkeypatch):
    server.add_image(NAME, "v1")
    remote.stat_manifest(NAME, "v1")
    monkeypatch.setattr("holdfast.outbound.distribution.session.SECONDS", 0.2)
    monkeypatch.setattr("holdfast.outbound.distribution.wire.READ_SECONDS", 0.2)
    server.trick("HEAD", "manifests/v1", lambda handler: handler.rfile.read(1) and True)  # until the client hangs up

    with pytest.raises(Unreachable):
        remote.stat_manifest(NAME, "v1")


def test_an_answer_that_comes_in_drops_is_given_up(server, remote, monkeypatch):
    monkeypatch.setattr("holdfast.outbound.distribution.session.SECONDS", 0.3)
    is_over = threading.Event()

    def drips(handler):
        while not is_over.wait(0.05):
            handler.wfile.write(b"X")

    server.trick("GET", "manifests", drips)

    with pytest.raises(Unreachable, match="did not answer within"):
        remote.manifest(NAME, "v1")
    is_over.set()


def test_what_a_remote_says_is_told_without_what_could_fool_a_reader(server, remote):
    server.trick("GET", "manifests", lambda handler: handler.say(400, b"a\x1b[31m\r\nb" + b"c" * 1000))

    with pytest.raises(Rejected) as caught:
        remote.manifest(NAME, "v1")
    assert "\x1b" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 500
