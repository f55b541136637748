"""The chain of one process: files that begin and end sealed, follow each other, and go when they are old.

The first line of a file tells where the other chains stood, and the database where this one stands, so that none can
vanish or lose its end unseen; and it tells which old files were removed, before they are.
"""

from __future__ import annotations

import logging
import os
import platform
import re
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from holdfast import __version__, store
from holdfast.model import audit_chain
from holdfast.model.audit_chain import Ending, FileName, Head
from holdfast.registry.audit import keys
from holdfast.store import audit_files

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date, timedelta
    from pathlib import Path

    from holdfast.registry.backends import Backends

log = logging.getLogger(__name__)

WITNESSED = 512  # chains; those that were written last
FORGOTTEN = 512  # files at once


class Chain:
    """Writes lines; used by one thread at a time, and by one process: a forked one begins a chain of its own."""

    def __init__(self, folder: Path, file_bytes: int, keep: timedelta) -> None:
        self._folder = folder
        self._file_bytes = file_bytes
        self._keep = keep
        self._key: bytes | None = None
        self._head = Head()
        self._folder_id = ""
        self._name: FileName | None = None  # of the newest file, whether or not it is still written
        self._file: audit_files.Writer | None = None
        self._day: date | None = None
        self._is_synced = True
        self._kept = Head()  # as the database knows it

    def append(self, on: Backends, bodies: Iterable[bytes]) -> None:
        """Add lines; if they cannot be written, nothing has happened."""
        now = on.clock()
        if self._file is not None and (self._file.size_bytes >= self._file_bytes or self._day != now.date()):
            self._end_file(on)
        if self._file is None:
            self._begin_file(on, now)
        self._add(bodies)

    def sync(self, on: Backends) -> None:
        """Return when what was added survives a power cut, and the database knows where the chain stands."""
        if self._file is not None and not self._is_synced:
            self._file.sync()
            self._is_synced = True
        self._keep_head(on)

    def close(self, on: Backends) -> None:
        """End the chain."""
        if self._file is not None:
            self._end_file(on)
            self._keep_head(on)

    def _keep_head(self, on: Backends) -> None:
        """Tell the database where the chain stands: never of a line that a power cut may take."""
        if self._name is None or not self._is_synced or self._kept == self._head:
            return
        chain, head = self._name.chain, self._head
        with on.database.transaction(durable=False, within=[f"audit/{chain}"]) as tx:
            store.audit_heads.keep(tx, self._folder_id, chain, Ending(str(self._name), *head))
        self._kept = head

    def _add(self, bodies: Iterable[bytes]) -> None:
        assert self._file is not None
        assert self._key is not None
        lines, head = audit_chain.extended(self._head, bodies, self._key)
        self._file.append(lines)
        self._head, self._is_synced = head, False

    def _begin_file(self, on: Backends, now: datetime) -> None:
        self._key = self._key or keys.newest(on)
        self._folder_id = audit_files.ensure_id(self._folder, on.random_bytes(16).hex())
        name = self._name.next if self._name is not None else FileName(_chain(now), 1)
        forgotten = self._old_files(now, name)
        witnessed = self._others(name)
        self._file = audit_files.Writer(self._folder, name)
        try:
            told = audit_chain.told("opened", file=str(name), folder=self._folder_id, time=audit_chain.time_told(now),
                                    program=__version__, witnessed=witnessed, forgotten=forgotten)  # fmt: skip
            self._add([told])
            self._file.sync()
            if forgotten:
                with on.database.transaction(within=()) as tx:
                    store.audit_heads.forget(tx, [old.file for old in forgotten])
        except BaseException:
            self._file.close()
            self._file = None
            audit_files.remove(self._folder, name)
            raise
        self._name, self._day = name, now.date()
        for old in forgotten:
            found = audit_chain.file_name(old.file)
            if found is not None:
                audit_files.remove(self._folder, found)
        if forgotten:
            log.info("%d old files of the audit log are removed", len(forgotten))

    def _end_file(self, on: Backends) -> None:
        assert self._file is not None
        file = self._file
        try:
            self._add([audit_chain.told("closed", time=audit_chain.time_told(on.clock()))])
            file.sync()
            self._is_synced = True
        except OSError as fault:  # the next file tells where this one ended
            log.warning("the audit log %s ends without a closing line: %s", file.name, fault)
        self._file = None
        file.close()

    def _others(self, own: FileName) -> list[Ending]:
        """Where the other chains stand."""
        last = {name.chain: name for name in audit_files.names(self._folder) if name.chain != own.chain}
        endings = [ending for name in last.values() if (ending := self._ending(name)) is not None]
        return sorted(endings, key=lambda ending: ending.at, reverse=True)[:WITNESSED]

    def _old_files(self, now: datetime, own: FileName) -> list[Ending]:
        """The files whose time is over, from the beginning of each chain; never one that somebody may still write."""
        names = audit_files.names(self._folder)
        there = set(names)
        before = audit_chain.time_told(now - self._keep)
        old: list[Ending] = []
        stopped: set[str] = set()
        for name in names:
            if name.chain in stopped or len(old) == FORGOTTEN:
                continue
            ending = self._ending(name)
            is_old = ending is not None and ending.at < before
            if ending is not None and is_old and (name.next in there or self._is_left(name, own)):
                old.append(ending)
            else:
                stopped.add(name.chain)
        return old

    def _is_left(self, name: FileName, own: FileName) -> bool:
        """Whether nobody writes the last file of a chain any more."""
        with suppress(FileNotFoundError):
            return name.chain == own.chain or not audit_files.is_being_written(self._folder, name)
        return False

    def _ending(self, name: FileName) -> Ending | None:
        with suppress(FileNotFoundError):  # another process forgot it
            return audit_files.ending(self._folder, name)
        return None


def _chain(now: datetime) -> str:
    """A name that no other chain has: when it begins, on which node, in which process."""
    node = re.sub(r"[^A-Za-z0-9.]+", "-", platform.node())[:100].strip("-.") or "node"
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%S.%fZ}-{node}-{os.getpid()}"
