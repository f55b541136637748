"""Lifecycle policies, and what they would do."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table, Text
from sqlalchemy.types import JSON

from holdfast.store.tables.basis import Instant, metadata

lifecycle_policies = Table(
    "lifecycle_policies",
    metadata,
    Column("repository_id", ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("text", Text, nullable=False),
    Column("revision", Integer, nullable=False),  # a run stops when it is not the one that it began with
    Column("evaluated_at", Instant),
    Column("outcome", JSON(none_as_null=True)),  # of the last run
)

lifecycle_previews = Table(
    "lifecycle_previews",
    metadata,
    Column("repository_id", ForeignKey("repositories.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("text", Text, nullable=False),
    Column("status", String(16), nullable=False),
    Column("started_at", Instant, nullable=False),
    Column("ended_at", Instant, index=True),
    Column("expiring", Integer, nullable=False),
    Column("transitioning", Integer, nullable=False),
)

lifecycle_preview_results = Table(
    "lifecycle_preview_results",
    metadata,
    Column("repository_id", ForeignKey("lifecycle_previews.repository_id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("digest", String(140), nullable=False),
    Column("tags", JSON, nullable=False),
    Column("is_tagged", Boolean, nullable=False),
    Column("pushed_at", Instant, nullable=False),
    Column("action", String(16), nullable=False),
    Column("rule_priority", Integer, nullable=False),
    Column("storage_class", String(16), nullable=False),
    Column("failure", String(64)),  # why the rule would not have its way; such results come last
    Column("reason", Text),
    Index("ix_lifecycle_preview_results_repository_id_digest", "repository_id", "digest"),
    Index("ix_lifecycle_preview_results_repository_id_is_tagged_position", "repository_id", "is_tagged", "position"),
)
