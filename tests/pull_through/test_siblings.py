"""Two processes of one machine: what one fetches is read by the other while it comes."""

from __future__ import annotations

import errno
import socket
import threading
from dataclasses import replace

import pytest
from sqlalchemy import select

from holdfast import store
from holdfast.model.errors import BlobNotFound, UpstreamUnavailable
from holdfast.registry.pull_through import Upstreams, siblings
from holdfast.store.tables import cache_parts
from tests.caches import LARGE, LOOPBACK, opened, with_large_layer
from tests.registry.ground import create


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


@pytest.fixture
def elsewhere(on, tmp_path):
    """A process of another machine: the same database and store, and no folder in common."""
    return replace(on, upstreams=Upstreams([LOOPBACK], tmp_path / "spool"))


def until_no_part_is_left(on):
    """Wait for what was shared to be dropped."""
    for _ in range(3000):
        with on.database.snapshot() as tx:
            if not tx.all(store.statements.Statement(select(cache_parts))):
                return
        threading.Event().wait(0.01)
    raise AssertionError("parts are left")


def read_until(reader, end):
    data = bytearray()
    while len(data) < end:
        more = threading.Event()
        if not reader.has(len(data), more.set):
            assert more.wait(30)
            continue
        data += reader.read(len(data))
    return bytes(data)


def assert_read_along(on, cache, upstream, other, held):
    """Another process reads a blob while this one fetches it, and to its end."""
    data, layer, go_on, _ = held
    first = opened(on, cache.at, layer)
    second = opened(other, cache.at, layer)

    early = read_until(second, 1_000_000)
    go_on.set()

    assert early == data[: len(early)]
    assert read_until(second, len(data)) == read_until(first, len(data)) == data
    assert upstream.count("GET", f"blobs/{layer}") == 1
    first.close()
    second.close()


def test_the_first_bytes_are_read_while_a_sibling_still_fetches(on, cache, upstream, sibling, held):
    assert_read_along(on, cache, upstream, sibling, held)


def test_a_sibling_of_whoever_is_lied_to_is_cut_off_as_well(on, cache, sibling, held):
    data, layer, go_on, sent = held
    first = opened(on, cache.at, layer)
    second = opened(sibling, cache.at, layer)
    sent[0] = data[:-1] + b"!"
    go_on.set()

    with pytest.raises(UpstreamUnavailable):
        read_until(second, len(data))
    with pytest.raises(UpstreamUnavailable, match="sent other bytes"):
        read_until(first, len(data))
    first.close()
    second.close()


def test_another_machine_reads_along_part_by_part(on, cache, upstream, elsewhere, held):
    assert_read_along(on, cache, upstream, elsewhere, held)
    until_no_part_is_left(on)


def test_another_machine_than_that_of_whoever_is_lied_to_is_cut_off_as_well(on, cache, elsewhere, held):
    data, layer, go_on, sent = held
    first = opened(on, cache.at, layer)
    second = opened(elsewhere, cache.at, layer)
    read_until(second, 1_000_000)
    sent[0] = data[:-1] + b"!"
    go_on.set()

    with pytest.raises(UpstreamUnavailable):
        read_until(second, len(data))
    first.close()
    second.close()
    until_no_part_is_left(on)


def test_who_reads_along_on_another_machine_is_cut_off_when_that_one_dies(on, cache, elsewhere, held):
    data, layer, _, _ = held
    first = opened(on, cache.at, layer)
    second = opened(elsewhere, cache.at, layer)
    read_until(second, 1_000_000)

    with on.database.transaction() as tx:  # nobody lengthens its lease any more
        key = next(iter(on.upstreams.flights))
        store.cached.fail_fetch(tx, key, on.upstreams.owner, "", on.clock())

    with pytest.raises(UpstreamUnavailable, match="sends no more"):
        read_until(second, len(data))
    first.close()
    second.close()


@pytest.mark.parametrize("where", ["sibling", "elsewhere"])
def test_a_repository_whose_upstream_does_not_have_a_layer_gets_none_that_another_one_waits_for(
    on, cache, upstream, held, where, request
):
    _, layer, _, _ = held
    other = replace(cache.at, name=f"{cache.prefix}/other")
    create(on, other)
    upstream.trick("HEAD", f"/v2/other/blobs/{layer}", lambda handler: handler.error(404, "BLOB_UNKNOWN"))
    first = opened(on, cache.at, layer)

    with pytest.raises(BlobNotFound):
        opened(request.getfixturevalue(where), other, layer)
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
