"""What feeds say of packages, and which of their versions that is true of."""

import sqlalchemy as sa
from alembic import op

revision = "0013_advisories"
down_revision = "0012_image_reports"

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "feeds",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("current", sa.Integer(), nullable=False),
        sa.Column("loading", sa.Integer(), nullable=True),
        sa.Column("settled", sa.Integer(), nullable=False),
        sa.Column("as_of", sa.BigInteger(), nullable=True),
        sa.Column("imported_at", sa.BigInteger(), nullable=True),
        sa.Column("details", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_feeds"),
        sa.UniqueConstraint("name", name="uq_feeds_name"),
    )
    op.create_table(
        "advisories",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("feed_id", ROW_ID, nullable=False),
        sa.Column("ident", sa.String(length=100), nullable=False),
        sa.Column("since", sa.Integer(), nullable=False),
        sa.Column("until", sa.Integer(), nullable=True),
        sa.Column("replaces", ROW_ID, nullable=True),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.Column("aliases", sa.JSON(), nullable=False),
        sa.Column("covers", sa.JSON(), nullable=False),
        sa.Column("severity", sa.String(length=13), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["feed_id"], ["feeds.id"], name="fk_advisories_feed_id"),
        sa.PrimaryKeyConstraint("id", name="pk_advisories"),
        sqlite_autoincrement=True,
    )
    for columns in (["feed_id", "ident"], ["feed_id", "since"], ["feed_id", "until"], ["replaces"]):
        op.create_index(f"ix_advisories_{'_'.join(columns)}", "advisories", columns)
    op.create_table(
        "advisory_names",
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("advisory_id", ROW_ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["advisory_id"], ["advisories.id"], name="fk_advisory_names_advisory_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("name", "advisory_id", name="pk_advisory_names"),
    )
    op.create_index("ix_advisory_names_advisory_id", "advisory_names", ["advisory_id"])
    op.create_table(
        "advisory_ranges",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("advisory_id", ROW_ID, nullable=False),
        sa.Column("ecosystem", sa.String(length=100), nullable=False),
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("low", sa.LargeBinary(), nullable=False),
        sa.Column("high", sa.LargeBinary(), nullable=True),
        sa.Column("fixed", sa.String(length=200), nullable=True),
        sa.Column("status", sa.String(length=20), nullable=False),
        sa.Column("severity", sa.String(length=13), nullable=False),
        sa.Column("is_exact", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["advisory_id"], ["advisories.id"], name="fk_advisory_ranges_advisory_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_advisory_ranges"),
    )
    op.create_index("ix_advisory_ranges_advisory_id", "advisory_ranges", ["advisory_id"])
    op.create_index("ix_advisory_ranges_ecosystem_name", "advisory_ranges", ["ecosystem", "name"])
    op.create_table(
        "advisory_matches",
        sa.Column("advisory_id", ROW_ID, nullable=False),
        sa.Column("package_version_id", ROW_ID, nullable=False),
        sa.Column("range_id", ROW_ID, nullable=False),
        sa.Column("first_seen_at", sa.BigInteger(), nullable=True),
        sa.Column("is_news", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["advisory_id"], ["advisories.id"], name="fk_advisory_matches_advisory_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["package_version_id"], ["package_versions.id"], name="fk_advisory_matches_package_version_id"
        ),
        sa.ForeignKeyConstraint(
            ["range_id"], ["advisory_ranges.id"], name="fk_advisory_matches_range_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("advisory_id", "package_version_id", name="pk_advisory_matches"),
    )
    op.create_index("ix_advisory_matches_range_id", "advisory_matches", ["range_id"])
    op.create_index(
        "ix_advisory_matches_package_version_id_advisory_id", "advisory_matches", ["package_version_id", "advisory_id"]
    )
    op.create_table(
        "cve_facts",
        sa.Column("feed_id", ROW_ID, nullable=False),
        sa.Column("generation", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("exploited_since", sa.String(length=10), nullable=True),
        sa.Column("likelihood", sa.Integer(), nullable=True),
        sa.Column("percentile", sa.Integer(), nullable=True),
        sa.Column("cvss", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["feed_id"], ["feeds.id"], name="fk_cve_facts_feed_id"),
        sa.PrimaryKeyConstraint("feed_id", "generation", "name", name="pk_cve_facts"),
    )
    op.create_index("ix_cve_facts_name", "cve_facts", ["name"])
