"""Images that somebody says are in use."""

import sqlalchemy as sa
from alembic import op

revision = "0020_image_leases"
down_revision = "0019_account_secrets"

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "image_leases",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("repository_id", ROW_ID, nullable=False),
        sa.Column("digest", sa.String(length=140), nullable=False),
        sa.Column("holder", sa.String(length=256), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("renewed_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"],
            ["repositories.id"],
            name="fk_image_leases_repository_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_image_leases"),
        sa.UniqueConstraint("repository_id", "digest", "holder", name="uq_image_leases_repository_id_digest_holder"),
    )
    op.create_index("ix_image_leases_expires_at", "image_leases", ["expires_at"])
    op.create_index("ix_image_leases_repository_id_id", "image_leases", ["repository_id", "id"])
