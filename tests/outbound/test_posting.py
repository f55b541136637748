"""Posts to addresses that a stranger chose: what a connection is kept for, and when an answer is given up."""

from __future__ import annotations

import threading
from ipaddress import ip_network

import pytest

from holdfast.outbound import Poster, Unreachable
from tests.hostile import Hostile


@pytest.fixture
def server():
    with Hostile() as running:
        running.trick("POST", "", lambda handler: handler.body() and handler.say(200, b"heard"))
        yield running


@pytest.fixture
def line():
    found = Poster([ip_network("127.0.0.0/8")]).line()
    yield found
    found.close()


def test_a_connection_in_the_clear_is_not_kept_for_what_is_to_be_secured(server, line):
    assert line.post(f"{server.url}/hook", {}, b"one").body == b"heard"

    with pytest.raises(Unreachable, match="does not speak TLS"):
        line.post(f"https://{server.address}/hook", {"Authorization": "secret"}, b"two")

    assert server.authorizations == [""]


def test_an_answer_that_comes_in_drops_and_then_hangs_up_is_given_up(server, line, monkeypatch):
    monkeypatch.setattr("holdfast.outbound.posting.ANSWER_SECONDS", 0.3)
    is_over = threading.Event()

    def drips(handler):
        handler.body()
        handler.say(200, content_length="", connection="close")
        while not is_over.wait(0.05):
            handler.wfile.write(b"X")

    server.trick("POST", "", drips)

    with pytest.raises(Unreachable, match="did not answer within"):
        line.post(server.url, {}, b"x")
    is_over.set()


def test_an_answer_that_is_no_http_is_the_other_sides_fault(server, line):
    def babbles(handler):
        handler.body()
        handler.wfile.write(b"\x00\x01\x02 what?\r\n\r\n")
        handler.close_connection = True

    server.trick("POST", "", babbles)

    with pytest.raises(Unreachable):
        line.post(server.url, {}, b"x")
