"""The local key file: versioned 256-bit keys under which the keys of everything else are wrapped.

The file is the root of all secrecy: whoever loses it loses every image. So it is made durably before the first byte is
sealed, a new version is added by replacing the whole file at once, and a server that finds data but no keys refuses to
start rather than make new ones.
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from holdfast.blobs.keys import KEY_BYTES, KeyRing, UnknownKey
from holdfast.blobs.secret_files import replace_secret_file, write_secret_file
from holdfast.blobs.system import fsync_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class KeyFileFault(Exception):
    """The key file is missing, unreadable or not one of ours."""


class KeyFile:
    """The key file of this node; every process of it sees a new version with the next secret that it wraps."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._mark, self._ring = self._read()

    @classmethod
    def create(cls, path: Path, now: datetime) -> KeyFile:
        """Make the file with one fresh key; a file that another process made meanwhile is used instead."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_secret_file(path, _text({1: os.urandom(KEY_BYTES)}, {1: now}))
        return cls(path)

    def ring(self) -> KeyRing:
        """The keys, as the file has them now."""
        if _mark(self.path) != self._mark:
            mark, ring = self._read()
            # Whoever put the file there may not have come to this yet, and a power cut must not take back a version
            # that wrapped something.
            fsync_folder(self.path.parent)
            self._mark, self._ring = mark, ring
        return self._ring

    def wrap(self, secret: bytes, context: str) -> bytes:
        """Seal a secret under the newest key."""
        return self.ring().wrap(secret, context)

    def unwrap(self, wrapped: bytes, context: str) -> bytes:
        """Open what `wrap` sealed."""
        try:
            return self._ring.unwrap(wrapped, context)
        except UnknownKey:
            return self.ring().unwrap(wrapped, context)

    @staticmethod
    def write(path: Path, keys: dict[int, bytes], made_at: dict[int, datetime]) -> None:
        """Make a file of keys that lay elsewhere, in place of one that is there."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_secret_file(path, _text(keys, made_at))

    def secrets(self) -> dict[int, bytes]:
        """The keys themselves: for whoever puts them elsewhere."""
        return self._load()[0]

    def made_at(self) -> dict[int, datetime]:
        """When each version was made; the epoch if the file does not tell."""
        return self._load()[1]

    def rotate(self, now: datetime) -> int:
        """Add a version, under which everything is wrapped from now on; which."""
        with self._alone():
            keys, made_at = self._load()
            version = max(keys) + 1
            replace_secret_file(self.path, _text(keys | {version: os.urandom(KEY_BYTES)}, made_at | {version: now}))
        return version

    def retire(self, version: int) -> None:
        """Remove a version, without which what is wrapped under it is lost; never the newest one."""
        with self._alone():
            keys, made_at = self._load()
            if version == max(keys):
                raise ValueError("the newest version is in use")
            keys.pop(version, None)
            replace_secret_file(self.path, _text(keys, made_at))

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold off whoever else would replace the file; the system lets go when this process dies."""
        fd = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            yield
        finally:
            os.close(fd)

    def _read(self) -> tuple[object, KeyRing]:
        mark = _mark(self.path)  # first: a file that is replaced meanwhile is read again the next time
        return mark, KeyRing(self._load()[0])

    def _load(self) -> tuple[dict[int, bytes], dict[int, datetime]]:
        try:
            document: Any = json.loads(self.path.read_text())
            keys = {int(version): base64.b64decode(text, validate=True) for version, text in document["keys"].items()}
            told = document.get("made", {})
            made_at = {one: datetime.fromisoformat(told[str(one)]) if str(one) in told else EPOCH for one in keys}
        except FileNotFoundError:
            raise KeyFileFault(
                f"The key file {self.path} is missing. Everything this registry keeps is sealed under it: "
                "restore it from your backup, or copy it from another node, then start again."
            ) from None
        except (ValueError, KeyError, TypeError, AttributeError) as fault:
            raise KeyFileFault(f"The key file {self.path} is not readable: {fault}") from None
        if not keys or min(keys) < 1 or any(len(key) != KEY_BYTES for key in keys.values()):
            raise KeyFileFault(f"The key file {self.path} does not hold 256-bit keys")
        return keys, made_at


def _mark(path: Path) -> object:
    """What is another after every replacement; None while there is no file."""
    try:
        status = os.stat(path)  # noqa: PTH116 - 1 µs, and asked for every push
    except FileNotFoundError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size


def _text(keys: dict[int, bytes], made_at: dict[int, datetime]) -> str:
    document = {
        "keys": {str(version): base64.b64encode(key).decode() for version, key in sorted(keys.items())},
        "made": {str(version): moment.isoformat() for version, moment in sorted(made_at.items()) if version in keys},
    }
    return json.dumps(document, indent=1) + "\n"
