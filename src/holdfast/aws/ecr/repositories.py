"""Create, describe and delete repositories, and what can be set on one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import registry
from holdfast.aws import addresses, pages
from holdfast.aws.operations import (
    Call,
    Shape,
    operation,
    tags_told,
    the_registry,
    the_repositories,
    the_repository,
    the_tagged,
)
from holdfast.model.errors import InvalidTagParameter
from holdfast.model.names import RepositoryRef
from holdfast.model.repositories import Encryption, Mutability, TagMutability

if TYPE_CHECKING:
    from holdfast.model.repositories import Repository


@operation(
    on=the_repository,
    facts=lambda request: [tags_told(request.get("tags", []))],
)
def create_repository(call: Call, request: Shape) -> Shape:
    """Make a repository."""
    if request.get("tags"):
        call.require("ecr:TagResource", the_repository(call, request), tags_told(request["tags"]))
    encryption = request.get("encryptionConfiguration", {"encryptionType": "AES256"})
    repository = registry.repositories.create(
        call.on,
        the_repository(call, request),
        mutability=_mutability(request),
        scan_on_push=request.get("imageScanningConfiguration", {}).get("scanOnPush", False),
        encryption=Encryption(encryption["encryptionType"], encryption.get("kmsKey")),
        tags=_tags(request.get("tags", [])),
    )
    return {"repository": _rendered(call, repository)}


@operation(on=the_repositories)
def describe_repositories(call: Call, request: Shape) -> Shape:
    """List repositories, or look some up by name."""
    home = the_registry(call, request)
    if "repositoryNames" in request:
        pages.refuse_with(request, "repositoryNames")
        named = [RepositoryRef(home, name) for name in request["repositoryNames"]]
        return {"repositories": [_rendered(call, found) for found in registry.repositories.describe(call.on, named)]}
    found, more = registry.repositories.page(call.on, home, pages.after(request, ""), pages.size(request))
    return {
        "repositories": [_rendered(call, repository) for repository in found],
        "nextToken": pages.token(found[-1].name) if more else None,
    }


@operation(on=the_repository)
def delete_repository(call: Call, request: Shape) -> Shape:
    """Remove a repository; one that holds images only by force."""
    at = the_repository(call, request)
    repository = registry.repositories.delete(call.on, at, force=request.get("force", False))
    return {"repository": _rendered(call, repository)}


@operation(on=the_repository)
def put_image_tag_mutability(call: Call, request: Shape) -> Shape:
    """Say which tags may be moved from now on."""
    at = the_repository(call, request)
    mutability = _mutability(request)
    registry.repositories.set_mutability(call.on, at, mutability)
    return {"registryId": at.registry.account_id, "repositoryName": at.name, **rendered_mutability(mutability)}


@operation(on=the_tagged)
def list_tags_for_resource(call: Call, request: Shape) -> Shape:
    """The resource tags of a repository."""
    tags = registry.repositories.tags(call.on, the_tagged(call, request))
    return {"tags": [{"Key": key, "Value": value} for key, value in tags.items()]}


@operation(on=the_tagged, facts=lambda request: [tags_told(request["tags"])])
def tag_resource(call: Call, request: Shape) -> Shape:
    """Add resource tags, or overwrite those of the same keys."""
    registry.repositories.tag(call.on, the_tagged(call, request), _tags(request["tags"]))
    return {}


@operation(on=the_tagged, facts=lambda request: [{"aws:tagkeys": tuple(request["tagKeys"])}])
def untag_resource(call: Call, request: Shape) -> Shape:
    """Remove resource tags."""
    registry.repositories.untag(call.on, the_tagged(call, request), request["tagKeys"])
    return {}


def _mutability(request: Shape) -> TagMutability:
    filters = tuple(item["filter"] for item in request.get("imageTagMutabilityExclusionFilters", []))
    return TagMutability(Mutability(request.get("imageTagMutability", "MUTABLE")), filters)


def _tags(items: list[Shape]) -> dict[str, str]:
    tags = {item["Key"]: item["Value"] for item in items}
    if len(tags) != len(items):
        raise InvalidTagParameter("A tag key can be given only once")
    return tags


def rendered_mutability(mutability: TagMutability) -> Shape:
    """The members that say which tags may be moved, of a repository or of a template."""
    filters = [{"filterType": "WILDCARD", "filter": pattern} for pattern in mutability.filters]
    return {
        "imageTagMutability": mutability.setting.value,
        "imageTagMutabilityExclusionFilters": filters or None,
    }


def _rendered(call: Call, repository: Repository) -> Shape:
    return {
        "repositoryArn": repository.ref.arn,
        "registryId": repository.registry.account_id,
        "repositoryName": repository.name,
        "repositoryUri": addresses.repository_uri(call.http, repository.ref),
        "createdAt": repository.created_at,
        **rendered_mutability(repository.mutability),
        "imageScanningConfiguration": {"scanOnPush": repository.scan_on_push},
        "encryptionConfiguration": {
            "encryptionType": repository.encryption.type,
            "kmsKey": repository.encryption.kms_key,
        },
    }
