"""Bytes that no honest client sends: every one gets one answer, and nobody else notices."""

import base64

import pytest

from tests import builders
from tests.callers import Http, Wire

DATA = b"0123456789"
MIB = 1024 * 1024
END = b"\r\n\r\n"
PING = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
LAST_PING = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def authorization(product):
    """The header of somebody who may push."""
    return f"Authorization: {product.http().authorization}".encode()


@pytest.fixture
def wire(product):
    with Wire(product.address) as opened:
        yield opened


@pytest.fixture
def registry(product, name):
    return product.registry(name)


def head(method, path, *lines):
    path = path if isinstance(path, bytes) else path.encode()
    return b"\r\n".join([method.encode() + b" " + path + b" HTTP/1.1", b"Host: x", *lines]) + END


def statuses(answers):
    return [answer.status for answer in answers]


def is_alive(product):
    return Http(product.address)("GET", "/healthz").status == 200


# Fails for the smaller ones: a head that arrives in one piece of up to 256 KiB is served whatever its size.
@pytest.mark.parametrize("size", [66_000, 100_000, MIB])
@pytest.mark.parametrize("where", ["value", "name", "many", "path"])
def test_a_head_that_is_too_large_is_refused(product, wire, size, where):
    if where == "path":
        data = b"GET /" + b"a" * size + b" HTTP/1.1\r\nHost: x"
    else:
        lines = {
            "value": b"X: " + b"a" * size,
            "name": b"X" * size + b": a",
            "many": b"X: a\r\n" * (size // 6) + b"Y: b",
        }
        data = b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + lines[where]

    wire.send(data, END)
    wire.finish()
    answers = wire.answers()

    assert statuses(answers) == [431]
    assert is_alive(product)


def test_a_head_that_never_ends_is_refused_before_it_ends(wire):
    wire.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n", b"X: a\r\n" * 20_000)

    assert statuses(wire.answers()) == [431]


def test_a_head_of_a_normal_large_size_is_served(wire, product, authorization):
    wire.send(head("GET", "/v2/", authorization, b"X: " + b"a" * 30_000))

    assert wire.answer().status == 200


@pytest.mark.parametrize(
    "garbage",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"hello\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET /healthz\r\n\r\n",
        b"GET /healthz HTTP/9.9\r\nHost: x\r\n\r\n",
        b"GET /healthz HTTQ/1.1\r\nHost: x\r\n\r\n",
        b"G\x00T /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /health\x00z HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /health z HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n: empty\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: a\x00b\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX : a\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: a\rY: b\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: a\r\n folded\r\n\r\n",
        b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x00" * 1000,
        b"\xff" * 1000,
    ],
    ids=range(19),
)
def test_what_is_no_request_is_refused(product, wire, garbage):
    wire.send(garbage)
    answers = wire.answers()

    assert statuses(answers) == [400]
    assert answers[0].headers["connection"] == "close"
    assert is_alive(product)


@pytest.mark.parametrize(
    "hosts", [b"", b"Host: x\r\nHost: x\r\n", b"Host: x\r\nhost: y\r\n"], ids=["none", "same", "two"]
)
def test_exactly_one_host_is_needed(wire, hosts):
    wire.send(b"GET /healthz HTTP/1.1\r\n", hosts, b"\r\n")

    assert statuses(wire.answers()) == [400]


def test_an_unknown_transfer_coding_is_refused(registry, wire, authorization):
    location = registry.begin_upload()

    wire.send(head("PATCH", location, authorization)[:-2], SMUGGLED["unknown coding"])
    wire.finish()

    assert statuses(wire.answers()) == [501]


SMUGGLED = {
    "length and chunks": b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "two lengths": b"Content-Length: 0\r\nContent-Length: 5\r\n\r\n",
    "the same length twice": b"Content-Length: 0\r\nContent-Length: 0\r\n\r\n",
    "a list of lengths": b"Content-Length: 0, 0\r\n\r\n",
    "length with plus": b"Content-Length: +0\r\n\r\n",
    "length with minus": b"Content-Length: -1\r\n\r\n",
    "length in hexadecimal": b"Content-Length: 0x0\r\n\r\n",
    "length with a space inside": b"Content-Length: 0 0\r\n\r\n",
    "length without digits": b"Content-Length: \r\n\r\n",
    "length beyond 64 bits": b"Content-Length: 18446744073709551616\r\n\r\n",
    "space before the colon": b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "tab before the colon": b"Content-Length\t: 0\r\n\r\n",
    "folded coding": b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    "control character before the coding": b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "unknown coding": b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "identity": b"Transfer-Encoding: identity\r\n\r\n",
    "chunked is not last": b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "chunked twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunk size with plus": b"Transfer-Encoding: chunked\r\n\r\n+0\r\n\r\n",
    "chunk size with minus": b"Transfer-Encoding: chunked\r\n\r\n-0\r\n\r\n",
    "chunk size with 0x": b"Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n",
    "chunk size with a space": b"Transfer-Encoding: chunked\r\n\r\n 0\r\n\r\n",
    "chunk size of no digits": b"Transfer-Encoding: chunked\r\n\r\n\r\n\r\n",
    "chunk size beyond 64 bits": b"Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\n",
    "chunk longer than its size": b"Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n",
    "chunk shorter than its size": b"Transfer-Encoding: chunked\r\n\r\n4\r\nabc\r\n0\r\n\r\n",
    "line feeds alone": b"Transfer-Encoding: chunked\n\n0\n\n",
    "chunk size behind a line feed alone": b"Transfer-Encoding: chunked\r\n\r\n0\n\r\n",
}


@pytest.mark.parametrize("shape", SMUGGLED)
def test_a_message_whose_end_is_in_doubt_is_never_followed_by_another(registry, wire, authorization, shape):
    """A proxy in front may see one request where we would see two (RFC 9112, section 11.2)."""
    location = registry.begin_upload()
    smuggled = head("DELETE", location, authorization)

    wire.send(head("PATCH", location, authorization)[:-2], SMUGGLED[shape], smuggled)
    wire.finish()
    answers = wire.answers()

    assert registry.http("GET", location).headers["range"] == "0-0"
    assert len(answers) <= 1
    assert all(answer.status >= 400 for answer in answers)


@pytest.mark.parametrize("shape", [shape for shape in SMUGGLED if shape.startswith("chunk ")])
def test_a_broken_body_is_answered_with_a_refusal(registry, wire, authorization, shape):
    location = registry.begin_upload()

    wire.send(head("PATCH", location, authorization)[:-2], SMUGGLED[shape])
    wire.finish()

    assert statuses(wire.answers()) == [400]


def test_a_transfer_coding_that_is_not_understood_is_refused(registry, wire, authorization):
    location = registry.begin_upload()

    wire.send(head("PATCH", location, authorization, b"Transfer-Encoding: gzip, chunked"), b"5\r\nhello\r\n0\r\n\r\n")
    wire.finish()

    assert statuses(wire.answers()) in ([400], [501])


def test_pipelined_requests_are_answered_in_order(registry, wire, authorization):
    images = [registry.push_image(f"v{number}") for number in range(5)]
    paths = []
    for number, image in enumerate(images):  # quick ones, slow ones and streams by turns
        paths += [
            f"{registry.base}/manifests/v{number}",
            f"{registry.base}/tags/list?n={number}",
            f"{registry.base}/blobs/{image.json()['layers'][0]['digest']}",
            f"{registry.base}/manifests/absent",
        ]

    wire.send(*[head("GET", path, authorization) for path in paths], LAST_PING)
    answers = wire.answers()

    assert statuses(answers) == [200, 200, 200, 404] * 5 + [200]
    assert [answer.body for answer in answers[0:20:4]] == [image.body for image in images]
    assert [len(answer.json()["tags"]) for answer in answers[1:20:4]] == [0, 1, 2, 3, 4]
    assert [answer.body for answer in answers[2:20:4]] == [b"layer v%d" % number for number in range(5)]


def test_pipelined_pushes_are_done_in_order(registry, wire, authorization):
    location = registry.begin_upload()
    requests = [
        head("PATCH", location, authorization, b"Content-Length: 1", b"Content-Range: %d-%d" % (n, n)) + DATA[n : n + 1]
        for n in range(10)
    ]
    complete = head("PUT", f"{location}?digest={builders.digest(DATA)}", authorization, b"Content-Length: 0")

    wire.send(*requests, complete, LAST_PING)

    assert statuses(wire.answers()) == [202] * 10 + [201, 200]


@pytest.mark.parametrize("first", ["quick", "slow"])
def test_dozens_of_pipelined_requests_are_all_answered(registry, wire, authorization, first):
    begin = PING if first == "quick" else head("GET", f"{registry.base}/tags/list", authorization)

    wire.send(begin, PING * 60, LAST_PING)

    assert statuses(wire.answers()) == [200] * 62


@pytest.mark.parametrize("first", ["quick", "slow"])
def test_thousands_of_pipelined_requests_are_refused_after_the_first(registry, wire, authorization, first):
    begin = PING if first == "quick" else head("GET", f"{registry.base}/tags/list", authorization)

    wire.send(begin, PING * 3000, LAST_PING)

    answers = statuses(wire.answers())
    assert answers[:64] == [200] * 64
    # Where the client is slower than the server nothing piles up, and there is nothing to refuse.
    assert answers[64:] in ([200] * (len(answers) - 64), [200] * (len(answers) - 65) + [429])
    assert answers[-1] == 429 or len(answers) == 3002


@pytest.mark.parametrize("last", [PING * 50_000, b"\x00garbage\r\n\r\n" + bytes(5 * MIB)])
def test_a_client_that_reads_late_gets_every_answer_before_the_refusal(product, last):
    with Wire(product.address, receive_bytes=1024) as wire:
        wire.send(PING * 60, last)

        answers = statuses(wire.answers())

    assert answers[:60] == [200] * 60
    assert answers[-1] in {400, 429}


def test_a_pipelined_large_body_waits_its_turn(registry, wire, authorization):
    data = b"x" * 8 * MIB
    push = head(
        "POST",
        f"{registry.base}/blobs/uploads/?digest={builders.digest(data)}",
        authorization,
        b"Content-Length: %d" % len(data),
    )

    wire.send(head("GET", f"{registry.base}/tags/list", authorization), push, data, LAST_PING)

    assert statuses(wire.answers()) == [200, 201, 200]


@pytest.mark.parametrize("first", ["quick", "slow"])
def test_what_came_before_garbage_is_answered(registry, wire, authorization, first):
    begin = PING if first == "quick" else head("GET", f"{registry.base}/tags/list", authorization)

    wire.send(begin, b"\x00garbage\r\n\r\n")

    assert statuses(wire.answers()) == [200, 400]


@pytest.mark.parametrize("first", ["quick", "slow"])
def test_what_follows_a_request_to_close_is_ignored(registry, wire, authorization, first):
    begin = LAST_PING if first == "quick" else head(
        "GET", f"{registry.base}/tags/list", authorization, b"Connection: close"
    )  # fmt: skip

    wire.send(begin, PING)

    assert statuses(wire.answers()) == [200]


@pytest.mark.parametrize("first", ["quick", "slow"])
def test_a_client_that_sends_no_more_is_answered_and_left(registry, wire, authorization, first):
    wire.send(PING if first == "quick" else head("GET", f"{registry.base}/tags/list", authorization))
    wire.finish()

    assert statuses(wire.answers()) == [200]


@pytest.mark.parametrize("path", ["/healthz", "/v2/", "{base}/tags/list"])
def test_http_1_0_is_answered_and_closed(registry, wire, authorization, path):
    wire.send(f"GET {path.format(base=registry.base)} HTTP/1.0\r\nHost: x\r\n".encode(), authorization, END)
    answers = wire.answers()

    assert statuses(answers) == [200]
    assert answers[0].headers["connection"] == "close"


def test_http_1_0_needs_no_host(wire):
    wire.send(b"GET /healthz HTTP/1.0\r\n\r\n")

    assert statuses(wire.answers()) == [200]


@pytest.mark.parametrize("path", ["/healthz", "{base}/tags/list"])
def test_an_offer_of_another_protocol_is_ignored(registry, wire, authorization, path):
    offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"

    wire.send(head("GET", path.format(base=registry.base), authorization, offer), LAST_PING)

    assert statuses(wire.answers()) == [200, 200]


def test_a_target_with_scheme_and_host_is_understood(wire):
    wire.send(b"GET http://x/healthz?a=b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")

    assert statuses(wire.answers()) == [200]


def test_a_body_that_nobody_asked_for_is_not_taken_for_a_request(wire, authorization):
    wire.send(head("GET", "/v2/", authorization, b"Content-Length: %d" % len(PING)), PING)
    wire.finish()

    assert statuses(wire.answers()) == [200]


def test_an_expected_100_comes_before_the_body(registry, wire, authorization):
    target = f"{registry.base}/blobs/uploads/?digest={builders.digest(DATA)}"
    wire.send(head("POST", target, authorization, b"Content-Length: 10", b"Expect: 100-continue"))

    encouraged = wire.answer()
    wire.send(DATA)
    answer = wire.answer()

    assert (encouraged.status, encouraged.headers) == (100, {})
    assert answer.status == 201


def test_an_expected_100_comes_for_a_manifest(registry, wire, authorization):
    index = builders.an_index()
    wire.send(head("PUT", f"{registry.base}/manifests/v1", authorization, b"Content-Type: " + index.media_type.encode(),
                   b"Content-Length: %d" % len(index.body), b"Expect: 100-Continue"))  # fmt: skip

    encouraged = wire.answer()
    wire.send(index.body)

    assert encouraged.status == 100
    assert wire.answer().status == 201


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v2/not/there/blobs/uploads/?digest=sha256:" + "0" * 64, 404),
        ("{base}/blobs/uploads/?digest=md5:0", 400),
        ("{base}/tags/list", 405),
    ],
)
def test_a_refused_request_gets_no_100(registry, wire, authorization, path, status):
    wire.send(head("POST", path.format(base=registry.base), authorization, b"Content-Length: 10000000",
                   b"Expect: 100-continue"))  # fmt: skip

    answer = wire.answer()

    assert answer.status == status
    assert answer.headers["connection"] == "close"


def test_a_caller_without_a_login_gets_no_100(registry, wire):
    wire.send(head("POST", f"{registry.base}/blobs/uploads/?digest=sha256:{'0' * 64}", b"Content-Length: 10",
                   b"Expect: 100-continue"))  # fmt: skip

    assert wire.answer().status == 401


@pytest.mark.parametrize("streamed", [True, False])
def test_a_large_upload_that_is_refused_early_can_read_the_refusal(product, wire, authorization, streamed):
    size = 30 * MIB
    length = b"Transfer-Encoding: chunked" if streamed else b"Content-Length: %d" % size

    wire.send(head("POST", f"/v2/not/there/blobs/uploads/?digest=sha256:{'0' * 64}", authorization, length))
    for _ in range(30):
        wire.send(b"100000\r\n" if streamed else b"", b"x" * MIB, b"\r\n" if streamed else b"")
    wire.send(b"0\r\n\r\n" if streamed else b"")
    answers = wire.answers()

    assert statuses(answers) == [404]
    assert answers[0].code == "NAME_UNKNOWN"


def test_a_body_that_breaks_after_its_refusal_gets_no_second_answer(wire, authorization):
    wire.send(head("PATCH", "/v2/not/there/blobs/uploads/x", authorization, b"Transfer-Encoding: chunked"))
    first = wire.answer()

    wire.send(b"no chunk\r\n")
    rest = wire.answers()

    assert first.status == 404
    assert rest == []


def test_clients_that_stop_in_the_middle_do_not_hold_up_others(product, registry, authorization):
    location = registry.begin_upload()
    stopped = [
        b"GET /healthz HT",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ",
        head("PATCH", location, authorization, b"Content-Length: 100") + b"some",
        head("PATCH", location, authorization, b"Transfer-Encoding: chunked") + b"5\r\nab",
    ]

    wires = [Wire(product.address) for _ in range(200)]
    for number, wire in enumerate(wires):
        wire.send(stopped[number % len(stopped)])
    image = registry.push_image("v1")
    answer = registry("GET", "/manifests/v1")
    for wire in wires:
        wire.__exit__()

    assert answer.body == image.body


def test_a_request_that_comes_byte_by_byte_is_understood(registry, wire, authorization):
    body = b"3;extension=x\r\n012\r\n7\r\n3456789\r\n0\r\nTrailer: x\r\n\r\n"
    target = f"{registry.base}/blobs/uploads/?digest={builders.digest(DATA)}"
    data = head("POST", target, b"Transfer-Encoding: chunked", authorization) + body

    for position in range(len(data)):
        wire.send(data[position : position + 1])

    assert wire.answer().status == 201


def test_a_trailer_that_is_too_large_is_refused(registry, wire, authorization):
    location = registry.begin_upload()

    wire.send(head("PATCH", location, authorization, b"Transfer-Encoding: chunked"), b"1\r\na\r\n0\r\n")
    wire.send(b"X-Trailer: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n" * 20_000, b"\r\n")
    wire.finish()

    assert statuses(wire.answers()) in ([400], [431], [])
    assert is_alive(registry.http)


def test_a_trailer_does_not_count_as_a_header(registry, wire, authorization):
    location = registry.begin_upload()

    wire.send(
        head("PATCH", location, authorization, b"Transfer-Encoding: chunked"),
        b"5\r\nhello\r\n0\r\nContent-Range: 0-999\r\n\r\n",
    )

    assert wire.answer().status == 202


@pytest.mark.parametrize(
    "path",
    [
        "/v2/../../etc/passwd",
        "/v2/%2e%2e/%2e%2e/etc/passwd",
        "/v2/..%2F..%2Fetc%2Fpasswd",
        "/../healthz",
        "//healthz",
        "/v2/a/../../../root.credentials",
        "/v2/a/blobs/..%2F..%2Fholdfast.db",
        "/v2/a/manifests/..%2f..%2fkeys%2flocal.json",
        "/layers/..%2Fkeys%2Flocal.json",
        "/layers/../keys/local.json",
        "/root.credentials",
        "/keys/local.json",
        "/objects/",
    ],
)
def test_no_path_leads_to_files(product, wire, authorization, path):
    wire.send(head("GET", path, authorization, b"Connection: close"))
    answer = wire.answer()

    assert answer.status in {400, 401, 403, 404}
    assert b"aws_secret_access_key" not in answer.body
    assert b"root:" not in answer.body


@pytest.mark.parametrize("escaped", ["%00", "%0d%0aSet-Cookie:%20x", "%25", "%", "%zz", "%ff", "%2e%2e", "%2F"])
def test_strange_characters_in_a_name_reach_nothing(product, wire, authorization, escaped):
    wire.send(head("GET", f"/v2/a{escaped}b/tags/list", authorization, b"Connection: close"))
    answer = wire.answer()

    assert answer.status in {400, 404}
    assert answer.code in {"NAME_INVALID", "NAME_UNKNOWN"}
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("length", [300, 8_000, 50_000])
@pytest.mark.parametrize("path", ["/v2/{}/tags/list", "/v2/a/manifests/{}", "/v2/a/blobs/sha256:{}", "/{}"])
def test_a_very_long_path_is_refused_in_few_words(product, wire, authorization, path, length):
    wire.send(head("GET", path.format("a" * length), authorization, b"Connection: close"))
    answer = wire.answer()

    assert answer.status in {400, 404}
    assert len(answer.body) < 1000


def test_a_path_of_many_thousand_parts_is_refused_quickly(product, wire, authorization):
    wire.send(head("GET", "/v2/" + "a/" * 15_000 + "b/tags/list", authorization, b"Connection: close"))

    assert wire.answer().status == 400


def test_bytes_beyond_ascii_in_a_path_are_refused(product, wire, authorization):
    wire.send(head("GET", b"/v2/\xc3\xa4/tags/list", authorization, b"Connection: close"))

    assert wire.answer().status == 400


def test_a_header_is_never_reflected_into_another(product, wire, authorization):
    token = base64.b64encode(b"AWS:x").decode()

    wire.send(head("GET", "/v2/", f"Authorization: Basic {token}".encode(), b"X-Request-Id: mine"))

    assert wire.answer().headers["x-request-id"] != "mine"


@pytest.mark.parametrize("method", ["TRACE", "PROPFIND", "PURGE", "LINK"])
def test_methods_that_nobody_serves_are_refused(product, wire, authorization, method):
    wire.send(head(method, "/v2/", authorization, b"Connection: close"))

    assert wire.answer().status == 405
