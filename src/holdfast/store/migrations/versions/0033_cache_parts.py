"""Blobs that are being fetched, in parts for whoever reads along elsewhere."""

import sqlalchemy as sa
from alembic import op

revision = "0033_cache_parts"
down_revision = "0032_setting_leaders"


def upgrade() -> None:
    """Add the column and the table."""
    op.add_column("cache_fetches", sa.Column("is_wanted", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "cache_parts",
        sa.Column("object_key", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("first_byte", sa.BigInteger(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("whole_bytes", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["object_key"], ["objects.key"], name="fk_cache_parts_object_key", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("object_key", name="pk_cache_parts"),
    )
    op.create_index("ix_cache_parts_key_owner_first_byte", "cache_parts", ["key", "owner", "first_byte"])
