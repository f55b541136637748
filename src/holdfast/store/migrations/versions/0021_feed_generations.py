"""Generations of feeds that were begun, so that none is ever begun twice."""

import sqlalchemy as sa
from alembic import op

revision = "0021_feed_generations"
down_revision = "0020_image_leases"


def upgrade() -> None:
    """Add the column."""
    op.add_column("feeds", sa.Column("begun", sa.Integer(), nullable=False, server_default="0"))
    op.execute("UPDATE feeds SET begun = CASE WHEN loading > current THEN loading ELSE current END")
