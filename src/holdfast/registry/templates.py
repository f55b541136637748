"""Create, change, describe and delete repository creation templates, and find the one that a repository gets."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model import lifecycle_text
from holdfast.model.errors import LimitExceeded, TemplateAlreadyExists, TemplateNotFound
from holdfast.model.policies import parse_repository_policy
from holdfast.model.templates import Template

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast.model.names import Registry, RepositoryRef
    from holdfast.model.templates import Purpose, TemplateSettings
    from holdfast.registry.backends import Backends
    from holdfast.store import Transaction


def create(on: Backends, registry: Registry, prefix: str, settings: TemplateSettings) -> Template:
    """Make a template."""
    _check_texts(on, settings)
    now, limit = on.clock(), on.limits.creation_templates
    template = Template(prefix, settings, now, now)
    with on.database.transaction() as tx:
        if store.templates.is_taken(tx, registry, prefix):
            raise TemplateAlreadyExists(registry, prefix)
        if store.templates.add(tx, registry, template) > limit:
            raise LimitExceeded(f"The registry cannot have more than {limit} repository creation templates")
    return template


def update(
    on: Backends, registry: Registry, prefix: str, change: Callable[[TemplateSettings], TemplateSettings]
) -> Template:
    """Change what a template says; repositories that it made stay as they are."""
    with on.database.transaction() as tx:
        template = _get(tx, registry, prefix)
        settings = change(template.settings)
        _check_texts(on, settings)
        template = replace(template, settings=settings, updated_at=on.clock())
        store.templates.change(tx, registry, template)
    return template


def describe(on: Backends, registry: Registry, prefixes: Sequence[str]) -> list[Template]:
    """Named templates; one that is missing fails the whole call."""
    with on.database.snapshot() as tx:
        return [_get(tx, registry, prefix) for prefix in dict.fromkeys(prefixes)]


def page(on: Backends, registry: Registry, after: str, limit: int) -> tuple[list[Template], bool]:
    """Templates by prefix, beginning after one, and whether there are more."""
    with on.database.snapshot() as tx:
        found = store.templates.page(tx, registry, after, limit + 1)
    return found[:limit], len(found) > limit


def delete(on: Backends, registry: Registry, prefix: str) -> Template:
    """Remove a template; what it was."""
    with on.database.transaction() as tx:
        template = _get(tx, registry, prefix)
        store.templates.remove(tx, registry, prefix, on.clock())
    return template


def settings_for(tx: Transaction, at: RepositoryRef, purpose: Purpose) -> Template | None:
    """The template by which a repository comes into being for a purpose: that of the longest prefix, ROOT the last."""
    found = store.templates.reaching_name(tx, at.registry, at.name)
    return next((template for template in found if purpose in template.settings.applied_for), None)


def _get(tx: Transaction, registry: Registry, prefix: str) -> Template:
    template = store.templates.find(tx, registry, prefix)
    if template is None:
        raise TemplateNotFound(registry, prefix)
    return template


def _check_texts(on: Backends, settings: TemplateSettings) -> None:
    if settings.repository_policy is not None:
        parse_repository_policy(settings.repository_policy)
    if settings.lifecycle_policy is not None:
        lifecycle_text.parse(settings.lifecycle_policy, on.limits.lifecycle_rules)
