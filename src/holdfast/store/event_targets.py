"""To whom events are told, how far each of them is, and what they did not get."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, func, or_, select, update

from holdfast.model.event_targets import DeadLetter, Envelope, Kind, Message, Scope, Target, Wishes
from holdfast.model.instants import read
from holdfast.store.statements import Row, Statement, insertion
from holdfast.store.tables import event_dead_letters, event_targets

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from holdfast.store.database import Transaction

FAULT_CHARACTERS = 1000  # that are kept

_table, _dead = event_targets, event_dead_letters
_it = _table.c.id == bindparam("which")
_named = (
    _table.c.account_id == bindparam("account_id"),
    _table.c.region == bindparam("region"),
    _table.c.name == bindparam("name"),
)
_INSERT = insertion(_table)
_GET = Statement(select(_table).where(_it))
_FIND = Statement(select(_table).where(*_named))
_ALL = Statement(select(_table).order_by(_table.c.account_id, _table.c.region, _table.c.name))
_OF_SCOPE = Statement(
    select(_table)
    .where(*_named[:2], _table.c.name > bindparam("after"))
    .order_by(_table.c.name)
    .limit(bindparam("limit"))
)
_COUNT = Statement(select(func.count()).select_from(_table).where(*_named[:1]))
_CHANGE = Statement(
    update(_table)
    .where(_it)
    .values(wishes=bindparam("wanted"), wants_pulls=bindparam("pulls"), sealed=bindparam("secret"))
)
_BEGIN_AT = Statement(
    update(_table)
    .where(_it)
    .values(cursor=bindparam("place"), taken=[], attempts=0, refusals=0, failures=0, resting_until=None)
)
_DELETE = Statement(delete(_table).where(_it))
_WAITING = Statement(
    select(_table.c.id, _table.c.account_id).where(
        _table.c.cursor < bindparam("last"),
        or_(_table.c.resting_until.is_(None), _table.c.resting_until < bindparam("soon")),
    )
)
_SLOWEST = Statement(select(func.min(_table.c.cursor)))
_WANTING_PULLS = Statement(
    select(_table.c.account_id, _table.c.region).where(_table.c.wants_pulls.is_(True)).distinct()
)
_MOVE = Statement(
    update(_table)
    .where(_it, _table.c.cursor == bindparam("before"))
    .values(
        cursor=bindparam("place"), taken=bindparam("gone"), attempts=bindparam("tries"),
        refusals=bindparam("noes"), failures=bindparam("row"),
        failing_since=bindparam("since"), resting_until=bindparam("rest"), fault=bindparam("why"),
        delivered=_table.c.delivered + bindparam("more"), failed=_table.c.failed + bindparam("misses"),
    )
)  # fmt: skip
_LEAP = Statement(
    update(_table).where(_it, _table.c.cursor < bindparam("place")).values(cursor=bindparam("place"), taken=[])
)
_SEALED = Statement(
    select(_table.c.id, _table.c.account_id, _table.c.region, _table.c.name, _table.c.sealed).order_by(_table.c.id)
)
_RENEW = Statement(update(_table).where(_it, _table.c.sealed == bindparam("before")).values(sealed=bindparam("after")))
_TOTALS = Statement(
    select(
        func.count().label("targets"), func.sum(_table.c.delivered).label("delivered"),
        func.sum(_table.c.failed).label("failed"), func.min(_table.c.cursor).label("slowest"),
    )
)  # fmt: skip
_FAILING = Statement(select(func.count()).select_from(_table).where(_table.c.failing_since.is_not(None)))

_INSERT_DEAD = insertion(_dead)
_dead_and_target = select(_dead, _table.c.account_id, _table.c.region, _table.c.name).join(
    _table, _table.c.id == _dead.c.target_id
)
_DEAD_OF = Statement(
    _dead_and_target.where(_dead.c.target_id == bindparam("target"), _dead.c.id > bindparam("after"))
    .order_by(_dead.c.id)
    .limit(bindparam("limit"))
)
_WANTED_AGAIN = Statement(
    select(_dead)
    .where(_dead.c.target_id == bindparam("target"), _dead.c.is_wanted_again.is_(True))
    .order_by(_dead.c.id)
    .limit(bindparam("limit"))
)
_WANT_ALL = Statement(update(_dead).where(_dead.c.target_id == bindparam("target")).values(is_wanted_again=True))
_WANT_ONE = Statement(
    update(_dead)
    .where(_dead.c.target_id == bindparam("target"), _dead.c.id == bindparam("which"))
    .values(is_wanted_again=True)
)
_DEAD_AGAIN = Statement(
    update(_dead)
    .where(_dead.c.id == bindparam("which"))
    .values(is_wanted_again=False, reason=bindparam("why"), attempts=_dead.c.attempts + 1)
)
_BURY = Statement(delete(_dead).where(_dead.c.id.in_(bindparam("ids", expanding=True))))
_BURY_OLD = Statement(
    delete(_dead).where(
        _dead.c.id.in_(select(_dead.c.id).where(_dead.c.died_at < bindparam("before")).limit(bindparam("limit")))
    )
)
_COUNT_DEAD = Statement(select(func.count()).select_from(_dead))
_COUNT_DEAD_OF = Statement(select(func.count()).select_from(_dead).where(_dead.c.target_id == bindparam("target")))


def add(tx: Transaction, scope: Scope, wishes: Wishes, sealed: bytes, cursor: int, now: datetime) -> int:
    """Keep a new target, which gets what comes after a position; its number."""
    return int(
        tx.value(
            _INSERT, account_id=scope.account_id, region=scope.region, name=wishes.name, wishes=asdict(wishes),
            wants_pulls=wishes.wants_pulls, sealed=sealed, cursor=cursor, taken=[], attempts=0, refusals=0, failures=0,
            failing_since=None, resting_until=None, fault=None, delivered=0, failed=0, created_at=now,
        )
    )  # fmt: skip


def change(tx: Transaction, target: Target, wishes: Wishes, sealed: bytes) -> None:
    """Let a target be another from now on."""
    tx.run(_CHANGE, which=target.id, wanted=asdict(wishes), pulls=wishes.wants_pulls, secret=sealed)


def find(tx: Transaction, scope: Scope, name: str) -> Target | None:
    """A target by its name."""
    row = tx.first(_FIND, account_id=scope.account_id, region=scope.region, name=name)
    return _target(row) if row else None


def find_by_id(tx: Transaction, target_id: int) -> Target | None:
    """A target by its number."""
    row = tx.first(_GET, which=target_id)
    return _target(row) if row else None


def all_there_are(tx: Transaction) -> list[Target]:
    """Every target of the installation."""
    return [_target(row) for row in tx.all(_ALL)]


def page(tx: Transaction, scope: Scope, after: str, limit: int) -> list[Target]:
    """Up to `limit` targets of exactly this scope by their names, beginning after one."""
    rows = tx.all(_OF_SCOPE, account_id=scope.account_id, region=scope.region, after=after, limit=limit)
    return [_target(row) for row in rows]


def count(tx: Transaction, account_id: str) -> int:
    """How many targets an account has."""
    return int(tx.value(_COUNT, account_id=account_id))


def remove(tx: Transaction, target: Target) -> None:
    """Forget a target and what it did not get."""
    tx.run(_DELETE, which=target.id)


def waiting(tx: Transaction, last: int, soon: datetime) -> list[tuple[int, str]]:
    """Targets that have not looked at what comes before a position, by number and account; not those that rest."""
    return [(row["id"], row["account_id"]) for row in tx.all(_WAITING, last=last, soon=soon)]


def slowest(tx: Transaction) -> int | None:
    """The position that every target has passed; None if there are no targets."""
    found: int | None = tx.value(_SLOWEST)
    return found


def wanting_pulls(tx: Transaction) -> list[Scope]:
    """Whose pulls are told."""
    return [Scope(row["account_id"], row["region"]) for row in tx.all(_WANTING_PULLS)]


def move(
    tx: Transaction,
    target: Target,
    cursor: int,
    taken: Collection[int],
    *,
    attempts: int = 0,
    refusals: int = 0,
    failures: int = 0,
    failing_since: datetime | None = None,
    resting_until: datetime | None = None,
    fault: str | None = None,
    delivered: int = 0,
    failed: int = 0,
) -> bool:
    """Note how far a target is; False if somebody else moved it since it was read."""
    return (
        tx.run(
            _MOVE, which=target.id, before=target.cursor, place=cursor, gone=sorted(taken), tries=attempts,
            noes=refusals, row=failures, since=failing_since, rest=resting_until, why=_short(fault), more=delivered,
            misses=failed,
        )
        == 1
    )  # fmt: skip


def leap(tx: Transaction, target: Target, cursor: int) -> None:
    """Let a target get nothing of before a position any more."""
    tx.run(_LEAP, which=target.id, place=cursor)


def begin_at(tx: Transaction, target: Target, cursor: int) -> None:
    """Let a target get everything after a position, whether it had it or not, and try it now."""
    tx.run(_BEGIN_AT, which=target.id, place=cursor)


def totals(tx: Transaction) -> Row:
    """How many targets there are, what they took and did not take, how many have trouble, and what is dead."""
    found = tx.first(_TOTALS)
    assert found is not None
    return {**found, "failing": tx.value(_FAILING), "dead": tx.value(_COUNT_DEAD)}


# ---- What is sealed


def all_sealed(tx: Transaction) -> list[tuple[int, Scope, str, bytes]]:
    """Number, scope and name of each target, and its sealed credentials."""
    return [(row["id"], Scope(row["account_id"], row["region"]), row["name"], row["sealed"]) for row in tx.all(_SEALED)]


def renew_sealed(tx: Transaction, target_id: int, before: bytes, after: bytes) -> None:
    """Keep newly sealed credentials, unless they were changed meanwhile."""
    tx.run(_RENEW, which=target_id, before=before, after=after)


# ---- Dead letters


def add_dead(
    tx: Transaction, target: Target, messages: Sequence[Message], reason: str, tries: int, now: datetime
) -> None:
    """Keep what a target did not get."""
    for message in messages:
        tx.run(
            _INSERT_DEAD, target_id=target.id, envelope=message.envelope, reason=_short(reason), attempts=tries,
            died_at=now, is_wanted_again=False,
        )  # fmt: skip


def dead_page(tx: Transaction, target: Target, after: int, limit: int) -> list[DeadLetter]:
    """Up to `limit` events that a target did not get, in their order, beginning after one."""
    return [
        DeadLetter(
            row["id"], row["name"], Scope(row["account_id"], row["region"]), row["envelope"], row["reason"],
            row["attempts"], row["died_at"], row["is_wanted_again"],
        )
        for row in tx.all(_DEAD_OF, target=target.id, after=after, limit=limit)
    ]  # fmt: skip


def count_dead(tx: Transaction, target: Target) -> int:
    """How many events a target did not get."""
    return int(tx.value(_COUNT_DEAD_OF, target=target.id))


def want_again(tx: Transaction, target: Target, number: int | None) -> int:
    """Let a dead letter, or all of a target, be tried again; how many."""
    if number is None:
        return tx.run(_WANT_ALL, target=target.id)
    return tx.run(_WANT_ONE, target=target.id, which=number)


def wanted_again(tx: Transaction, target: Target, limit: int) -> list[Message]:
    """Dead letters that are to be tried again."""
    return [
        Message(row["id"], row["envelope"], read(row["envelope"]["time"]) or row["died_at"])
        for row in tx.all(_WANTED_AGAIN, target=target.id, limit=limit)
    ]


def dead_again(tx: Transaction, number: int, reason: str) -> None:
    """Let a dead letter that was tried again in vain be dead."""
    tx.run(_DEAD_AGAIN, which=number, why=_short(reason))


def bury(tx: Transaction, numbers: Sequence[int]) -> None:
    """Forget dead letters."""
    tx.run(_BURY, ids=list(numbers))


def bury_old(tx: Transaction, before: datetime, limit: int) -> int:
    """Forget up to `limit` dead letters of before an instant; how many."""
    return tx.run(_BURY_OLD, before=before, limit=limit)


def _target(row: Row) -> Target:
    wishes: dict[str, Any] = row.pop("wishes")
    wishes |= {"kind": Kind(wishes["kind"]), "envelope": Envelope(wishes["envelope"])}
    scope = Scope(row.pop("account_id"), row.pop("region"))
    del row["name"], row["wants_pulls"]
    return Target(scope=scope, wishes=Wishes(**wishes), taken=tuple(row.pop("taken")), **row)


def _short(text: str | None) -> str | None:
    return text[:FAULT_CHARACTERS].replace("\0", "") if text is not None else None
