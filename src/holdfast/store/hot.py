"""The few reads that decide how fast a pull is, in plain SQL on a connection of one's own.

SQLAlchemy costs 30 µs and more a call, these 6 µs. They read committed facts only and remember nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from holdfast.model import iam_sessions
from holdfast.model.callers import holder
from holdfast.store.counters import ACCESS

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.model.callers import Caller
    from holdfast.model.names import Registry, RepositoryRef

_MANIFEST = """
SELECT m.id, m.digest, m.media_type, b.body, {stale_at} FROM registries g
  JOIN repositories r ON r.registry_id = g.id AND r.name = ?
  JOIN {join}
  JOIN manifest_bodies b ON b.manifest_id = m.id
 WHERE g.account_id = ? AND g.region = ? AND m.status = 'ACTIVE' AND m.damaged_at IS NULL
"""
_BY_TAG = _MANIFEST.format(
    join="tags t ON t.repository_id = r.id AND t.name = ? JOIN manifests m ON m.id = t.manifest_id",
    stale_at="t.stale_at",
)
_BY_DIGEST = _MANIFEST.format(join="manifests m ON m.repository_id = r.id AND m.digest = ?", stale_at="NULL")

_BLOB = """
SELECT b.size_bytes, b.object_key, b.damaged_at IS NOT NULL FROM registries g
  JOIN repositories r ON r.registry_id = g.id AND r.name = ?
  JOIN repository_blobs l ON l.repository_id = r.id AND l.digest = ?
  JOIN blobs b ON b.id = l.blob_id
 WHERE g.account_id = ? AND g.region = ?
"""
_REPOSITORY = """
SELECT r.id FROM registries g JOIN repositories r ON r.registry_id = g.id AND r.name = ?
 WHERE g.account_id = ? AND g.region = ?
"""
_RULE_OF_HOST = """
SELECT c.prefix, c.upstream_prefix FROM registries g JOIN cache_rules c ON c.registry_id = g.id AND c.upstream_url = ?
 WHERE g.account_id = ? AND g.region = ? ORDER BY c.prefix
"""
_RULES = """
SELECT c.prefix FROM registries g JOIN cache_rules c ON c.registry_id = g.id WHERE g.account_id = ? AND g.region = ?
"""
_ACCESS_VERSION = "SELECT value FROM counters WHERE name = ?"
_OBJECT = "SELECT sealed, key_scope, key_version, wrapped_key FROM objects WHERE key = ?"
_ENCRYPTION = """
SELECT r.encryption_type, r.kms_key FROM registries g JOIN repositories r ON r.registry_id = g.id AND r.name = ?
 WHERE g.account_id = ? AND g.region = ?
"""
_WRAPPING_KEYS = "SELECT layer, version, sealed, sealed_by FROM wrapping_keys WHERE scope = ? ORDER BY version, layer"
_KMS_KEY = "SELECT is_enabled FROM kms_keys WHERE arn = ?"
_KEY = """
SELECT k.account_id, k.user_id, u.path, u.name FROM access_keys k LEFT JOIN iam_users u ON u.id = k.user_id
 WHERE k.id = ? AND k.is_active AND (k.user_id IS NULL OR u.id IS NOT NULL)
"""
# Whoever is gone has no sessions. One that is over still stands for the login tokens that were made from it.
_SESSION = """
SELECT s.account_id, s.kind, s.entity_id, s.name, coalesce(r.name, u.name, ''), coalesce(r.path, u.path, '/')
  FROM iam_sessions s LEFT JOIN iam_roles r ON r.id = s.entity_id LEFT JOIN iam_users u ON u.id = s.entity_id
 WHERE s.id = ? AND (s.entity_id IS NULL OR r.id IS NOT NULL OR u.id IS NOT NULL)
"""


class StoredManifest(NamedTuple):
    """A manifest as it is served."""

    id: int  # 0 for one that is still on its way from an upstream
    digest: str
    media_type: str
    body: bytes
    stale_at: int | None = None  # in microseconds since 1970; from then on the tag's upstream is to be asked


class StoredObject(NamedTuple):
    """An object as it is opened."""

    sealed: bytes | None  # None if its bytes lie in the blob store
    key_scope: str
    key_version: int
    wrapped_key: bytes | None  # None if only the object itself has it


class SealedKey(NamedTuple):
    """A wrapping key of a scope."""

    layer: int  # 0 is the innermost
    version: int
    sealed: bytes
    sealed_by: str  # a key of a key service; empty if the registry's own


class HotReads:
    """One connection's way to run a text with `?` for its values; used by one thread."""

    def __init__(self, execute: Callable[..., Any]) -> None:
        self._execute = execute

    def manifest(self, at: RepositoryRef, reference: str, *, by_tag: bool) -> StoredManifest | None:
        """The manifest that a tag or digest names in a repository."""
        statement = _BY_TAG if by_tag else _BY_DIGEST
        row = self._execute(statement, (at.name, reference, at.registry.account_id, at.registry.region)).fetchone()
        return StoredManifest(*row) if row else None

    def blob(self, at: RepositoryRef, digest: str) -> tuple[int, str, bool] | None:
        """Size in bytes and object key of a blob that a repository holds, and whether it is damaged."""
        row: tuple[int, str, bool] | None = self._execute(
            _BLOB, (at.name, digest, at.registry.account_id, at.registry.region)
        ).fetchone()
        return row

    def object(self, object_key: str) -> StoredObject | None:
        """How an object is sealed, and its bytes if they are few."""
        row = self._execute(_OBJECT, (object_key,)).fetchone()
        return StoredObject(*row) if row else None

    def encryption(self, at: RepositoryRef) -> tuple[str, str | None] | None:
        """How a repository is encrypted, and under which key."""
        row: tuple[str, str | None] | None = self._execute(
            _ENCRYPTION, (at.name, at.registry.account_id, at.registry.region)
        ).fetchone()
        return row

    def wrapping_keys(self, scope: str) -> list[SealedKey]:
        """Every wrapping key of a scope."""
        return [SealedKey(*row) for row in self._execute(_WRAPPING_KEYS, (scope,)).fetchall()]

    def is_kms_key_enabled(self, arn: str) -> bool | None:
        """Whether a named key may be used; None if there is none of that name."""
        row = self._execute(_KMS_KEY, (arn,)).fetchone()
        return bool(row[0]) if row else None

    def has_repository(self, at: RepositoryRef) -> bool:
        """Whether a repository of that name exists."""
        registry = at.registry
        return self._execute(_REPOSITORY, (at.name, registry.account_id, registry.region)).fetchone() is not None

    def rules_of(self, registry: Registry) -> list[str]:
        """The prefixes of a registry's cache rules; there are fifty at most."""
        return [prefix for (prefix,) in self._execute(_RULES, (registry.account_id, registry.region)).fetchall()]

    def rules_of_host(self, registry: Registry, host: str) -> list[tuple[str, str]]:
        """Prefixes here and there of the cache rules for an upstream."""
        return list(self._execute(_RULE_OF_HOST, (host, registry.account_id, registry.region)).fetchall())

    def access_version(self, account_id: str) -> int:
        """How often anything was changed that decides who may do what in an account, or in all of them."""
        row = self._execute(_ACCESS_VERSION, (ACCESS + account_id,)).fetchone()
        return row[0] if row else 0

    def holder_of_key(self, access_key_id: str) -> Caller | None:
        """Whom an active access key, or that of a session, speaks for."""
        row = self._execute(_KEY, (access_key_id,)).fetchone()
        if row is not None:
            return holder(access_key_id, *row)
        row = self._execute(_SESSION, (access_key_id,)).fetchone()
        return iam_sessions.caller(access_key_id, *row) if row else None
