"""Settings of registries, states of images, lifecycle policies, work and events."""

import sqlalchemy as sa
from alembic import op

revision = "0002_whole_api"
down_revision = "0001_first_schema"


def upgrade() -> None:
    """Make them, and fill what can be counted."""
    op.create_table(
        "events",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("event_id", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=12), nullable=False),
        sa.Column("region", sa.String(length=25), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("detail_type", sa.String(length=128), nullable=False),
        sa.Column("resources", sa.JSON(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.Column("occurred_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_occurred_at", "events", ["occurred_at"], unique=False)
    op.create_table(
        "work",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=300), nullable=False),
        sa.Column("payload", sa.JSON(), nullable=False),
        sa.Column("due_at", sa.BigInteger(), nullable=True),
        sa.Column("again_at", sa.BigInteger(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(length=128), nullable=True),
        sa.Column("is_cancelled", sa.Boolean(), nullable=False),
        sa.Column("progress", sa.JSON(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_work"),
        sa.UniqueConstraint("kind", "key", name="uq_work_kind_key"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_work_due_at", "work", ["due_at"], unique=False)
    op.create_table(
        "backfills",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("registry_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("region", sa.String(length=25), nullable=False),
        sa.Column("account_id", sa.String(length=12), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("failure_code", sa.String(length=64), nullable=True),
        sa.Column("total", sa.Integer(), nullable=True),
        sa.Column("completed", sa.Integer(), nullable=False),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("failure_codes", sa.JSON(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["registry_id"], ["registries.id"], name="fk_backfills_registry_id"),
        sa.PrimaryKeyConstraint("id", name="pk_backfills"),
    )
    op.create_index("ix_backfills_ended_at", "backfills", ["ended_at"], unique=False)
    op.create_index(
        "ix_backfills_registry_id_started_at_id", "backfills", ["registry_id", "started_at", "id"], unique=False
    )
    op.create_table(
        "cache_rules",
        sa.Column("registry_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("prefix", sa.String(length=30), nullable=False),
        sa.Column("upstream_url", sa.Text(), nullable=False),
        sa.Column("upstream_registry", sa.String(length=64), nullable=False),
        sa.Column("upstream_prefix", sa.String(length=30), nullable=False),
        sa.Column("credential_arn", sa.String(length=612), nullable=True),
        sa.Column("custom_role_arn", sa.String(length=2048), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["registry_id"], ["registries.id"], name="fk_cache_rules_registry_id"),
        sa.PrimaryKeyConstraint("registry_id", "prefix", name="pk_cache_rules"),
    )
    op.create_table(
        "creation_templates",
        sa.Column("registry_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("prefix", sa.String(length=256), nullable=False),
        sa.Column("document", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["registry_id"], ["registries.id"], name="fk_creation_templates_registry_id"),
        sa.PrimaryKeyConstraint("registry_id", "prefix", name="pk_creation_templates"),
    )
    op.create_table(
        "pull_exclusions",
        sa.Column("registry_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("principal_arn", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["registry_id"], ["registries.id"], name="fk_pull_exclusions_registry_id"),
        sa.PrimaryKeyConstraint("registry_id", "principal_arn", name="pk_pull_exclusions"),
    )
    op.create_table(
        "registry_settings",
        sa.Column("registry_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["registry_id"], ["registries.id"], name="fk_registry_settings_registry_id"),
        sa.PrimaryKeyConstraint("registry_id", "name", name="pk_registry_settings"),
    )
    op.create_table(
        "backfill_results",
        sa.Column("backfill_id", sa.String(length=36), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("repository_name", sa.String(length=256), nullable=False),
        sa.Column("digest", sa.String(length=140), nullable=False),
        sa.Column("tag", sa.String(length=300), nullable=True),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("failure_code", sa.String(length=64), nullable=True),
        sa.Column("member_failure_codes", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(
            ["backfill_id"], ["backfills.id"], name="fk_backfill_results_backfill_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("backfill_id", "position", name="pk_backfill_results"),
    )
    op.create_index(
        "ix_backfill_results_backfill_id_status_position",
        "backfill_results",
        ["backfill_id", "status", "position"],
        unique=False,
    )
    op.create_table(
        "lifecycle_policies",
        sa.Column(
            "repository_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("evaluated_at", sa.BigInteger(), nullable=True),
        sa.Column("outcome", sa.JSON(), nullable=True),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name="fk_lifecycle_policies_repository_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("repository_id", name="pk_lifecycle_policies"),
    )
    op.create_table(
        "lifecycle_previews",
        sa.Column(
            "repository_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=False),
        sa.Column("ended_at", sa.BigInteger(), nullable=True),
        sa.Column("expiring", sa.Integer(), nullable=False),
        sa.Column("transitioning", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"], ["repositories.id"], name="fk_lifecycle_previews_repository_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("repository_id", name="pk_lifecycle_previews"),
    )
    op.create_index("ix_lifecycle_previews_ended_at", "lifecycle_previews", ["ended_at"], unique=False)
    op.create_table(
        "image_replications",
        sa.Column("manifest_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("region", sa.String(length=25), nullable=False),
        sa.Column("account_id", sa.String(length=12), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("failure_code", sa.String(length=64), nullable=True),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["manifest_id"], ["manifests.id"], name="fk_image_replications_manifest_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("manifest_id", "region", "account_id", name="pk_image_replications"),
    )
    op.create_table(
        "image_scans",
        sa.Column(
            "manifest_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("registry_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("status", sa.String(length=32), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("requested_at", sa.BigInteger(), nullable=False),
        sa.Column("completed_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["manifest_id"], ["manifests.id"], name="fk_image_scans_manifest_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["registry_id"], ["registries.id"], name="fk_image_scans_registry_id"),
        sa.PrimaryKeyConstraint("manifest_id", name="pk_image_scans"),
    )
    op.create_index(
        "ix_image_scans_registry_id_requested_at", "image_scans", ["registry_id", "requested_at"], unique=False
    )
    op.create_table(
        "image_signings",
        sa.Column("manifest_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("profile_arn", sa.String(length=200), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("failure_code", sa.String(length=64), nullable=True),
        sa.Column("failure_reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["manifest_id"], ["manifests.id"], name="fk_image_signings_manifest_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("manifest_id", "profile_arn", name="pk_image_signings"),
    )
    op.create_table(
        "lifecycle_preview_results",
        sa.Column("repository_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("position", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.String(length=140), nullable=False),
        sa.Column("tags", sa.JSON(), nullable=False),
        sa.Column("is_tagged", sa.Boolean(), nullable=False),
        sa.Column("pushed_at", sa.BigInteger(), nullable=False),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("rule_priority", sa.Integer(), nullable=False),
        sa.Column("storage_class", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(
            ["repository_id"],
            ["lifecycle_previews.repository_id"],
            name="fk_lifecycle_preview_results_repository_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("repository_id", "position", name="pk_lifecycle_preview_results"),
    )
    op.create_index(
        "ix_lifecycle_preview_results_repository_id_digest",
        "lifecycle_preview_results",
        ["repository_id", "digest"],
        unique=False,
    )
    op.create_index(
        "ix_lifecycle_preview_results_repository_id_is_tagged_position",
        "lifecycle_preview_results",
        ["repository_id", "is_tagged", "position"],
        unique=False,
    )
    op.drop_table("schedules")
    op.add_column("manifests", sa.Column("pulled_at", sa.BigInteger(), nullable=True))
    op.add_column("manifests", sa.Column("status", sa.String(length=16), server_default="ACTIVE", nullable=False))
    op.add_column("manifests", sa.Column("archived_at", sa.BigInteger(), nullable=True))
    op.add_column("manifests", sa.Column("activated_at", sa.BigInteger(), nullable=True))
    op.add_column("manifests", sa.Column("is_tagged", sa.Boolean(), server_default=sa.false(), nullable=False))
    op.drop_index("ix_manifests_repository_id_id", table_name="manifests")
    op.drop_index("ix_manifests_repository_id_subject", table_name="manifests")
    op.execute("UPDATE manifests SET is_tagged = TRUE WHERE id IN (SELECT manifest_id FROM tags)")
    op.create_index(
        "ix_manifests_repository_id_status_is_tagged_id",
        "manifests",
        ["repository_id", "status", "is_tagged", "id"],
        unique=False,
    )
    op.create_index(
        "ix_manifests_repository_id_subject_status_id",
        "manifests",
        ["repository_id", "subject", "status", "id"],
        unique=False,
    )
    op.add_column("registries", sa.Column("repository_count", sa.Integer(), server_default="0", nullable=False))
    op.add_column("repositories", sa.Column("policy", sa.Text(), nullable=True))
    op.add_column("repositories", sa.Column("image_count", sa.Integer(), server_default="0", nullable=False))
    op.execute(
        "UPDATE registries SET repository_count = "
        "(SELECT count(*) FROM repositories WHERE repositories.registry_id = registries.id)"
    )
    op.execute(
        "UPDATE repositories SET image_count = "
        "(SELECT count(*) FROM manifests WHERE manifests.repository_id = repositories.id)"
    )
    op.add_column("tags", sa.Column("is_active", sa.Boolean(), server_default=sa.true(), nullable=False))
    op.create_index(
        "ix_tags_repository_id_is_active_name", "tags", ["repository_id", "is_active", "name"], unique=False
    )
