"""Keep, find, list and forget repository creation templates: one document a template."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, delete, func, select, update

from holdfast.model.prefixes import reaching, spellings
from holdfast.model.repositories import Encryption, Mutability, TagMutability
from holdfast.model.templates import Purpose, Template, TemplateSettings
from holdfast.store import accounts
from holdfast.store.statements import Statement, insertion
from holdfast.store.tables import creation_templates, registries

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from holdfast.model.names import Registry
    from holdfast.store.database import Transaction
    from holdfast.store.statements import Row

_here = (registries.c.account_id == bindparam("account_id"), registries.c.region == bindparam("region"))
_found = select(creation_templates).join(registries).where(*_here)
_the_template = (
    creation_templates.c.registry_id == bindparam("which"),
    creation_templates.c.prefix == bindparam("old_prefix"),
)
_FIND = Statement(_found.where(creation_templates.c.prefix.in_(bindparam("prefixes", expanding=True))))
_PAGE = Statement(
    _found.where(creation_templates.c.prefix > bindparam("after"))
    .order_by(creation_templates.c.prefix)
    .limit(bindparam("limit"))
)
_COUNT = Statement(select(func.count()).where(creation_templates.c.registry_id == bindparam("which")))
_INSERT = insertion(creation_templates)
_UPDATE = Statement(
    update(creation_templates)
    .where(*_the_template)
    .values(document=bindparam("new_document"), updated_at=bindparam("now"))
)
_DELETE = Statement(delete(creation_templates).where(*_the_template))


def find(tx: Transaction, registry: Registry, prefix: str) -> Template | None:
    """The template of exactly that prefix."""
    return next(iter(_find(tx, registry, [prefix])), None)


def is_taken(tx: Transaction, registry: Registry, prefix: str) -> bool:
    """Whether there is a template of that prefix, with a slash or without."""
    return bool(_find(tx, registry, spellings(prefix)))


def reaching_name(tx: Transaction, registry: Registry, name: str) -> list[Template]:
    """Templates that speak of a repository's name, the nearest prefix first."""
    prefixes = reaching(name)
    return sorted(_find(tx, registry, prefixes), key=lambda template: prefixes.index(template.prefix))


def page(tx: Transaction, registry: Registry, after: str, limit: int) -> list[Template]:
    """Up to `limit` templates in the order of their prefixes, beginning after one."""
    rows = tx.all(_PAGE, account_id=registry.account_id, region=registry.region, after=after, limit=limit)
    return [_template(row) for row in rows]


def add(tx: Transaction, registry: Registry, template: Template) -> int:
    """Keep a new template; how many the registry has now."""
    registry_id = accounts.registry_id(tx, registry, template.created_at)
    tx.run(
        _INSERT,
        registry_id=registry_id,
        prefix=template.prefix,
        document=_document(template.settings),
        created_at=template.created_at,
        updated_at=template.updated_at,
    )
    return int(tx.value(_COUNT, which=registry_id))


def change(tx: Transaction, registry: Registry, template: Template) -> None:
    """Keep what a template says now."""
    registry_id = accounts.registry_id(tx, registry, template.updated_at)
    document = _document(template.settings)
    tx.run(_UPDATE, which=registry_id, old_prefix=template.prefix, new_document=document, now=template.updated_at)


def remove(tx: Transaction, registry: Registry, prefix: str, now: datetime) -> None:
    """Forget a template."""
    tx.run(_DELETE, which=accounts.registry_id(tx, registry, now), old_prefix=prefix)


def _find(tx: Transaction, registry: Registry, prefixes: Collection[str]) -> list[Template]:
    rows = tx.all(_FIND, account_id=registry.account_id, region=registry.region, prefixes=list(prefixes))
    return [_template(row) for row in rows]


def _document(settings: TemplateSettings) -> dict[str, Any]:
    return {
        "applied_for": [purpose.value for purpose in settings.applied_for],
        "description": settings.description,
        "encryption_type": settings.encryption.type,
        "kms_key": settings.encryption.kms_key,
        "resource_tags": [list(pair) for pair in settings.resource_tags],
        "mutability": settings.mutability.setting.value,
        "mutability_filters": list(settings.mutability.filters),
        "repository_policy": settings.repository_policy,
        "lifecycle_policy": settings.lifecycle_policy,
        "custom_role_arn": settings.custom_role_arn,
    }


def _template(row: Row) -> Template:
    said = row["document"]
    settings = TemplateSettings(
        applied_for=tuple(Purpose(purpose) for purpose in said["applied_for"]),
        description=said["description"],
        encryption=Encryption(said["encryption_type"], said["kms_key"]),
        resource_tags=tuple((key, value) for key, value in said["resource_tags"]),
        mutability=TagMutability(Mutability(said["mutability"]), tuple(said["mutability_filters"])),
        repository_policy=said["repository_policy"],
        lifecycle_policy=said["lifecycle_policy"],
        custom_role_arn=said["custom_role_arn"],
    )
    return Template(row["prefix"], settings, row["created_at"], row["updated_at"])
