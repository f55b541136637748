"""The whole schema, a file a neighbourhood.

    accounts ── access_keys, users, groups, roles, policies, sessions  work, peer_uploads     still to be done
         └── account_secrets ── account_secret_versions
    registries ── settings, templates, cache rules, exclusions         events    what is still to be told; event_targets
         │                                                             wrapping_keys, kms_keys, kms_aliases
         │    └── repositories ── repository_tags, lifecycle policies and previews
         │             ├── manifests ── manifest_bodies, manifest_references, scans and findings, signings, …
         │             │       └── tags
         │             ├── image_leases     digests that run · replication_checks, setting_leaders
         │             ├── cache_imports (on their way from an upstream) · cache_images, -_blobs, -_fetches, -_parts
         │             ├── deleted_images ── deleted_references · tag_history · deleted_repositories
         │             ├── uploads ── upload_parts ─┐
         │             └── repository_blobs ── gc_candidates, quarantined_links · gc_runs, gc_halts
         └── blobs ────────────┘  └── objects ──────┘   (an object is bytes under one key of the blob store)
                                         └── damaged_objects (kept apart), deletion_holds (none is deleted meanwhile)
    registries, repositories ── finding_suppressions, vex_documents ── vex_statements
    feeds ── advisories ── ranges, names ── matches ── package_versions    of all images together; cve_facts
    audit_heads                                                        where the files of the audit log end

References are rows: what a manifest needs is in `manifest_references`, and nothing it names may go while it is there.
"""

from holdfast.store.tables.accounts import (
    access_keys,
    account_secret_versions,
    account_secrets,
    accounts,
    secrets,
)
from holdfast.store.tables.advisories import (
    advisories,
    advisory_matches,
    advisory_names,
    advisory_ranges,
    cve_facts,
    feeds,
    package_versions,
)
from holdfast.store.tables.audit import audit_heads
from holdfast.store.tables.basis import (
    EPOCH,
    Instant,
    instant,
    metadata,
    microseconds,
)
from holdfast.store.tables.blobs import (
    blobs,
    damaged_objects,
    deletion_holds,
    objects,
    repository_blobs,
    upload_parts,
    uploads,
)
from holdfast.store.tables.cached import cache_blobs, cache_fetches, cache_images, cache_imports, cache_parts
from holdfast.store.tables.decisions import finding_suppressions, harbor_scans, vex_documents, vex_statements
from holdfast.store.tables.deleted import (
    deleted_images,
    deleted_references,
    deleted_repositories,
    tag_history,
)
from holdfast.store.tables.events import (
    event_dead_letters,
    event_targets,
    events,
)
from holdfast.store.tables.garbage import (
    gc_candidates,
    gc_halts,
    gc_runs,
    quarantined_links,
)
from holdfast.store.tables.iam import (
    counters,
    guardrails,
    iam_aliases,
    iam_attachments,
    iam_credential_reports,
    iam_group_members,
    iam_groups,
    iam_inline_policies,
    iam_instance_profiles,
    iam_login_profiles,
    iam_oidc_providers,
    iam_password_policies,
    iam_policies,
    iam_policy_versions,
    iam_roles,
    iam_sessions,
    iam_users,
    refusals,
)
from holdfast.store.tables.images import (
    image_findings,
    image_leases,
    image_pullers,
    image_replications,
    image_scans,
    image_signings,
    manifest_bodies,
    manifest_references,
    manifests,
    replication_checks,
    setting_leaders,
    tags,
)
from holdfast.store.tables.inventories import (
    image_inventories,
    image_package_sets,
    image_reports,
    image_sboms,
    layer_inventories,
    package_set_counts,
    package_set_members,
    package_sets,
)
from holdfast.store.tables.keys import (
    kms_aliases,
    kms_keys,
    wrapping_keys,
)
from holdfast.store.tables.lifecycle import (
    lifecycle_policies,
    lifecycle_preview_results,
    lifecycle_previews,
)
from holdfast.store.tables.memory import memory_leases
from holdfast.store.tables.registries import (
    backfill_results,
    backfills,
    cache_rules,
    creation_templates,
    pull_exclusions,
    registries,
    registry_settings,
    repositories,
    repository_tags,
)
from holdfast.store.tables.work import (
    peer_uploads,
    work,
)

__all__ = [
    "EPOCH",
    "Instant",
    "access_keys",
    "account_secret_versions",
    "account_secrets",
    "accounts",
    "advisories",
    "advisory_matches",
    "advisory_names",
    "advisory_ranges",
    "audit_heads",
    "backfill_results",
    "backfills",
    "blobs",
    "cache_blobs",
    "cache_fetches",
    "cache_images",
    "cache_imports",
    "cache_parts",
    "cache_rules",
    "counters",
    "creation_templates",
    "cve_facts",
    "damaged_objects",
    "deleted_images",
    "deleted_references",
    "deleted_repositories",
    "deletion_holds",
    "event_dead_letters",
    "event_targets",
    "events",
    "feeds",
    "finding_suppressions",
    "gc_candidates",
    "gc_halts",
    "gc_runs",
    "guardrails",
    "harbor_scans",
    "iam_aliases",
    "iam_attachments",
    "iam_credential_reports",
    "iam_group_members",
    "iam_groups",
    "iam_inline_policies",
    "iam_instance_profiles",
    "iam_login_profiles",
    "iam_oidc_providers",
    "iam_password_policies",
    "iam_policies",
    "iam_policy_versions",
    "iam_roles",
    "iam_sessions",
    "iam_users",
    "image_findings",
    "image_inventories",
    "image_leases",
    "image_package_sets",
    "image_pullers",
    "image_replications",
    "image_reports",
    "image_sboms",
    "image_scans",
    "image_signings",
    "instant",
    "kms_aliases",
    "kms_keys",
    "layer_inventories",
    "lifecycle_policies",
    "lifecycle_preview_results",
    "lifecycle_previews",
    "manifest_bodies",
    "manifest_references",
    "manifests",
    "memory_leases",
    "metadata",
    "microseconds",
    "objects",
    "package_set_counts",
    "package_set_members",
    "package_sets",
    "package_versions",
    "peer_uploads",
    "pull_exclusions",
    "quarantined_links",
    "refusals",
    "registries",
    "registry_settings",
    "replication_checks",
    "repositories",
    "repository_blobs",
    "repository_tags",
    "secrets",
    "setting_leaders",
    "tag_history",
    "tags",
    "upload_parts",
    "uploads",
    "vex_documents",
    "vex_statements",
    "work",
    "wrapping_keys",
]
