"""Secrets that accounts keep."""

import sqlalchemy as sa
from alembic import op

revision = "0019_account_secrets"
down_revision = "0018_suppressions"

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "account_secrets",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("account_id", sa.String(length=12), nullable=False),
        sa.Column("region", sa.String(length=25), nullable=False),
        sa.Column("name", sa.String(length=512), nullable=False),
        sa.Column("suffix", sa.String(length=6), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("changed_at", sa.BigInteger(), nullable=False),
        sa.Column("gone_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_account_secrets_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_account_secrets"),
        sa.UniqueConstraint("account_id", "region", "name", name="uq_account_secrets_account_id_region_name"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_account_secrets_gone_at", "account_secrets", ["gone_at"])
    op.create_table(
        "account_secret_versions",
        sa.Column("secret_id", ROW_ID, nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("stages", sa.JSON(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["secret_id"],
            ["account_secrets.id"],
            name="fk_account_secret_versions_secret_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("secret_id", "id", name="pk_account_secret_versions"),
    )
