"""Deleted repositories and images that may still be restored, and what tags named before."""

import sqlalchemy as sa
from alembic import op

revision = "0005_undelete"
down_revision = "0004_keys"

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make their tables, and let a repository be a deleted one."""
    op.add_column("repositories", sa.Column("deleted_at", sa.BigInteger(), nullable=True))
    op.create_table(
        "deleted_repositories",
        sa.Column("repository_id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("registry_id", ROW_ID, nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("deleted_at", sa.BigInteger(), nullable=False),
        sa.Column("is_purging", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["registry_id"], ["registries.id"], name="fk_deleted_repositories_registry_id"),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name="fk_deleted_repositories_repository_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("repository_id", name="pk_deleted_repositories"),
    )
    op.create_index("ix_deleted_repositories_deleted_at", "deleted_repositories", ["deleted_at"])
    op.create_index(
        "ix_deleted_repositories_registry_id_repository_id", "deleted_repositories", ["registry_id", "repository_id"]
    )
    op.create_index("ix_deleted_repositories_registry_id_name", "deleted_repositories", ["registry_id", "name"])
    op.create_table(
        "deleted_images",
        sa.Column("id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("repository_id", ROW_ID, nullable=False),
        sa.Column("digest", sa.String(length=140), nullable=False),
        sa.Column("media_type", sa.String(length=255), nullable=False),
        sa.Column("artifact_type", sa.Text(), nullable=True),
        sa.Column("config_media_type", sa.Text(), nullable=True),
        sa.Column("subject", sa.String(length=140), nullable=True),
        sa.Column("manifest_bytes", sa.Integer(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("pushed_at", sa.BigInteger(), nullable=False),
        sa.Column("pulled_at", sa.BigInteger(), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("archived_at", sa.BigInteger(), nullable=True),
        sa.Column("activated_at", sa.BigInteger(), nullable=True),
        sa.Column("deleted_at", sa.BigInteger(), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("annotations", sa.JSON(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name="fk_deleted_images_repository_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_deleted_images"),
    )
    op.create_index("ix_deleted_images_deleted_at", "deleted_images", ["deleted_at"])
    op.create_index("ix_deleted_images_repository_id_id", "deleted_images", ["repository_id", "id"])
    op.create_index("ix_deleted_images_repository_id_digest", "deleted_images", ["repository_id", "digest"])
    op.create_index("ix_deleted_images_repository_id_subject", "deleted_images", ["repository_id", "subject"])
    op.create_table(
        "deleted_references",
        sa.Column("image_id", ROW_ID, nullable=False),
        sa.Column("digest", sa.String(length=140), nullable=False),
        sa.Column("repository_id", ROW_ID, nullable=False),
        sa.Column("is_manifest", sa.Boolean(), nullable=False),
        sa.Column("media_type", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["image_id"], ["deleted_images.id"], name="fk_deleted_references_image_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name="fk_deleted_references_repository_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("image_id", "digest", name="pk_deleted_references"),
    )
    op.create_index("ix_deleted_references_repository_id", "deleted_references", ["repository_id"])
    op.create_index("ix_deleted_references_digest_repository_id", "deleted_references", ["digest", "repository_id"])
    op.create_table(
        "tag_history",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("repository_id", ROW_ID, nullable=False),
        sa.Column("name", sa.String(length=300), nullable=False),
        sa.Column("digest", sa.String(length=140), nullable=False),
        sa.Column("tagged_at", sa.BigInteger(), nullable=False),
        sa.Column("until_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name="fk_tag_history_repository_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_tag_history"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_tag_history_until_at", "tag_history", ["until_at"])
    op.create_index("ix_tag_history_repository_id_name_id", "tag_history", ["repository_id", "name", "id"])
    op.create_index("ix_tag_history_repository_id_id", "tag_history", ["repository_id", "id"])
