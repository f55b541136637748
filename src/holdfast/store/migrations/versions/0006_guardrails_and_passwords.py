"""Guardrails; what accounts ask of passwords, which ones users had before, and reports on credentials."""

import sqlalchemy as sa
from alembic import op

revision = "0006_guardrails_and_passwords"
down_revision = "0005_undelete"


def upgrade() -> None:
    """Make the tables; of passwords that are there already it is not known when they were chosen."""
    op.create_table(
        "guardrails",
        sa.Column("level", sa.String(length=12), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("level", "name", name="pk_guardrails"),
    )
    op.create_table(
        "iam_password_policies",
        sa.Column("account_id", sa.String(length=12), nullable=False),
        sa.Column("policy", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_iam_password_policies_account_id"),
        sa.PrimaryKeyConstraint("account_id", name="pk_iam_password_policies"),
    )
    op.create_table(
        "iam_credential_reports",
        sa.Column("account_id", sa.String(length=12), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("generated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_iam_credential_reports_account_id"),
        sa.PrimaryKeyConstraint("account_id", name="pk_iam_credential_reports"),
    )
    op.add_column("iam_login_profiles", sa.Column("changed_at", sa.BigInteger(), nullable=True))
    op.add_column("iam_login_profiles", sa.Column("previous_hashes", sa.JSON(), nullable=True))
