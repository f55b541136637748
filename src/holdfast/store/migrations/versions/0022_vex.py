"""VEX documents; and suppressions of whole registries, and of one version of a package."""

import sqlalchemy as sa
from alembic import op

revision = "0022_vex"
down_revision = "0021_feed_generations"

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables, and let a suppression have no repository."""
    with op.batch_alter_table("finding_suppressions", table_kwargs={"sqlite_autoincrement": True}) as batch:
        batch.alter_column("repository_id", existing_type=ROW_ID, nullable=True)
        batch.add_column(sa.Column("registry_id", ROW_ID, nullable=True))
        batch.add_column(sa.Column("version", sa.String(length=200), nullable=True))
        batch.create_foreign_key("fk_finding_suppressions_registry_id", "registries", ["registry_id"], ["id"])
        batch.create_index("ix_finding_suppressions_registry_id", ["registry_id"])
    op.create_table(
        "vex_documents",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("registry_id", ROW_ID, nullable=False),
        sa.Column("repository_id", ROW_ID, nullable=True),
        sa.Column("digest", sa.String(length=140), nullable=True),
        sa.Column("form", sa.String(length=16), nullable=False),
        sa.Column("ident", sa.String(length=500), nullable=False),
        sa.Column("version", sa.String(length=100), nullable=False),
        sa.Column("author", sa.Text(), nullable=False),
        sa.Column("issued_at", sa.BigInteger(), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("statement_count", sa.Integer(), nullable=False),
        sa.Column("left_out", sa.Integer(), nullable=False),
        sa.Column("origin_digest", sa.String(length=140), nullable=True),
        sa.Column("origin_tag", sa.String(length=300), nullable=True),
        sa.ForeignKeyConstraint(["registry_id"], ["registries.id"], name="fk_vex_documents_registry_id"),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name="fk_vex_documents_repository_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_vex_documents"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_vex_documents_registry_id_repository_id_digest", "vex_documents", ["registry_id", "repository_id", "digest"]
    )
    op.create_index("ix_vex_documents_repository_id_origin_digest", "vex_documents", ["repository_id", "origin_digest"])
    op.create_table(
        "vex_statements",
        sa.Column("document_id", ROW_ID, nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("statement", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["document_id"], ["vex_documents.id"], name="fk_vex_statements_document_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("document_id", "name", "position", name="pk_vex_statements"),
    )
    op.create_index("ix_vex_statements_name_document_id", "vex_statements", ["name", "document_id"])
