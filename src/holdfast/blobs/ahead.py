"""Reading ahead: what a stream will want next is on its way while it sends what it has.

    a window    ┌───────────┬───────────┬───────────┬───────────┐
                │  fetched  │  fetched  │ under way │ under way │ · · ·
                └───────────┴───────────┴───────────┴───────────┘
                      ▲ the position; what lies before it is let go

A reader that goes on in order is read ahead of, further with each step; one that jumps about is not. All windows of a
process share one allowance, and the one that was not read for longest gives way: a slow client costs no memory that a
fast one needs, it only waits for the store once more.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

PIECE_BYTES = 4 * 1024 * 1024  # of one request: at 20 ms until its first byte, 4 of them fill a line of 6 Gbit/s
AHEAD_BYTES = 16 * 1024 * 1024
ALLOWANCE_BYTES = 128 * 1024 * 1024
HEADER_BYTES = 4096  # a smaller read looks at a header, and tells nothing of where reading goes on
THREADS = 16


class Piece(NamedTuple):
    """A range of an object, fetched or under way."""

    start: int
    end: int
    data: Future[memoryview]


class ReadAhead:
    """What the windows of one process share: threads and memory."""

    def __init__(self, fetch: Callable[[str, int, int], memoryview], allowance: int = ALLOWANCE_BYTES) -> None:
        self._fetch = fetch
        self._left = allowance
        self._threads = ThreadPoolExecutor(THREADS, "read-ahead")
        self._windows: OrderedDict[Window, None] = OrderedDict()  # that hold pieces, the longest unread one first
        self.lock = threading.Lock()

    def begin(self, window: Window, start: int, end: int, *, needed: bool) -> Piece | None:
        """Have a range fetched; None if nobody waits for it and memory is short. Called under the lock."""
        while self._left < end - start and (idle := self._idle(window)) is not None:
            idle.let_go()
        if self._left < end - start and not needed:
            return None
        self._left -= end - start
        self._windows[window] = None
        return Piece(start, end, self._threads.submit(self._fetch, window.key, start, end))

    def hold(self, window: Window, data: memoryview) -> Piece:
        """Keep the beginning of an object, which is there already. Called under the lock."""
        self._left -= len(data)
        self._windows[window] = None
        there: Future[memoryview] = Future()
        there.set_result(data)
        return Piece(0, len(data), there)

    def end(self, window: Window, piece: Piece, *, is_last: bool) -> None:
        """Let a piece go. Called under the lock."""
        piece.data.cancel()
        self._left += piece.end - piece.start
        if is_last:
            self._windows.pop(window, None)

    def touch(self, window: Window) -> None:
        """Note that a window is read. Called under the lock."""
        if window in self._windows:
            self._windows.move_to_end(window)

    def _idle(self, besides: Window) -> Window | None:
        return next((window for window in self._windows if window is not besides and not window.is_read), None)


class Window:
    """What one reader of one object holds; read by one thread at a time."""

    def __init__(self, shared: ReadAhead, key: str, size_bytes: int, head: memoryview) -> None:
        self.key = key
        self.is_read = False
        self._shared = shared
        self._size = size_bytes
        self._ahead = PIECE_BYTES  # most readers want all of it
        with shared.lock:
            self._pieces = deque([shared.hold(self, head)])

    def read_into(self, offset: int, buffer: memoryview) -> int:
        """Fill a buffer from an offset; fewer bytes than asked only at the end. Raises what fetching raises."""
        end = min(offset + len(buffer), self._size)
        with self._shared.lock:
            pieces = self._arrange(offset, end, is_header=len(buffer) <= HEADER_BYTES)
            self.is_read = True
        try:
            for piece in pieces:
                data = piece.data.result()
                first, last = max(piece.start, offset), min(piece.end, end)
                buffer[first - offset : last - offset] = data[first - piece.start : last - piece.start]
        except BaseException:
            self.close()
            raise
        finally:
            self.is_read = False
        return max(end - offset, 0)

    def close(self) -> None:
        """Let everything go."""
        with self._shared.lock:
            self.let_go()

    def let_go(self) -> None:
        """Let everything go. Called under the lock."""
        while self._pieces:
            self._drop_first()

    def _arrange(self, offset: int, end: int, *, is_header: bool) -> list[Piece]:
        """See to it that a range is on its way, and what follows it; the pieces that it touches. Under the lock."""
        pieces = self._pieces
        position = pieces[-1].end if pieces else -1
        while pieces and pieces[0].end <= offset:
            self._drop_first()
        if pieces and offset < pieces[0].start:
            self.let_go()
        if not pieces and offset != position:
            self._ahead, position = 0, offset  # a jump: nothing is known of what comes next
        self._shared.touch(self)
        while position < end:
            position = self._begin(position, position + PIECE_BYTES if self._ahead else end, needed=True)
        if not is_header:
            wanted = min(end + self._ahead, self._size)
            self._ahead = min(max(2 * self._ahead, PIECE_BYTES), AHEAD_BYTES)
            while position < wanted and (after := self._begin(position, position + PIECE_BYTES, needed=False)):
                position = after
        return [piece for piece in pieces if piece.start < end and offset < piece.end]

    def _begin(self, start: int, end: int, *, needed: bool) -> int:
        """Have a range fetched; where it ends, or 0 if it was not begun."""
        piece = self._shared.begin(self, start, min(end, self._size), needed=needed)
        if piece is None:
            return 0
        self._pieces.append(piece)
        return piece.end

    def _drop_first(self) -> None:
        piece = self._pieces.popleft()
        self._shared.end(self, piece, is_last=not self._pieces)
