"""The wrapped data key of an object beside it, so that it can be wrapped anew; keys of key scopes, and named keys."""

import sqlalchemy as sa
from alembic import op

revision = "0004_keys"
down_revision = "0003_access_control"


def upgrade() -> None:
    """Make them; of the objects that are there, only they themselves tell how their keys are wrapped."""
    op.add_column("objects", sa.Column("key_scope", sa.String(length=2100), nullable=False, server_default="AES256"))
    op.add_column("objects", sa.Column("key_version", sa.Integer(), nullable=False, server_default="0"))
    op.add_column("objects", sa.Column("wrapped_key", sa.LargeBinary(), nullable=True))
    op.create_index("ix_objects_key_scope_key_version", "objects", ["key_scope", "key_version"], unique=False)
    op.create_table(
        "wrapping_keys",
        sa.Column("scope", sa.String(length=2100), nullable=False),
        sa.Column("layer", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("sealed_by", sa.String(length=2048), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "layer", "version", name="pk_wrapping_keys"),
    )
    op.create_table(
        "kms_keys",
        sa.Column("arn", sa.String(length=256), nullable=False),
        sa.Column("account_id", sa.String(length=12), nullable=False),
        sa.Column("region", sa.String(length=25), nullable=False),
        sa.Column("description", sa.String(length=256), nullable=False),
        sa.Column("is_enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("arn", name="pk_kms_keys"),
    )
    op.create_table(
        "kms_aliases",
        sa.Column("account_id", sa.String(length=12), nullable=False),
        sa.Column("region", sa.String(length=25), nullable=False),
        sa.Column("name", sa.String(length=256), nullable=False),
        sa.Column("key_arn", sa.String(length=256), nullable=False),
        sa.ForeignKeyConstraint(["key_arn"], ["kms_keys.arn"], name="fk_kms_aliases_key_arn", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("account_id", "region", "name", name="pk_kms_aliases"),
    )
    op.create_index("ix_kms_aliases_key_arn", "kms_aliases", ["key_arn"], unique=False)
