"""Read and change what is set on a whole registry, one word a setting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model import account_settings, policies
from holdfast.model.account_settings import REGISTRY_POLICY_SCOPE
from holdfast.model.errors import InvalidParameter

if TYPE_CHECKING:
    from holdfast.model.account_settings import AccountSetting
    from holdfast.model.names import Registry
    from holdfast.registry.backends import Backends
    from holdfast.store import Transaction


def get(on: Backends, registry: Registry, name: str) -> str:
    """The value of a setting, or its default."""
    account_settings.check_name(name)
    with on.database.snapshot() as tx:
        return value(tx, registry, name)


def put(on: Backends, registry: Registry, setting: AccountSetting) -> None:
    """Set a setting."""
    with on.database.transaction() as tx:
        if setting.name == REGISTRY_POLICY_SCOPE and setting.value == "V1":
            _require_v1(tx, registry)
        store.registry_settings.put(tx, registry, _key(setting.name), setting.value, on.clock())


def value(tx: Transaction, registry: Registry, name: str) -> str:
    """The value of a setting that there is, or its default."""
    return store.registry_settings.find(tx, registry, _key(name)) or account_settings.default(name)


def _require_v1(tx: Transaction, registry: Registry) -> None:
    text = store.registry_settings.find(tx, registry, policies.SETTING)
    if text is not None and not policies.parse_registry_policy(text, "V2").keeps_to_v1:
        raise InvalidParameter("value", "The registry policy has actions that the scope V1 does not allow")


def _key(name: str) -> str:
    return f"account_setting.{name}"
