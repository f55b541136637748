"""Events have positions, and targets to which they are delivered."""

import sqlalchemy as sa
from alembic import op

revision = "0023_event_targets"
down_revision = "0022_vex"

ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make the tables; events of before have the position of their number."""
    op.add_column("events", sa.Column("position", sa.BigInteger(), nullable=True))
    op.execute("UPDATE events SET position = id")
    op.execute("INSERT INTO counters (name, value) SELECT 'events', coalesce(max(id), 0) FROM events")
    op.create_index("ix_events_position", "events", ["position"])
    op.create_index(
        "ix_events_unplaced", "events", ["id"],
        sqlite_where=sa.text("position IS NULL"), postgresql_where=sa.text("position IS NULL"),
    )  # fmt: skip
    op.create_table(
        "event_targets",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("account_id", sa.String(length=12), nullable=False),
        sa.Column("region", sa.String(length=25), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("wishes", sa.JSON(), nullable=False),
        sa.Column("wants_pulls", sa.Boolean(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("cursor", sa.BigInteger(), nullable=False),
        sa.Column("taken", sa.JSON(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failing_since", sa.BigInteger(), nullable=True),
        sa.Column("resting_until", sa.BigInteger(), nullable=True),
        sa.Column("fault", sa.Text(), nullable=True),
        sa.Column("delivered", sa.BigInteger(), nullable=False),
        sa.Column("failed", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_event_targets"),
        sa.UniqueConstraint("account_id", "region", "name", name="uq_event_targets_account_id_region_name"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "event_dead_letters",
        sa.Column("id", ROW_ID, nullable=False),
        sa.Column("target_id", ROW_ID, nullable=False),
        sa.Column("envelope", sa.JSON(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("died_at", sa.BigInteger(), nullable=False),
        sa.Column("is_wanted_again", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["target_id"], ["event_targets.id"], name="fk_event_dead_letters_target_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_event_dead_letters"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_event_dead_letters_died_at", "event_dead_letters", ["died_at"])
    op.create_index(
        "ix_event_dead_letters_target_id_is_wanted_again_id",
        "event_dead_letters",
        ["target_id", "is_wanted_again", "id"],
    )
