"""Scans of images of other registries."""

import sqlalchemy as sa
from alembic import op

revision = "0024_harbor_scans"
down_revision = "0023_event_targets"


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "harbor_scans",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("repository", sa.String(length=255), nullable=False),
        sa.Column("digest", sa.String(length=140), nullable=False),
        sa.Column("media_type", sa.String(length=255), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("findings", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_harbor_scans"),
    )
    op.create_index("ix_harbor_scans_created_at", "harbor_scans", ["created_at"])
