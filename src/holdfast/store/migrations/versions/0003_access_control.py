"""Users, groups, roles, policies and sessions."""

import sqlalchemy as sa
from alembic import op

revision = "0003_access_control"
down_revision = "0002_whole_api"


def upgrade() -> None:
    """Make them, and let an access key belong to a user."""
    op.create_table(
        "counters",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_counters"),
    )
    op.create_table(
        "iam_attachments",
        sa.Column("entity_id", sa.String(length=21), nullable=False),
        sa.Column("policy_arn", sa.String(length=2048), nullable=False),
        sa.Column("attached_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("entity_id", "policy_arn", name="pk_iam_attachments"),
    )
    op.create_index("ix_iam_attachments_policy_arn", "iam_attachments", ["policy_arn"], unique=False)
    op.create_table(
        "iam_inline_policies",
        sa.Column("entity_id", sa.String(length=21), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("entity_id", "name", name="pk_iam_inline_policies"),
    )
    op.create_table(
        "refusals",
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=12), nullable=False),
        sa.Column("principal", sa.String(length=2048), nullable=False),
        sa.Column("explanation", sa.JSON(), nullable=False),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("request_id", name="pk_refusals"),
    )
    op.create_index("ix_refusals_occurred_at", "refusals", ["occurred_at"], unique=False)
    op.create_table(
        "iam_aliases",
        sa.Column("alias", sa.String(length=63), nullable=False),
        sa.Column("account_id", sa.String(length=12), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_iam_aliases_account_id"),
        sa.PrimaryKeyConstraint("alias", name="pk_iam_aliases"),
        sa.UniqueConstraint("account_id", name="uq_iam_aliases_account_id"),
    )
    op.create_table(
        "iam_groups",
        sa.Column("id", sa.String(length=21), nullable=False),
        sa.Column("account_id", sa.String(length=12), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("name_key", sa.String(length=128), nullable=False),
        sa.Column("path", sa.String(length=512), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_iam_groups_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_iam_groups"),
        sa.UniqueConstraint("account_id", "name_key", name="uq_iam_groups_account_id_name_key"),
    )
    op.create_table(
        "iam_oidc_providers",
        sa.Column("account_id", sa.String(length=12), nullable=False),
        sa.Column("url", sa.String(length=255), nullable=False),
        sa.Column("client_ids", sa.JSON(), nullable=False),
        sa.Column("thumbprints", sa.JSON(), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_iam_oidc_providers_account_id"),
        sa.PrimaryKeyConstraint("account_id", "url", name="pk_iam_oidc_providers"),
    )
    op.create_table(
        "iam_policies",
        sa.Column("id", sa.String(length=21), nullable=False),
        sa.Column("account_id", sa.String(length=12), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("name_key", sa.String(length=128), nullable=False),
        sa.Column("path", sa.String(length=512), nullable=False),
        sa.Column("description", sa.String(length=1000), nullable=True),
        sa.Column("default_version", sa.Integer(), nullable=False),
        sa.Column("latest_version", sa.Integer(), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_iam_policies_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_iam_policies"),
        sa.UniqueConstraint("account_id", "name_key", name="uq_iam_policies_account_id_name_key"),
    )
    op.create_table(
        "iam_roles",
        sa.Column("id", sa.String(length=21), nullable=False),
        sa.Column("account_id", sa.String(length=12), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("name_key", sa.String(length=64), nullable=False),
        sa.Column("path", sa.String(length=512), nullable=False),
        sa.Column("description", sa.String(length=1000), nullable=True),
        sa.Column("trust_policy", sa.Text(), nullable=False),
        sa.Column("max_session_seconds", sa.Integer(), nullable=False),
        sa.Column("boundary_arn", sa.String(length=2048), nullable=True),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.Column("used_in", sa.String(length=25), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_iam_roles_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_iam_roles"),
        sa.UniqueConstraint("account_id", "name_key", name="uq_iam_roles_account_id_name_key"),
    )
    op.create_table(
        "iam_sessions",
        sa.Column("id", sa.String(length=20), nullable=False),
        sa.Column("account_id", sa.String(length=12), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("entity_id", sa.String(length=21), nullable=True),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("policies", sa.JSON(), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("facts", sa.JSON(), nullable=False),
        sa.Column("issued_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_iam_sessions_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_iam_sessions"),
    )
    op.create_index("ix_iam_sessions_entity_id", "iam_sessions", ["entity_id"], unique=False)
    op.create_index("ix_iam_sessions_expires_at", "iam_sessions", ["expires_at"], unique=False)
    op.create_table(
        "iam_users",
        sa.Column("id", sa.String(length=21), nullable=False),
        sa.Column("account_id", sa.String(length=12), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("name_key", sa.String(length=64), nullable=False),
        sa.Column("path", sa.String(length=512), nullable=False),
        sa.Column("boundary_arn", sa.String(length=2048), nullable=True),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("password_used_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_iam_users_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_iam_users"),
        sa.UniqueConstraint("account_id", "name_key", name="uq_iam_users_account_id_name_key"),
    )
    op.create_table(
        "iam_group_members",
        sa.Column("group_id", sa.String(length=21), nullable=False),
        sa.Column("user_id", sa.String(length=21), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["iam_groups.id"], name="fk_iam_group_members_group_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["user_id"], ["iam_users.id"], name="fk_iam_group_members_user_id", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("group_id", "user_id", name="pk_iam_group_members"),
    )
    op.create_index("ix_iam_group_members_user_id", "iam_group_members", ["user_id"], unique=False)
    op.create_table(
        "iam_instance_profiles",
        sa.Column("id", sa.String(length=21), nullable=False),
        sa.Column("account_id", sa.String(length=12), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("name_key", sa.String(length=128), nullable=False),
        sa.Column("path", sa.String(length=512), nullable=False),
        sa.Column("role_id", sa.String(length=21), nullable=True),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_iam_instance_profiles_account_id"),
        sa.ForeignKeyConstraint(["role_id"], ["iam_roles.id"], name="fk_iam_instance_profiles_role_id"),
        sa.PrimaryKeyConstraint("id", name="pk_iam_instance_profiles"),
        sa.UniqueConstraint("account_id", "name_key", name="uq_iam_instance_profiles_account_id_name_key"),
    )
    op.create_index("ix_iam_instance_profiles_role_id", "iam_instance_profiles", ["role_id"], unique=False)
    op.create_table(
        "iam_login_profiles",
        sa.Column("user_id", sa.String(length=21), nullable=False),
        sa.Column("password_hash", sa.String(length=256), nullable=False),
        sa.Column("must_change", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["iam_users.id"], name="fk_iam_login_profiles_user_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", name="pk_iam_login_profiles"),
    )
    op.create_table(
        "iam_policy_versions",
        sa.Column("policy_id", sa.String(length=21), nullable=False),
        sa.Column("version", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["policy_id"], ["iam_policies.id"], name="fk_iam_policy_versions_policy_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("policy_id", "version", name="pk_iam_policy_versions"),
    )
    # In the words of SQLite, which can add a reference to a table only together with its column.
    op.execute(
        "ALTER TABLE access_keys ADD COLUMN user_id VARCHAR(21) "
        "CONSTRAINT fk_access_keys_user_id REFERENCES iam_users (id)"
    )
    op.add_column("access_keys", sa.Column("used_at", sa.BigInteger(), nullable=True))
    op.add_column("access_keys", sa.Column("used_for", sa.String(length=64), nullable=True))
    op.add_column("access_keys", sa.Column("used_in", sa.String(length=25), nullable=True))
    op.create_index("ix_access_keys_user_id", "access_keys", ["user_id"], unique=False)
    op.add_column("repositories", sa.Column("departures", sa.Integer(), server_default="0", nullable=False))
