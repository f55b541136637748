"""Secrets that accounts keep: made, read, changed, labelled, deleted after a while; and read for upstreams."""

from __future__ import annotations

import hmac
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from holdfast import store
from holdfast.blobs.keys import WrongKey
from holdfast.model import secrets as model
from holdfast.model.errors import (
    InvalidParameter,
    InvalidRequest,
    LimitExceeded,
    ResourceExists,
    ResourceNotFound,
    SecretNotFound,
    UnableToDecryptSecretValue,
)
from holdfast.model.secrets import CURRENT, Secret, UpstreamCredential, Value, Version

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from holdfast.model.names import Registry
    from holdfast.registry.backends import Backends
    from holdfast.store import Transaction

MOST_SECRETS = 5000  # of a registry
MOST_UNLABELLED = 20  # values of a secret that no label names; older ones are forgotten
MOST_LABELS = 20  # of a value
MARKED = "You can't perform this operation on the secret because it was marked for deletion."
SUFFIX_BYTES = 6


# ---- Secrets


def create(
    on: Backends,
    home: Registry,
    name: str,
    value: Value | None,
    token: str,
    *,
    description: str = "",
    tags: Mapping[str, str],
) -> tuple[Secret, str | None]:
    """Make a secret, and its first value if there is one; it, and the version of the value.

    A client that asks again with the token of before is told what it was told before.
    """
    model.check_name(name)
    model.check_tags(tags)
    now = on.clock()
    with on.database.transaction() as tx:
        found = store.account_secrets.find(tx, home, name)
        if found is not None and found.gone_at is not None and found.gone_at <= now:
            store.account_secrets.remove(tx, found.id)
            found = None
        if found is not None:
            if found.gone_at is not None:
                raise InvalidRequest(
                    "You can't create this secret because a secret with this name is already scheduled for deletion."
                )
            if value is None or not _is_same(on, tx, found, token, value):
                raise ResourceExists(f"The operation failed because the secret {name} already exists.")
            return found, token
        if store.account_secrets.count(tx, home) >= MOST_SECRETS:
            raise LimitExceeded(f"The account cannot have more than {MOST_SECRETS} secrets in a region")
        suffix = model.new_suffix(on.random_bytes(SUFFIX_BYTES))
        secret = Secret(0, home, name, suffix, description, tags, now, now)
        secret = replace(secret, id=store.account_secrets.add(tx, secret))
        store.counters.bump_access(tx, home.account_id)  # its tags may decide
        if value is not None:
            _put(on, tx, secret, value, token, [CURRENT])
    return secret, None if value is None else token


def update(
    on: Backends, home: Registry, secret_id: str, value: Value | None, token: str, *, description: str | None
) -> tuple[Secret, str | None]:
    """Describe a secret in other words, or give it another current value; it, and the version of the value."""
    with on.database.transaction() as tx:
        secret = _get(on, tx, home, secret_id)
        words = secret.description if description is None else description
        secret = replace(secret, description=words, changed_at=on.clock())
        if value is not None:
            _put(on, tx, secret, value, token, [CURRENT])
        store.account_secrets.change(tx, secret)
    return secret, None if value is None else token


def describe(on: Backends, home: Registry, secret_id: str) -> tuple[Secret, list[Version]]:
    """A secret with its versions; one that is deleted, too, while it can be restored."""
    with on.database.snapshot() as tx:
        secret = _get(on, tx, home, secret_id, may_be_deleted=True)
        return secret, store.account_secrets.versions(tx, [secret.id])[secret.id]


def list_all(
    on: Backends, home: Registry, wanted: Callable[[Secret], bool], *, deleted: bool
) -> list[tuple[Secret, list[Version]]]:
    """Every secret that is wanted, by name, with its versions; those that are deleted, too, if asked for."""
    now = on.clock()
    with on.database.snapshot() as tx:
        found = [
            secret
            for secret in store.account_secrets.list_all(tx, home)
            if (secret.gone_at is None or (deleted and secret.gone_at > now)) and wanted(secret)
        ]
        versions = store.account_secrets.versions(tx, [secret.id for secret in found]) if found else {}
    return [(secret, versions[secret.id]) for secret in found]


def delete(
    on: Backends, home: Registry, secret_id: str, days: int | None, *, is_forced: bool
) -> tuple[Secret, datetime]:
    """Delete a secret, which can be restored for some days unless it is forced; it, and when it is gone."""
    if is_forced and days is not None:
        raise InvalidParameter(
            "RecoveryWindowInDays",
            "You can't use ForceDeleteWithoutRecovery in conjunction with RecoveryWindowInDays.",
        )
    days = model.RECOVERY_DAYS[-1] if days is None else days
    if days not in model.RECOVERY_DAYS:
        raise InvalidParameter(
            "RecoveryWindowInDays", "The RecoveryWindowInDays value must be between 7 and 30 days (inclusive)."
        )
    now = on.clock()
    with on.database.transaction() as tx:
        secret = _get(on, tx, home, secret_id, may_be_deleted=is_forced)
        gone_at = now if is_forced else now + timedelta(days=days)
        if is_forced:
            store.account_secrets.remove(tx, secret.id)
        else:
            store.account_secrets.change(tx, replace(secret, gone_at=gone_at))
    return secret, gone_at


def restore(on: Backends, home: Registry, secret_id: str) -> Secret:
    """Take the deletion of a secret back; one that is not deleted stays as it is."""
    with on.database.transaction() as tx:
        secret = replace(_get(on, tx, home, secret_id, may_be_deleted=True), gone_at=None)
        store.account_secrets.change(tx, secret)
    return secret


def tag(on: Backends, home: Registry, secret_id: str, tags: Mapping[str, str]) -> None:
    """Add tags, or overwrite those of the same keys."""
    _retag(on, home, secret_id, lambda before: {**before, **tags})


def untag(on: Backends, home: Registry, secret_id: str, keys: Sequence[str]) -> None:
    """Remove tags."""
    _retag(on, home, secret_id, lambda before: {key: value for key, value in before.items() if key not in keys})


def _retag(
    on: Backends, home: Registry, secret_id: str, changed: Callable[[Mapping[str, str]], Mapping[str, str]]
) -> None:
    with on.database.transaction() as tx:
        secret = _get(on, tx, home, secret_id)
        tags = changed(secret.tags)
        model.check_tags(tags)
        store.account_secrets.change(tx, replace(secret, tags=tags, changed_at=on.clock()))
        store.counters.bump_access(tx, home.account_id)


def arn_of(on: Backends, home: Registry, secret_id: str) -> str:
    """The ARN by which policies know what an id names, whether or not it is there; of other registries, the id."""
    named = model.read_id(home, secret_id)
    if named.registry != home:
        return secret_id
    with on.database.snapshot() as tx:
        found = store.account_secrets.find_named(tx, named)
    if found is not None:
        return found.arn
    name, suffix = named.candidates[0]
    return model.arn(home, name, suffix or model.ANY_SUFFIX)


# ---- Values


def get_value(
    on: Backends, home: Registry, secret_id: str, version_id: str | None, stage: str | None
) -> tuple[Secret, Version, Value]:
    """A value by its version, its label or both; else the current one."""
    with on.database.snapshot() as tx:
        secret = _get(on, tx, home, secret_id)
        versions = store.account_secrets.versions(tx, [secret.id])[secret.id]
        if version_id is None and stage is None:
            stage = CURRENT
        found = [one for one in versions if version_id in {None, one.id} and (stage is None or stage in one.stages)]
        if not found:
            raise ResourceNotFound(f"VersionId: {version_id}" if version_id else f"staging label: {stage}")
        value = _opened(on, tx, secret, found[0].id)
    _note_use(on, secret)
    return secret, found[0], value


def _note_use(on: Backends, secret: Secret) -> None:
    """Note that a value was read today, once a day: AWS tells no more than the day."""
    day = on.clock().replace(hour=0, minute=0, second=0, microsecond=0)
    if secret.used_at is None or secret.used_at < day:
        with on.database.transaction(durable=False, within=()) as tx:
            store.account_secrets.use(tx, secret.id, day)


def put_value(
    on: Backends, home: Registry, secret_id: str, value: Value, token: str, stages: Sequence[str]
) -> tuple[Secret, list[str]]:
    """Give a secret another value under some labels; it, and the labels of the value."""
    if len(set(stages)) > MOST_LABELS:
        raise LimitExceeded(f"A version cannot have more than {MOST_LABELS} staging labels")
    with on.database.transaction() as tx:
        secret = replace(_get(on, tx, home, secret_id), changed_at=on.clock())
        labels = _put(on, tx, secret, value, token, stages or [CURRENT])
        store.account_secrets.change(tx, secret)
    return secret, labels


def move_label(on: Backends, home: Registry, secret_id: str, label: str, to: str | None, off: str | None) -> Secret:
    """Let a label name another version, or none; who takes it off a version must say which one has it."""
    with on.database.transaction() as tx:
        secret = replace(_get(on, tx, home, secret_id), changed_at=on.clock())
        stages = {one.id: list(one.stages) for one in store.account_secrets.versions(tx, [secret.id])[secret.id]}
        holder = next((version for version, names in stages.items() if label in names), None)
        if not {to, off} <= {None, *stages}:
            raise ResourceNotFound(f"VersionId: {off if to in {None, *stages} else to}")
        if holder not in {None, to} and off != holder:
            raise InvalidParameter(
                "RemoveFromVersionId",
                f"Staging label {label} is currently attached to version {holder}, so you must explicitly reference "
                "that version in RemoveFromVersionId.",
            )
        if to is None and (off is None or label == CURRENT):
            raise InvalidParameter("MoveToVersionId", f"You can only move the staging label {label} to another version")
        if to is not None:
            after = model.labelled(stages, to, [label])
        else:
            after = {version: [name for name in names if name != label] for version, names in stages.items()}
        for version, names in after.items():
            if names != stages[version]:
                store.account_secrets.label(tx, secret.id, version, names)
        store.account_secrets.change(tx, secret)
    return secret


def value_of(on: Backends, arn: str) -> UpstreamCredential:
    """The login at an upstream that a rule's secret has; refused in ECR's words if it cannot be had."""
    named = model.read_arn(arn)
    with on.database.snapshot() as tx:
        secret = store.account_secrets.find_named(tx, named) if named else None
        if secret is None or secret.gone_at is not None:
            raise SecretNotFound
        versions = store.account_secrets.versions(tx, [secret.id])[secret.id]
        current = next((one.id for one in versions if CURRENT in one.stages), None)
        if current is None:
            raise SecretNotFound
        try:
            value = _opened(on, tx, secret, current)
        except WrongKey:
            raise UnableToDecryptSecretValue("its bytes are damaged. Put the value again") from None
    _note_use(on, secret)
    try:
        document: Any = msgspec.json.decode((value.text or "").encode())
    except msgspec.DecodeError:
        document = None
    known = document if isinstance(document, dict) else {}
    username, access_token = known.get("username"), known.get("accessToken")
    if not (isinstance(username, str) and isinstance(access_token, str)):
        raise UnableToDecryptSecretValue("its value must be JSON with the texts 'username' and 'accessToken'")
    return UpstreamCredential(username, access_token)


def _put(on: Backends, tx: Transaction, secret: Secret, value: Value, token: str, stages: Sequence[str]) -> list[str]:
    """Keep a value, move labels to it, and forget old values without any; its labels."""
    versions = {one.id: one for one in store.account_secrets.versions(tx, [secret.id])[secret.id]}
    if token in versions:
        if not _is_same(on, tx, secret, token, value):
            raise ResourceExists(
                f"You can't use ClientRequestToken {token} because that value is already in use "
                f"for a version of secret {secret.arn}."
            )
        return list(versions[token].stages)
    after = model.labelled({one.id: one.stages for one in versions.values()}, token, stages)
    sealed = on.keys.wrap(value.plain, context(secret.id, token))
    store.account_secrets.put_version(tx, secret.id, Version(token, after[token], on.clock()), sealed)
    for version in versions.values():
        if list(version.stages) != after[version.id]:
            store.account_secrets.label(tx, secret.id, version.id, after[version.id])
    unlabelled = [version_id for version_id in versions if not after[version_id]]  # the oldest first
    for version_id in unlabelled[:-MOST_UNLABELLED]:
        store.account_secrets.remove_version(tx, secret.id, version_id)
    return after[token]


def _is_same(on: Backends, tx: Transaction, secret: Secret, version_id: str, value: Value) -> bool:
    """Whether a version is there and has this very value."""
    if all(one.id != version_id for one in store.account_secrets.versions(tx, [secret.id])[secret.id]):
        return False
    return hmac.compare_digest(_opened(on, tx, secret, version_id).plain, value.plain)


def _opened(on: Backends, tx: Transaction, secret: Secret, version_id: str) -> Value:
    sealed = store.account_secrets.sealed(tx, secret.id, version_id)
    return Value.of(on.keys.unwrap(sealed, context(secret.id, version_id)))


def context(secret_id: int, version_id: str) -> str:
    """What a value is sealed for."""
    return f"account secret {secret_id} {version_id}"


def _get(on: Backends, tx: Transaction, home: Registry, secret_id: str, *, may_be_deleted: bool = False) -> Secret:
    named = model.read_id(home, secret_id)
    found = store.account_secrets.find_named(tx, named) if named.registry == home else None
    if found is None or (found.gone_at is not None and found.gone_at <= on.clock()):
        raise ResourceNotFound
    if found.gone_at is not None and not may_be_deleted:
        raise InvalidRequest(MARKED)
    return found
