"""Who the client is when proxies stand in front: told by those that are trusted, and by nobody else."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from holdfast.http import proxies
from tests.callers import Aws, Wire
from tests.conftest import Product
from tests.grants import policy

V4, V6 = ip_network("10.0.0.0/8"), ip_network("2001:db8::/32")
TRUSTED = (V4, V6, ip_network("127.0.0.1/32"))
CLIENT, PROXY, OTHER_PROXY = "203.0.113.7", "10.0.0.1", "10.0.0.2"


def client(peer, *forwarded, proto=(), is_secure=False):
    headers = [("host", "x"), *(("x-forwarded-for", value) for value in forwarded)]
    headers += [("x-forwarded-proto", value) for value in proto]
    return proxies.client(peer, headers, TRUSTED, is_secure=is_secure)


# ---- The address


@pytest.mark.parametrize(
    ("peer", "forwarded", "found"),
    [
        (PROXY, [], PROXY),
        (PROXY, [CLIENT], CLIENT),
        (CLIENT, ["198.51.100.1"], CLIENT),  # a stranger may say what he likes
        (PROXY, [f"{CLIENT}, {OTHER_PROXY}"], CLIENT),
        (PROXY, [f"{CLIENT},10.1.1.1,{OTHER_PROXY}"], CLIENT),
        (PROXY, [CLIENT, OTHER_PROXY], CLIENT),  # two headers are one
        (PROXY, [f"198.51.100.1, {CLIENT}"], CLIENT),  # what is left of the first stranger is his invention
        (PROXY, [f"{PROXY}, {CLIENT}"], CLIENT),
        (PROXY, ["198.51.100.1", f"{CLIENT}, {OTHER_PROXY}"], CLIENT),
        (PROXY, [f"{OTHER_PROXY}, 10.0.0.3"], OTHER_PROXY),  # whoever is inside is a client too
        (PROXY, [f"{CLIENT}, , "], CLIENT),
        (PROXY, ["", " , "], PROXY),
        ("2001:db8::1", ["2001:db9::7"], "2001:db9::7"),
        ("2001:db8::1", [f"2001:DB9::7, {PROXY}"], "2001:db9::7"),
        ("::ffff:10.0.0.1", [CLIENT], CLIENT),  # as a socket of both families names a peer
        (PROXY, ["::ffff:203.0.113.7, ::ffff:10.0.0.2"], str(ip_address("::ffff:203.0.113.7"))),
        (PROXY, [f"{CLIENT}:49152"], CLIENT),
        (PROXY, ["[2001:db9::7]:49152"], "2001:db9::7"),
        (PROXY, ["[2001:db9::7]"], "2001:db9::7"),
        (PROXY, ["unknown"], "unknown"),
        (PROXY, ["evil\x7f.example"], "unknown"),
        (PROXY, [f"{CLIENT}, nonsense"], "unknown"),
        (PROXY, [f"fe80::1%{'x' * 100}"], "unknown"),
        ("local", [CLIENT], "local"),
    ],
)
def test_the_last_stranger_of_a_chain_is_the_client(peer, forwarded, found):
    assert client(peer, *forwarded)[0] == found


def test_without_trusted_proxies_nobody_is_believed():
    assert proxies.client("127.0.0.1", [("x-forwarded-for", CLIENT)], (), is_secure=False)[0] == "127.0.0.1"


# ---- Whether the client spoke TLS


@pytest.mark.parametrize(
    ("proto", "is_secure", "found"),
    [
        ([], False, False),
        ([], True, True),
        (["https"], False, True),
        (["HTTPS "], False, True),
        (["http"], True, False),
        (["https", "http"], False, False),  # the last one is that of the nearest proxy
        (["https, http"], False, False),
        (["http, https"], False, True),
        (["wss"], True, False),
        ([""], True, False),
    ],
)
def test_the_nearest_proxy_tells_whether_the_client_spoke_tls(proto, is_secure, found):
    assert client(PROXY, CLIENT, proto=proto, is_secure=is_secure)[1] is found


# ---- The running server


@pytest.fixture(scope="module")
def behind(tmp_path_factory):
    """A product whose proxy is this machine, with absolute addresses as ECR has them."""
    flags = ("--profile", "ecr-strict", "--trusted-proxies", "127.0.0.1/32,10.0.0.0/8")
    running = Product(tmp_path_factory.mktemp("behind") / "data", *flags)
    yield running
    assert running.stop() == 0


def only_from(product, repository, addresses):
    """Let nobody at a repository but from some addresses."""
    condition = {"NotIpAddress": {"aws:SourceIp": addresses}}
    deny = {"Effect": "Deny", "Principal": "*", "Action": "ecr:ListImages", "Condition": condition}
    product.ecr().set_repository_policy(repositoryName=repository, policyText=policy(deny))


@pytest.mark.parametrize(
    ("forwarded", "status"),
    [
        (None, 403),
        (CLIENT, 200),
        (f"{CLIENT}, 10.9.9.9", 200),
        (f"::ffff:{CLIENT}", 200),
        ("198.51.100.1", 403),
        (f"{CLIENT}, 198.51.100.1", 403),
        ("unknown", 403),
    ],
)
def test_policies_see_the_client_and_not_the_proxy(behind, name, forwarded, status):
    registry = behind.registry(name)
    only_from(behind, name, f"{CLIENT}/32")

    assert registry("GET", "/tags/list", x_forwarded_for=forwarded).status == status


def test_who_is_not_trusted_forwards_in_vain(product, name):
    registry = product.registry(name)
    only_from(product, name, f"{CLIENT}/32")

    refused = registry("GET", "/tags/list", x_forwarded_for=CLIENT, x_forwarded_proto="https")
    asked = product.http("")("GET", "/v2/", x_forwarded_proto="https")

    assert refused.status == 403
    assert asked.headers["www-authenticate"].startswith(f'Basic realm="{product.url}/"')


def test_each_request_of_a_connection_is_of_a_client_of_its_own(behind, name):
    """Proxies send what many clients ask for over one connection."""
    registry = behind.registry(name)
    only_from(behind, name, f"{CLIENT}/32")
    line = f"GET /v2/{name}/tags/list HTTP/1.1\r\nHost: x\r\nAuthorization: {registry.http.authorization}\r\n"
    asked = [f"{line}X-Forwarded-For: {address}\r\n\r\n".encode() for address in (CLIENT, "198.51.100.1", CLIENT)]

    with Wire(behind.address) as wire:
        wire.send(*asked, f"{line}\r\n".encode())
        statuses = [wire.answer().status for _ in range(4)]

    assert statuses == [200, 403, 200, 403]


def test_addresses_are_those_of_tls_where_the_proxy_ends_it(behind, name):
    registry = behind.registry(name)
    aws = Aws(behind.address, *behind.credentials())
    secure = {"x_forwarded_proto": "https"}

    plain, over_tls = (aws("GetAuthorizationToken", **headers).json() for headers in ({}, secure))
    begun = [registry("POST", "/blobs/uploads/", **headers).headers["location"] for headers in ({}, secure)]
    asked = behind.http("")("GET", "/v2/", **secure)

    ends = [token["authorizationData"][0]["proxyEndpoint"] for token in (plain, over_tls)]
    assert ends == [f"http://{behind.address}", f"https://{behind.address}"]
    assert [location.partition("/v2/")[0] for location in begun] == ends
    assert asked.headers["www-authenticate"] == f'Basic realm="https://{behind.address}/",service="ecr.amazonaws.com"'


def test_policies_see_the_tls_that_the_proxy_ends(behind, name):
    registry = behind.registry(name)
    deny = {"Effect": "Deny", "Principal": "*", "Action": "ecr:ListImages",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}}}  # fmt: skip
    behind.ecr().set_repository_policy(repositoryName=name, policyText=policy(deny))

    statuses = [registry("GET", "/tags/list", x_forwarded_proto=proto).status for proto in (None, "http", "https")]

    assert statuses == [403, 403, 200]
