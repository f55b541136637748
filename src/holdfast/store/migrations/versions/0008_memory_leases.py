"""Until when each process may serve what it remembers of the database."""

import sqlalchemy as sa
from alembic import op

revision = "0008_memory_leases"
down_revision = "0007_damage"


def upgrade() -> None:
    """Make the table; where nothing is remembered it stays empty."""
    op.create_table(
        "memory_leases",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_memory_leases"),
    )
