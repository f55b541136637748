"""Keep, find, list and forget pull-through cache rules."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import bindparam, delete, func, select, update

from holdfast.model.caching import CacheRule, Options, Upstream
from holdfast.model.names import Registry
from holdfast.model.prefixes import reaching, spellings
from holdfast.store import accounts
from holdfast.store.statements import Statement, insertion
from holdfast.store.tables import cache_rules, registries

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from holdfast.store.database import Transaction
    from holdfast.store.statements import Row

_here = (registries.c.account_id == bindparam("account_id"), registries.c.region == bindparam("region"))
_found = select(cache_rules).join(registries).where(*_here)
_the_rule = (cache_rules.c.registry_id == bindparam("which"), cache_rules.c.prefix == bindparam("old_prefix"))
_FIND = Statement(_found.where(cache_rules.c.prefix.in_(bindparam("prefixes", expanding=True))))
_PAGE = Statement(
    _found.where(cache_rules.c.prefix > bindparam("after")).order_by(cache_rules.c.prefix).limit(bindparam("limit"))
)
_COUNT = Statement(select(func.count()).where(cache_rules.c.registry_id == bindparam("which")))
_INSERT = insertion(cache_rules)
_UPDATE = Statement(
    update(cache_rules)
    .where(*_the_rule)
    .values(credential_arn=bindparam("secret"), custom_role_arn=bindparam("role"), updated_at=bindparam("now"))
)
_SET_OPTIONS = Statement(
    update(cache_rules).where(*_the_rule).values(options=bindparam("told"), updated_at=bindparam("now"))
)
_NOTE = Statement(update(cache_rules).where(*_the_rule).values(failure=bindparam("why"), failed_at=bindparam("at")))
_WITH_BUDGETS = Statement(
    select(cache_rules, registries.c.account_id, registries.c.region)
    .join(registries)
    .where(cache_rules.c.options.is_not(None))
)


class Faults(NamedTuple):
    """What an upstream last did wrong."""

    failure: str
    failed_at: datetime


class Budget(NamedTuple):
    """A rule, and the row of its registry."""

    registry_id: int
    rule: CacheRule


_DELETE = Statement(delete(cache_rules).where(*_the_rule))


def find(tx: Transaction, registry: Registry, prefix: str) -> CacheRule | None:
    """The rule of exactly that prefix."""
    return next(iter(_find(tx, registry, [prefix])), None)


def is_taken(tx: Transaction, registry: Registry, prefix: str) -> bool:
    """Whether there is a rule of that prefix, with a slash or without."""
    return bool(_find(tx, registry, spellings(prefix)))


def nearest(tx: Transaction, registry: Registry, name: str) -> CacheRule | None:
    """The rule of the longest prefix that a repository's name is below."""
    prefixes = reaching(name)
    return min(_find(tx, registry, prefixes), key=lambda rule: prefixes.index(rule.prefix), default=None)


def page(tx: Transaction, registry: Registry, after: str, limit: int) -> list[CacheRule]:
    """Up to `limit` rules in the order of their prefixes, beginning after one."""
    rows = tx.all(_PAGE, account_id=registry.account_id, region=registry.region, after=after, limit=limit)
    return [_rule(registry, row) for row in rows]


def add(tx: Transaction, rule: CacheRule) -> int:
    """Keep a new rule; how many the registry has now."""
    registry_id, upstream = accounts.registry_id(tx, rule.registry, rule.created_at), rule.upstream
    tx.run(
        _INSERT,
        registry_id=registry_id,
        prefix=rule.prefix,
        upstream_url=upstream.url,
        upstream_registry=upstream.kind,
        upstream_prefix=upstream.prefix,
        credential_arn=upstream.credential_arn,
        custom_role_arn=upstream.custom_role_arn,
        created_at=rule.created_at,
        updated_at=rule.updated_at,
        options=_told(rule.options),
        failure=None,
        failed_at=None,
    )
    return int(tx.value(_COUNT, which=registry_id))


def change(tx: Transaction, rule: CacheRule) -> None:
    """Keep by whose leave a rule's upstream is asked from now on."""
    tx.run(
        _UPDATE,
        which=accounts.registry_id(tx, rule.registry, rule.updated_at),
        old_prefix=rule.prefix,
        secret=rule.upstream.credential_arn,
        role=rule.upstream.custom_role_arn,
        now=rule.updated_at,
    )


def set_options(tx: Transaction, rule: CacheRule) -> None:
    """Keep what a rule has beyond ECR's."""
    tx.run(
        _SET_OPTIONS,
        which=accounts.registry_id(tx, rule.registry, rule.updated_at),
        old_prefix=rule.prefix,
        told=_told(rule.options),
        now=rule.updated_at,
    )


def note_failure(tx: Transaction, rule: CacheRule, failure: str | None, now: datetime) -> None:
    """Keep what an upstream did wrong, or that it does nothing wrong any more."""
    which = accounts.registry_id(tx, rule.registry, now)
    tx.run(_NOTE, which=which, old_prefix=rule.prefix, why=failure, at=None if failure is None else now)


def faults(tx: Transaction, registry: Registry) -> dict[str, Faults]:
    """What the upstreams of rules last did wrong, by prefix."""
    rows = tx.all(_PAGE, account_id=registry.account_id, region=registry.region, after="", limit=1000)
    return {row["prefix"]: Faults(row["failure"], row["failed_at"]) for row in rows if row["failure"] is not None}


def with_budgets(tx: Transaction) -> list[Budget]:
    """Rules of all registries that may cache so many bytes and no more."""
    found = [Budget(row["registry_id"], _rule(Registry(row["account_id"], row["region"]), row)) for row in tx.all(
        _WITH_BUDGETS)]  # fmt: skip
    return [one for one in found if one.rule.options.budget_bytes is not None]


def remove(tx: Transaction, rule: CacheRule, now: datetime) -> None:
    """Forget a rule."""
    tx.run(_DELETE, which=accounts.registry_id(tx, rule.registry, now), old_prefix=rule.prefix)


def _find(tx: Transaction, registry: Registry, prefixes: Collection[str]) -> list[CacheRule]:
    rows = tx.all(_FIND, account_id=registry.account_id, region=registry.region, prefixes=list(prefixes))
    return [_rule(registry, row) for row in rows]


def _rule(registry: Registry, row: Row) -> CacheRule:
    upstream = Upstream(
        kind=row["upstream_registry"],
        url=row["upstream_url"],
        prefix=row["upstream_prefix"],
        credential_arn=row["credential_arn"],
        custom_role_arn=row["custom_role_arn"],
    )
    options = Options(**(row["options"] or {}))
    return CacheRule(registry, row["prefix"], upstream, row["created_at"], row["updated_at"], options)


def _told(options: Options) -> dict[str, object] | None:
    return None if options == Options() else asdict(options)
