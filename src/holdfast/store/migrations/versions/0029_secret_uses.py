"""On which day a value of a secret was read last, and what a preview would not do."""

import sqlalchemy as sa
from alembic import op

revision = "0029_secret_uses"
down_revision = "0028_pull_through"


def upgrade() -> None:
    """Add the columns."""
    op.add_column("account_secrets", sa.Column("used_at", sa.BigInteger(), nullable=True))
    op.add_column("lifecycle_preview_results", sa.Column("failure", sa.String(length=64), nullable=True))
    op.add_column("lifecycle_preview_results", sa.Column("reason", sa.Text(), nullable=True))
