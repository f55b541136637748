"""What runs of garbage collection did, and whether the next one must wait for somebody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, select, update

from holdfast.store.statements import Statement, insertion
from holdfast.store.tables import gc_halts, gc_runs

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.store.database import Transaction
    from holdfast.store.statements import Row

_BEGIN = insertion(gc_runs)
_END = Statement(
    update(gc_runs).where(gc_runs.c.id == bindparam("run")).values(ended_at=bindparam("at"), outcome=bindparam("so"))
)
_LAST = Statement(
    select(gc_runs).where(gc_runs.c.ended_at.is_not(None)).order_by(gc_runs.c.id.desc()).limit(bindparam("limit"))
)
_FORGET_RUNS = Statement(delete(gc_runs).where(gc_runs.c.id <= bindparam("upto")))
_HALT = Statement(select(gc_halts))
_SET_HALT = insertion(gc_halts)
_CLEAR_HALT = Statement(delete(gc_halts))
_CONFIRM = Statement(update(gc_halts).values(is_confirmed=True))
_USE = Statement(update(gc_halts).values(planned=gc_halts.c.planned - bindparam("gone")))


@dataclass(frozen=True, slots=True)
class Halt:
    """Why nothing is collected until somebody confirms it."""

    reason: str
    halted_at: datetime
    planned: int
    is_confirmed: bool


def begin(tx: Transaction, now: datetime) -> int:
    """Note that a run begins; its number."""
    return int(tx.value(_BEGIN, started_at=now, ended_at=None, outcome={}))


def end(tx: Transaction, run: int, now: datetime, outcome: dict[str, Any], keep: int) -> None:
    """Note what a run did, and forget those of long ago."""
    tx.run(_END, run=run, at=now, so=outcome)
    tx.run(_FORGET_RUNS, upto=run - keep)


def latest(tx: Transaction, limit: int) -> list[Row]:
    """The runs that ended last, the latest first."""
    return tx.all(_LAST, limit=limit)


def halt(tx: Transaction) -> Halt | None:
    """Why nothing is collected, if that is so."""
    row = tx.first(_HALT)
    return Halt(row["reason"], row["halted_at"], row["planned"], row["is_confirmed"]) if row else None


def set_halt(tx: Transaction, reason: str, planned: int, now: datetime) -> None:
    """Collect nothing more until somebody confirms it."""
    tx.run(_CLEAR_HALT)
    tx.run(_SET_HALT, id=1, reason=reason, halted_at=now, planned=planned, is_confirmed=False)


def confirm_halt(tx: Transaction) -> None:
    """Let what was planned go after all."""
    tx.run(_CONFIRM)


def use_halt(tx: Transaction, gone: int) -> None:
    """Count what went of that which was confirmed; when all did, the next surprise halts again."""
    tx.run(_USE, gone=gone)
    found = halt(tx)
    if found is not None and found.planned <= 0:
        tx.run(_CLEAR_HALT)


def clear_halt(tx: Transaction) -> None:
    """Nothing is surprising any more."""
    tx.run(_CLEAR_HALT)
