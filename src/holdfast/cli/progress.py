"""How far long work is: one moving line on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Self

BAR_CHARACTERS = 30
MOVE_SECONDS = 0.2  # between two moves of the line on a terminal
TELL_SECONDS = 30.0  # between two plain lines
UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


class Progress:
    """Counts what is done and shows it on standard error; nothing if it is quiet."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._is_terminal = sys.stderr.isatty()
        self.begin("working", 0)

    def begin(self, what: str, count: int, size_bytes: int = 0) -> None:
        """Something of so many things and bytes begins."""
        self._what = what
        self._count = count
        self._size_bytes = size_bytes
        self._done = self._done_bytes = 0
        self._began_at = time.monotonic()
        self._next_at = self._began_at + (MOVE_SECONDS if self._is_terminal else TELL_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.clear()

    def add(self, count: int = 0, size_bytes: int = 0) -> None:
        """More is done."""
        self._done += count
        self._done_bytes += size_bytes
        now = time.monotonic()
        if now >= self._next_at and not self._quiet:
            self._next_at = now + (MOVE_SECONDS if self._is_terminal else TELL_SECONDS)
            sys.stderr.write(f"\r\033[K{self._line()}" if self._is_terminal else f"{self._line()}\n")
            sys.stderr.flush()

    def add_bytes(self, size_bytes: int) -> None:
        """More bytes are done."""
        self.add(0, size_bytes)

    def reach(self, done: int, count: int) -> None:
        """So many of so many things are done."""
        self._count = count
        self.add(done - self._done)

    def clear(self) -> None:
        """Leave the line to something else."""
        if self._is_terminal and not self._quiet:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()

    def _line(self) -> str:
        of = self._size_bytes or self._count
        share = min((self._done_bytes if self._size_bytes else self._done) / of, 1.0) if of else 0.0
        seconds = max(time.monotonic() - self._began_at, 0.001)
        full = round(share * BAR_CHARACTERS)
        bar = f"[{'#' * full}{'.' * (BAR_CHARACTERS - full)}] " if self._is_terminal else ""
        left = f", {_time(seconds / share - seconds)} left" if share > 0.01 else ""
        speed = f", {size(self._done_bytes)}, {size(self._done_bytes / seconds)}/s" if self._size_bytes else ""
        done = f"{self._done} of {self._count}" if self._count else f"{self._done}"  # nobody may know how many
        return f"{self._what} {bar}{share:4.0%}  {done}{speed}{left}"


def size(size_bytes: float) -> str:
    """A size for people, such as `1.5 GiB`."""
    for unit in UNITS:
        if size_bytes < 1024 or unit == UNITS[-1]:
            break
        size_bytes /= 1024
    return f"{size_bytes:.0f} {unit}" if unit == "B" else f"{size_bytes:.1f} {unit}"


def _time(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s" if minutes else f"{rest} s"
