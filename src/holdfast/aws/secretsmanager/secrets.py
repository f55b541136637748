"""Make, describe, list, tag, delete and restore secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import registry
from holdfast.aws import pages
from holdfast.aws.operations import Call, Shape, operation
from holdfast.aws.secretsmanager.places import (
    home,
    refuse_what_is_not_here,
    tags_in,
    the_new_secret,
    the_secret,
    the_secrets,
    token_in,
    told,
    value_in,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from holdfast.model.secrets import Secret, Version

DATES = {"created-date": "created_at", "last-changed-date": "changed_at", "last-accessed-date": "used_at"}
SEARCHED: dict[str, Callable[[Secret], Sequence[str]]] = {
    "name": lambda secret: [secret.name],
    "description": lambda secret: secret.description.split(),
    "tag-key": lambda secret: list(secret.tags),
    "tag-value": lambda secret: list(secret.tags.values()),
    "primary-region": lambda secret: [secret.registry.region],
    "owning-service": lambda _: [],
}


@operation(on=the_new_secret, facts=told, lacks="replicas, secrets of partners, and named keys")
def create_secret(call: Call, request: Shape) -> Shape:
    """Make a secret, and its first value if there is one."""
    refuse_what_is_not_here(request)
    tags = tags_in(request)
    if tags:
        call.require("secretsmanager:TagResource", the_new_secret(call, request), told(request)[0])
    secret, version = registry.secrets.create(
        call.on,
        home(call),
        request["Name"],
        value_in(request),
        token_in(request),
        description=request.get("Description", ""),
        tags=tags,
    )
    return _named(secret) | {"VersionId": version}


@operation(on=the_secret, facts=told, lacks="secrets of partners, and named keys")
def update_secret(call: Call, request: Shape) -> Shape:
    """Describe a secret in other words, or give it another current value."""
    refuse_what_is_not_here(request)
    value, words = value_in(request), request.get("Description")
    secret, version = registry.secrets.update(
        call.on, home(call), request["SecretId"], value, token_in(request), description=words
    )
    return _named(secret) | {"VersionId": version}


@operation(on=the_secret, facts=told)
def describe_secret(call: Call, request: Shape) -> Shape:
    """A secret without its values."""
    secret, versions = registry.secrets.describe(call.on, home(call), request["SecretId"])
    stages = {version.id: list(version.stages) for version in versions if version.stages}
    return _rendered(secret) | {"VersionIdsToStages": stages or None}


@operation(on=the_secrets, facts=told)
def list_secrets(call: Call, request: Shape) -> Shape:
    """Secrets by date or name, and only those that filters let through."""
    filters = request.get("Filters", [])

    def wanted(secret: Secret) -> bool:
        return all(_passes(secret, one.get("Key", "all"), one.get("Values", ())) for one in filters)

    found = registry.secrets.list_all(call.on, home(call), wanted, deleted=request.get("IncludePlannedDeletion", False))
    by, is_descending = request.get("SortBy", "created-date"), request.get("SortOrder", "desc") == "desc"
    is_by_name = by == "name"

    def place(one: tuple[Secret, Sequence[Version]]) -> tuple[int, str]:
        at = None if is_by_name else getattr(one[0], DATES[by])
        return int(at.timestamp() * 1_000_000) if at is not None else 0, one[0].name

    found.sort(key=place, reverse=is_descending)
    after = request.get("NextToken") and pages.after({"nextToken": request["NextToken"]}, (0, ""))
    if after:
        found = [one for one in found if (place(one) < after if is_descending else place(one) > after)]
    page = found[: request.get("MaxResults", pages.DEFAULT)]
    return {
        "SecretList": [_rendered(secret) | {"SecretVersionsToStages": _stages(versions)} for secret, versions in page],
        "NextToken": pages.token(place(page[-1])) if len(page) < len(found) else None,
    }


@operation(on=the_secret, facts=told)
def delete_secret(call: Call, request: Shape) -> Shape:
    """Delete a secret, which can be restored for some days unless it is forced."""
    secret, gone_at = registry.secrets.delete(
        call.on,
        home(call),
        request["SecretId"],
        request.get("RecoveryWindowInDays"),
        is_forced=request.get("ForceDeleteWithoutRecovery", False),
    )
    return _named(secret) | {"DeletionDate": gone_at}


@operation(on=the_secret, facts=told)
def restore_secret(call: Call, request: Shape) -> Shape:
    """Take the deletion of a secret back."""
    return _named(registry.secrets.restore(call.on, home(call), request["SecretId"]))


@operation(on=the_secret, facts=told)
def tag_resource(call: Call, request: Shape) -> Shape:
    """Add tags to a secret, or overwrite those of the same keys."""
    registry.secrets.tag(call.on, home(call), request["SecretId"], tags_in(request))
    return {}


@operation(on=the_secret, facts=told)
def untag_resource(call: Call, request: Shape) -> Shape:
    """Remove tags of a secret."""
    registry.secrets.untag(call.on, home(call), request["SecretId"], request["TagKeys"])
    return {}


@operation(on=the_secret, facts=told, lacks="policies: no secret has one")
def get_resource_policy(call: Call, request: Shape) -> Shape:
    """The policy of a secret, which has none: only identity-based policies decide."""
    secret, _ = registry.secrets.describe(call.on, home(call), request["SecretId"])
    return _named(secret)


def _passes(secret: Secret, key: str, values: Sequence[str]) -> bool:
    """Whether a secret has what one of some values begins; what begins with `!` must not be had."""
    kinds = list(SEARCHED) if key == "all" else [key]
    texts = [text if kind == "name" else text.lower() for kind in kinds for text in SEARCHED[kind](secret)]

    def has(value: str) -> bool:
        word = value if key == "name" else value.lower()
        return any(text.startswith(word) or (key == "all" and text.lower().startswith(word)) for text in texts)

    return any(not has(value[1:]) if value.startswith("!") else has(value) for value in values)


def _named(secret: Secret) -> Shape:
    return {"ARN": secret.arn, "Name": secret.name}


def _stages(versions: Sequence[Version]) -> Shape | None:
    return {version.id: list(version.stages) for version in versions if version.stages} or None


def _rendered(secret: Secret) -> Shape:
    return _named(secret) | {
        "Description": secret.description or None,
        "LastChangedDate": secret.changed_at,
        "LastAccessedDate": secret.used_at,
        "DeletedDate": secret.gone_at,
        "Tags": [{"Key": key, "Value": value} for key, value in secret.tags.items()],
        "CreatedDate": secret.created_at,
    }
