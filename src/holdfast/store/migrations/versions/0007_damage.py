"""When bytes were last verified, which are damaged, and holds on deletion."""

import sqlalchemy as sa
from alembic import op

revision = "0007_damage"
down_revision = "0006_guardrails_and_passwords"

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
IS_DAMAGED = sa.text("damaged_at IS NOT NULL")


def upgrade() -> None:
    """Make them; what is there already counts as never verified."""
    op.add_column("blobs", sa.Column("verified_at", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("blobs", sa.Column("damaged_at", sa.BigInteger(), nullable=True))
    op.add_column("blobs", sa.Column("damage", sa.Text(), nullable=True))
    op.create_index("ix_blobs_digest", "blobs", ["digest"])
    op.add_column("manifests", sa.Column("verified_at", sa.BigInteger(), nullable=False, server_default="0"))
    op.add_column("manifests", sa.Column("damaged_at", sa.BigInteger(), nullable=True))
    for table in ("blobs", "manifests"):
        op.create_index(f"ix_{table}_verified_at_id", table, ["verified_at", "id"])
        op.create_index(
            f"ix_{table}_damaged_at", table, ["damaged_at"], sqlite_where=IS_DAMAGED, postgresql_where=IS_DAMAGED
        )
    op.create_table(
        "damaged_objects",
        sa.Column("object_key", sa.String(length=64), nullable=False),
        sa.Column("registry_id", ROW_ID, nullable=False),
        sa.Column("digest", sa.String(length=140), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("damage", sa.Text(), nullable=False),
        sa.Column("replaced_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["object_key"], ["objects.key"], name="fk_damaged_objects_object_key"),
        sa.ForeignKeyConstraint(["registry_id"], ["registries.id"], name="fk_damaged_objects_registry_id"),
        sa.PrimaryKeyConstraint("object_key", name="pk_damaged_objects"),
    )
    op.create_index("ix_damaged_objects_replaced_at", "damaged_objects", ["replaced_at"])
    op.create_table(
        "deletion_holds",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("reason", sa.String(length=256), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_deletion_holds"),
    )
