"""What a target refuses is counted apart from its troubles."""

import sqlalchemy as sa
from alembic import op

revision = "0027_event_refusals"
down_revision = "0026_replication_checks"


def upgrade() -> None:
    """Add the column."""
    op.add_column("event_targets", sa.Column("refusals", sa.Integer(), nullable=False, server_default="0"))
