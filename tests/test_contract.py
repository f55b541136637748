"""What operators and their machines rely on: signs of life, numbers, a calm end, workers that come back, TLS."""

import http.client
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography import x509

from tests import programs
from tests.builders import digest
from tests.callers import Http

MIB = 2**20
PATIENCE_SECONDS = 30
REFUSED = (ConnectionRefusedError, ConnectionResetError)


def until(condition, what):
    """Ask again and again until it is so."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if condition():
            return
    raise AssertionError(f"after {PATIENCE_SECONDS} s still not: {what}")


def is_running(pid):
    """Whether a process runs; one that ended and was not yet waited for has no command line."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""
    except (FileNotFoundError, ProcessLookupError):  # it may go between the opening and the reading
        return False


def refuses(product):
    """Whether new connections are refused."""
    host, _, port = product.address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except REFUSED:
        return True
    return False


def workers(product):
    """The process ids of the workers."""
    pid = product.process.pid
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


@pytest.fixture
def interpreters(monkeypatch):
    """Processes are not forked but whole interpreters, as operators start them."""
    monkeypatch.setattr(programs, "_loader", None)


# ---- Signs of life


@pytest.mark.parametrize(("path", "text"), [("/healthz", b"alive\n"), ("/readyz", b"ready\n")])
def test_signs_of_life_are_given_to_anybody(product, path, text):
    asker = Http(product.address)

    answer, head = asker("GET", path), asker("HEAD", path)

    assert (answer.status, answer.body) == (200, text)
    assert (head.status, head.body) == (200, b"")


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_signs_of_life_are_only_read(product, path, method):
    answer = Http(product.address)(method, path, b"")

    assert answer.status == 405
    assert answer.headers["allow"] == "GET, HEAD"


@pytest.mark.parametrize("path", ["/nonsense", "/healthz/", "/metrics/x", "/v1/", "/V2/", "/.env"])
def test_what_is_not_there_is_not_found(product, path):
    assert Http(product.address)("GET", path).status == 404


# ---- Numbers


DELETES = 'holdfast_requests_total{method="DELETE",status="4xx"}'


def number(product, name):
    """A number of /metrics."""
    text = Http(product.address)("GET", "/metrics").body.decode()
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else 0.0


def test_requests_are_counted_over_every_worker(start):
    product = start("--workers", "3")
    before = number(product, DELETES)

    answers = [Http(product.address)("DELETE", "/nonsense").status for _ in range(60)]

    assert set(answers) == {405}
    until(lambda: number(product, DELETES) - before == 60, "sixty requests are counted")
    assert len(list((product.data / "metrics").glob("counter_*.db"))) == 3


def test_numbers_survive_the_worker_that_counted_them(start):
    product = start("--workers", "2")
    [Http(product.address)("DELETE", "/nonsense") for _ in range(20)]
    until(lambda: number(product, DELETES) == 20, "twenty requests are counted")

    for pid in workers(product):
        os.kill(pid, signal.SIGKILL)
    until(lambda: product.log.read_text().count("ended with status -9") == 2, "both workers are replaced")

    assert number(product, DELETES) == 20


def test_open_connections_are_shown(start):
    product = start("--workers", "2")
    host, _, port = product.address.rpartition(":")
    held = [socket.create_connection((host, int(port))) for _ in range(10)]

    until(lambda: number(product, "holdfast_connections") >= 10, "ten connections are shown")
    for connection in held:
        connection.close()

    until(lambda: number(product, "holdfast_connections") < 10, "they are gone")


def test_numbers_are_in_the_format_of_prometheus(product):
    answer = Http(product.address)("GET", "/metrics")

    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert b"# TYPE holdfast_requests_total counter" in answer.body


# ---- A calm end


class Slow:
    """A request of which the test decides when its bytes move."""

    def __init__(self, product, head):
        host, _, port = product.address.rpartition(":")
        self.socket = socket.socket(socket.AF_INET)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        self.socket.settimeout(60)
        self.socket.connect((host, int(port)))
        if product.url.startswith("https"):
            trusted = ssl.create_default_context(cafile=product.data / "tls" / "ca.crt")
            self.socket = trusted.wrap_socket(self.socket, server_hostname=host)
        self.socket.sendall(head.encode())

    def answer(self):
        """The answer, its body not yet read."""
        answer = http.client.HTTPResponse(self.socket)
        answer.begin()
        return answer


def login(product):
    """The Authorization header of docker, as text."""
    token = product.ecr().get_authorization_token()["authorizationData"][0]["authorizationToken"]
    return f"Authorization: Basic {token}\r\n"


@pytest.fixture(params=["off", "auto"], ids=["plain", "tls"])
def either(request, start, monkeypatch):
    """A product of two workers, with or without TLS."""
    product = start("--workers", "2", "--tls", request.param)
    if request.param == "auto":
        monkeypatch.setenv("AWS_CA_BUNDLE", str(product.data / "tls" / "ca.crt"))
    return product


def test_a_slow_download_and_a_slow_upload_are_finished_before_the_end(either):
    product = either
    product.ecr().create_repository(repositoryName="ab")
    authorization = login(product)
    big, small = os.urandom(48 * MIB), os.urandom(3 * MIB)

    def post(data):
        path = f"/v2/ab/blobs/uploads/?digest={digest(data)}"
        return Slow(product, f"POST {path} HTTP/1.1\r\nHost: x\r\n{authorization}Content-Length: {len(data)}\r\n\r\n")

    pushing = post(big)
    pushing.socket.sendall(big)
    assert pushing.answer().status == 201
    pushing.socket.close()
    pulling = Slow(product, f"GET /v2/ab/blobs/{digest(big)} HTTP/1.1\r\nHost: x\r\n{authorization}\r\n")
    answer = pulling.answer()
    first = answer.read(MIB)
    upload = post(small)
    upload.socket.sendall(small[:MIB])
    product.process.send_signal(signal.SIGTERM)
    until(lambda: refuses(product), "new connections are refused")

    upload.socket.sendall(small[MIB:])
    uploaded = upload.answer()
    uploaded.read()
    pulled = first + answer.read()

    assert answer.status == 200
    assert digest(pulled) == digest(big)
    assert uploaded.status == 201
    for slow in (pulling, upload):
        slow.socket.close()
    assert product.stop() == 0
    assert "Traceback" not in product.log.read_text()
    product.start()
    with_ = {"repositoryName": "ab", "layerDigests": [digest(small)]}
    assert product.ecr().batch_check_layer_availability(**with_)["layers"][0]["layerAvailability"] == "AVAILABLE"


@pytest.mark.parametrize("either", ["off", "auto"], indirect=True)
def test_the_end_is_at_once_when_nothing_is_under_way(either):
    product = either
    host, _, port = product.address.rpartition(":")
    silent = [socket.create_connection((host, int(port))) for _ in range(9)]
    idle = [Slow(product, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n") for _ in range(9)]
    answers = [connection.answer().read() for connection in idle]
    began = time.monotonic()

    status = product.stop()

    for connection in [*silent, *(slow.socket for slow in idle)]:
        connection.close()
    assert answers == [b"alive\n"] * 9
    assert status == 0
    assert time.monotonic() - began < 10


def test_the_end_comes_even_if_a_client_never_moves(start):
    product = start("--workers", "2")
    product.ecr().create_repository(repositoryName="ab")
    stuck = Slow(
        product,
        f"POST /v2/ab/blobs/uploads/?digest={digest(b'x')} HTTP/1.1\r\nHost: x\r\n{login(product)}"
        "Content-Length: 1000\r\n\r\nx",
    )
    began = time.monotonic()

    status = product.stop()

    stuck.socket.close()
    assert status == 0
    assert time.monotonic() - began < 31


def test_requests_under_way_are_answered_while_it_ends(start):
    product = start("--workers", "2")
    product.ecr().create_repository(repositoryName="ab")
    key = product.aws()

    def ask():
        aws = type(key)(product.address, key.credentials.access_key, key.credentials.secret_key)
        answers = []
        try:
            while True:
                answers.append(aws("DescribeRepositories").status)
        except (*REFUSED, BrokenPipeError, http.client.RemoteDisconnected):
            return answers

    with ThreadPoolExecutor(4) as threads:
        asking = [threads.submit(ask) for _ in range(4)]
        until(lambda: number(product, 'holdfast_requests_total{method="POST",status="2xx"}') > 50, "they ask")
        status = product.stop()
        answers = [status for future in asking for status in future.result()]

    assert status == 0
    assert set(answers) == {200}


@pytest.mark.parametrize("number_", [signal.SIGTERM, signal.SIGINT])
def test_both_signals_end_it(interpreters, start, number_):
    product = start("--workers", "2")

    product.process.send_signal(number_)

    assert product.process.wait(timeout=PATIENCE_SECONDS) == 0
    assert "Traceback" not in product.log.read_text()


# ---- Workers that come back


def test_a_killed_worker_is_replaced_and_no_request_needs_more_than_a_retry(start):
    product = start("--workers", "3")
    before = workers(product)
    doomed = min(before)

    def ask():
        return Http(product.address)("GET", "/readyz").status

    os.kill(doomed, signal.SIGKILL)
    retries = 0
    for _ in range(200):
        try:
            answer = ask()
        except (http.client.HTTPException, OSError):
            retries += 1
            answer = ask()
        assert answer == 200
    until(lambda: len(workers(product) - {doomed}) == 3, "a new worker is there")

    assert len(before) == 3
    assert "ended with status -9" in product.log.read_text()
    assert retries < 20


def test_no_worker_outlives_its_parent(start):
    product = start("--workers", "2")
    orphans = workers(product)

    product.process.kill()
    product.process.wait()

    until(lambda: not any(map(is_running, orphans)), "the workers are gone")
    assert len(orphans) == 2
    assert refuses(product)


# ---- Addresses


def test_a_port_that_is_taken_stops_the_start(start, tmp_path):
    product = start()

    ended = subprocess.run(
        [sys.executable, "-m", "holdfast", "serve", "--data", str(tmp_path / "second"), "--listen", product.address],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1] == f"holdfast: --listen {product.address}: Address already in use"
    assert Http(product.address)("GET", "/readyz").status == 200


def test_every_address_is_served(start):
    product = start("--listen", "127.0.0.1:0", "--listen", "127.0.0.2:0")

    served = re.search(r"^Holdfast serves (\S+), (\S+)  \(data in ", product.log.read_text(), re.MULTILINE)

    assert served
    for url in served.groups():
        assert Http(url.removeprefix("http://"))("GET", "/readyz").status == 200
    assert [url.rpartition(":")[0] for url in served.groups()] == ["http://127.0.0.1", "http://127.0.0.2"]


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
def test_ipv6_is_served(start):
    product = start("--listen", "[::1]:0")

    created = product.ecr().create_repository(repositoryName="ab")["repository"]

    assert re.fullmatch(r"http://\[::1\]:\d+", product.url)
    assert created["repositoryUri"] == f"{product.address}/ab"
    assert product.http()("GET", "/v2/ab/tags/list").status == 200


# ---- TLS


def trusting(authority):
    return ssl.create_default_context(cafile=authority)


def ask(product, context, host=None, path="/readyz"):
    """Ask over TLS, by another name if one is given."""
    address, _, port = product.address.rpartition(":")
    with (
        socket.create_connection((address, int(port)), timeout=30) as plain,
        context.wrap_socket(plain, server_hostname=host or address) as secured,
    ):
        secured.sendall(f"GET {path} HTTP/1.1\r\nHost: {host or address}\r\nConnection: close\r\n\r\n".encode())
        answer = http.client.HTTPResponse(secured)
        answer.begin()
        answer.read()
        return answer.status, secured.version(), secured.getpeercert(binary_form=True)


def test_tls_is_served_under_an_authority_of_its_own(start):
    product = start("--tls", "auto")
    authority = product.data / "tls" / "ca.crt"

    status, version, _ = ask(product, trusting(authority))

    assert product.url.startswith("https://127.0.0.1:")
    assert (status, version) == (200, "TLSv1.3")
    assert str(authority) in product.log.read_text()
    with pytest.raises(ssl.SSLCertVerificationError):
        ask(product, ssl.create_default_context())


@pytest.mark.parametrize(
    "host",
    ["localhost", "127.0.0.1", "000000000000.dkr.ecr.us-east-1.localhost", socket.gethostname(), "extra.example"],
)
def test_the_certificate_has_every_name_by_which_clients_come(start, host):
    product = start("--tls", "auto", "--tls-names", "extra.example")

    status, _, _ = ask(product, trusting(product.data / "tls" / "ca.crt"), host)

    assert status == 200


def test_the_certificate_has_no_other_name(start):
    product = start("--tls", "auto")

    with pytest.raises(ssl.SSLCertVerificationError):
        ask(product, trusting(product.data / "tls" / "ca.crt"), "other.example")


def test_a_second_start_keeps_the_authority_and_the_certificate(start):
    product = start("--tls", "auto")
    files = {path.name: path.read_bytes() for path in (product.data / "tls").iterdir()}
    product.stop()

    product.start()

    assert {path.name: path.read_bytes() for path in (product.data / "tls").iterdir()} == files
    assert set(files) == {"ca.crt", "ca.key", "tls.crt", "tls.key"}
    assert {path.stat().st_mode & 0o777 for path in (product.data / "tls").iterdir()} == {0o600}


def test_further_names_make_a_new_certificate_under_the_old_authority(start):
    first = start("--tls", "auto")
    before = ask(first, trusting(first.data / "tls" / "ca.crt"))[2]
    authority = (first.data / "tls" / "ca.crt").read_bytes()
    first.stop()

    second = start("--tls", "auto", "--tls-names", "extra.example", data=first.data)

    _, _, after = ask(second, trusting(second.data / "tls" / "ca.crt"), "extra.example")
    assert after != before
    assert (second.data / "tls" / "ca.crt").read_bytes() == authority


def test_certificates_that_were_given_are_shown(start, tmp_path):
    maker = start("--tls", "auto")
    maker.stop()
    given = tmp_path / "given"
    given.mkdir()
    for name in ("tls.crt", "tls.key"):
        shutil.copy(maker.data / "tls" / name, given / name)

    product = start("--tls", str(given))

    status, _, shown = ask(product, trusting(maker.data / "tls" / "ca.crt"))
    assert status == 200
    assert x509.load_der_x509_certificate(shown) == x509.load_pem_x509_certificate((given / "tls.crt").read_bytes())
    assert not (product.data / "tls").exists()


@pytest.mark.parametrize(
    "data",
    [b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"", b"\x16\x03\x01\x02\x00\x01", b"\xa5" * 5000],
    ids=["plain HTTP", "nothing", "half a greeting", "noise"],
)
def test_what_is_no_tls_does_no_harm(start, data):
    product = start("--tls", "auto", "--workers", "1")
    host, _, port = product.address.rpartition(":")

    with socket.create_connection((host, int(port)), timeout=30) as plain:
        plain.sendall(data)
        plain.shutdown(socket.SHUT_WR)
        answered = read_all(plain)

    assert b"200 OK" not in answered
    assert ask(product, trusting(product.data / "tls" / "ca.crt"))[0] == 200
    assert product.stop() == 0
    assert "Traceback" not in product.log.read_text()


def read_all(connection):
    """Everything until the other side hangs up, however rudely."""
    pieces = []
    try:
        while piece := connection.recv(65536):
            pieces.append(piece)
    except ConnectionResetError:
        pass
    return b"".join(pieces)


def test_clients_of_aws_come_by_tls(start, monkeypatch):
    product = start("--tls", "auto")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(product.data / "tls" / "ca.crt"))

    created = product.ecr().create_repository(repositoryName="ab")["repository"]
    [data] = product.ecr().get_authorization_token()["authorizationData"]

    assert created["repositoryUri"] == f"{product.address}/ab"
    assert data["proxyEndpoint"] == product.url


def test_an_address_that_is_not_loopback_is_encrypted_without_being_told(start):
    product = start("--listen", "0.0.0.0:0")

    port = product.address.rpartition(":")[2]

    assert product.url == f"https://localhost:{port}"
    product.address = f"127.0.0.1:{port}"
    assert ask(product, trusting(product.data / "tls" / "ca.crt"))[0] == 200
