"""Findings that somebody decided do not count."""

import sqlalchemy as sa
from alembic import op

revision = "0018_suppressions"
down_revision = "0017_audit_heads"

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "finding_suppressions",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("repository_id", ROW_ID, nullable=False),
        sa.Column("vulnerability", sa.String(length=100), nullable=False),
        sa.Column("package", sa.String(length=300), nullable=True),
        sa.Column("digest", sa.String(length=140), nullable=True),
        sa.Column("maximum", sa.String(length=13), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"],
            ["repositories.id"],
            name="fk_finding_suppressions_repository_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_finding_suppressions"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_finding_suppressions_repository_id", "finding_suppressions", ["repository_id"])
