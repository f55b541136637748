"""What layers hold, and the sets of packages that images are made of.

    blobs ── layer_inventories (a record each)
    manifests ── image_inventories, image_sboms
         └── image_package_sets ── package_sets ── package_set_members ── package_versions
                                        └── package_set_counts

A set is what one layer adds to an image after all layers lie on each other: images on the same base share its set.
"""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text
from sqlalchemy.types import JSON

from holdfast.model.severities import ORDER
from holdfast.store.tables.basis import Instant, RowId, metadata

layer_inventories = Table(
    "layer_inventories",
    metadata,
    Column("blob_id", ForeignKey("blobs.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("reader", Integer, nullable=False),  # the version of the program that read it
    Column("attempts", Integer, nullable=False),
    Column("record", LargeBinary),
    Column("refusal", Text),  # why there is no record
    Column("read_at", Instant, nullable=False),
)

image_inventories = Table(
    "image_inventories",
    metadata,
    Column("manifest_id", ForeignKey("manifests.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("reader", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("os", JSON(none_as_null=True)),
    Column("notes", JSON, nullable=False),
    Column("package_count", Integer, nullable=False),
    Column("taken_at", Instant, nullable=False),
)

image_reports = Table(  # what an image wastes; apart, since it is long
    "image_reports",
    metadata,
    Column("manifest_id", ForeignKey("manifests.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("chain_id", String(80)),  # of all its layers; an image that has others on top was built from it
    Column("layers", Integer, nullable=False),
    Column("report", LargeBinary, nullable=False),
    Index("ix_image_reports_chain_id_manifest_id", "chain_id", "manifest_id"),
)

image_sboms = Table(  # what somebody else says of an image
    "image_sboms",
    metadata,
    Column("manifest_id", ForeignKey("manifests.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("supplied", JSON, nullable=False),
    Column("supplied_at", Instant, nullable=False),
)

package_sets = Table(
    "package_sets",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("digest", String(80), nullable=False, unique=True),
    Column("created_at", Instant, nullable=False),
    Index("ix_package_sets_created_at", "created_at"),
    sqlite_autoincrement=True,
)

package_set_members = Table(
    "package_set_members",
    metadata,
    Column("set_id", ForeignKey("package_sets.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("package_version_id", ForeignKey("package_versions.id"), nullable=False),
    Column("package", JSON, nullable=False),  # as it is installed, which may be under another name than its source's
    Column("path", Text, nullable=False),  # of the evidence
    Index("ix_package_set_members_package_version_id_set_id", "package_version_id", "set_id"),
)

image_package_sets = Table(
    "image_package_sets",
    metadata,
    Column("manifest_id", ForeignKey("manifests.id", ondelete="CASCADE"), primary_key=True),
    Column("layer", Integer, primary_key=True, autoincrement=False),
    Column("set_id", ForeignKey("package_sets.id"), nullable=False),
    Column("layer_digest", String(140), nullable=False),
    Index("ix_image_package_sets_set_id_manifest_id", "set_id", "manifest_id"),
)

package_set_counts = Table(  # how many vulnerabilities the packages of a set have; of sets of images that are watched
    "package_set_counts",
    metadata,
    Column("set_id", ForeignKey("package_sets.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
    *(Column(severity.lower(), Integer, nullable=False) for severity in ORDER),
    Column("news_of", String(40)),  # the run that found some that are new in it
    Column("news", JSON(none_as_null=True)),
    Index("ix_package_set_counts_news_of", "news_of"),
)
