"""Signatures are believed exactly when AWS would believe them, and refused in AWS's words."""

import hashlib
import json
import string
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.utils import normalize_url_path
from hypothesis import given
from hypothesis import strategies as st

from holdfast.aws import signature
from holdfast.aws.signature import Head, SignatureFault

NOW = datetime(2026, 8, 30, 12, 36, 0, tzinfo=UTC)
KEY_ID, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
SERVICES = {"ecr", "iam", "sts"}
EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
DATA = Path(__file__).parent / "data"
AWS_TEST_SUITE = json.loads((DATA / "aws4_testsuite.json").read_text())
FAULTS = json.loads((DATA / "signature_faults.json").read_text())
BY_QUERY = "X-Amz-Algorithm=AWS4-HMAC-SHA256"
LATIN_1 = st.characters(max_codepoint=255)

TARGET = "AmazonEC2ContainerRegistry_V20150921.DescribeRepositories"
JSON_HEADERS = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": TARGET}


def wire(text):
    """Text as its UTF-8 bytes read as Latin-1."""
    return text.encode().decode("latin-1")


def signed(url="https://ecr.example/", *, method="POST", headers=(), body=b"", token=None, service="ecr", signer=None):
    """A request signed by botocore, as a server receives it."""
    request = AWSRequest(method, url, data=body)
    for name, value in dict(headers).items() if isinstance(headers, dict) else headers:
        request.headers.add_header(name, value)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.auth.get_current_datetime", lambda: NOW.replace(tzinfo=None))
        (signer or SigV4Auth)(Credentials(KEY_ID, SECRET, token), service, "eu-central-1").add_auth(request)
    parts = urlsplit(request.url)
    received = [("host", parts.netloc), *((name.lower(), wire(value)) for name, value in request.headers.items())]
    return Head(method, wire(parts.path), wire(parts.query), received)


def presigned(url="https://sts.example/?Action=GetCallerIdentity&Version=2011-06-15", *, expires=60, **more):
    def signer(*arguments):
        return SigV4QueryAuth(*arguments, expires=expires)

    return signed(url, **{"method": "GET", "service": "sts", **more}, signer=signer)


def verify(head, body=b"", now=NOW, services=SERVICES, secret=SECRET, **more):
    claim = signature.read(head, now, services=services, **more)
    signature.prove(head, claim, secret, hashlib.sha256(body).hexdigest(), now)
    return claim


def with_header(head, name, value):
    """The request with one header set, or gone if the value is None."""
    others = [(key, old) for key, old in head.headers if key != name]
    return replace(head, headers=others if value is None else [*others, (name, value)])


# ---- What is believed


@pytest.mark.parametrize("case", AWS_TEST_SUITE["cases"], ids=lambda case: case["name"])
def test_every_vector_that_aws_publishes_is_believed(case):
    headers = [(name, wire(value)) for name, value in case["headers"]]
    plain = Head(case["method"], wire(case["path"]), wire(case["query"]), headers)
    head = with_header(plain, "authorization", case["authorization"])
    now = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)

    claim = verify(head, case["body"].encode(), now, {AWS_TEST_SUITE["service"]})

    body_sha256 = hashlib.sha256(case["body"].encode()).hexdigest()
    assert signature.canonical_request(head, claim, body_sha256).decode() == case["canonical_request"]


ODD_REQUESTS = {
    "as boto3 sends it": {"headers": JSON_HEADERS, "body": b'{"maxResults":10}'},
    "with a session token": {"headers": JSON_HEADERS, "body": b"{}", "token": "Fwo/Gzrd+token=="},
    "query out of order": {"url": "https://ecr.example/?b=2&a=2&B=1&a=1&a=&c"},
    "query with spaces and pluses": {"url": "https://ecr.example/?a=x%20y&b=x%2By&c%20d=%2520"},
    "query with equal signs": {"url": "https://ecr.example/?a=b%3Dc&d=~-_."},
    "query with encoded unicode": {"url": "https://ecr.example/?%E1%88%B4=b%C3%A4r"},
    "query named like a signature": {"url": "https://ecr.example/?X-Amz-Signature=1"},
    "unicode path": {"url": "https://ecr.example/häuser/ሴ/"},
    "encoded path": {"url": "https://ecr.example/a%20b/%E1%88%B4"},
    "crooked path": {"url": "https://ecr.example//a/./b/../c//"},
    "path with reserved characters": {"url": "https://ecr.example/a:b@c,d;e=f+g~h"},
    "repeated headers": {"headers": [("My-Header", "b"), ("Other", "x"), ("My-Header", "a"), ("My-Header", "a")]},
    "many spaces": {"headers": {"My-Header": '  a \t b   "c   d"  ', "Empty": ""}},
    "unicode header": {"headers": {"My-Header": "Grüße à la carte"}},
    "host with port": {"url": "http://127.0.0.1:5000/", "body": b"x"},
    "announced hash": {"headers": {"X-Amz-Content-SHA256": hashlib.sha256(b"x").hexdigest()}, "body": b"x"},
    "lower case method": {"method": "post"},
}


@pytest.mark.parametrize("odd", ODD_REQUESTS.values(), ids=ODD_REQUESTS)
def test_a_request_signed_by_botocore_is_believed(odd):
    head = signed(**odd)

    claim = verify(head, odd.get("body", b""))

    assert (claim.access_key_id, claim.region, claim.service) == (KEY_ID, "eu-central-1", "ecr")
    assert (claim.signed_at, claim.session_token, claim.presigned) == (NOW, odd.get("token"), False)


def test_the_host_may_be_signed_by_the_name_that_http_2_has_for_it():
    class Http2(SigV4Auth):
        def headers_to_sign(self, request):
            headers = super().headers_to_sign(request)
            headers[":authority"] = headers["host"]
            del headers["host"]
            return headers

    assert ":authority" in verify(signed(signer=Http2)).signed_headers


ODD_PRESIGNED = {
    "as aws-iam-authenticator asks": {"headers": {"x-k8s-aws-id": "cluster"}},
    "with a session token": {"token": "Fwo/Gzrd+token=="},
    "out of order": {"url": "https://sts.example/?b=2&a=1&Z=%20&c="},
    "unicode": {"url": "https://sts.example/ሴ?n=b%C3%A4r"},
    "by POST": {"method": "POST"},
}


@pytest.mark.parametrize("odd", ODD_PRESIGNED.values(), ids=ODD_PRESIGNED)
def test_a_request_presigned_by_botocore_is_believed(odd):
    head = presigned(**odd)

    claim = verify(head)

    assert (claim.access_key_id, claim.service, claim.session_token) == (KEY_ID, "sts", odd.get("token"))
    assert (claim.expires, claim.presigned) == (timedelta(seconds=60), True)


@given(st.text(alphabet="/.ab %~é", max_size=12))
def test_a_path_is_made_canonical_as_botocore_does(path):
    expected = quote(normalize_url_path(f"/{path}"), safe="/~")

    assert signature._canonical_path(wire(f"/{path}")).decode() == expected


def test_the_last_of_repeated_header_parameters_wins():
    head = signed()
    right = head.find("authorization")

    verify(with_header(head, "authorization", right.replace("Credential=", "Signature=00,Credential=no,Credential=")))


def test_the_first_of_repeated_query_parameters_wins():
    head = presigned()

    claim = signature.read(
        replace(head, query=f"{head.query}&X-Amz-Date=no&X-Amz-Signature=no"), NOW, services=SERVICES
    )

    assert claim.signed_at == NOW


@pytest.mark.parametrize("seconds", [-900, 0, 900])
def test_a_clock_may_differ_by_the_whole_window(seconds):
    verify(signed(), now=NOW + timedelta(seconds=seconds, milliseconds=999 if seconds == 900 else 0))


def test_a_session_token_may_be_added_after_signing():
    head = with_header(signed(), "x-amz-security-token", "token")

    assert verify(head).session_token == "token"


@pytest.mark.parametrize(("expires", "seconds"), [("0", 0), ("60", 60), ("901", 900), ("9" * 5000, 900), (None, 900)])
def test_a_presigned_request_lives_for_a_quarter_of_an_hour_at_most(expires, seconds):
    head = presigned()
    wanted = "" if expires is None else f"X-Amz-Expires={expires}"
    head = replace(head, query=head.query.replace("X-Amz-Expires=60", wanted))

    assert signature.read(head, NOW, services=SERVICES).expires == timedelta(seconds=seconds)


def test_a_narrow_window_for_clocks_leaves_presigned_requests_their_time():
    head = presigned(expires=900)

    verify(head, now=NOW + timedelta(minutes=15), window=timedelta(minutes=5))


# ---- What is refused, and how


@pytest.mark.parametrize("case", FAULTS["faults"], ids=lambda case: f"{case['check']}-{case['message'][:40]}")
def test_each_fault_has_the_codes_and_the_words_of_aws(case):
    head = Head(case["method"], "/", case["query"], [(name, value) for name, value in case["headers"]])

    with pytest.raises(SignatureFault) as fault:
        verify(head)

    assert fault.value.message == case["message"]
    assert fault.value.code == fault.value.json_code == case["json_code"]
    assert (fault.value.query_code, fault.value.query_status) == (case["query_code"], case["query_status"])
    assert fault.value.query_message == case.get("query_message", case["message"])


def test_one_service_is_named_alone_when_the_scope_is_another():
    with pytest.raises(SignatureFault) as fault:
        verify(signed(service="sts"), services={"ecr"})

    assert fault.value.message == "Credential should be scoped to correct service: 'ecr'."


def test_a_presigned_request_past_its_time_is_refused_after_its_signature_was_proven():
    later = NOW + timedelta(seconds=61)

    with pytest.raises(signature.RequestExpired) as fault:
        verify(presigned(), now=later)
    with pytest.raises(signature.SignatureDoesNotMatch):
        verify(presigned(), now=later, secret="another")

    assert (fault.value.json_code, fault.value.query_code) == ("InvalidSignatureException", "RequestExpired")
    assert (fault.value.query_status, fault.value.query_message) == (400, "Request has expired.")
    assert fault.value.message == (
        "Signature expired: 20260830T123600Z is now earlier than 20260830T123601Z (20260830T123701Z - 1 min.)"
    )


@pytest.mark.parametrize("expires", ["-1", "1.5", "x", ""])
def test_a_time_to_live_that_is_no_number_of_seconds_is_refused(expires):
    head = presigned()

    with pytest.raises(signature.IncompleteSignature):
        verify(replace(head, query=head.query.replace("X-Amz-Expires=60", f"X-Amz-Expires={expires}")))


@pytest.mark.parametrize("promise", ["UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", EMPTY_SHA256])
def test_a_promise_about_the_body_must_be_true_even_if_the_signature_is(promise):
    class BesideThePromise(SigV4Auth):
        def canonical_request(self, request):
            return super().canonical_request(request).removesuffix(promise) + self.payload(request)

    headers = {"X-Amz-Content-SHA256": promise}

    for signer in (SigV4Auth, BesideThePromise):
        with pytest.raises(signature.SignatureDoesNotMatch):
            verify(signed(headers=headers, body=b"{}", signer=signer), b"{}")


def test_a_fault_stays_on_one_line_whatever_it_quotes():
    query = (
        f"{BY_QUERY}&X-Amz-Credential=%0A%00%3C&X-Amz-Signature=&X-Amz-SignedHeaders=host&X-Amz-Date=20260830T123600Z"
    )

    with pytest.raises(SignatureFault) as fault:
        verify(Head("GET", "/", query, []))

    assert fault.value.message.endswith("got '??<'")


# ---- What nobody may change

BODY = b'{"maxResults":10}'
SIGNED = signed("https://ecr.example/a/b?c=1&d=2", headers={**JSON_HEADERS, "My-Header": "a b"}, body=BODY)
PRESIGNED = presigned("https://sts.example/a/b?Action=GetCallerIdentity&c=1", headers={"My-Header": "a b"}, token="abc")
SIGNED_HEADERS = ("host", "content-type", "x-amz-target", "x-amz-date", "my-header")


def changed(data, text, characters=string.ascii_uppercase + string.digits):
    """The text with one character exchanged for a capital or digit: `%2f` for `%2F` is no change."""
    at = data.draw(st.integers(0, len(text) - 1))
    return text[:at] + data.draw(st.sampled_from(characters.replace(text[at], ""))) + text[at + 1 :]


def changed_around(data, text, kept):
    """The text with one character exchanged, but not in the part that is kept."""
    start, end = text.split(kept)
    return changed(data, start) + kept + end if data.draw(st.booleans()) else start + kept + changed(data, end)


@given(st.data())
def test_no_character_of_a_signed_request_can_be_changed(data):
    head, body = SIGNED, BODY
    match data.draw(st.sampled_from(("method", "path", "query", "body", "authorization", *SIGNED_HEADERS))):
        case "method":
            head = replace(head, method=changed(data, head.method, string.ascii_uppercase))
        case "path":
            head = replace(head, path=changed(data, head.path))
        case "query":
            head = replace(head, query=changed(data, head.query))
        case "body":
            body = changed(data, body.decode()).encode()
        case "authorization":
            # Whose secret is looked up is not signed: only the right secret will do.
            text = changed_around(data, head.find("authorization"), KEY_ID)
            head = with_header(head, "authorization", text)
        case name:
            head = with_header(head, name, changed(data, head.find(name)))

    with pytest.raises(SignatureFault):
        verify(head, body)


@given(st.data())
def test_no_character_of_a_presigned_request_can_be_changed(data):
    query = changed_around(data, PRESIGNED.query, KEY_ID)

    with pytest.raises(SignatureFault):
        verify(replace(PRESIGNED, query=query))


@pytest.mark.parametrize("name", SIGNED_HEADERS)
def test_no_signed_header_can_be_dropped_or_doubled(name):
    doubled = replace(SIGNED, headers=[*SIGNED.headers, (name, "x")])

    with pytest.raises(SignatureFault):
        verify(with_header(SIGNED, name, None), BODY)
    with pytest.raises(SignatureFault):
        verify(doubled, BODY)


SCOPE = "K/20260830/eu-central-1/ecr/aws4_request"
WORDS = st.sampled_from(
    ["AWS4-HMAC-SHA256", " ", ",", "=", ";", "/", "é", "Credential=", "SignedHeaders=", "Signature=", "host", SCOPE]
)


@given(st.text(LATIN_1) | st.lists(WORDS).map("".join))
def test_garbage_for_a_signature_is_a_fault_of_the_caller(garbage):
    with pytest.raises(SignatureFault):
        verify(Head("POST", "/", "", [("host", "x"), ("x-amz-date", "20260830T123600Z"), ("authorization", garbage)]))


@given(
    st.text(LATIN_1)
    | st.dictionaries(
        st.sampled_from(["Credential", "Date", "Expires", "Security-Token", "Signature", "SignedHeaders"]),
        st.text(LATIN_1) | WORDS | st.just("20260830T123600Z"),
    ).map(lambda found: "&".join([BY_QUERY, *(f"X-Amz-{name}={quote(value)}" for name, value in found.items())]))
)
def test_garbage_for_a_query_is_a_fault_of_the_caller(garbage):
    with pytest.raises(SignatureFault):
        verify(Head("GET", "/", garbage, [("host", "sts.example")]))
