"""Streams of modules, of which a package of the rpm family may be."""

import sqlalchemy as sa
from alembic import op

revision = "0025_modules"
down_revision = "0024_harbor_scans"


def upgrade() -> None:
    """Add the columns."""
    for table in ("package_versions", "advisory_ranges"):
        op.add_column(table, sa.Column("module", sa.String(length=100), nullable=True, server_default=""))
