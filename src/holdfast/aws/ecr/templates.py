"""Repository creation templates."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from holdfast import registry
from holdfast.aws import pages
from holdfast.aws.ecr.repositories import rendered_mutability
from holdfast.aws.operations import Call, Shape, operation, the_registry
from holdfast.model.errors import InvalidParameter
from holdfast.model.repositories import Encryption, Mutability, TagMutability
from holdfast.model.templates import Purpose, TemplateSettings

if TYPE_CHECKING:
    from holdfast.model.names import Registry
    from holdfast.model.templates import Template

PAGE = 100  # each may have 40 KB of policies, so a page has no more than that, whatever the caller allows
NAMED = 100


@operation(on=the_registry)
def create_repository_creation_template(call: Call, request: Shape) -> Shape:
    """Make a template."""
    home, applied_for = the_registry(call, request), _purposes(request)
    settings = _patched(TemplateSettings(applied_for), request)
    return _answer(home, registry.templates.create(call.on, home, request["prefix"], settings))


@operation(on=the_registry)
def update_repository_creation_template(call: Call, request: Shape) -> Shape:
    """Change what a template says; what the request does not name stays."""
    home = the_registry(call, request)
    template = registry.templates.update(call.on, home, request["prefix"], lambda settings: _patched(settings, request))
    return _answer(home, template)


@operation(on=the_registry)
def describe_repository_creation_templates(call: Call, request: Shape) -> Shape:
    """List templates, or look some up by prefix."""
    home = the_registry(call, request)
    if "prefixes" in request:
        pages.refuse_with(request, "prefixes")
        if len(request["prefixes"]) > NAMED:
            raise InvalidParameter("prefixes", f"Member must have length less than or equal to {NAMED}")
        found, more = registry.templates.describe(call.on, home, request["prefixes"]), False
    else:
        limit = min(pages.size(request), PAGE)
        found, more = registry.templates.page(call.on, home, pages.after(request, ""), limit)
    return {
        "registryId": home.account_id,
        "repositoryCreationTemplates": [_rendered(template) for template in found],
        "nextToken": pages.token(found[-1].prefix) if more else None,
    }


@operation(on=the_registry)
def delete_repository_creation_template(call: Call, request: Shape) -> Shape:
    """Remove a template; repositories that it made stay."""
    home = the_registry(call, request)
    return _answer(home, registry.templates.delete(call.on, home, request["prefix"]))


def _patched(settings: TemplateSettings, request: Shape) -> TemplateSettings:
    """Settings with what a request names; an empty text takes away what was there."""
    changes: dict[str, Any] = {"mutability": _mutability(settings.mutability, request)}
    for member, name in (
        ("description", "description"),
        ("repositoryPolicy", "repository_policy"),
        ("lifecyclePolicy", "lifecycle_policy"),
        ("customRoleArn", "custom_role_arn"),
    ):
        if member in request:
            changes[name] = request[member] or None
    if "appliedFor" in request:
        changes["applied_for"] = _purposes(request)
    if "resourceTags" in request:
        changes["resource_tags"] = tuple((tag["Key"], tag["Value"]) for tag in request["resourceTags"])
    if "encryptionConfiguration" in request:
        wanted = request["encryptionConfiguration"]
        changes["encryption"] = Encryption(wanted["encryptionType"], wanted.get("kmsKey") or None)
    return replace(settings, **changes)


def _purposes(request: Shape) -> tuple[Purpose, ...]:
    return tuple(dict.fromkeys(Purpose(purpose) for purpose in request["appliedFor"]))


def _mutability(known: TagMutability, request: Shape) -> TagMutability:
    """Filters go with the setting that they belonged to, unless the new one needs some and none are given."""
    member = "imageTagMutabilityExclusionFilters"
    setting = Mutability(request.get("imageTagMutability", known.setting))
    needs_filters = setting.name.endswith("WITH_EXCLUSION")
    filters = tuple(item["filter"] for item in request.get(member, ()))
    return TagMutability(setting, filters or (known.filters if needs_filters else ()))


def _answer(home: Registry, template: Template) -> Shape:
    return {"registryId": home.account_id, "repositoryCreationTemplate": _rendered(template)}


def _rendered(template: Template) -> Shape:
    settings = template.settings
    return {
        "prefix": template.prefix,
        "description": settings.description,
        "encryptionConfiguration": {
            "encryptionType": settings.encryption.type,
            "kmsKey": settings.encryption.kms_key,
        },
        "resourceTags": [{"Key": key, "Value": value} for key, value in settings.resource_tags] or None,
        **rendered_mutability(settings.mutability),
        "repositoryPolicy": settings.repository_policy,
        "lifecyclePolicy": settings.lifecycle_policy,
        "appliedFor": [purpose.value for purpose in settings.applied_for],
        "customRoleArn": settings.custom_role_arn,
        "createdAt": template.created_at,
        "updatedAt": template.updated_at,
    }
