"""Sessions: begin, find and end them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, delete, func, or_, select

from holdfast.model.iam_sessions import Session
from holdfast.store.statements import Statement, insertion
from holdfast.store.tables import iam_roles, iam_sessions, iam_users

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.store.database import Transaction

_FIND = Statement(
    select(
        iam_sessions,
        func.coalesce(iam_roles.c.name, iam_users.c.name, "").label("entity_name"),
        func.coalesce(iam_roles.c.path, iam_users.c.path, "/").label("entity_path"),
    )
    .outerjoin(iam_roles, iam_roles.c.id == iam_sessions.c.entity_id)
    .outerjoin(iam_users, iam_users.c.id == iam_sessions.c.entity_id)
    .where(iam_sessions.c.id == bindparam("which"))
    # Whoever is gone has no sessions.
    .where(or_(iam_sessions.c.entity_id.is_(None), iam_roles.c.id.is_not(None), iam_users.c.id.is_not(None)))
)
_IS_TAKEN = Statement(select(iam_sessions.c.id).where(iam_sessions.c.id == bindparam("which")))
_INSERT = insertion(iam_sessions)
_END_OF_ENTITY = Statement(delete(iam_sessions).where(iam_sessions.c.entity_id == bindparam("which")))
_FORGET = Statement(
    delete(iam_sessions).where(
        iam_sessions.c.id.in_(
            select(iam_sessions.c.id).where(iam_sessions.c.expires_at < bindparam("before")).limit(bindparam("limit"))
        )
    )
)


def find(tx: Transaction, access_key_id: str) -> Session | None:
    """A session by the id of its access key, whether or not it is over."""
    row = tx.first(_FIND, which=access_key_id)
    return Session(**{**row, "policies": tuple(row["policies"])}) if row else None


def insert_new(tx: Transaction, session: Session) -> bool:
    """Keep a session; False if its id is taken."""
    if tx.first(_IS_TAKEN, which=session.id) is not None:
        return False
    tx.run(
        _INSERT,
        id=session.id,
        account_id=session.account_id,
        kind=session.kind,
        entity_id=session.entity_id,
        name=session.name,
        policies=list(session.policies),
        tags=dict(session.tags),
        facts=dict(session.facts),
        issued_at=session.issued_at,
        expires_at=session.expires_at,
    )
    return True


def end_of_entity(tx: Transaction, entity_id: str) -> int:
    """End every session of a role or a user; how many there were."""
    return tx.run(_END_OF_ENTITY, which=entity_id)


def forget(tx: Transaction, before: datetime, limit: int) -> int:
    """Remove up to `limit` sessions that were over before an instant; how many went."""
    return tx.run(_FORGET, before=before, limit=limit)
