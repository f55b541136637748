"""What is done from time to time, by whichever process claims it first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select, update

from holdfast.store.statements import Statement, insertion
from holdfast.store.tables import schedules

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from holdfast.store.database import Transaction

_DUE = Statement(select(schedules.c.due_at).where(schedules.c.name == bindparam("which")))
_INSERT = insertion(schedules)
_POSTPONE = Statement(update(schedules).where(schedules.c.name == bindparam("which")).values(due_at=bindparam("next")))


def claim(tx: Transaction, name: str, now: datetime, every: timedelta) -> bool:
    """Whether the caller shall do it now; nobody else is told so until it is due again."""
    due_at = tx.value(_DUE, which=name)
    if due_at is None:
        tx.run(_INSERT, name=name, due_at=now + every)
        return True
    is_due = due_at <= now or due_at > now + every  # the clock may have been set back
    return bool(is_due and tx.run(_POSTPONE, which=name, next=now + every) == 1)
