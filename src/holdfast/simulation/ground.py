"""What every run begins with: a migrated database with an account, a login and empty repositories."""

from __future__ import annotations

import base64
import random
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from holdfast import registry
from holdfast.blobs import FileStore, KeyFile, SealedStore
from holdfast.model.callers import Caller
from holdfast.model.repositories import Encryption, Mutability, TagMutability
from holdfast.registry import Backends
from holdfast.simulation.things import FIXED, GUEST, HOME, REPOSITORIES
from holdfast.store import SqliteDatabase
from holdfast.store.migrations import migrate

if TYPE_CHECKING:
    from collections.abc import Iterator

START = datetime(2030, 1, 1, tzinfo=UTC)
MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of its own is made there


@dataclass(frozen=True, slots=True)
class Ground:
    """A database and a key file, and logins that the registry in them accepts."""

    database: bytes
    keys: bytes
    login: str  # of the account's root
    guest: str  # of a user who may do what policies of repositories say
    guest_key: str


@cache
def ground() -> Ground:
    """Made once a process: migrations take as long as a whole run."""
    chance = random.Random(0)  # noqa: S311 - it is to be repeated
    with folder() as path:
        database = SqliteDatabase(path / "holdfast.db")
        migrate(database)
        file = KeyFile.create(path / "keys" / "local.json", START)
        keys, blobs = registry.keys.Keys(database, file), SealedStore(FileStore(path / "objects"))
        on = Backends(database, blobs, keys, lambda: START, random_bytes=chance.randbytes)
        on = replace(on, limits=replace(on.limits, token_lifetime=timedelta(days=10_000)))
        registry.accounts.create(on, HOME.account_id)
        root, _ = registry.accounts.create_key(on, HOME.account_id)
        registry.iam.users.create(on, HOME.account_id, GUEST)
        _, guest, _ = registry.iam.access_keys.create(on, HOME.account_id, GUEST)
        for name in REPOSITORIES:
            create(on, name)
        login, guest_login = _login(on, root.id), _login(on, guest.id)
        database.close()
        return Ground((path / "holdfast.db").read_bytes(), file.path.read_bytes(), login, guest_login, guest.id)


def _login(on: Backends, key_id: str) -> str:
    password, _ = registry.accounts.Tokens(on).issue(Caller(HOME.account_id, key_id), HOME)
    return "Basic " + base64.b64encode(f"AWS:{password}".encode()).decode()


def create(on: Backends, name: str) -> None:
    """Make one of the repositories."""
    setting = Mutability.IMMUTABLE if name == FIXED else Mutability.MUTABLE
    registry.repositories.create(
        on, REPOSITORIES[name], mutability=TagMutability(setting), scan_on_push=False, encryption=Encryption(), tags={}
    )


@contextmanager
def folder() -> Iterator[Path]:
    """A folder that goes with its block; in memory, where the system has such a place."""
    with tempfile.TemporaryDirectory(prefix="holdfast-", dir=MEMORY if MEMORY.is_dir() else None) as name:
        yield Path(name)
