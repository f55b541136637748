"""What may be garbage, what is on its way out, and what the collector did."""

import time

import sqlalchemy as sa
from alembic import op

revision = "0009_garbage"
down_revision = "0008_memory_leases"

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables; what programs without a collector left behind is looked at once."""
    op.create_table(
        "gc_candidates",
        sa.Column("repository_id", ROW_ID, nullable=False),
        sa.Column("digest", sa.String(length=140), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name="fk_gc_candidates_repository_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("repository_id", "digest", name="pk_gc_candidates"),
    )
    op.create_index("ix_gc_candidates_due_at", "gc_candidates", ["due_at"])
    op.create_table(
        "quarantined_links",
        sa.Column("blob_id", ROW_ID, nullable=False),
        sa.Column("repository_id", ROW_ID, autoincrement=False, nullable=False),
        sa.Column("digest", sa.String(length=140), nullable=False),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.Column("quarantined_at", sa.BigInteger(), nullable=False),
        sa.Column("is_deleted", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(["blob_id"], ["blobs.id"], name="fk_quarantined_links_blob_id"),
        sa.PrimaryKeyConstraint("blob_id", "repository_id", name="pk_quarantined_links"),
    )
    op.create_index("ix_quarantined_links_quarantined_at", "quarantined_links", ["quarantined_at"])
    op.create_index("ix_quarantined_links_repository_id_digest", "quarantined_links", ["repository_id", "digest"])
    op.create_table(
        "gc_runs",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_gc_runs"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "gc_halts",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("halted_at", sa.BigInteger(), nullable=False),
        sa.Column("planned", sa.Integer(), nullable=False),
        sa.Column("is_confirmed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_gc_halts"),
    )
    op.create_index("ix_manifest_references_digest", "manifest_references", ["digest"])
    now = time.time_ns() // 1000
    candidates = sa.text(
        "INSERT INTO gc_candidates (repository_id, digest, due_at) SELECT repository_id, digest, :due "
        "FROM repository_blobs l WHERE NOT EXISTS (SELECT 1 FROM manifest_references r "
        "WHERE r.repository_id = l.repository_id AND r.digest = l.digest)"
    )
    op.execute(candidates.bindparams(due=now + 86_400_000_000))
    links = sa.text(
        "INSERT INTO quarantined_links (blob_id, repository_id, digest, added_at, quarantined_at, is_deleted) "
        "SELECT id, 0, digest, created_at, :now, true FROM blobs b "
        "WHERE NOT EXISTS (SELECT 1 FROM repository_blobs l WHERE l.blob_id = b.id)"
    )
    op.execute(links.bindparams(now=now))
