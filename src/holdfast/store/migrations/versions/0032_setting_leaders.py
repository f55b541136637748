"""Who sets repositories from elsewhere."""

import sqlalchemy as sa
from alembic import op

revision = "0032_setting_leaders"
down_revision = "0031_cache_room"

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "setting_leaders",
        sa.Column("repository_id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("own_id", sa.String(length=64), nullable=False),
        sa.Column("leaders", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name="fk_setting_leaders_repository_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("repository_id", name="pk_setting_leaders"),
    )  # fmt: skip
