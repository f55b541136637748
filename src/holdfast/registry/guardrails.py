"""Set what nobody of an account may do, whoever allows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model import guardrails
from holdfast.model.errors import InvalidInput, LimitExceeded, NotFound
from holdfast.model.guardrails import ALL, EVERYTHING, FULL_ACCESS, MOST, Guardrail
from holdfast.registry.accounts import NoSuchAccount

if TYPE_CHECKING:
    from holdfast.registry.backends import Backends
    from holdfast.store import Transaction


class NoSuchGuardrail(NotFound):
    """No guardrail of that name."""

    def __init__(self, level: str, name: str) -> None:
        super().__init__(
            f"There is no guardrail '{name}' of {guardrails.whom(level)}. "
            "`holdfast account list-guardrails` shows those there are."
        )


def put(on: Backends, level: str, name: str, document: str | None) -> bool:
    """Set a guardrail of an account or of all; whether FullAWSAccess was put beside it, as it is the first one."""
    if name == FULL_ACCESS:
        if document is not None:
            raise InvalidInput(f"{FULL_ACCESS} is AWS's own and allows everything; give yours another name")
        document = EVERYTHING
    if document is None:
        raise InvalidInput(f"The guardrail {name} needs a policy")
    guardrails.check(name, document)
    now = on.clock()
    with on.database.transaction() as tx:
        _require_level(tx, level)
        before = {one.name for one in store.guardrails.of_level(tx, level)}
        is_first = not before and name != FULL_ACCESS
        if is_first:
            store.guardrails.put(tx, Guardrail(level, FULL_ACCESS, EVERYTHING, now))
        if len(before | {name}) > MOST:
            raise LimitExceeded(
                f"There are {MOST} guardrails of {guardrails.whom(level)}, and there can be no more: join some"
            )
        store.guardrails.put(tx, Guardrail(level, name, document, now))
        store.counters.bump_access(tx, level)
    return is_first


def remove(on: Backends, level: str, name: str) -> None:
    """Take a guardrail away; the last one only if it allowed everything, or more would be allowed than ever was."""
    with on.database.transaction() as tx:
        if not store.guardrails.remove(tx, level, name):
            raise NoSuchGuardrail(level, name)
        if name != FULL_ACCESS and not store.guardrails.of_level(tx, level):
            raise InvalidInput(
                f"{name} is the last guardrail of {guardrails.whom(level)}; without any, everything is allowed. "
                f"If that is meant: holdfast account put-guardrail {level} {FULL_ACCESS}, then remove {name}"
            )
        store.counters.bump_access(tx, level)


def get(on: Backends, level: str, name: str) -> Guardrail:
    """A guardrail, or `NoSuchGuardrail`."""
    with on.database.snapshot() as tx:
        found = [one for one in store.guardrails.of_level(tx, level) if one.name == name]
    if not found:
        raise NoSuchGuardrail(level, name)
    return found[0]


def list_all(on: Backends) -> list[Guardrail]:
    """Every guardrail of every level."""
    with on.database.snapshot() as tx:
        return store.guardrails.list_all(tx)


def _require_level(tx: Transaction, level: str) -> None:
    if level != ALL and not store.accounts.exists(tx, level):
        raise NoSuchAccount(level)
