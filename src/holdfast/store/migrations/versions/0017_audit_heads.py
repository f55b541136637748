"""Where the chains of the audit log stand; and changes of access are counted by account."""

import sqlalchemy as sa
from alembic import op

revision = "0017_audit_heads"
down_revision = "0016_image_pullers"


def upgrade() -> None:
    """Make the table, and forget the counter of the whole installation."""
    op.create_table(
        "audit_heads",
        sa.Column("chain", sa.String(length=200), nullable=False),
        sa.Column("folder", sa.String(length=32), nullable=False),
        sa.Column("file", sa.String(length=255), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("chain", name="pk_audit_heads"),
    )
    op.create_index("ix_audit_heads_folder", "audit_heads", ["folder"])
    op.execute("DELETE FROM counters WHERE name = 'access'")
