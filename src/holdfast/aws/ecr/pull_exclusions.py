"""Principals whose pulls are not recorded."""

from __future__ import annotations

from holdfast import registry
from holdfast.aws import pages
from holdfast.aws.operations import Call, Shape, operation, the_registry


@operation(on=the_registry)
def register_pull_time_update_exclusion(call: Call, request: Shape) -> Shape:
    """Record no pulls of a principal from now on."""
    arn = request["principalArn"]
    return {
        "principalArn": arn,
        "createdAt": registry.pull_exclusions.register(call.on, the_registry(call, request), arn),
    }


@operation(on=the_registry)
def deregister_pull_time_update_exclusion(call: Call, request: Shape) -> Shape:
    """Record the pulls of a principal again."""
    registry.pull_exclusions.deregister(call.on, the_registry(call, request), request["principalArn"])
    return {"principalArn": request["principalArn"]}


@operation(on=the_registry)
def list_pull_time_update_exclusions(call: Call, request: Shape) -> Shape:
    """Principals whose pulls are not recorded."""
    home, after = the_registry(call, request), pages.after(request, "")
    found, more = registry.pull_exclusions.page(call.on, home, after, pages.size(request))
    return {"pullTimeUpdateExclusions": found, "nextToken": pages.token(found[-1]) if more else None}
