"""Where a registry's images are copied to, how the copying stands, and backfills."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import registry
from holdfast.aws import pages
from holdfast.aws.operations import Call, Shape, operation, the_image, the_registry, the_repository
from holdfast.model.names import Registry
from holdfast.model.replication import PREFIX_MATCH, Configuration, Filter, FilterType, Rule, check_prefix

if TYPE_CHECKING:
    from holdfast.model.replication import Backfill, BackfillResult

BACKFILLS = 25  # of a page, unless the caller wants another number
NEWEST = (2**63 - 1, "")


@operation(on=the_registry)
def describe_registry(call: Call, request: Shape) -> Shape:
    """The registry's id and where it is copied to."""
    home = the_registry(call, request)
    return {
        "registryId": home.account_id,
        "replicationConfiguration": _rendered(registry.replication.configuration(call.on, home)),
    }


@operation(on=the_registry)
def put_replication_configuration(call: Call, request: Shape) -> Shape:
    """Replace the rules by which a registry's images are copied."""
    configuration = Configuration(tuple(_rule(item) for item in request["replicationConfiguration"]["rules"]))
    registry.replication.configure(call.on, the_registry(call, request), configuration)
    return {"replicationConfiguration": _rendered(configuration)}


@operation(on=the_repository)
def describe_image_replication_status(call: Call, request: Shape) -> Shape:
    """How the copying of an image to each destination stands."""
    at, id_ = the_repository(call, request), the_image(request)
    image, found = registry.replication.of_image(call.on, at, id_)
    return {
        "repositoryName": at.name,
        "imageId": {"imageDigest": image.digest, "imageTag": id_.tag},
        "replicationStatuses": [
            {
                **_rendered_destination(replication.destination),
                "status": replication.status,
                "failureCode": replication.failure_code,
            }
            for replication in found
        ],
    }


@operation(on=the_registry)
def start_replication_backfill(call: Call, request: Shape) -> Shape:
    """Copy what was pushed before the rules to one of their destinations."""
    home = the_registry(call, request)
    backfill = registry.backfills.start(call.on, home, _destination(request["destination"]))
    return {"registryId": home.account_id, **_rendered_head(backfill)}


@operation(on=the_registry)
def stop_replication_backfill(call: Call, request: Shape) -> Shape:
    """Stop a backfill; what it copied stays."""
    home = the_registry(call, request)
    backfill = registry.backfills.stop(call.on, home, request["replicationBackfillId"])
    return {"registryId": home.account_id, **_rendered_head(backfill)}


@operation(on=the_registry)
def describe_replication_backfill_results(call: Call, request: Shape) -> Shape:
    """How a backfill stands, and when it is over, how each of its images ended."""
    home = the_registry(call, request)
    backfill, results, more = registry.backfills.get(
        call.on,
        home,
        request["replicationBackfillId"],
        pages.after(request, 0),
        pages.size(request),
        request.get("resultStatusFilter"),
    )
    return {
        "registryId": home.account_id,
        **_rendered_backfill(backfill),
        "results": [_rendered_result(result) for result in results],
        "nextToken": pages.token(results[-1].position) if more else None,
    }


@operation(on=the_registry)
def list_replication_backfills(call: Call, request: Shape) -> Shape:
    """The backfills of a registry, the newest first."""
    home = the_registry(call, request)
    limit = int(request.get("maxResults", BACKFILLS))
    found, last = registry.backfills.page(call.on, home, pages.after(request, NEWEST), limit)
    return {
        "registryId": home.account_id,
        "backfills": [_rendered_backfill(backfill) for backfill in found],
        "nextToken": pages.token(last) if last is not None else None,
    }


def _destination(item: Shape) -> Registry:
    return Registry(item["registryId"], item["region"])


def _rule(item: Shape) -> Rule:
    filters, deletion = item.get("repositoryFilters", ()), item.get("deleteReplication")
    prefixes = tuple(check_prefix(wish["filter"]) for wish in filters if wish["filterType"] == PREFIX_MATCH)
    others = [wish for wish in filters if wish["filterType"] != PREFIX_MATCH]
    return Rule(
        tuple(_destination(destination) for destination in item["destinations"]),
        prefixes or None,
        deletion["enabled"] if deletion is not None else None,
        tuple(Filter(FilterType(wish["filterType"]), wish["filter"]) for wish in others),
    )


def _rendered(configuration: Configuration) -> Shape:
    return {"rules": [_rendered_rule(rule) for rule in configuration.rules]}


def _rendered_rule(rule: Rule) -> Shape:
    deletes = rule.deletes
    filters = [{"filter": prefix, "filterType": PREFIX_MATCH} for prefix in rule.prefixes or ()]
    filters += [{"filter": one.pattern, "filterType": one.type.value} for one in rule.filters]
    return {
        "destinations": [_rendered_destination(destination) for destination in rule.destinations],
        "repositoryFilters": filters or None,
        "deleteReplication": {"enabled": deletes} if deletes is not None else None,
    }


def _rendered_destination(destination: Registry) -> Shape:
    return {"region": destination.region, "registryId": destination.account_id}


def _rendered_head(backfill: Backfill) -> Shape:
    return {
        "replicationBackfillId": backfill.id,
        "destination": _rendered_destination(backfill.destination),
        "status": backfill.status,
        "startedAt": backfill.started_at,
    }


def _rendered_backfill(backfill: Backfill) -> Shape:
    progress = backfill.progress
    counts = progress and {
        "totalReplicationCount": progress.total,
        "completedReplicationCount": progress.completed,
        "failedReplicationCount": progress.failed,
        "failureCodes": list(progress.failure_codes),
    }
    return {
        **_rendered_head(backfill),
        "failureCode": backfill.failure_code,
        "progress": counts,
        "endedAt": backfill.ended_at,
    }


def _rendered_result(result: BackfillResult) -> Shape:
    return {
        "repositoryName": result.repository_name,
        "imageId": {"imageDigest": result.image_id.digest, "imageTag": result.image_id.tag},
        "status": result.copied.status,
        "failureCode": result.copied.failure_code,
        "subImageFailureCodes": list(result.copied.member_failure_codes) or None,
    }
