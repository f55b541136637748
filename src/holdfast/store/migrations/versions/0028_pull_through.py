"""What comes from upstream registries."""

import sqlalchemy as sa
from alembic import op

revision = "0028_pull_through"
down_revision = "0027_event_refusals"

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables, and the columns of rules and tags."""
    op.add_column("cache_rules", sa.Column("options", sa.JSON(none_as_null=True), nullable=True))
    op.add_column("cache_rules", sa.Column("failure", sa.Text(), nullable=True))
    op.add_column("cache_rules", sa.Column("failed_at", sa.BigInteger(), nullable=True))
    op.add_column("tags", sa.Column("stale_at", sa.BigInteger(), nullable=True))
    op.create_table(
        "cache_imports",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("repository_id", ROW_ID, nullable=False),
        sa.Column("tag", sa.String(length=300), nullable=False),
        sa.Column("digest", sa.String(length=140), nullable=False),
        sa.Column("media_type", sa.String(length=255), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("requested_at", sa.BigInteger(), nullable=False),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name="fk_cache_imports_repository_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_cache_imports"),
        sa.UniqueConstraint("repository_id", "tag", "digest", name="uq_cache_imports_repository_id_tag_digest"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_cache_imports_requested_at", "cache_imports", ["requested_at"])
    op.create_index("ix_cache_imports_repository_id_digest", "cache_imports", ["repository_id", "digest"])
    op.create_table(
        "cache_images",
        sa.Column("manifest_id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("registry_id", ROW_ID, nullable=False),
        sa.Column("prefix", sa.String(length=30), nullable=False),
        sa.Column("cached_at", sa.BigInteger(), nullable=False),
        sa.Column("referrers_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["manifest_id"], ["manifests.id"], name="fk_cache_images_manifest_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["registry_id"], ["registries.id"], name="fk_cache_images_registry_id"),
        sa.PrimaryKeyConstraint("manifest_id", name="pk_cache_images"),
    )
    op.create_index("ix_cache_images_registry_id_prefix", "cache_images", ["registry_id", "prefix"])
    op.create_table(
        "cache_fetches",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("registry_id", ROW_ID, nullable=False),
        sa.Column("prefix", sa.String(length=30), nullable=False),
        sa.Column("repository_name", sa.String(length=256), nullable=False),
        sa.Column("reference", sa.String(length=300), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("received_bytes", sa.BigInteger(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["registry_id"], ["registries.id"], name="fk_cache_fetches_registry_id"),
        sa.PrimaryKeyConstraint("key", name="pk_cache_fetches"),
    )
    op.create_index("ix_cache_fetches_expires_at", "cache_fetches", ["expires_at"])
    op.create_index("ix_cache_fetches_registry_id_prefix", "cache_fetches", ["registry_id", "prefix"])
