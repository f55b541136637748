"""What layers and images hold."""

import sqlalchemy as sa
from alembic import op

revision = "0011_inventories"
down_revision = "0010_package_versions"

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "layer_inventories",
        sa.Column("blob_id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("reader", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("record", sa.LargeBinary(), nullable=True),
        sa.Column("refusal", sa.Text(), nullable=True),
        sa.Column("read_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["blob_id"], ["blobs.id"], name="fk_layer_inventories_blob_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("blob_id", name="pk_layer_inventories"),
    )
    op.create_table(
        "image_inventories",
        sa.Column("manifest_id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("reader", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("os", sa.JSON(), nullable=True),
        sa.Column("notes", sa.JSON(), nullable=False),
        sa.Column("package_count", sa.Integer(), nullable=False),
        sa.Column("taken_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["manifest_id"], ["manifests.id"], name="fk_image_inventories_manifest_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("manifest_id", name="pk_image_inventories"),
    )
    op.create_table(
        "package_sets",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("digest", sa.String(length=80), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_package_sets"),
        sa.UniqueConstraint("digest", name="uq_package_sets_digest"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_package_sets_created_at", "package_sets", ["created_at"])
    op.create_table(
        "package_set_members",
        sa.Column("set_id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("package_version_id", ROW_ID, nullable=False),
        sa.Column("package", sa.JSON(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["set_id"], ["package_sets.id"], name="fk_package_set_members_set_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["package_version_id"], ["package_versions.id"], name="fk_package_set_members_package_version_id"
        ),
        sa.PrimaryKeyConstraint("set_id", "position", name="pk_package_set_members"),
    )
    op.create_index(
        "ix_package_set_members_package_version_id_set_id", "package_set_members", ["package_version_id", "set_id"]
    )
    op.create_table(
        "image_package_sets",
        sa.Column("manifest_id", ROW_ID, nullable=False),
        sa.Column("layer", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("set_id", ROW_ID, nullable=False),
        sa.Column("layer_digest", sa.String(length=140), nullable=False),
        sa.ForeignKeyConstraint(
            ["manifest_id"], ["manifests.id"], name="fk_image_package_sets_manifest_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["set_id"], ["package_sets.id"], name="fk_image_package_sets_set_id"),
        sa.PrimaryKeyConstraint("manifest_id", "layer", name="pk_image_package_sets"),
    )
    op.create_index("ix_image_package_sets_set_id_manifest_id", "image_package_sets", ["set_id", "manifest_id"])
