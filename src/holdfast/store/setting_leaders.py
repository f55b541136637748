"""From where the settings of repositories come: who sets one from elsewhere, and what it calls itself to others."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import bindparam, select

from holdfast.store.statements import Statement, replacement
from holdfast.store.tables import instant, microseconds, setting_leaders

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from holdfast.model.repositories import Repository
    from holdfast.store.database import Transaction

_FIND = Statement(select(setting_leaders).where(setting_leaders.c.repository_id == bindparam("which")))
_PUT = replacement(setting_leaders)


class Known(NamedTuple):
    """What is known of a repository."""

    own_id: str
    leaders: dict[str, datetime]  # when each said last that it sets it, directly or by way of others


def find(tx: Transaction, repository: Repository) -> Known | None:
    """What is known, if anything ever was."""
    row = tx.first(_FIND, which=repository.id)
    return Known(row["own_id"], {id_: instant(at) for id_, at in row["leaders"].items()}) if row else None


def put(tx: Transaction, repository: Repository, own_id: str, leaders: Mapping[str, datetime]) -> None:
    """Keep what is known."""
    told = {id_: microseconds(at) for id_, at in leaders.items()}
    tx.run(_PUT, repository_id=repository.id, own_id=own_id, leaders=told)
