"""Who pulled which image."""

import sqlalchemy as sa
from alembic import op

revision = "0016_image_pullers"
down_revision = "0015_supplied_sboms"

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "image_pullers",
        sa.Column("manifest_id", ROW_ID, nullable=False),
        sa.Column("principal", sa.String(length=500), nullable=False),
        sa.Column("first_pulled_at", sa.BigInteger(), nullable=False),
        sa.Column("last_pulled_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["manifest_id"], ["manifests.id"], name="fk_image_pullers_manifest_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("manifest_id", "principal", name="pk_image_pullers"),
    )
