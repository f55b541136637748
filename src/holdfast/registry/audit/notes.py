"""Notes of calls, from the answer to the file; one queue a process."""

from __future__ import annotations

import logging
import threading
from collections import deque
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from holdfast.model import audit_chain
from holdfast.registry.audit.records import Renderer
from holdfast.registry.audit.writing import Chain

if TYPE_CHECKING:
    from pathlib import Path

    from holdfast.model.audit import Note, Pull
    from holdfast.registry.backends import Backends

log = logging.getLogger(__name__)

MOST_NOTES = 8192
HALF = MOST_NOTES // 2
PORTION = 512  # written at once
STRANGERS = 20  # of a second: whoever has no credentials must not fill the disk
FILE_BYTES = 64 * 1024 * 1024
KEEP = timedelta(days=90)


class Audit:
    """What was noted since it was last written, and the chain that this process writes."""

    def __init__(
        self,
        folder: Path | None = None,
        *,
        is_on: bool = True,
        pull_share: float = 1.0,
        file_bytes: int = FILE_BYTES,
        keep: timedelta = KEEP,
    ) -> None:
        self.folder = folder
        self.is_on = is_on and folder is not None
        self.pull_share = pull_share
        self._due = 0.0  # share of a pull that is still to be recorded
        self._strangers = 0
        self._left_out = {"pulls": 0, "strangers": 0, "lost": 0}
        self._notes: deque[Note | Pull] = deque()
        self._is_helping = False
        self._lock = threading.Lock()  # held by whoever writes
        self._renderer = Renderer(pull_share)
        self._chain = Chain(folder, file_bytes, keep) if folder is not None else None

    def wants_pull(self) -> bool:
        """Whether this pull is one of the share that is recorded: evenly spread, the first one in any case."""
        share = self.pull_share
        if share >= 1.0:
            return True
        if self._due <= 0.0:
            self._due += 1.0 - share
            return share > 0.0
        self._due -= share
        return False

    def wants_stranger(self) -> bool:
        """Whether one more call of somebody without good credentials is recorded."""
        self._strangers += 1
        if self._strangers <= STRANGERS:
            return True
        self._left_out["strangers"] += 1
        return False

    def note(self, on: Backends, note: Note | Pull, *, may_drop: bool = False) -> None:
        """Note a call; when there is no room, one that may not be dropped waits until there is."""
        if len(self._notes) >= HALF and not self._has_room(on, may_drop=may_drop):
            return
        self._notes.append(note)

    def _has_room(self, on: Backends, *, may_drop: bool) -> bool:
        if not self._is_helping:
            self._is_helping = True
            with suppress(RuntimeError):  # the process is about to end
                threading.Thread(target=self._help, args=(on,), name="audit", daemon=True).start()
        if len(self._notes) < MOST_NOTES:
            return True
        if may_drop:
            self._left_out["pulls"] += 1
            return False
        self._try_to_write(on)
        if len(self._notes) < MOST_NOTES:
            return True
        self._left_out["lost"] += 1
        return False

    def _help(self, on: Backends) -> None:
        self._try_to_write(on)
        self._is_helping = False

    def _try_to_write(self, on: Backends) -> None:
        try:
            self.write(on)
        except Exception:
            log.exception("the audit log cannot be written; what does not fit into memory is lost")

    def write(self, on: Backends) -> None:
        """Write what was noted; what cannot be written is kept for the next time."""
        chain = self._chain
        if chain is None:
            return
        with self._lock:
            while self._notes:
                portion = [self._notes.popleft() for _ in range(min(len(self._notes), PORTION))]
                try:
                    chain.append(on, self._renderer.bodies(on, portion))
                except BaseException:
                    self._notes.extendleft(reversed(portion))
                    raise
            self._tell_what_is_left_out(on, chain)

    def _tell_what_is_left_out(self, on: Backends, chain: Chain) -> None:
        left_out, self._left_out = self._left_out, {"pulls": 0, "strangers": 0, "lost": 0}
        if not any(left_out.values()):
            return
        log.warning("the audit log leaves out calls: %s", left_out)
        try:
            chain.append(on, [audit_chain.told("left out", time=audit_chain.time_told(on.clock()), **left_out)])
        except BaseException:
            for kind, count in left_out.items():
                self._left_out[kind] += count
            raise

    def sync(self, on: Backends) -> None:
        """Write what was noted, so that it survives a power cut; strangers are counted anew."""
        self.write(on)
        self._strangers = 0
        if self._chain is not None:
            with self._lock:
                self._chain.sync(on)

    def close(self, on: Backends) -> None:
        """Write what was noted, and end the chain."""
        self.write(on)
        if self._chain is not None:
            with self._lock:
                self._chain.close(on)


def record(on: Backends) -> None:
    """Write down what was noted; asked once a second."""
    on.audit.sync(on)


def close(on: Backends) -> None:
    """End the chain of this process."""
    try:
        on.audit.close(on)
    except Exception:
        log.exception("the audit log of this process cannot be closed")
