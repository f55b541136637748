"""Whom to tell what happens in a registry."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from holdfast import registry
from holdfast.aws import pages
from holdfast.aws.operations import Call, Shape, operation, the_registry
from holdfast.model.errors import InvalidParameter
from holdfast.model.event_targets import Envelope, Kind, Scope, Wishes
from holdfast.registry.event_senders import Secrets

if TYPE_CHECKING:
    from holdfast.registry.event_targets import Standing

SECRETS = {
    "signingSecret": "signing",
    "headers": "headers",
    "accessKeyId": "key_id",
    "secretAccessKey": "secret",
    "sessionToken": "token",
}


@operation(on=the_registry)
def put_event_target(call: Call, request: Shape) -> Shape:
    """Make a target, or change the one of that name; without secrets it keeps those that it has."""
    plain = Wishes("", Kind.WEBHOOK, "")
    wishes = Wishes(
        request["name"],
        Kind(request["kind"]),
        request["address"],
        envelope=Envelope(request.get("envelope", plain.envelope)),
        pattern=request.get("eventPattern"),
        wants_pulls=request.get("includePulls", False),
        paths=request.get("inputPathsMap"),
        template=request.get("inputTemplate"),
        endpoint=request.get("endpoint"),
        region=request.get("queueRegion"),
        source=request.get("source"),
        maximum_age_seconds=request.get("maximumEventAgeInSeconds", plain.maximum_age_seconds),
        maximum_retries=request.get("maximumRetryAttempts", plain.maximum_retries),
        at_once=request.get("maximumConcurrency", plain.at_once),
    )
    given = {ours: request[theirs] for theirs, ours in SECRETS.items() if theirs in request}
    scope = _scope(call, request)
    _, made = registry.event_targets.put(call.on, scope, wishes, Secrets(**given) if given else None)
    standing = registry.event_targets.get(call.on, scope, wishes.name)
    return {"target": _rendered(standing), "signingSecret": made}


@operation(on=the_registry)
def list_event_targets(call: Call, request: Shape) -> Shape:
    """Who is told, and how far each of them is."""
    found, more = registry.event_targets.page(
        call.on, _scope(call, request), pages.after(request, ""), pages.size(request)
    )
    return {
        "targets": [_rendered(one) for one in found],
        "nextToken": pages.token(found[-1].target.wishes.name) if more else None,
    }


@operation(on=the_registry)
def delete_event_target(call: Call, request: Shape) -> Shape:
    """Tell somebody nothing any more, and forget what he did not get."""
    registry.event_targets.delete(call.on, _scope(call, request), request["name"])
    return {}


@operation(on=the_registry)
def test_event_target(call: Call, request: Shape) -> Shape:
    """Tell a target that it is being tried."""
    fault = registry.event_targets.test(call.on, _scope(call, request), request["name"])
    return {"isTaken": fault is None, "reason": fault.reason if fault else None}


@operation(on=the_registry)
def list_event_dead_letters(call: Call, request: Shape) -> Shape:
    """What a target did not get, and why."""
    found, more = registry.event_targets.dead_letters(
        call.on, _scope(call, request), request["name"], pages.after(request, 0), pages.size(request)
    )
    return {
        "deadLetters": [
            {
                "deadLetterId": one.id,
                "event": json.dumps(one.envelope),
                "reason": one.reason,
                "attempts": one.attempts,
                "diedAt": one.died_at,
                "isBeingReplayed": one.is_wanted_again,
            }
            for one in found
        ],
        "nextToken": pages.token(found[-1].id) if more else None,
    }


@operation(on=the_registry)
def delete_event_dead_letters(call: Call, request: Shape) -> Shape:
    """Forget what a target did not get: all of it, or one dead letter."""
    scope, name = _scope(call, request), request["name"]
    return {"deadLetterCount": registry.event_targets.forget_dead(call.on, scope, name, request.get("deadLetterId"))}


@operation(on=the_registry)
def replay_events(call: Call, request: Shape) -> Shape:
    """Tell a target once more what it did not get, or everything since a time."""
    scope, name = _scope(call, request), request["name"]
    if "since" in request:
        if "deadLetterId" in request:
            raise InvalidParameter("since", "since and deadLetterId cannot be used together")
        return {"firstOccurredAt": registry.event_targets.replay_since(call.on, scope, name, request["since"])}
    return {"deadLetterCount": registry.event_targets.replay_dead(call.on, scope, name, request.get("deadLetterId"))}


def _scope(call: Call, request: Shape) -> Scope:
    home = the_registry(call, request)
    return Scope(home.account_id, home.region)


def _rendered(standing: Standing) -> Shape:
    target = standing.target
    wishes = target.wishes
    return {
        "name": wishes.name,
        "kind": wishes.kind.value,
        "address": wishes.address,
        "envelope": wishes.envelope.value,
        "eventPattern": wishes.pattern,
        "includePulls": wishes.wants_pulls,
        "inputPathsMap": wishes.paths,
        "inputTemplate": wishes.template,
        "endpoint": wishes.endpoint,
        "queueRegion": wishes.region,
        "source": wishes.source,
        "maximumEventAgeInSeconds": wishes.maximum_age_seconds,
        "maximumRetryAttempts": wishes.maximum_retries,
        "maximumConcurrency": wishes.at_once if wishes.kind is Kind.WEBHOOK else None,
        "status": "FAILING" if target.failing_since else "ACTIVE",
        "statusReason": target.fault,
        "failingSince": target.failing_since,
        "retryAt": target.resting_until,
        "waitingSince": standing.waiting_since,
        "deliveredCount": target.delivered,
        "failedCount": target.failed,
        "deadLetterCount": standing.dead_letters,
        "createdAt": target.created_at,
    }
