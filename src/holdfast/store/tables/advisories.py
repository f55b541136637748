"""Which packages there are, what feeds say of them, and which of their versions that is true of.

    feeds ── advisories ── advisory_ranges ──┐   low <= sort_key < high
                 ├── advisory_names          ├── advisory_matches ── package_versions
                 └───────────────────────────┘
    feeds ── cve_facts                           exploitation and scores, by CVE

A version is kept with its sort key: bytes whose order is that of the ecosystem, or NULL if it has no place in it.

A row of a feed counts while `since <= feeds.current < until`. An import writes rows of the next generation, beside
requests, and they count all at once when `current` is set to it.
"""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.types import JSON

from holdfast.store.tables.basis import Instant, RowId, metadata

package_versions = Table(
    "package_versions",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("ecosystem", String(100), nullable=False),  # OSV's, such as Debian:12 or npm
    Column("name", String(300), nullable=False),  # of the source package, where there is one
    Column("version", String(200), nullable=False),
    Column("sort_key", LargeBinary),
    Column("module", String(100), server_default=""),  # such as nodejs:18; NULL: of one that is not known
    UniqueConstraint("ecosystem", "name", "version"),
    Index("ix_package_versions_ecosystem_name_sort_key", "ecosystem", "name", "sort_key"),
    sqlite_autoincrement=True,
)

feeds = Table(
    "feeds",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("name", String(100), nullable=False, unique=True),  # such as debian or osv/npm
    Column("current", Integer, nullable=False),  # the generation that counts; 0 is none
    Column("loading", Integer),  # the one that is being written
    Column("begun", Integer, nullable=False, server_default="0"),  # the last one that ever was
    Column("settled", Integer, nullable=False),  # the last one whose changes were told
    Column("as_of", Instant),  # of what counts, likewise the rest
    Column("imported_at", Instant),
    Column("details", JSON, nullable=False),  # where it came from, on which terms, and what it holds
)

advisories = Table(
    "advisories",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("feed_id", ForeignKey("feeds.id"), nullable=False),
    Column("ident", String(100), nullable=False),
    Column("since", Integer, nullable=False),
    Column("until", Integer),
    Column("replaces", RowId),  # the advisory of an earlier generation whose place it takes; it may be gone
    Column("fingerprint", LargeBinary, nullable=False),  # of all that it says
    Column("aliases", JSON, nullable=False),
    Column("covers", JSON, nullable=False),
    Column("severity", String(13), nullable=False),  # whatever the package
    Column("body", LargeBinary, nullable=False),  # what people read, as compressed JSON
    Index("ix_advisories_feed_id_ident", "feed_id", "ident"),
    Index("ix_advisories_feed_id_since", "feed_id", "since"),
    Index("ix_advisories_feed_id_until", "feed_id", "until"),
    Index("ix_advisories_replaces", "replaces"),
    sqlite_autoincrement=True,
)

advisory_names = Table(
    "advisory_names",
    metadata,
    Column("name", String(100), primary_key=True),  # its own, an alias, or one that it covers
    Column("advisory_id", ForeignKey("advisories.id", ondelete="CASCADE"), primary_key=True, index=True),
)

advisory_ranges = Table(
    "advisory_ranges",
    metadata,
    Column("id", RowId, primary_key=True),
    Column("advisory_id", ForeignKey("advisories.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("ecosystem", String(100), nullable=False),
    Column("name", String(300), nullable=False),
    Column("low", LargeBinary, nullable=False),
    Column("high", LargeBinary),
    Column("fixed", String(200)),
    Column("status", String(20), nullable=False),
    Column("severity", String(13), nullable=False),
    Column("is_exact", Boolean, nullable=False),
    Column("module", String(100), server_default=""),  # of which the package is; NULL: whatever it is of
    Index("ix_advisory_ranges_ecosystem_name", "ecosystem", "name"),
)

advisory_matches = Table(
    "advisory_matches",
    metadata,
    Column("advisory_id", ForeignKey("advisories.id", ondelete="CASCADE"), primary_key=True),
    Column("package_version_id", ForeignKey("package_versions.id"), primary_key=True),
    Column("range_id", ForeignKey("advisory_ranges.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("first_seen_at", Instant),  # NULL: it was known before the package was
    Column("is_news", Boolean, nullable=False),  # what it says is not what the advisory before it said
    Index("ix_advisory_matches_package_version_id_advisory_id", "package_version_id", "advisory_id"),
)

cve_facts = Table(
    "cve_facts",
    metadata,
    Column("feed_id", ForeignKey("feeds.id"), primary_key=True),
    Column("generation", Integer, primary_key=True),
    Column("name", String(40), primary_key=True),
    Column("exploited_since", String(10)),
    Column("likelihood", Integer),  # in millionths, as the next one
    Column("percentile", Integer),
    Column("cvss", Text, nullable=False),
    Index("ix_cve_facts_name", "name"),
)
