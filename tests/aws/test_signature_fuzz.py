"""Nothing makes the parser of signatures stumble, and nothing but what was signed is believed."""

import hashlib
from dataclasses import replace
from urllib.parse import unquote_to_bytes

import pytest
from botocore.utils import normalize_url_path
from hypothesis import given
from hypothesis import strategies as st

from holdfast.aws.signature import Head, SignatureFault
from tests.aws.test_signature import JSON_HEADERS, KEY_ID, NOW, presigned, signed, verify

BODY = b'{"maxResults":10}'
TELLING = {"host", "content-type", "x-amz-date", "x-amz-target", "x-amz-content-sha256"}  # headers that are acted on
LATIN_1 = st.text(st.characters(max_codepoint=255), max_size=40)
SCOPE = f"{KEY_ID}/{NOW:%Y%m%d}/eu-central-1/ecr/aws4_request"
FRAGMENTS = st.sampled_from([
    "AWS4-HMAC-SHA256", "Credential=", SCOPE, "SignedHeaders=", "host;x-amz-date", "Signature=", "0" * 64, ", ", ",",
    " ", "=", ";", "/", "%", "%2", "%zz", "&", "+", "\t", "\x00", "ÿ", f"{NOW:%Y%m%dT%H%M%SZ}", "99999999T999999Z",
    "-1", "9" * 30, "X-Amz-Algorithm=AWS4-HMAC-SHA256", "X-Amz-Credential=", "X-Amz-Date=", "X-Amz-Expires=",
    "X-Amz-SignedHeaders=", "X-Amz-Signature=", "X-Amz-Security-Token=", "UNSIGNED-PAYLOAD",
])  # fmt: skip
ODD = st.lists(FRAGMENTS | LATIN_1, max_size=14).map("".join)
NAMES = st.sampled_from(["authorization", "host", "x-amz-date", "date", "x-amz-security-token", "x-amz-target",
                         "x-amz-content-sha256", "content-type", ":authority"])  # fmt: skip
BASES = [
    signed("https://ecr.example/?a=1&b=%20x", headers=JSON_HEADERS, body=BODY),
    signed("https://ecr.example/", headers={**JSON_HEADERS, "X-Amz-Content-Sha256": hashlib.sha256(BODY).hexdigest()},
           body=BODY),
    presigned(),
]  # fmt: skip
BODIES = [BODY, BODY, b""]


@given(st.sampled_from(["GET", "POST", "", "ÿ"]), ODD, ODD, st.lists(st.tuples(NAMES | LATIN_1, ODD), max_size=6))
def test_whatever_comes_is_refused_in_words(method, path, query, headers):
    with pytest.raises(SignatureFault):
        verify(Head(method, f"/{path}", query, headers), BODY)


def meaning(head, claim, body):
    """What a server would do for a request, told without its own parser."""
    pairs = [part.partition("=")[::2] for part in head.query.split("&") if part]
    told = sorted((unquote_to_bytes(name), unquote_to_bytes(value)) for name, value in pairs)
    headers = {name: [" ".join(v.split()) for n, v in head.headers if n == name and v.strip()] for name in TELLING}
    if not body:
        headers.pop("content-type", None)  # of nothing
    who = (claim.access_key_id, claim.region, claim.service)
    query = [pair for pair in told if not pair[0].startswith(b"X-Amz-")]
    return head.method.upper(), normalize_url_path(head.path), query, headers, who, body


def changed(text, data):
    """A text with a piece taken out, put in or doubled."""
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(len(text), start + 3)))
    return text[:start] + data.draw(st.just("") | st.just(text[start:end] * 2) | FRAGMENTS | LATIN_1) + text[end:]


def mutated(head, data):
    """A request of which something else than the body was changed."""
    match data.draw(st.sampled_from(["method", "path", "query", "header", "new header", "order"])):
        case "method":
            return replace(head, method=data.draw(st.sampled_from(["GET", "PUT", "post", "POST", "DELETE"])))
        case "path":
            return replace(head, path="/" + changed(head.path, data).lstrip("/"))
        case "query":
            return replace(head, query=changed(head.query, data))
        case "header":
            headers = [*head.headers]
            number = data.draw(st.integers(0, len(headers) - 1))
            headers[number] = (headers[number][0], changed(headers[number][1], data))
            return replace(head, headers=headers)
        case "new header":
            name = data.draw(NAMES)
            before = [value for other, value in head.headers if other == name]
            return replace(head, headers=[*head.headers, (name, data.draw(ODD | st.sampled_from([*before, ""])))])
    return replace(head, headers=data.draw(st.permutations(head.headers)))


@given(st.sampled_from(range(len(BASES))), st.data())
def test_a_request_that_was_changed_is_refused_or_means_the_same(which, data):
    base, body = BASES[which], BODIES[which]
    original = verify(base, body)
    head, sent = base, body
    for _ in range(data.draw(st.integers(0, 3))):
        head = mutated(head, data)
    if data.draw(st.booleans()):
        sent = changed(sent.decode("latin-1"), data).encode("latin-1")

    try:
        claim = verify(head, sent)
    except SignatureFault:
        return

    if claim.session_token == original.session_token:  # else another secret would be asked, that of the session
        assert meaning(head, claim, sent) == meaning(base, original, body)
