"""What a call of IAM is about where that is not, or not only, an entity as it is: the ARNs that leave is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from holdfast.aws.operations import Call, Shape
from holdfast.model import iam_entities
from holdfast.model.names import Arn

Place: TypeAlias = Callable[[Call, Shape], Arn]


def new(kind: str, member: str) -> Place:
    """The entity that would be made, whose name a member of the request has."""

    def place(call: Call, request: Shape) -> Arn:
        account_id = call.caller.account_id
        return Arn(account_id, iam_entities.arn(account_id, kind, request.get("Path", "/"), request[member]))

    return place


def all_of(kind: str) -> Place:
    """All entities whose paths begin alike."""

    def place(call: Call, request: Shape) -> Arn:
        account_id = call.caller.account_id
        return Arn(account_id, iam_entities.arn(account_id, kind, request.get("PathPrefix", "/"), ""))

    return place


def renamed(the_entity: Place, kind: str, new_name: str) -> Callable[[Call, Shape], list[Arn]]:
    """An entity as it is called, and as it would be called by the member `new_name`."""

    def places(call: Call, request: Shape) -> list[Arn]:
        account_id, before = call.caller.account_id, the_entity(call, request)
        path, _, name = before.arn.partition(f":{kind}")[2].rpartition("/")
        changed = request.get("NewPath", f"{path}/"), request.get(new_name, name)
        return [before, Arn(account_id, iam_entities.arn(account_id, kind, *changed))]

    return places
