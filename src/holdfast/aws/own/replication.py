"""How replication stands, and whether copies agree with what they are copies of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import registry
from holdfast.aws import pages
from holdfast.aws.operations import Call, Shape, operation, the_registry, the_repository
from holdfast.model.names import Registry
from holdfast.model.peers import Kind, Peer
from holdfast.model.replicated_settings import Setting

if TYPE_CHECKING:
    from holdfast.model.verification import Check


@operation(on=the_registry)
def describe_replication_destinations(call: Call, request: Shape) -> Shape:
    """Where the images of a registry are copied to, what waits for it, and for how long."""
    home = the_registry(call, request)
    found = registry.replication_status.destinations(call.on, home)
    return {
        "registryId": home.account_id,
        "destinations": [
            {
                "destination": _rendered_destination(one.registry),
                "waitingCount": one.waiting,
                "failedCount": one.failed,
                "completedCount": one.completed,
                "cancelledCount": one.cancelled,
                "lagSeconds": int(one.lag_seconds),
                "replicatedSettings": [setting.value for setting in one.settings],
                "failures": [
                    {"failureCode": code, "imageCount": count} for code, count in sorted(one.failures.items())
                ],
            }
            for one in found
        ],
    }


@operation(on=the_registry)
def cancel_replications(call: Call, request: Shape) -> Shape:
    """End all that waits for a destination, without removing its rule; call it again while there is more."""
    home, destination = the_registry(call, request), the_destination(request)
    count, is_more = registry.replication_queues.cancel(call.on, home, destination)
    return {
        "registryId": home.account_id,
        "destination": _rendered_destination(destination),
        "cancelledCount": count,
        "isMore": is_more,
    }


@operation(on=the_registry)
def put_replicated_settings(call: Call, request: Shape) -> Shape:
    """Say which settings of repositories go to a destination of replication, in place of those that did."""
    home, destination = the_registry(call, request), the_destination(request)
    settings = [Setting(name) for name in request["settings"]]
    registry.replicated_settings.choose(call.on, home, destination, settings)
    return {
        "registryId": home.account_id,
        "destination": _rendered_destination(destination),
        "settings": [setting.value for setting in settings],
    }


@operation(on=the_repository, action="ReplicateImage")
def put_setting_leaders(call: Call, request: Shape) -> Shape:
    """Say from where the settings of a repository come, as another registry does that sets them."""
    at = the_repository(call, request)
    registry.setting_leaders.put(call.on, at, request["leaders"])
    return {"registryId": at.registry.account_id, "repositoryName": at.name}


@operation(on=the_repository)
def start_replication_verification(call: Call, request: Shape) -> Shape:
    """Compare a repository with a copy of it in the background, and copy again what has drifted."""
    at, destination = the_repository(call, request), the_destination(request)
    registry.verification.ask(
        call.on,
        at,
        destination,
        repairs=request.get("repair", True),
        everything=request.get("includeUnreplicated", False),
    )
    return {
        "registryId": at.registry.account_id,
        "repositoryName": at.name,
        "destination": _rendered_destination(destination),
    }


@operation(on=the_registry)
def describe_replication_verifications(call: Call, request: Shape) -> Shape:
    """How the repositories of a registry agreed with their copies when they were compared last."""
    home = the_registry(call, request)
    found, more = registry.verification.page(call.on, home, pages.after(request, ""), pages.size(request))
    return {
        "verifications": [_rendered(check) for check in found],
        "nextToken": pages.token(found[-1].at.name) if more else None,
    }


@operation(on=the_repository)
def get_repository_content_digest(call: Call, request: Shape) -> Shape:
    """All that a repository holds as one digest, and as one for each of 512 buckets."""
    at = the_repository(call, request)
    tree = registry.verification.tree_of(call.on, at)
    return {
        "registryId": at.registry.account_id,
        "repositoryName": at.name,
        "contentDigest": tree.root,
        "bucketDigests": list(tree.buckets),
    }


@operation(on=the_repository)
def list_repository_content(call: Call, request: Shape) -> Shape:
    """The images and the tags of a repository that are in some buckets."""
    at, after = the_repository(call, request), pages.after(request, (0, ""))
    found, more = registry.verification.contents(call.on, at, frozenset(request["buckets"]), after)
    return {
        "content": [{"imageDigest": digest, "imageTag": tag or None} for digest, tag in found],
        "nextToken": pages.token(more) if more else None,
    }


# ---- Registries elsewhere


@operation(on=the_registry)
def put_replication_peer(call: Call, request: Shape) -> Shape:
    """Say which registry elsewhere stands behind a destination of replication."""
    home = the_registry(call, request)
    peer = Peer(
        the_destination(request),
        Kind(request["kind"]),
        request["url"],
        request.get("prefix", ""),
        request.get("credentialArn"),
        request.get("caCertificates"),
        request.get("signingRegion", ""),
    )
    registry.peers.put(call.on, home, peer)
    return {"registryId": home.account_id, "peer": _rendered_peer(peer)}


@operation(on=the_registry)
def delete_replication_peer(call: Call, request: Shape) -> Shape:
    """Let a destination of replication be a registry of this installation again."""
    home = the_registry(call, request)
    gone = registry.peers.delete(call.on, home, the_destination(request))
    return {"registryId": home.account_id, "peer": None if gone is None else _rendered_peer(gone)}


@operation(on=the_registry)
def list_replication_peers(call: Call, request: Shape) -> Shape:
    """Which registries elsewhere stand behind destinations of replication."""
    home = the_registry(call, request)
    return {
        "registryId": home.account_id,
        "peers": [_rendered_peer(peer) for peer in registry.peers.page(call.on, home)],
    }


def _rendered_peer(peer: Peer) -> Shape:
    return {
        "destination": _rendered_destination(peer.destination),
        "kind": peer.kind.value,
        "url": peer.url,
        "prefix": peer.prefix or None,
        "credentialArn": peer.credential_arn,
        "caCertificates": peer.ca_pem,
        "signingRegion": peer.region or None,
    }


def the_destination(request: Shape) -> Registry:
    """The destination that a request names."""
    return Registry(request["destination"]["registryId"], request["destination"]["region"])


def _rendered_destination(destination: Registry) -> Shape:
    return {"region": destination.region, "registryId": destination.account_id}


def _rendered(check: Check) -> Shape:
    counts = check.counts
    return {
        "repositoryName": check.at.name,
        "destination": _rendered_destination(check.destination),
        "status": check.state.value,
        "checkedAt": check.checked_at,
        "contentDigest": check.digest,
        "failureReason": check.failure,
        "agreeingCount": counts.agreeing,
        "missingImageCount": counts.missing_images,
        "missingTagCount": counts.missing_tags,
        "movedTagCount": counts.moved_tags,
        "frozenTagCount": counts.frozen_tags,
        "copyingCount": counts.copying,
        "unreplicatedCount": counts.unreplicated,
        "extraCount": counts.extra,
        "repairCount": counts.repairs,
        "differingSettingCount": counts.differing_settings,
        "waitingDeletionCount": counts.deletions,
    }
