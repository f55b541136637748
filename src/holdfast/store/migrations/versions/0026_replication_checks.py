"""How repositories agreed with their copies, and an index for what is still to be copied."""

import sqlalchemy as sa
from alembic import op

revision = "0026_replication_checks"
down_revision = "0025_modules"

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the table and the index."""
    op.create_table(
        "replication_checks",
        sa.Column("repository_id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("region", sa.String(length=25), nullable=False),
        sa.Column("account_id", sa.String(length=12), nullable=False),
        sa.Column("checked_at", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("counts", sa.JSON(), nullable=False),
        sa.Column("digest", sa.String(length=140), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"],
            ["repositories.id"],
            name="fk_replication_checks_repository_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("repository_id", "region", "account_id", name="pk_replication_checks"),
    )
    op.create_index("ix_replication_checks_state", "replication_checks", ["state"])
    op.create_index("ix_image_replications_status_updated_at", "image_replications", ["status", "updated_at"])
