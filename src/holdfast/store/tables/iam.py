"""Users, groups, roles and policies, and the sessions that came of them.

An entity is a user, a group or a role: its id (AIDA…, AGPA…, AROA…) is never given twice, so what refers to an id
never finds a stranger. Names are unique in an account without regard to case: `name_key` is the name in lower case.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.types import JSON

from holdfast.store.tables.basis import Instant, metadata

EntityId = String(21)

iam_users = Table(
    "iam_users",
    metadata,
    Column("id", EntityId, primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("name", String(64), nullable=False),
    Column("name_key", String(64), nullable=False),
    Column("path", String(512), nullable=False),
    Column("boundary_arn", String(2048)),
    Column("tags", JSON, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("password_used_at", Instant),
    UniqueConstraint("account_id", "name_key"),
)

iam_login_profiles = Table(  # passwords of people, for the console
    "iam_login_profiles",
    metadata,
    Column("user_id", ForeignKey("iam_users.id", ondelete="CASCADE"), primary_key=True),
    Column("password_hash", String(256), nullable=False),
    Column("must_change", Boolean, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("changed_at", Instant),  # null: not since this was kept
    Column("previous_hashes", JSON),  # the newest first
)

iam_password_policies = Table(  # what an account asks of passwords
    "iam_password_policies",
    metadata,
    Column("account_id", ForeignKey("accounts.id"), primary_key=True),
    Column("policy", JSON, nullable=False),
)

iam_credential_reports = Table(
    "iam_credential_reports",
    metadata,
    Column("account_id", ForeignKey("accounts.id"), primary_key=True),
    Column("content", LargeBinary, nullable=False),
    Column("generated_at", Instant, nullable=False),
)

iam_groups = Table(
    "iam_groups",
    metadata,
    Column("id", EntityId, primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("name", String(128), nullable=False),
    Column("name_key", String(128), nullable=False),
    Column("path", String(512), nullable=False),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("account_id", "name_key"),
)

iam_group_members = Table(
    "iam_group_members",
    metadata,
    Column("group_id", ForeignKey("iam_groups.id", ondelete="CASCADE"), primary_key=True),
    Column("user_id", ForeignKey("iam_users.id", ondelete="CASCADE"), primary_key=True, index=True),
)

iam_roles = Table(
    "iam_roles",
    metadata,
    Column("id", EntityId, primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("name", String(64), nullable=False),
    Column("name_key", String(64), nullable=False),
    Column("path", String(512), nullable=False),
    Column("description", String(1000)),
    Column("trust_policy", Text, nullable=False),
    Column("max_session_seconds", Integer, nullable=False),
    Column("boundary_arn", String(2048)),
    Column("tags", JSON, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("used_at", Instant),
    Column("used_in", String(25)),
    UniqueConstraint("account_id", "name_key"),
)

iam_instance_profiles = Table(
    "iam_instance_profiles",
    metadata,
    Column("id", EntityId, primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("name", String(128), nullable=False),
    Column("name_key", String(128), nullable=False),
    Column("path", String(512), nullable=False),
    Column("role_id", ForeignKey("iam_roles.id"), index=True),
    Column("tags", JSON, nullable=False),
    Column("created_at", Instant, nullable=False),
    UniqueConstraint("account_id", "name_key"),
)

iam_policies = Table(
    "iam_policies",
    metadata,
    Column("id", EntityId, primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("name", String(128), nullable=False),
    Column("name_key", String(128), nullable=False),
    Column("path", String(512), nullable=False),
    Column("description", String(1000)),
    Column("default_version", Integer, nullable=False),
    Column("latest_version", Integer, nullable=False),  # numbers of deleted versions are not given again
    Column("tags", JSON, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    UniqueConstraint("account_id", "name_key"),
)

iam_policy_versions = Table(
    "iam_policy_versions",
    metadata,
    Column("policy_id", ForeignKey("iam_policies.id", ondelete="CASCADE"), primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("document", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
)

iam_attachments = Table(  # managed policies of an entity; a policy may be one of Amazon's, which is no row
    "iam_attachments",
    metadata,
    Column("entity_id", EntityId, primary_key=True),
    Column("policy_arn", String(2048), primary_key=True),
    Column("attached_at", Instant, nullable=False),
    Index("ix_iam_attachments_policy_arn", "policy_arn"),
)

iam_inline_policies = Table(
    "iam_inline_policies",
    metadata,
    Column("entity_id", EntityId, primary_key=True),
    Column("name", String(128), primary_key=True),
    Column("document", Text, nullable=False),
)

iam_oidc_providers = Table(
    "iam_oidc_providers",
    metadata,
    Column("account_id", ForeignKey("accounts.id"), primary_key=True),
    Column("url", String(255), primary_key=True),  # without https://
    Column("client_ids", JSON, nullable=False),
    Column("thumbprints", JSON, nullable=False),
    Column("tags", JSON, nullable=False),
    Column("created_at", Instant, nullable=False),
)

iam_aliases = Table(
    "iam_aliases",
    metadata,
    Column("alias", String(63), primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False, unique=True),
)

guardrails = Table(  # what bounds accounts, whoever allows more
    "guardrails",
    metadata,
    Column("level", String(12), primary_key=True),  # the id of an account, or `all`
    Column("name", String(128), primary_key=True),
    Column("document", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
)

iam_sessions = Table(  # temporary credentials; their secret is derived, not kept
    "iam_sessions",
    metadata,
    Column("id", String(20), primary_key=True),  # the access key id, ASIA…
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("kind", String(16), nullable=False),  # user, role, federated or root
    Column("entity_id", EntityId),  # the user or role behind it
    Column("name", String(64), nullable=False),
    Column("policies", JSON, nullable=False),  # session policies: documents
    Column("tags", JSON, nullable=False),
    Column("facts", JSON, nullable=False),  # context keys that hold for the whole session
    Column("issued_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False, index=True),
    Index("ix_iam_sessions_entity_id", "entity_id"),
)

refusals = Table(  # why requests were refused, for whoever asks afterwards
    "refusals",
    metadata,
    Column("request_id", String(36), primary_key=True),
    Column("account_id", String(12), nullable=False),  # of the resource
    Column("principal", String(2048), nullable=False),
    Column("explanation", JSON, nullable=False),
    Column("occurred_at", Instant, nullable=False, index=True),
)

counters = Table(  # what changed, so that caches know
    "counters",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", BigInteger, nullable=False),
)
