"""Links of evicted images leave the quarantine earlier; which bytes an upstream has sent."""

import sqlalchemy as sa
from alembic import op

revision = "0031_cache_room"
down_revision = "0030_peer_uploads"

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Add the column and the table."""
    op.add_column("quarantined_links", sa.Column("is_evicted", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.create_table(
        "cache_blobs",
        sa.Column("blob_id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("registry_id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("prefix", sa.String(length=30), nullable=False),
        sa.ForeignKeyConstraint(["blob_id"], ["blobs.id"], name="fk_cache_blobs_blob_id", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["registry_id"], ["registries.id"], name="fk_cache_blobs_registry_id"),
        sa.PrimaryKeyConstraint("blob_id", "registry_id", "prefix", name="pk_cache_blobs"),
    )
