"""What scans found, and how many vulnerabilities sets of packages have."""

import sqlalchemy as sa
from alembic import op

revision = "0014_findings"
down_revision = "0013_advisories"

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables, and the columns of scans."""
    op.add_column("image_scans", sa.Column("scan_type", sa.String(length=8), nullable=False, server_default="BASIC"))
    op.add_column("image_scans", sa.Column("is_live", sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column("image_scans", sa.Column("counts", sa.JSON(), nullable=True))
    op.add_column("image_scans", sa.Column("ecosystems", sa.JSON(), nullable=True))
    op.add_column("image_scans", sa.Column("source_updated_at", sa.BigInteger(), nullable=True))
    op.create_table(
        "image_findings",
        sa.Column("manifest_id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("findings", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["manifest_id"], ["manifests.id"], name="fk_image_findings_manifest_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("manifest_id", name="pk_image_findings"),
    )
    op.create_table(
        "package_set_counts",
        sa.Column("set_id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("critical", sa.Integer(), nullable=False),
        sa.Column("high", sa.Integer(), nullable=False),
        sa.Column("medium", sa.Integer(), nullable=False),
        sa.Column("low", sa.Integer(), nullable=False),
        sa.Column("informational", sa.Integer(), nullable=False),
        sa.Column("undefined", sa.Integer(), nullable=False),
        sa.Column("news_of", sa.String(length=40), nullable=True),
        sa.Column("news", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(
            ["set_id"], ["package_sets.id"], name="fk_package_set_counts_set_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("set_id", name="pk_package_set_counts"),
    )
    op.create_index("ix_package_set_counts_news_of", "package_set_counts", ["news_of"])
