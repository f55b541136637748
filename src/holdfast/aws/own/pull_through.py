"""Pull-through caches: what ECR's rules cannot say, how they stand, and a tag that cannot wait."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from holdfast import registry
from holdfast.aws import pages
from holdfast.aws.operations import Again, Call, Shape, operation, the_registry, the_repository
from holdfast.model.errors import ImageNotFound, PullThroughCacheRuleNotFound, Refusal, UnableToGetUpstreamImage

if TYPE_CHECKING:
    from holdfast.model.caching import CacheRule
    from holdfast.registry.pull_through import Standing

MEMBERS = {  # of a request, and what they are called here; what cannot be None is None by an empty text or zero
    "plainHttp": "is_plain",
    "caCertificates": "ca_pem",
    "tagSeconds": "tag_seconds",
    "referrerSeconds": "referrer_seconds",
    "budgetBytes": "budget_bytes",
    "atOnce": "at_once",
}


@operation(on=the_registry)
def put_pull_through_cache_options(call: Call, request: Shape) -> Shape:
    """Say of a rule what ECR's cannot: a private CA, plain HTTP, times, a budget. What is not named stays as it is."""
    home = the_registry(call, request)
    changed: dict[str, Any] = {field: request[member] for member, field in MEMBERS.items() if member in request}
    changed |= {field: changed[field] or None for field in ("ca_pem", "budget_bytes") if field in changed}
    rule = registry.caching.set_options(
        call.on, home, request["ecrRepositoryPrefix"], lambda before: replace(before, **changed)
    )
    return {"registryId": home.account_id, "cache": _rendered(rule)}


@operation(on=the_registry)
def describe_pull_through_caches(call: Call, request: Shape) -> Shape:
    """How each rule stands: what it has cached, and what went wrong; on the first page also what is under way."""
    home, after = the_registry(call, request), pages.after(request, "")
    found = registry.pull_through.status(call.on, home, after, pages.size(request))
    told: Shape = {
        "registryId": home.account_id,
        "caches": [_standing(one) for one in found.rules],
        "nextToken": pages.token(found.rules[-1].rule.prefix) if found.has_more else None,
    }
    if after:
        return told
    fetches = [
        {
            "ecrRepositoryPrefix": one.prefix,
            "repositoryName": one.repository_name,
            "reference": one.reference,
            "startedAt": one.started_at,
            "receivedBytes": one.received_bytes,
            "sizeBytes": one.size_bytes or None,
            "failureReason": one.failure,
        }
        for one in found.fetches
    ]
    imports = [
        {
            "repositoryName": one["name"],
            "imageTag": one["tag"] or None,
            "imageDigest": one["digest"],
            "requestedAt": one["requested_at"],
            "failureReason": one["failure"],
        }
        for one in found.imports
    ]
    return told | {"fetches": fetches, "imports": imports}


@operation(on=the_repository)
def refresh_pull_through_cache_tag(call: Call, request: Shape) -> Again:
    """Ask the upstream of a tag now, whenever that was done last; pulls get what it names there from then on."""
    at, tag = the_repository(call, request), request["imageTag"]
    call.require("ecr:BatchImportUpstreamImage", at)
    registry.repositories.require(call.on, at)

    def asked() -> Shape:
        try:
            found = registry.pull_through.refresh(call.on, at, tag)
        except (ImageNotFound, PullThroughCacheRuleNotFound):
            raise
        except Refusal as refusal:
            raise UnableToGetUpstreamImage(at, refusal.message) from None
        return {
            "registryId": at.registry.account_id,
            "repositoryName": at.name,
            "imageTag": tag,
            "imageDigest": found.digest,
        }

    return Again(asked)


def _rendered(rule: CacheRule) -> Shape:
    options = {member: getattr(rule.options, field) for member, field in MEMBERS.items()}
    return {"ecrRepositoryPrefix": rule.prefix, "upstreamRegistryUrl": rule.upstream.url, **options}


def _standing(one: Standing) -> Shape:
    return _rendered(one.rule) | {
        "imageCount": one.images,
        "sizeBytes": one.size_bytes,
        "failureReason": one.failure,
        "failedAt": one.failed_at,
    }
