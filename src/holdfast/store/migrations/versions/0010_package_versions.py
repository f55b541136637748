"""Which packages there are, in which versions, for all images together."""

import sqlalchemy as sa
from alembic import op

revision = "0010_package_versions"
down_revision = "0009_garbage"

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "package_versions",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("ecosystem", sa.String(length=100), nullable=False),
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("version", sa.String(length=200), nullable=False),
        sa.Column("sort_key", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_package_versions"),
        sa.UniqueConstraint("ecosystem", "name", "version", name="uq_package_versions_ecosystem_name_version"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_package_versions_ecosystem_name_sort_key", "package_versions", ["ecosystem", "name", "sort_key"]
    )
