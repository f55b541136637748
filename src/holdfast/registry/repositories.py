"""Create, describe, change and delete repositories."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model.errors import (
    RepositoryAlreadyExists,
    RepositoryDeletionProtected,
    RepositoryNotEmpty,
    RepositoryNotFound,
)
from holdfast.model.repositories import check_resource_tags, is_protected
from holdfast.model.templates import Purpose, TemplateSettings
from holdfast.registry import kms_keys, leases, lifecycle, quotas, replicated_settings, templates

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from holdfast.model.names import Registry, RepositoryRef
    from holdfast.model.repositories import Encryption, Repository, TagMutability
    from holdfast.model.templates import Template
    from holdfast.registry.backends import Backends
    from holdfast.store import Transaction

log = logging.getLogger(__name__)


def create(
    on: Backends,
    at: RepositoryRef,
    *,
    mutability: TagMutability,
    scan_on_push: bool,
    encryption: Encryption,
    tags: Mapping[str, str],
) -> Repository:
    """Make a repository."""
    check_resource_tags(tags)
    encryption = kms_keys.settled(on, at.registry, encryption)
    with on.database.transaction() as tx:
        return _create(on, tx, at, mutability=mutability, scan_on_push=scan_on_push, encryption=encryption, tags=tags)


def _create(
    on: Backends,
    tx: Transaction,
    at: RepositoryRef,
    *,
    mutability: TagMutability,
    scan_on_push: bool,
    encryption: Encryption,
    tags: Mapping[str, str],
) -> Repository:
    check_resource_tags(tags)
    now = on.clock()
    repository = store.repositories.insert_new(
        tx,
        store.accounts.registry_id(tx, at.registry, now),
        at,
        mutability=mutability,
        scan_on_push=scan_on_push,
        encryption=encryption,
        now=now,
    )
    if repository is None:
        raise RepositoryAlreadyExists(at)
    quotas.check_repositories(on, at.registry, store.repositories.count(tx, repository.registry_id, 1))
    store.repositories.set_resource_tags(tx, repository, tags)
    store.counters.bump_access(tx, at.registry.account_id)
    replicated_settings.changed(tx, repository, now)  # a copy may have outlived the one before
    return repository


def ensure_for_push(on: Backends, at: RepositoryRef, *, may_create: Callable[[], None]) -> None:
    """Let the repository of a push be there: made by a template for that, or `RepositoryNotFound`.

    `may_create` refuses a caller who may not make it.
    """
    if require_for_push(on, at) is not None:
        may_create()
        create_for(on, at, Purpose.CREATE_ON_PUSH, needs_template=True)


def create_for(on: Backends, at: RepositoryRef, purpose: Purpose, *, needs_template: bool = False) -> None:
    """Let a repository be there: made by a template for a purpose, or with ECR's defaults (ECR user guide).

    Raises `RepositoryNotFound` where a template is needed and there is none, or it lacks a role.
    """
    while not on.database.hot.has_repository(at):
        with on.database.snapshot() as tx:
            template = templates.settings_for(tx, at, purpose)
        if template is None and needs_template:
            raise RepositoryNotFound(at)
        settings = template.settings if template is not None else TemplateSettings((purpose,))
        if settings.lacks_role:
            log.warning("repository %s is not created: the template '%s' sets tags or KMS but no customRoleArn",
                        at.name, template.prefix if template is not None else "")  # fmt: skip
            raise RepositoryNotFound(at)
        encryption = kms_keys.settled(on, at.registry, settings.encryption)
        with on.database.transaction() as tx:
            if store.repositories.find(tx, at) is None and templates.settings_for(tx, at, purpose) == template:
                create_by_template(on, tx, at, replace(settings, encryption=encryption))


def require_for_push(on: Backends, at: RepositoryRef) -> Template | None:
    """Refuse what `ensure_for_push` would not make; the template by which it would, None if the repository is there."""
    if on.database.hot.has_repository(at):
        return None
    with on.database.snapshot() as tx:
        template = templates.settings_for(tx, at, Purpose.CREATE_ON_PUSH)
    if template is None:
        raise RepositoryNotFound(at)
    return template


def create_by_template(on: Backends, tx: Transaction, at: RepositoryRef, settings: TemplateSettings) -> Repository:
    """Make a repository that gets what a template says, in the transaction of what needs it; its key is settled."""
    repository = _create(
        on,
        tx,
        at,
        mutability=settings.mutability,
        scan_on_push=False,
        encryption=settings.encryption,
        tags=dict(settings.resource_tags),
    )
    if settings.repository_policy is not None:
        store.repositories.set_policy(tx, repository, settings.repository_policy)
    if settings.lifecycle_policy is not None:
        lifecycle.store_policy(on, tx, repository, settings.lifecycle_policy)
    return repository


def get(on: Backends, at: RepositoryRef) -> Repository:
    """A repository, or `RepositoryNotFound`."""
    with on.database.snapshot() as tx:
        return store.repositories.get(tx, at)


def describe(on: Backends, names: Sequence[RepositoryRef]) -> list[Repository]:
    """Named repositories; one that is missing fails the whole call."""
    with on.database.snapshot() as tx:
        return [store.repositories.get(tx, at) for at in names]


def page(on: Backends, registry: Registry, after: str, limit: int) -> tuple[list[Repository], bool]:
    """Repositories by name, beginning after one, and whether there are more."""
    with on.database.snapshot() as tx:
        found = store.repositories.page(tx, registry, after, limit + 1)
    return found[:limit], len(found) > limit


def names(on: Backends, registry: Registry, after: str, limit: int) -> tuple[list[str], bool]:
    """Repository names in order, beginning after one, and whether there are more."""
    with on.database.snapshot() as tx:
        found = store.repositories.names(tx, registry, after, limit + 1)
    return found[:limit], len(found) > limit


def set_mutability(on: Backends, at: RepositoryRef, mutability: TagMutability) -> None:
    """Say which tags may be moved from now on."""
    with on.database.transaction() as tx:
        repository = store.repositories.get(tx, at)
        store.repositories.set_mutability(tx, repository, mutability)
        replicated_settings.changed(tx, repository, on.clock())


def set_scan_on_push(on: Backends, at: RepositoryRef, is_on_push: bool) -> None:
    """Say whether images are scanned when they come, where the registry has no rules."""
    with on.database.transaction() as tx:
        repository = store.repositories.get(tx, at)
        store.repositories.set_scan_on_push(tx, repository, is_on_push)
        replicated_settings.changed(tx, repository, on.clock())


def delete(on: Backends, at: RepositoryRef, *, force: bool = False) -> Repository:
    """Delete a repository; one that holds images only by force. It can be restored for a while."""
    with on.database.transaction() as tx:
        repository = store.repositories.get(tx, at)
        if not force and store.images.any_in(tx, repository):
            raise RepositoryNotEmpty(at)
        if is_protected(store.repositories.resource_tags(tx, repository)):
            raise RepositoryDeletionProtected(at)
        leases.require_unused_repository(on, tx, repository)
        store.deleted_repositories.bury(tx, repository, on.clock())
        store.counters.bump_access(tx, at.registry.account_id)
    return repository


def tags(on: Backends, at: RepositoryRef) -> dict[str, str]:
    """The resource tags of a repository."""
    with on.database.snapshot() as tx:
        return store.repositories.resource_tags(tx, store.repositories.get(tx, at))


def tag(on: Backends, at: RepositoryRef, tags_: Mapping[str, str]) -> None:
    """Add resource tags, or overwrite those of the same keys."""
    with on.database.transaction() as tx:
        repository = store.repositories.get(tx, at)
        check_resource_tags(tags_)
        check_resource_tags(store.repositories.resource_tags(tx, repository) | dict(tags_))
        store.repositories.set_resource_tags(tx, repository, tags_)
        store.counters.bump_access(tx, at.registry.account_id)
        replicated_settings.changed(tx, repository, on.clock())


def untag(on: Backends, at: RepositoryRef, keys: Collection[str]) -> None:
    """Remove resource tags; absent ones are no fault."""
    with on.database.transaction() as tx:
        repository = store.repositories.get(tx, at)
        store.repositories.remove_resource_tags(tx, repository, keys)
        store.counters.bump_access(tx, at.registry.account_id)
        replicated_settings.changed(tx, repository, on.clock())


def require(on: Backends, at: RepositoryRef) -> None:
    """Refuse with `RepositoryNotFound` if there is no such repository."""
    if not on.database.hot.has_repository(at):
        raise RepositoryNotFound(at)
