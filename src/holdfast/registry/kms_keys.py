"""Keys that repositories name: which one is meant, and the ones that are kept here where no key service is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model import kms
from holdfast.model.errors import AlreadyExists, Invalid, InvalidParameter, Kms, NotFound
from holdfast.model.kms import DEFAULT_ALIAS, KmsKey
from holdfast.model.names import Registry, partition
from holdfast.model.repositories import Encryption
from holdfast.store.wrappings import WrappingKey

if TYPE_CHECKING:
    from holdfast.registry.backends import Backends
    from holdfast.store import Transaction


class NoSuchKmsKey(NotFound):
    """No key of that ARN is kept here."""

    def __init__(self, arn: str) -> None:
        super().__init__(f"There is no key '{arn}'. `holdfast kms list-keys` shows those there are.")


def settled(on: Backends, registry: Registry, encryption: Encryption) -> Encryption:
    """What a repository is encrypted with, its key named by ARN and proved to be usable; or `Kms`.

    It may ask a key service, so it is called outside of transactions.
    """
    if not encryption.is_by_key:
        if encryption.kms_key is not None:
            raise InvalidParameter("encryptionConfiguration", "kmsKey can't be specified with encryptionType AES256")
        return encryption
    if on.keys.names_are_asked_for:
        arn = on.keys.describe(encryption.kms_key or DEFAULT_ALIAS)
    else:
        arn = _find(on, registry, encryption.kms_key)
    settled_ = Encryption(encryption.type, arn)
    begin(on, settled_.key_scope)
    return settled_


def create(on: Backends, registry: Registry, description: str = "", alias: str | None = None) -> KmsKey:
    """Make a key that repositories of an account and region may name."""
    if alias is not None and (not kms.ALIAS.fullmatch(alias) or alias.startswith("alias/aws/")):
        raise Invalid("An alias is alias/ and up to 250 letters, digits, /, _ and -; alias/aws/ is reserved.")
    if len(description) > kms.DESCRIPTION_CHARACTERS:
        raise Invalid(f"A description has up to {kms.DESCRIPTION_CHARACTERS} characters.")
    if on.keys.names_are_asked_for:
        raise Invalid("Keys that repositories name are those of AWS KMS here: make one there.")
    with on.database.transaction() as tx:
        if alias is not None and store.kms_keys.find_alias(tx, registry, alias) is not None:
            raise AlreadyExists(f"The alias '{alias}' names another key already.")
        return _create(on, tx, registry, description, alias)


def list_all(on: Backends) -> list[tuple[KmsKey, list[str]]]:
    """Every key that is kept here, with its aliases."""
    with on.database.snapshot() as tx:
        return store.kms_keys.list_all(tx)


def set_enabled(on: Backends, arn: str, *, is_enabled: bool) -> None:
    """Let a key be used or not; what lies under one that is not can be neither pushed nor pulled, and is not lost."""
    with on.database.transaction() as tx:
        if not store.kms_keys.set_enabled(tx, arn, is_enabled=is_enabled):
            raise NoSuchKmsKey(arn)


def _create(on: Backends, tx: Transaction, registry: Registry, description: str, alias: str | None) -> KmsKey:
    key = KmsKey(_arn(registry, f"key/{on.new_id()}"), description, True, on.clock())
    store.kms_keys.insert(tx, registry, key)
    if alias is not None:
        store.kms_keys.insert_alias(tx, registry, alias, key.arn)
    return key


def _find(on: Backends, registry: Registry, name: str | None) -> str:
    """The ARN of an enabled key of ours that is meant by an ARN, an id or an alias; in the words of AWS KMS if none."""
    if name is None:
        return _default(on, registry)
    resource = name
    if name.startswith("arn:"):
        found = kms.KEY_ARN.fullmatch(name)
        if found is None or found["region"] != registry.region:
            raise Kms(f"Invalid arn {found['region'] if found else name}", "NotFoundException")
        if found["account"] != registry.account_id:
            raise Kms.not_found(name)
        resource = found["resource"].removeprefix("key/")
    with on.database.snapshot() as tx:
        if resource.startswith("alias/"):
            arn = store.kms_keys.find_alias(tx, registry, resource)
            if arn is None:
                raise Kms(f"Alias {_arn(registry, resource)} is not found.", "NotFoundException")
        else:
            arn = _arn(registry, f"key/{resource}")
        key = store.kms_keys.find(tx, arn)
    if key is None:
        raise Kms.not_found(arn)
    if not key.is_enabled:
        raise Kms.disabled(arn)
    return arn


def _default(on: Backends, registry: Registry) -> str:
    """The key of those who name none, made when it is first needed, as AWS makes its managed ones."""
    with on.database.transaction() as tx:
        arn = store.kms_keys.find_alias(tx, registry, DEFAULT_ALIAS)
        if arn is not None:
            return arn
        words = "Default key that protects my ECR data when no other key is defined"
        return _create(on, tx, registry, words, DEFAULT_ALIAS).arn


def begin(on: Backends, scope: str) -> None:
    """Let a key scope have its first wrapping keys; they are proved to be usable either way."""
    with on.database.snapshot() as tx:
        is_there = store.wrappings.has_scope(tx, scope)
    if not is_there:
        made = [on.keys.fresh(scope, layer, 1) for layer in range(kms.layers(scope))]
        with on.database.transaction() as tx:
            if not store.wrappings.has_scope(tx, scope):
                for layer, (sealed, sealed_by) in enumerate(made):
                    store.wrappings.add_wrapping_key(tx, WrappingKey(scope, layer, 1, sealed, sealed_by, on.clock()))
    on.keys.rings(scope)


def _arn(registry: Registry, resource: str) -> str:
    return f"arn:{partition(registry.region)}:kms:{registry.region}:{registry.account_id}:{resource}"
