"""Files that only their owner may read: written whole, or not at all."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from holdfast.blobs.system import fsync_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def write_secret_file(path: Path, text: str) -> bool:
    """Make a file; False if one of that name was there first."""
    with _draft(path, text) as draft:
        try:
            os.link(draft, path)  # refuses an existing file, where a rename would overwrite it
        except FileExistsError:
            return False
    fsync_folder(path.parent)
    return True


def replace_secret_file(path: Path, text: str) -> None:
    """Let a file have another text: whoever opens it finds the old one or the new one, and so does a crash."""
    with _draft(path, text) as draft:
        draft.replace(path)
    fsync_folder(path.parent)


@contextmanager
def _draft(path: Path, text: str) -> Iterator[Path]:
    draft = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        yield draft
    finally:
        draft.unlink(missing_ok=True)
