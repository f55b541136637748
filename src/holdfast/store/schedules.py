"""What is done from time to time, by whichever process claims it first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import insert, select, update

from holdfast.store.tables import schedules

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from holdfast.store.database import Transaction


def claim(tx: Transaction, name: str, now: datetime, every: timedelta) -> bool:
    """Whether the caller shall do it now; nobody else is told so until it is due again."""
    due_at = tx.execute(select(schedules.c.due_at).where(schedules.c.name == name)).scalar()
    if due_at is None:
        tx.execute(insert(schedules).values(name=name, due_at=now + every))
        return True
    if due_at > now:
        return False
    tx.execute(update(schedules).where(schedules.c.name == name).values(due_at=now + every))
    return True
