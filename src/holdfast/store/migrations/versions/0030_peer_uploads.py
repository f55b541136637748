"""Layers on their way to registries elsewhere."""

import sqlalchemy as sa
from alembic import op

revision = "0030_peer_uploads"
down_revision = "0029_secret_uses"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "peer_uploads",
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("work_id", sa.BigInteger(), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("target", sa.String(length=64), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("received_bytes", sa.BigInteger(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_peer_uploads"),
    )
    op.create_index("ix_peer_uploads_changed_at", "peer_uploads", ["changed_at"])
