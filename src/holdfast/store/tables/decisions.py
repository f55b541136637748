"""What somebody decided of findings: that they do not count, or what VEX documents say of them.

registries ─┬─ finding_suppressions      of a whole registry, or of a repository
repositories┘
registries ── vex_documents ── vex_statements      a row for each name of a vulnerability
"""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text

from holdfast.store.tables.basis import Instant, RowId, metadata

finding_suppressions = Table(
    "finding_suppressions",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("repository_id", ForeignKey("repositories.id", ondelete="CASCADE"), index=True),
    Column("vulnerability", String(100), nullable=False),
    Column("package", String(300)),
    Column("digest", String(140)),
    Column("maximum", String(13)),
    Column("reason", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("registry_id", ForeignKey("registries.id"), index=True),  # of those that have no repository
    Column("version", String(200)),
    sqlite_autoincrement=True,
)

vex_documents = Table(
    "vex_documents",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("registry_id", ForeignKey("registries.id"), nullable=False),
    Column("repository_id", ForeignKey("repositories.id", ondelete="CASCADE")),  # NULL: all of them
    Column("digest", String(140)),  # of the image; NULL: all of the repository
    Column("form", String(16), nullable=False),
    Column("ident", String(500), nullable=False),
    Column("version", String(100), nullable=False),
    Column("author", Text, nullable=False),
    Column("issued_at", Instant, nullable=False),
    Column("fingerprint", String(64), nullable=False),  # SHA-256 of the document
    Column("owner", Text, nullable=False),  # who put it there
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("statement_count", Integer, nullable=False),
    Column("left_out", Integer, nullable=False),  # products that could not be told from others
    Column("origin_digest", String(140)),  # of the referrer that it came as: it counts while that is there
    Column("origin_tag", String(300)),
    Index("ix_vex_documents_registry_id_repository_id_digest", "registry_id", "repository_id", "digest"),
    Index("ix_vex_documents_repository_id_origin_digest", "repository_id", "origin_digest"),
    sqlite_autoincrement=True,
)

vex_statements = Table(
    "vex_statements",
    metadata,
    Column("document_id", ForeignKey("vex_documents.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("name", String(100), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("statement", LargeBinary, nullable=False),  # as compressed MessagePack
    Index("ix_vex_statements_name_document_id", "name", "document_id"),
)

harbor_scans = Table(  # of images of other registries
    "harbor_scans",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("repository", String(255), nullable=False),
    Column("digest", String(140), nullable=False),
    Column("media_type", String(255), nullable=False),
    Column("sealed", LargeBinary),  # what was asked for, with the password, until it ended
    Column("created_at", Instant, nullable=False, index=True),
    Column("ended_at", Instant),
    Column("reason", Text),
    Column("findings", LargeBinary),
)
