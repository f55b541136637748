"""Files of feeds come whole or not at all, and an attempt that was cut off is gone on with."""

from __future__ import annotations

import hashlib
import os
from ipaddress import ip_network

import pytest

from holdfast.outbound import Downloader, Unreachable, Version
from tests.issuer import Authority, Https

CONTENT = os.urandom(700_000)
ETAG = '"one"'
DATE = "Wed, 01 Jan 2025 00:00:00 GMT"


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def server(authority):
    with Https(authority.server("localhost")) as running:
        running.answers["/file"] = (200, {"ETag": ETAG, "Last-Modified": DATE}, CONTENT)
        yield running


@pytest.fixture
def download(authority, server, tmp_path):
    downloader = Downloader([ip_network("127.0.0.0/8")], authority.file, allowing="--advisory-allow")

    def run(path="/file", have=None, maximum_bytes=10**6):
        url = f"https://localhost:{server.port}{path}"
        return downloader.download(url, tmp_path / "it", maximum_bytes, have, lambda *_: None)

    return run


def test_a_file_is_fetched_with_what_its_server_calls_its_version(download, server, tmp_path):
    found = download()

    assert (tmp_path / "it").read_bytes() == CONTENT
    assert found.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert found.version == Version(f"https://localhost:{server.port}/file", ETAG, DATE)
    assert found.version.modified_at.year == 2025
    assert [path.name for path in tmp_path.iterdir() if "partial" in path.name] == []


def test_what_is_there_already_is_not_fetched_again(download, server):
    found = download()

    def judge(handler):
        is_same = handler.headers["If-None-Match"] == ETAG and handler.headers["If-Modified-Since"] == DATE
        handler.send_response(304 if is_same else 500)
        handler.end_headers()

    server.answers["/file"] = judge

    assert download(have=found.version) is None


def test_an_attempt_that_was_cut_off_is_gone_on_with(download, server, tmp_path):
    ranges = []

    def cut(handler):
        start = int((handler.headers["Range"] or "bytes=0-")[6:-1])
        ranges.append((start, handler.headers["If-Range"]))
        handler.send_response(206 if start else 200)
        handler.send_header("ETag", ETAG)
        handler.send_header("Content-Length", str(len(CONTENT) - start))
        handler.send_header("Content-Range", f"bytes {start}-{len(CONTENT) - 1}/{len(CONTENT)}")
        handler.end_headers()
        handler.wfile.write(CONTENT[start : start + 300_000])
        handler.close_connection = True

    server.answers["/file"] = cut
    for _ in range(2):
        with pytest.raises(Unreachable):
            download()
        assert not (tmp_path / "it").exists()

    found = download()

    assert (tmp_path / "it").read_bytes() == CONTENT
    assert found.sha256 == hashlib.sha256(CONTENT).hexdigest()
    assert ranges == [(0, None), (300_000, ETAG), (600_000, ETAG)]


def test_another_version_is_begun_anew(download, server, tmp_path):
    def cut(handler):
        handler.send_response(200)
        handler.send_header("ETag", '"older"')
        handler.send_header("Content-Length", "1000")
        handler.end_headers()
        handler.wfile.write(b"older")

    whole = server.answers["/file"]
    server.answers["/file"] = cut
    with pytest.raises(Unreachable):
        download()
    server.answers["/file"] = whole

    download()

    assert (tmp_path / "it").read_bytes() == CONTENT


def test_a_redirect_is_followed_to_what_may_be_reached_only(download, server, tmp_path):
    server.answers["/moved"] = (302, {"Location": f"https://localhost:{server.port}/file"}, b"")
    server.answers["/inside"] = (302, {"Location": "https://169.254.169.254/latest/meta-data"}, b"")
    server.answers["/plain"] = (302, {"Location": f"http://localhost:{server.port}/file"}, b"")
    server.answers["/round"] = (302, {"Location": f"https://localhost:{server.port}/round"}, b"")

    assert download("/moved").size_bytes == len(CONTENT)
    for path, why in (("/inside", "--advisory-allow"), ("/plain", "https"), ("/round", "more than 3")):
        with pytest.raises(Unreachable, match=why):
            download(path)
    assert (tmp_path / "it").read_bytes() == CONTENT


@pytest.mark.parametrize("says_so", [True, False])
def test_a_file_that_is_too_large_is_refused(download, server, tmp_path, says_so):
    def endless(handler):
        handler.send_response(200)
        handler.send_header("ETag", ETAG)
        if says_so:
            handler.send_header("Content-Length", str(len(CONTENT)))
        handler.end_headers()
        handler.wfile.write(CONTENT)

    server.answers["/file"] = endless
    with pytest.raises(Unreachable, match="more than 500000 bytes"):
        download(maximum_bytes=500_000)

    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("it")] == []


def test_an_error_leaves_what_was_there(download, server, tmp_path):
    download()
    server.answers["/file"] = (500, {}, b"no")

    with pytest.raises(Unreachable, match="answered 500"):
        download()

    assert (tmp_path / "it").read_bytes() == CONTENT
