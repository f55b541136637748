"""Reading ahead: right bytes, each fetched once, and never more memory than is allowed."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from holdfast.blobs import StoreUnavailable, ahead
from holdfast.blobs.ahead import ReadAhead, Window

SIZE = 100_000
DATA = random.Random(1).randbytes(SIZE)
SEGMENT = 1000


class Store:
    """Bytes at hand, and what was asked of them."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []
        self.is_away = False

    def fetch(self, _key: str, start: int, end: int) -> memoryview:
        self.asked.append((start, end))
        if self.is_away:
            raise StoreUnavailable("away")
        return memoryview(DATA)[start:end]


@pytest.fixture
def store(monkeypatch):
    monkeypatch.setattr(ahead, "PIECE_BYTES", 4 * SEGMENT)
    monkeypatch.setattr(ahead, "AHEAD_BYTES", 16 * SEGMENT)
    monkeypatch.setattr(ahead, "HEADER_BYTES", 100)
    return Store()


def window(shared: ReadAhead) -> Window:
    return Window(shared, "key", SIZE, memoryview(DATA)[:SEGMENT])


def read(reader: Window, start: int, size: int = SEGMENT) -> bytes:
    buffer = memoryview(bytearray(size))
    return bytes(buffer[: reader.read_into(start, buffer)])


def test_what_is_read_in_order_is_fetched_once(store):
    reader = window(ReadAhead(store.fetch))

    found = b"".join(read(reader, start) for start in range(0, SIZE, SEGMENT))

    assert found == DATA
    asked = sorted(store.asked)
    assert (asked[0][0], asked[-1][1]) == (SEGMENT, SIZE)
    assert all(one[1] == other[0] for one, other in pairwise(asked))


def test_what_follows_is_on_its_way(store):
    reader = window(ReadAhead(store.fetch))

    for start in range(0, 8 * SEGMENT, SEGMENT):
        read(reader, start)

    assert max(end for _, end in store.asked) >= 20 * SEGMENT


def test_a_slow_client_is_read_the_same_bytes_without_asking_again(store):
    reader = window(ReadAhead(store.fetch))
    read(reader, 5 * SEGMENT)
    asked = len(store.asked)

    again = [read(reader, 5 * SEGMENT) for _ in range(3)]

    assert again == [DATA[5 * SEGMENT : 6 * SEGMENT]] * 3
    assert store.asked[:asked] == [(5 * SEGMENT, 6 * SEGMENT)]
    assert (5 * SEGMENT, 6 * SEGMENT) not in store.asked[asked:]


def test_a_header_and_single_ranges_are_not_read_ahead_of(store):
    reader = window(ReadAhead(store.fetch))

    read(reader, 0, 50)
    for start in (70_000, 20_000, 50_000):
        assert read(reader, start) == DATA[start : start + SEGMENT]

    assert store.asked == [(70_000, 71_000), (20_000, 21_000), (50_000, 51_000)]


def test_many_readers_share_one_allowance(store):
    allowance = 40 * SEGMENT
    shared = ReadAhead(store.fetch, allowance)
    readers = [window(shared) for _ in range(60)]
    chance = random.Random(2)
    positions = [0] * len(readers)

    for _ in range(3000):
        which = chance.randrange(len(readers))
        found = read(readers[which], positions[which])
        assert found == DATA[positions[which] : positions[which] + SEGMENT]
        positions[which] = (positions[which] + SEGMENT) % SIZE
        assert shared._left >= -4 * SEGMENT  # what somebody waits for is fetched in any case

    for reader in readers:
        reader.close()
    assert shared._left == allowance
    assert not shared._windows


def test_a_fault_is_told_and_forgotten(store):
    shared = ReadAhead(store.fetch)
    reader = window(shared)
    store.is_away = True

    with pytest.raises(StoreUnavailable):
        read(reader, 30 * SEGMENT)

    store.is_away = False
    assert read(reader, 30 * SEGMENT) == DATA[30 * SEGMENT : 31 * SEGMENT]


def test_the_end_is_short(store):
    reader = window(ReadAhead(store.fetch))

    assert read(reader, SIZE - 10) == DATA[-10:]
    assert read(reader, SIZE) == b""
