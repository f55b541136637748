"""What others' SBOMs tell of images."""

import sqlalchemy as sa
from alembic import op

revision = "0015_supplied_sboms"
down_revision = "0014_findings"

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "image_sboms",
        sa.Column("manifest_id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("supplied", sa.JSON(), nullable=False),
        sa.Column("supplied_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["manifest_id"], ["manifests.id"], name="fk_image_sboms_manifest_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("manifest_id", name="pk_image_sboms"),
    )
