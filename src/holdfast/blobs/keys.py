"""The keys that wrap other keys: a local file of versioned 256-bit keys.

The file is the root of all secrecy: whoever loses it loses every image. So it is written once, durably, before the
first byte is sealed, and a server that finds data but no keys refuses to start rather than make new ones.
"""

from __future__ import annotations

import base64
import json
import os
from typing import TYPE_CHECKING

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

if TYPE_CHECKING:
    from pathlib import Path

NONCE_BYTES = 12
VERSION_BYTES = 4


class KeyFileFault(Exception):
    """The key file is missing, unreadable or not one of ours."""


class WrongKey(Exception):
    """No key of the ring opens what was wrapped, or it was tampered with."""


class KeyRing:
    """Wraps and unwraps small secrets under the newest of several keys."""

    def __init__(self, keys: dict[int, bytes]) -> None:
        self._ciphers = {version: AESGCM(key) for version, key in keys.items()}
        self._newest = max(keys)

    @classmethod
    def load(cls, path: Path) -> KeyRing:
        """Read the key file."""
        try:
            document = json.loads(path.read_text())
            keys = {int(version): base64.b64decode(text, validate=True) for version, text in document["keys"].items()}
        except FileNotFoundError:
            raise KeyFileFault(
                f"The key file {path} is missing. Everything this registry keeps is sealed under it: "
                "restore it from your backup, then start again."
            ) from None
        except (ValueError, KeyError, TypeError, AttributeError) as fault:
            raise KeyFileFault(f"The key file {path} is not readable: {fault}") from fault
        if not keys or any(len(key) != 32 for key in keys.values()):
            raise KeyFileFault(f"The key file {path} does not hold 256-bit keys")
        return cls(keys)

    @classmethod
    def create(cls, path: Path) -> KeyRing:
        """Make the key file with one fresh key; a file that another process made meanwhile is used instead."""
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        text = json.dumps({"keys": {"1": base64.b64encode(os.urandom(32)).decode()}})
        write_secret_file(path, text)
        return cls.load(path)

    def wrap(self, secret: bytes, context: str) -> bytes:
        """Seal a secret; only the same context opens it again."""
        nonce = os.urandom(NONCE_BYTES)
        version = self._newest.to_bytes(VERSION_BYTES, "big")
        return version + nonce + self._ciphers[self._newest].encrypt(nonce, secret, context.encode())

    def unwrap(self, wrapped: bytes, context: str) -> bytes:
        """Open what `wrap` sealed."""
        cipher = self._ciphers.get(int.from_bytes(wrapped[:VERSION_BYTES], "big"))
        if cipher is None or len(wrapped) < VERSION_BYTES + NONCE_BYTES:
            raise WrongKey("The key that sealed this is not in the key file")
        body = wrapped[VERSION_BYTES:]
        try:
            return cipher.decrypt(body[:NONCE_BYTES], body[NONCE_BYTES:], context.encode())
        except InvalidTag:
            raise WrongKey("The sealed bytes were changed, or belong to something else") from None


def write_secret_file(path: Path, text: str) -> bool:
    """Write a file that only its owner may read, whole or not at all; False if one of that name was there first."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(fd, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)  # refuses an existing file, where a rename would overwrite it
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return True
