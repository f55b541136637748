"""Which feeds there are, and which generation of each counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, bindparam, delete, func, or_, select, update

from holdfast.store.statements import Statement, insertion
from holdfast.store.tables import advisories, cve_facts, feeds

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement

    from holdfast.store.database import Transaction
    from holdfast.store.statements import Row

_it = feeds.c.id == bindparam("feed")
_ALL = Statement(select(feeds).order_by(feeds.c.name))
_FIND = Statement(select(feeds).where(feeds.c.name == bindparam("which")))
_GET = Statement(select(feeds).where(_it))
_INSERT = insertion(feeds)
_BEGIN = Statement(update(feeds).where(_it).values(loading=bindparam("generation"), begun=bindparam("generation")))
_STOP = Statement(update(feeds).where(_it).values(loading=None))
_CURRENT = Statement(
    update(feeds)
    .where(_it)
    .values(
        current=feeds.c.loading,
        loading=None,
        as_of=bindparam("at"),
        imported_at=bindparam("now"),
        details=bindparam("so", type_=feeds.c.details.type),
    )
)
_SETTLED = Statement(update(feeds).where(_it).values(settled=bindparam("generation")))
_UNSETTLED = Statement(select(feeds).where(feeds.c.settled < feeds.c.current).order_by(feeds.c.id).limit(1))

# Of an advisory and its feed: whether it counts, which it does in some generations of the feed.
COUNTS = and_(
    advisories.c.since <= feeds.c.current, or_(advisories.c.until.is_(None), advisories.c.until > feeds.c.current)
)
_of_feed = advisories.c.feed_id == bindparam("feed")
_bound: Any = bindparam("generation")


def _removal(condition: ColumnElement[bool]) -> Statement:
    some = select(advisories.c.id).where(_of_feed, condition).limit(bindparam("limit"))
    return Statement(delete(advisories).where(advisories.c.id.in_(some)))


_REMOVE_WRITTEN = _removal(advisories.c.since > _bound)
_REMOVE_RETIRED = _removal(advisories.c.until <= _bound)
_REOPEN = Statement(update(advisories).where(_of_feed, advisories.c.until > _bound).values(until=None))
_some_facts = (
    select(cve_facts.c.name)
    .where(cve_facts.c.feed_id == bindparam("feed"), cve_facts.c.generation == bindparam("which"))
    .limit(bindparam("limit"))
)
_REMOVE_FACTS = Statement(
    delete(cve_facts).where(
        cve_facts.c.feed_id == bindparam("feed"),
        cve_facts.c.generation == bindparam("which"),
        cve_facts.c.name.in_(_some_facts),
    )
)
_A_GENERATION = Statement(
    select(cve_facts.c.generation)
    .where(
        cve_facts.c.feed_id == bindparam("feed"),
        or_(cve_facts.c.generation > bindparam("above"), cve_facts.c.generation < bindparam("below")),
    )
    .limit(1)
)
_COUNT = Statement(select(func.count()).where(_of_feed, advisories.c.until.is_(None)))


@dataclass(frozen=True, slots=True)
class Feed:
    """A source of advisories, as far as it was imported."""

    id: int
    name: str
    current: int
    loading: int | None
    begun: int
    settled: int
    as_of: datetime | None
    imported_at: datetime | None
    details: dict[str, Any]


def every(tx: Transaction) -> list[Feed]:
    """All of them, in the order of their names."""
    return [_feed(row) for row in tx.all(_ALL)]


def find(tx: Transaction, name: str) -> Feed | None:
    """The feed of a name."""
    row = tx.first(_FIND, which=name)
    return _feed(row) if row else None


def begin(tx: Transaction, name: str) -> Feed:
    """Begin the next generation of a feed; whoever was writing one is writing none any more."""
    found = find(tx, name)
    if found is None:
        tx.value(
            _INSERT, name=name, current=0, loading=None, begun=0, settled=0, as_of=None, imported_at=None, details={}
        )  # fmt: skip
        found = find(tx, name)
        assert found is not None
    tx.run(_BEGIN, feed=found.id, generation=found.begun + 1)
    row = tx.first(_GET, feed=found.id)
    assert row is not None
    return _feed(row)


def is_loading(tx: Transaction, feed: Feed) -> bool:
    """Whether a generation is still the one that is being written."""
    row = tx.first(_GET, feed=feed.id)
    return row is not None and row["loading"] == feed.loading


def stop(tx: Transaction, feed: Feed) -> None:
    """Write the generation no more."""
    tx.run(_STOP, feed=feed.id)


def make_current(tx: Transaction, feed: Feed, as_of: datetime, now: datetime, details: dict[str, Any]) -> None:
    """Let the generation that was written count, instead of the one before."""
    tx.run(_CURRENT, feed=feed.id, at=as_of, now=now, so=details)


def unsettled(tx: Transaction) -> Feed | None:
    """A feed of which a generation counts whose changes were not told."""
    row = tx.first(_UNSETTLED)
    return _feed(row) if row else None


def settle(tx: Transaction, feed: Feed) -> None:
    """Note that the changes up to the generation that counts were told."""
    tx.run(_SETTLED, feed=feed.id, generation=feed.current)


def remove_written(tx: Transaction, feed: Feed, limit: int) -> bool:
    """Remove some of what was written and never counted; whether there may be more."""
    reopened = tx.run(_REOPEN, feed=feed.id, generation=feed.current)
    removed = tx.run(_REMOVE_WRITTEN, feed=feed.id, generation=feed.current, limit=limit)
    return bool(reopened or removed) or _remove_facts(tx, feed, feed.current, 0, limit)


def remove_retired(tx: Transaction, feed: Feed, limit: int) -> bool:
    """Remove some of what counts no more and was told of; whether there may be more."""
    if tx.run(_REMOVE_RETIRED, feed=feed.id, generation=feed.settled, limit=limit):
        return True
    return _remove_facts(tx, feed, feed.loading or feed.current, feed.settled, limit)


def count(tx: Transaction, feed: Feed) -> int:
    """How many advisories it has."""
    return int(tx.value(_COUNT, feed=feed.id))


def _remove_facts(tx: Transaction, feed: Feed, above: int, below: int, limit: int) -> bool:
    which = tx.value(_A_GENERATION, feed=feed.id, above=above, below=below)
    if which is None:
        return False
    tx.run(_REMOVE_FACTS, feed=feed.id, which=which, limit=limit)
    return True


def _feed(row: Row) -> Feed:
    return Feed(**row)
