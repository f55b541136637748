"""Documents from addresses that a stranger chose: what is fetched, and what is not even tried."""

from __future__ import annotations

import hashlib
import json
import socket
import ssl
import time
from datetime import timedelta
from ipaddress import ip_address, ip_network

import pytest

from holdfast.outbound import Fetcher, Unreachable, fetch
from holdfast.outbound.addresses import may_reach
from tests.issuer import Authority, Https

HERE = [ip_network("127.0.0.0/8")]
DOCUMENT = {"a": "document"}


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def server(authority):
    with Https(authority.server("localhost")) as running:
        running.answers["/document"] = (200, {}, json.dumps(DOCUMENT).encode())
        yield running


@pytest.fixture
def fetcher(authority):
    return Fetcher(HERE, authority.file)


def url(server, path="/document", host="localhost"):
    return f"https://{host}:{server.port}{path}"


def fault(fetcher, *arguments):
    with pytest.raises(Unreachable) as caught:
        fetcher.get_json(*arguments)
    return str(caught.value)


# ---- What is fetched


def test_a_document_is_fetched(fetcher, server):
    fetched = fetcher.get_json(url(server))

    assert fetched == (DOCUMENT, None)
    assert server.asked == ["/document"]


def test_the_host_is_the_name_in_the_url_though_the_connection_goes_to_the_checked_address(fetcher, server):
    fetcher.get_json(url(server))

    assert server.hosts == [f"localhost:{server.port}"]


def test_a_query_is_sent(fetcher, server):
    server.answers["/?v=1"] = (200, {}, b"{}")

    assert fetcher.get_json(url(server, "?v=1")).document == {}


@pytest.mark.parametrize(
    ("cache_control", "seconds"),
    [
        ("", None),
        ("public", None),
        ("max-age=60", 60),
        ("public, max-age=3600, must-revalidate", 3600),
        ("Max-Age=7", 7),
        ('max-age="9"', 9),
        ("s-maxage=5", None),
        ("max-age=-1", None),
        ("max-age=x", None),
        ("no-cache", 0),
        ("max-age=60, no-store", 0),
    ],
)
def test_a_server_says_for_how_long_a_document_may_be_kept(fetcher, server, cache_control, seconds):
    server.answers["/document"] = (200, {"Cache-Control": cache_control}, b"{}")

    assert fetcher.get_json(url(server)).max_age == seconds


def test_a_document_of_the_largest_size_is_fetched(fetcher, server):
    body = json.dumps({"a": ""}).encode()
    server.answers["/document"] = (200, {}, body[:-2] + b"x" * (fetch.BODY_BYTES - len(body)) + body[-2:])

    assert len(fetcher.get_json(url(server)).document["a"]) == fetch.BODY_BYTES - len(body)


# ---- What is not an answer


@pytest.mark.parametrize("body", [b"", b"no", b"[]", b"1", b'{"a":', b"\xff", b"[" * 60_000])
def test_what_is_no_json_object_is_refused(fetcher, server, body):
    server.answers["/document"] = (200, {}, body)

    assert "did not answer with" in fault(fetcher, url(server))


@pytest.mark.parametrize("status", [201, 204, 400, 404, 500])
def test_only_200_is_an_answer(fetcher, server, status):
    server.answers["/document"] = (status, {}, b"{}" if status != 204 else b"")

    assert f"answered {status}" in fault(fetcher, url(server))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("to", ["/other", "https://127.0.0.1/", "http://169.254.169.254/latest/meta-data"])
def test_a_redirect_is_not_followed(fetcher, server, status, to):
    server.answers["/document"] = (status, {"Location": to}, b"")
    server.answers["/other"] = (200, {}, b"{}")

    assert "redirects are not followed" in fault(fetcher, url(server))
    assert server.asked == ["/document"]


@pytest.mark.parametrize("announced", [True, False])
def test_an_answer_that_is_too_large_is_refused(fetcher, server, announced):
    body = b'{"a":"' + b"x" * fetch.BODY_BYTES + b'"}'

    def answer(handler):
        handler.send_response(200)
        if announced:
            handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    server.answers["/document"] = answer

    assert f"more than {fetch.BODY_BYTES} bytes" in fault(fetcher, url(server))


def test_an_answer_without_end_is_refused(fetcher, server):
    def answer(handler):
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(bytes(65536))

    server.answers["/document"] = answer

    assert f"more than {fetch.BODY_BYTES} bytes" in fault(fetcher, url(server))


def test_a_packed_answer_is_refused(fetcher, server):
    server.answers["/document"] = (200, {"Content-Encoding": "gzip"}, b"\x1f\x8b")

    assert "an encoding that was not asked for" in fault(fetcher, url(server))


@pytest.mark.parametrize("dropping", ["head", "body"])
def test_an_answer_that_comes_in_drops_is_given_up(fetcher, server, monkeypatch, dropping):
    monkeypatch.setattr(fetch, "SECONDS", 0.5)

    def answer(handler):
        if dropping == "body":
            handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        for _ in range(200):
            handler.wfile.write(b"x")
            time.sleep(0.1)

    server.answers["/document"] = answer
    begin = time.monotonic()

    assert "did not answer within 0.5 seconds" in fault(fetcher, url(server))
    assert time.monotonic() - begin < 3


def test_a_server_that_accepts_and_says_nothing_is_given_up(fetcher, monkeypatch):
    monkeypatch.setattr(fetch, "SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        text = fault(fetcher, f"https://localhost:{silent.getsockname()[1]}/")

    assert "0.5 seconds" in text or "timed out" in text


def test_a_name_that_nobody_resolves_in_time_is_given_up(authority, monkeypatch):
    monkeypatch.setattr(fetch, "SECONDS", 0.2)
    fetcher = Fetcher(HERE, authority.file, resolve=lambda *_: time.sleep(1) or [])

    assert "did not answer within 0.2 seconds" in fault(fetcher, "https://slow.example/")


def test_a_name_that_is_not_there_is_unreachable(authority):
    def resolve(*_):
        raise socket.gaierror("Name or service not known")

    assert "Name or service not known" in fault(Fetcher(resolve=resolve), "https://nowhere.example/")


def test_nobody_listening_is_unreachable(fetcher):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

    assert "refuses connections" in fault(fetcher, f"https://localhost:{port}/")


# ---- Which URLs


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "http://issuer.example/",
        "HTTPS://issuer.example/",
        "ftp://issuer.example/",
        "file:///etc/passwd",
        "https://",
        "https:///path",
        "https://user@issuer.example/",
        "https://user:password@issuer.example/",
        "https://issuer.example@127.0.0.1/",
        "https://issuer.example/#fragment",
        "https://issuer.example:0/",
        "https://issuer.example:65536/",
        "https://issuer.example:port/",
        "https://issuer.example:443:443/",
        "https://issuer.example\\@127.0.0.1/",
        "https://issuer.example/a b",
        "https://issuer.example/\r\nX: y",
        "https://issuer.example/ä",
        "https://ißuer.example/",
        " https://issuer.example/",
        "https://issuer.example/\n",
        "https://[::1/",
        "https://[fe80::1%25eth0]/",
    ],
)
def test_only_plain_https_urls_are_asked(text):
    def resolve(*_):
        raise AssertionError("nothing is looked up")

    assert "is not a plain https URL" in fault(Fetcher(resolve=resolve), text)


# ---- Which addresses

PUBLIC = ["8.8.8.8", "1.1.1.1", "140.82.112.5", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
PRIVATE = [
    "0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "127.0.0.1", "127.255.255.255", "169.254.169.254", "172.16.0.1",
    "172.31.255.255", "192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1",
    "203.0.113.1", "224.0.0.1", "239.1.1.1", "224.0.1.1", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:0:1", "64:ff9b::a00:1",
    "64:ff9b::7f00:1", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::", "2002:808:808::", "3fff::1",
    "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "2606:4700::1%eth0", "fec0::1", "ff02::1",
    "ff0e::1", "::127.0.0.1",
]  # fmt: skip


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_may_be_reached(address):
    assert may_reach(ip_address(address), [])


@pytest.mark.parametrize("address", PRIVATE)
def test_no_other_address_may_be_reached(address):
    assert not may_reach(ip_address(address), [])


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("10.1.2.3", "10.0.0.0/8"),
        ("127.0.0.1", "127.0.0.1"),
        ("::ffff:10.1.2.3", "10.0.0.0/8"),
        ("64:ff9b::a01:203", "10.0.0.0/8"),
        ("64:ff9b::a01:203", "64:ff9b::/96"),
        ("::1", "::1"),
        ("fd00::5", "fd00::/8"),
    ],
)
def test_an_operator_may_allow_networks(address, network):
    assert may_reach(ip_address(address), [ip_network("192.0.2.0/24"), ip_network(network)])


@pytest.mark.parametrize(
    ("address", "network"), [("10.1.2.3", "10.2.0.0/16"), ("::1", "127.0.0.1"), ("10.0.0.1", "::/0")]
)
def test_an_allowed_network_allows_no_more(address, network):
    assert not may_reach(ip_address(address), [ip_network(network)])


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "2130706433", "0x7f000001", "127.1", "[::ffff:127.0.0.1]"])
def test_no_spelling_of_this_machine_is_reached(authority, server, host):
    text = fault(Fetcher(ca_file=authority.file), url(server, host=host))

    assert "no address that may be reached" in text or "not known" in text, text
    assert server.asked == []


def test_a_name_with_a_private_address_beside_a_public_one_is_reached_by_the_public_one(authority, server):
    addresses = [ip_address("10.0.0.1"), ip_address("127.0.0.1")]
    fetcher = Fetcher(HERE, authority.file, resolve=lambda *_: addresses)

    assert fetcher.get_json(url(server)).document == DOCUMENT


def test_a_name_is_resolved_once(authority, server):
    asked = []

    def resolve(host, port):
        asked.append(host)
        return [ip_address("127.0.0.1") if len(asked) == 1 else ip_address("10.0.0.1")]

    fetcher = Fetcher(HERE, authority.file, resolve=resolve)

    assert fetcher.get_json(url(server)).document == DOCUMENT
    assert asked == ["localhost"]


def test_the_next_address_is_tried_when_one_refuses(authority, server):
    addresses = [ip_address("127.0.0.2"), ip_address("127.0.0.1")]
    fetcher = Fetcher(HERE, authority.file, resolve=lambda *_: addresses)

    assert fetcher.get_json(url(server)).document == DOCUMENT


def test_a_proxy_in_the_environment_is_not_used(fetcher, server, monkeypatch):
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")

    assert fetcher.get_json(url(server)).document == DOCUMENT


# ---- Whose certificates


def test_a_ca_that_nobody_named_is_not_trusted(server):
    assert "certificate verify failed" in fault(Fetcher(HERE), url(server))
    assert server.asked == []


def test_a_certificate_of_another_host_is_refused(authority, fetcher):
    with Https(authority.server("other.example")) as server:
        assert "certificate verify failed" in fault(fetcher, url(server))


def test_a_certificate_that_is_over_is_refused(authority, fetcher):
    with Https(authority.server("localhost", age=timedelta(days=400))) as server:
        assert "certificate verify failed" in fault(fetcher, url(server))


def test_an_address_is_a_host_if_the_certificate_says_so(authority, fetcher):
    with Https(authority.server("127.0.0.1")) as server:
        server.answers["/document"] = (200, {}, b"{}")

        assert fetcher.get_json(url(server, host="127.0.0.1")).document == {}


def test_a_thumbprint_pins_a_private_ca(authority, server):
    assert Fetcher(HERE).get_json(url(server), [authority.thumbprint]).document == DOCUMENT


def test_a_thumbprint_is_read_in_either_case(authority, server):
    assert Fetcher(HERE).get_json(url(server), [authority.thumbprint.upper()]).document == DOCUMENT


def test_a_thumbprint_may_be_that_of_the_server_itself(authority):
    with Https(authority.server("localhost", sends_authority=False)) as server:
        server.answers["/document"] = (200, {}, b"{}")
        pem = ssl.get_server_certificate(("127.0.0.1", server.port))
        thumbprint = hashlib.sha1(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()

        assert Fetcher(HERE).get_json(url(server), [thumbprint]).document == {}


def test_the_thumbprint_of_another_ca_does_not_help(tmp_path, server):
    another = Authority(tmp_path, "Another CA")

    assert "no thumbprint does" in fault(Fetcher(HERE), url(server), [another.thumbprint])
    assert server.asked == []


def test_a_pinned_ca_does_not_vouch_for_another_host(authority):
    with Https(authority.server("other.example")) as server:
        assert "certificate verify failed" in fault(Fetcher(HERE), url(server), [authority.thumbprint])


def test_a_pinned_ca_does_not_revive_a_certificate(authority):
    with Https(authority.server("localhost", age=timedelta(days=400))) as server:
        assert "certificate" in fault(Fetcher(HERE), url(server), [authority.thumbprint])


def test_a_pinned_certificate_that_did_not_sign_the_servers_is_worth_nothing(tmp_path, authority):
    """Whoever sends a pinned certificate behind one of his own has not proven to be its owner."""
    folder = tmp_path / "impostor"
    folder.mkdir()
    context = Authority(folder, "Impostor").server("localhost", sends_authority=False)
    [chain] = folder.glob("server-*.pem")
    chain.write_bytes(chain.read_bytes() + authority.file.read_bytes())
    context.load_cert_chain(chain)

    with Https(context) as server:
        assert "certificate verify failed" in fault(Fetcher(HERE), url(server), [authority.thumbprint])
        assert server.asked == []


def test_a_trusted_ca_needs_no_thumbprint(tmp_path, fetcher, server):
    another = Authority(tmp_path, "Another CA")

    assert fetcher.get_json(url(server), [another.thumbprint]).document == DOCUMENT
