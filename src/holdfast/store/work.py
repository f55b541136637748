"""The work table: add, claim, hold, finish, give up.

An item that is being done is due again when its lease ends, so whoever dies leaves it to the next. Each claim counts
the fence up, and who comes back with an older number finds that the item is no longer his.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, func, or_, select, update

from holdfast.model.work import KINDS, Item, Lane
from holdfast.store.statements import Statement, batches, insertion
from holdfast.store.tables import work

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from holdfast.model.work import Work
    from holdfast.store.database import Transaction

ERROR_CHARACTERS = 2000  # of the text that is kept

_it = work.c.id == bindparam("which")
_find = select(work).where(work.c.kind == bindparam("kind"), work.c.key == bindparam("key"))
_FIND = Statement(_find)
_FIND_TO_CHANGE = Statement(_find.with_for_update())  # nobody claims it meanwhile
_GET = Statement(select(work).where(_it))
_GET_TO_CHANGE = Statement(select(work).where(_it).with_for_update())  # nobody wants it again meanwhile
_INSERT = insertion(work)
# What a newer program wants is left to it.
_known = work.c.kind.in_(tuple(KINDS))
_is_due = work.c.due_at <= bindparam("now")
_SHUNNED = tuple(f"shunned{number}" for number in range(8))
_NOWHERE = "/"  # ends no key
_WITH_PLACES = {Lane.ABROAD, Lane.DELIVERY}
_elsewhere = [work.c.key.not_like(bindparam(name)) for name in _SHUNNED]
_due = {
    lane: select(work)
    .where(
        _is_due,
        work.c.kind.in_(tuple(name for name, kind in KINDS.items() if kind.lane() is lane)),
        *(_elsewhere if lane in _WITH_PLACES else ()),
    )
    .order_by(work.c.due_at)
    .limit(1)
    for lane in Lane
}
_DUE = {lane: Statement(one) for lane, one in _due.items()}
_DUE_TO_NOBODY_ELSE = {lane: Statement(one.with_for_update(skip_locked=True)) for lane, one in _due.items()}
_PAGE = Statement(select(work).where(work.c.id > bindparam("after")).order_by(work.c.id).limit(bindparam("limit")))
_WAIT = Statement(
    update(work).where(_it).values(due_at=bindparam("due"), attempts=bindparam("tries"), is_cancelled=False)
)
_WANT_AGAIN = Statement(update(work).where(_it).values(again_at=bindparam("again")))
_CLAIM = Statement(
    update(work)
    .where(_it)
    .values(due_at=bindparam("lease"), owner=bindparam("by"), fence=work.c.fence + 1, attempts=work.c.attempts + 1)
)
_mine = (_it, work.c.fence == bindparam("held"), work.c.owner.is_not(None))
_HOLD = Statement(
    update(work)
    .where(*_mine)
    .values(
        due_at=bindparam("lease"),
        progress=func.coalesce(bindparam("news", type_=work.c.progress.type), work.c.progress),
    )
)
_IS_CANCELLED = Statement(select(work.c.is_cancelled).where(_it))
_FINISH = Statement(delete(work).where(*_mine))
_REST = Statement(
    update(work)
    .where(*_mine)
    .values(
        due_at=bindparam("due"), again_at=None, owner=None, attempts=bindparam("tries"), error=bindparam("fault"),
        is_cancelled=bindparam("stopped"),
    )
)  # fmt: skip
_CANCEL = Statement(update(work).where(_it, work.c.due_at.is_not(None)).values(is_cancelled=True))
_unwanted = (work.c.kind == bindparam("kind"), work.c.key.in_(bindparam("keys", expanding=True)))
_DROP = Statement(delete(work).where(*_unwanted, work.c.owner.is_(None)))
_CANCEL_ALL = Statement(update(work).where(*_unwanted, work.c.due_at.is_not(None)).values(is_cancelled=True))
_OF_KIND = Statement(
    select(work)
    .where(work.c.kind == bindparam("kind"), work.c.id > bindparam("after"), work.c.created_at <= bindparam("until"))
    .order_by(work.c.id)
    .limit(bindparam("limit"))
)
_HURRY = Statement(
    update(work)
    .where(_it, or_(work.c.owner.is_(None), work.c.due_at.is_(None)))
    .values(due_at=bindparam("due"), attempts=0, owner=None, is_cancelled=False)
)
_about = (work.c.kind == bindparam("kind"), work.c.key >= bindparam("begin"), work.c.key < bindparam("end"),
          work.c.key.like(bindparam("pattern")))  # fmt: skip
_COUNT_ABOUT = Statement(select(func.count()).select_from(work).where(*_about))
_HURRY_ABOUT = Statement(
    update(work)
    .where(*_about, or_(work.c.owner.is_(None), work.c.due_at.is_(None)))
    .values(due_at=bindparam("due"), owner=None)
)
_WAITING = Statement(
    select(func.count().label("count"), func.min(work.c.created_at).label("since")).where(
        work.c.kind == bindparam("kind"), work.c.due_at.is_not(None)
    )
)
_TROUBLE = Statement(
    select(work.c.error, work.c.due_at)
    .where(
        work.c.kind == bindparam("kind"), work.c.key.like(bindparam("at")), work.c.error.is_not(None),
        work.c.due_at.is_not(None),
    )
    .order_by(work.c.due_at)
    .limit(1)
)  # fmt: skip
_FORGET = Statement(delete(work).where(_it, or_(work.c.due_at.is_(None), ~_known)))
_FORGET_OLD = Statement(delete(work).where(work.c.due_at.is_(None), work.c.created_at < bindparam("before")))


def add(
    tx: Transaction, wanted: Work, now: datetime, due_at: datetime | None = None, *, postpone: bool = False
) -> None:
    """Want something done, in the transaction that causes it; what is wanted already is not done twice for that.

    What waits comes no later than it did, unless it is postponed.
    """
    due = due_at or now
    row = tx.first(_FIND_TO_CHANGE, kind=wanted.kind, key=wanted.key)
    if row is None:
        tx.run(
            _INSERT, kind=wanted.kind, key=wanted.key, payload=wanted.payload, due_at=due, again_at=None, attempts=0,
            fence=0, owner=None, is_cancelled=False, progress=None, error=None, created_at=now,
        )  # fmt: skip
        return
    item = Item(**row)
    if item.owner is not None and item.due_at is not None:
        tx.run(_WANT_AGAIN, which=item.id, again=min(due, item.again_at or due))
    elif item.due_at is None or due < item.due_at or item.is_cancelled or postpone:
        tx.run(_WAIT, which=item.id, due=due, tries=0)


def is_due_by(tx: Transaction, wanted: Work, at: datetime) -> bool:
    """Whether it is in the table, and comes no later than at an instant: the clock may have been set back since."""
    row = tx.first(_FIND, kind=wanted.kind, key=wanted.key)
    return row is not None and row["due_at"] is not None and row["due_at"] <= at


def due(tx: Transaction, now: datetime, lane: Lane, shunned: Collection[str] = ()) -> Item | None:
    """What has waited longest of a lane, if anything of it is due; what goes to shunned places does not count."""
    row = tx.first(_DUE[lane], now=now, **_patterns(lane, shunned))
    return Item(**row) if row else None


def claim(
    tx: Transaction, owner: str, now: datetime, lease_until: datetime, lane: Lane, shunned: Collection[str] = ()
) -> Item | None:
    """Take what has waited longest of a lane; nobody else is given it until the lease ends."""
    row = tx.first(_DUE_TO_NOBODY_ELSE[lane], now=now, **_patterns(lane, shunned))
    if row is None:
        return None
    tx.run(_CLAIM, which=row["id"], by=owner, lease=lease_until)
    return get(tx, row["id"])


def _patterns(lane: Lane, shunned: Collection[str]) -> dict[str, str]:
    if lane not in _WITH_PLACES:
        return {}
    return dict(zip_longest(_SHUNNED, [f"%/{place}" for place in shunned][: len(_SHUNNED)], fillvalue=_NOWHERE))


def hold(tx: Transaction, item: Item, lease_until: datetime, progress: dict[str, Any] | None) -> bool:
    """Lengthen a lease and note the progress; False if the item is somebody else's now."""
    return tx.run(_HOLD, which=item.id, held=item.fence, lease=lease_until, news=progress) == 1


def is_cancelled(tx: Transaction, item: Item) -> bool:
    """Whether somebody wants it stopped."""
    return bool(tx.value(_IS_CANCELLED, which=item.id))


def finish(tx: Transaction, item: Item, again_at: datetime | None) -> None:
    """End an item that was done, or let it wait for its next time; nothing if it is somebody else's now."""
    now = _to_change(tx, item.id)
    if now is not None and now.again_at is not None:
        again_at = min(now.again_at, again_at or now.again_at)
    if again_at is None:
        tx.run(_FINISH, which=item.id, held=item.fence)
    else:
        tx.run(_REST, which=item.id, held=item.fence, due=again_at, tries=0, fault=None, stopped=False)


def fail(tx: Transaction, item: Item, error: str, retry_at: datetime | None) -> None:
    """Let an item that failed wait for another try, or give it up, unless it was wanted again meanwhile."""
    now = _to_change(tx, item.id)
    tries = item.attempts
    if now is not None and now.again_at is not None:
        retry_at, tries = min(now.again_at, retry_at or now.again_at), 0
    stopped = now is not None and now.is_cancelled
    fault = error[:ERROR_CHARACTERS].replace("\0", "")
    tx.run(_REST, which=item.id, held=item.fence, due=retry_at, tries=tries, fault=fault, stopped=stopped)


def get(tx: Transaction, item_id: int) -> Item | None:
    """An item by its number."""
    row = tx.first(_GET, which=item_id)
    return Item(**row) if row else None


def _to_change(tx: Transaction, item_id: int) -> Item | None:
    row = tx.first(_GET_TO_CHANGE, which=item_id)
    return Item(**row) if row else None


def page(tx: Transaction, after: int, limit: int) -> list[Item]:
    """Up to `limit` items in the order of their making, beginning after one."""
    return [Item(**row) for row in tx.all(_PAGE, after=after, limit=limit)]


def cancel(tx: Transaction, item_id: int) -> bool:
    """Ask that an item be stopped; False if it is not there or was given up."""
    return tx.run(_CANCEL, which=item_id) == 1


def cancel_work(tx: Transaction, unwanted: Work) -> None:
    """Ask that some work be stopped, if it is in the table."""
    row = tx.first(_FIND, kind=unwanted.kind, key=unwanted.key)
    if row is not None:
        cancel(tx, row["id"])


def drop(tx: Transaction, kind: str, keys: Sequence[str]) -> None:
    """Forget work that nobody does; ask that what is being done be stopped."""
    for chosen in batches(keys):
        tx.run(_DROP, kind=kind, keys=chosen)
        tx.run(_CANCEL_ALL, kind=kind, keys=chosen)


def of_kind(tx: Transaction, kind: str, until: datetime, after: int, limit: int) -> list[Item]:
    """Up to `limit` items of a kind that were made until an instant, in the order of their making, after one."""
    return [Item(**row) for row in tx.all(_OF_KIND, kind=kind, until=until, after=after, limit=limit)]


def trouble(tx: Transaction, kind: str, place: str) -> tuple[str, datetime] | None:
    """Why what goes to a place was not done when it was tried last, and when the first of it is tried again."""
    row = tx.first(_TROUBLE, kind=kind, at=f"%/{place}")
    return (row["error"], row["due_at"]) if row else None


def hurry(tx: Transaction, item_id: int, now: datetime) -> bool:
    """Let an item that waits, or was given up, be done now; False if it is not there or being done."""
    return tx.run(_HURRY, which=item_id, due=now) == 1


def count_about(tx: Transaction, kind: str, begin: str, pattern: str) -> int:
    """How much there is of a kind whose key begins so, and is like a pattern."""
    return int(tx.value(_COUNT_ABOUT, kind=kind, begin=begin, end=_after(begin), pattern=pattern))


def hurry_about(tx: Transaction, kind: str, begin: str, pattern: str, now: datetime) -> None:
    """Let all of it be done now that waits, or was given up."""
    tx.run(_HURRY_ABOUT, kind=kind, begin=begin, end=_after(begin), pattern=pattern, due=now)


def _after(begin: str) -> str:
    return begin[:-1] + chr(ord(begin[-1]) + 1)


def forget(tx: Transaction, item_id: int) -> bool:
    """Forget an item that was given up, or that this program does not know."""
    return tx.run(_FORGET, which=item_id) == 1


def forget_old(tx: Transaction, before: datetime) -> int:
    """Forget what was given up and is older than an instant; how many items."""
    return tx.run(_FORGET_OLD, before=before)


def is_alive(tx: Transaction, wanted: Work) -> bool:
    """Whether it is in the table and was not given up."""
    row = tx.first(_FIND, kind=wanted.kind, key=wanted.key)
    return row is not None and row["due_at"] is not None


def waiting(tx: Transaction, kind: str) -> tuple[int, datetime | None]:
    """How much of a kind is to be done, and since when; given up work is left out."""
    row = tx.first(_WAITING, kind=kind)
    assert row is not None, "a count has a row"
    return row["count"], row["since"]
