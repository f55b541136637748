"""Two processes of one machine: what one fetches is read by the other while it comes."""

from __future__ import annotations

import errno
import socket
import threading
from dataclasses import replace

import pytest

from holdfast.model.errors import UpstreamUnavailable
from holdfast.registry import pull_through
from holdfast.registry.pull_through import Leave, Upstreams, siblings
from tests.caches import LARGE, LOOPBACK, with_large_layer

EVERYTHING = Leave(lambda: True, lambda: True)


@pytest.fixture
def sibling(on):
    """Another process on the same database, with the same folder of spools."""
    return replace(on, upstreams=Upstreams([LOOPBACK], on.upstreams.spool))


@pytest.fixture
def held(cache, upstream):
    """A layer of which the upstream has sent the first half, and how to let it go on."""
    data = cache.prefix.encode() + LARGE
    layer = with_large_layer(upstream, "v1", data=data).json()["layers"][0]["digest"]
    half, go_on = len(data) // 2, threading.Event()
    sent = [data]

    def dawdles(handler):
        handler.say(200, data[:half], content_length=str(len(data)))
        handler.wfile.flush()
        go_on.wait(20)
        handler.wfile.write(sent[0][half:])
        return True

    cache.options(at_once=1)
    cache.pull("/manifests/v1")
    upstream.trick("GET", f"blobs/{layer}", dawdles, 1)
    yield data, layer, go_on, sent
    go_on.set()
    cache.settle()


def read_until(reader, end):
    data = bytearray()
    while len(data) < end:
        more = threading.Event()
        if not reader.has(len(data), more.set):
            assert more.wait(30)
            continue
        data += reader.read(len(data))
    return bytes(data)


def test_the_first_bytes_are_read_while_a_sibling_still_fetches(on, cache, upstream, sibling, held):
    data, layer, go_on, _ = held
    first = pull_through.blob(on, cache.at, layer, EVERYTHING)
    second = pull_through.blob(sibling, cache.at, layer, EVERYTHING)

    early = read_until(second, 1_000_000)
    go_on.set()

    assert early == data[: len(early)]
    assert read_until(second, len(data)) == read_until(first, len(data)) == data
    assert upstream.count("GET", f"blobs/{layer}") == 1
    first.close()
    second.close()


def test_a_sibling_of_whoever_is_lied_to_is_cut_off_as_well(on, cache, sibling, held):
    data, layer, go_on, sent = held
    first = pull_through.blob(on, cache.at, layer, EVERYTHING)
    second = pull_through.blob(sibling, cache.at, layer, EVERYTHING)
    sent[0] = data[:-1] + b"!"
    go_on.set()

    with pytest.raises(UpstreamUnavailable):
        read_until(second, len(data))
    with pytest.raises(UpstreamUnavailable, match="sent other bytes"):
        read_until(first, len(data))
    first.close()
    second.close()


def test_where_no_sibling_answers_one_waits(on, cache, sibling, held, tmp_path):
    _, layer, _, _ = held
    elsewhere = replace(sibling, upstreams=Upstreams([LOOPBACK], tmp_path / "spool"))
    first = pull_through.blob(on, cache.at, layer, EVERYTHING)

    assert isinstance(pull_through.blob(elsewhere, cache.at, layer, EVERYTHING), pull_through.Wait)
    first.close()


def test_a_process_that_has_no_descriptors_for_a_while_is_heard_again(on, monkeypatch):
    one, other = socket.socketpair()
    served = []

    class Listener:
        answers = iter([OSError(errno.EMFILE, "Too many open files"), (other, ""), KeyboardInterrupt()])

        def accept(self):
            answer = next(self.answers)
            if isinstance(answer, BaseException):
                raise answer
            return answer

    monkeypatch.setattr(siblings, "TROUBLED_SECONDS", 0)
    monkeypatch.setattr(siblings, "_serve", lambda _, connection: served.append(connection))
    sibling = replace(on, upstreams=Upstreams())
    monkeypatch.setattr(sibling.upstreams, "begin", lambda call: call())
    with pytest.raises(KeyboardInterrupt):
        siblings._accept(sibling, Listener())

    assert served == [other]
    one.close()
    other.close()
