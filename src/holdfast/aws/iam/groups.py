"""Create, describe, change and delete groups, and say who is in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import registry
from holdfast.aws.iam import markers, places, users
from holdfast.aws.iam.users import the_user
from holdfast.aws.operations import Call, Shape, operation
from holdfast.model.names import Arn

if TYPE_CHECKING:
    from holdfast.model.iam_entities import Group


def the_group(call: Call, request: Shape) -> Arn:
    """The group that a request names, whether or not there is one."""
    account_id = call.caller.account_id
    return Arn(account_id, registry.iam.groups.arn(call.on, account_id, request["GroupName"]))


@operation(on=places.new("group", "GroupName"))
def create_group(call: Call, request: Shape) -> Shape:
    """Make a group that nobody is in."""
    account_id, path = call.caller.account_id, request.get("Path", "/")
    group = registry.iam.groups.create(call.on, account_id, request["GroupName"], path=path)
    return {"Group": rendered(group)}


@operation(on=the_group)
def get_group(call: Call, request: Shape) -> Shape:
    """A group and the users in it."""
    after, size = markers.after(request), markers.size(request)
    group, members, more = registry.iam.groups.get(call.on, call.caller.account_id, request["GroupName"], after, size)
    return {
        "Group": rendered(group),
        "Users": [users.rendered(user) for user in members],
        **markers.rest_by_name(members, more),
    }


@operation(on=places.all_of("group"))
def list_groups(call: Call, request: Shape) -> Shape:
    """List groups, all of them or those whose paths begin alike."""
    found, more = registry.iam.groups.page(
        call.on,
        call.caller.account_id,
        request.get("PathPrefix", "/"),
        markers.after(request),
        markers.size(request),
    )
    return _page(found, more)


@operation(on=the_user)
def list_groups_for_user(call: Call, request: Shape) -> Shape:
    """The groups that a user is in."""
    account_id, after, size = call.caller.account_id, markers.after(request), markers.size(request)
    found, more = registry.iam.groups.of_user(call.on, account_id, request["UserName"], after, size)
    return _page(found, more)


@operation(on=places.renamed(the_group, "group", "NewGroupName"))
def update_group(call: Call, request: Shape) -> Shape:
    """Give a group another name or path."""
    registry.iam.groups.update(
        call.on,
        call.caller.account_id,
        request["GroupName"],
        new_name=request.get("NewGroupName"),
        new_path=request.get("NewPath"),
    )
    return {}


@operation(on=the_group)
def delete_group(call: Call, request: Shape) -> Shape:
    """Remove a group on which nothing hangs."""
    registry.iam.groups.delete(call.on, call.caller.account_id, request["GroupName"])
    return {}


@operation(on=the_group)
def add_user_to_group(call: Call, request: Shape) -> Shape:
    """Put a user into a group; that he is there already is no fault."""
    registry.iam.groups.add_user(call.on, call.caller.account_id, request["GroupName"], request["UserName"])
    return {}


@operation(on=the_group)
def remove_user_from_group(call: Call, request: Shape) -> Shape:
    """Take a user out of a group; that he is not in it is no fault."""
    registry.iam.groups.remove_user(call.on, call.caller.account_id, request["GroupName"], request["UserName"])
    return {}


def _page(found: list[Group], more: bool) -> Shape:
    groups = [rendered(group) for group in found]
    return {"Groups": groups, **markers.rest_by_name(found, more)}


def rendered(group: Group) -> Shape:
    """A group as answers show it."""
    return {
        "Path": group.path,
        "GroupName": group.name,
        "GroupId": group.id,
        "Arn": group.arn,
        "CreateDate": group.created_at,
    }
