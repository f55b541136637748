"""What every table is made of: how instants, names of constraints and counted keys are kept."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy import BigInteger, Integer, MetaData, TypeDecorator

if TYPE_CHECKING:
    from sqlalchemy import Dialect

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def microseconds(value: datetime) -> int:
    """An instant as whole microseconds since 1970."""
    return (value - EPOCH) // _MICROSECOND


def instant(value: int) -> datetime:
    """The instant of so many microseconds since 1970."""
    return EPOCH + value * _MICROSECOND


class Instant(TypeDecorator[datetime]):
    """An aware UTC instant, kept as whole microseconds since 1970: exact, and sorted alike in every database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> int | None:
        """From the program to the database."""
        return None if value is None else microseconds(value)

    def process_result_value(self, value: int | None, _dialect: Dialect) -> datetime | None:
        """From the database to the program."""
        return None if value is None else instant(value)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite counts rows up by itself only in a plain INTEGER key.
RowId = BigInteger().with_variant(Integer(), "sqlite")
