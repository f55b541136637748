"""What images waste."""

import sqlalchemy as sa
from alembic import op

revision = "0012_image_reports"
down_revision = "0011_inventories"

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "image_reports",
        sa.Column("manifest_id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("chain_id", sa.String(length=80), nullable=True),
        sa.Column("layers", sa.Integer(), nullable=False),
        sa.Column("report", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["manifest_id"], ["manifests.id"], name="fk_image_reports_manifest_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("manifest_id", name="pk_image_reports"),
    )
    op.create_index("ix_image_reports_chain_id_manifest_id", "image_reports", ["chain_id", "manifest_id"])
