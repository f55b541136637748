"""Which packages there are, in which versions.

A version is kept with its sort key: bytes whose order is that of the ecosystem, or NULL if it has no place in it.
"""

from __future__ import annotations

from sqlalchemy import Column, Index, LargeBinary, String, Table, UniqueConstraint

from holdfast.store.tables.basis import RowId, metadata

package_versions = Table(
    "package_versions",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("ecosystem", String(100), nullable=False),  # OSV's, such as Debian:12 or npm
    Column("name", String(300), nullable=False),  # of the source package, where there is one
    Column("version", String(200), nullable=False),
    Column("sort_key", LargeBinary),
    UniqueConstraint("ecosystem", "name", "version"),
    Index("ix_package_versions_ecosystem_name_sort_key", "ecosystem", "name", "sort_key"),
    sqlite_autoincrement=True,
)
