"""Create, describe, change and delete users."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import registry
from holdfast.aws.iam import markers, places, tags
from holdfast.aws.operations import Call, Shape, operation
from holdfast.model.errors import Validation
from holdfast.model.names import Arn

if TYPE_CHECKING:
    from holdfast.model.circumstances import Facts
    from holdfast.model.iam_entities import User

BOUNDARY = "iam:permissionsboundary"  # the condition key, in lower case

_new_user = places.new("user", "UserName")


def user_name(call: Call, request: Shape) -> str | None:
    """The user that a request is about: the one it names, or who calls; None is the account's root."""
    named: str | None = request.get("UserName")
    if named is not None:
        return named
    if call.caller.kind == "root":
        return None
    if call.caller.kind != "user" or call.caller.entity_id is None:
        raise Validation("Must specify userName when calling with non-User credentials")
    return registry.iam.users.get_by_id(call.on, call.caller.entity_id).name


def own_name(call: Call, request: Shape) -> str:
    """The user that a request is about, where the root of the account is none."""
    name = user_name(call, request)
    if name is None:
        raise Validation("Must specify userName when calling with non-User credentials")
    return name


def the_user(call: Call, request: Shape) -> Arn:
    """The user that a request is about, whether or not there is one."""
    name, account_id = user_name(call, request), call.caller.account_id
    return Arn(account_id, call.caller.arn if name is None else registry.iam.users.arn(call.on, account_id, name))


def told(request: Shape) -> list[Facts]:
    """The condition keys of the tags and the boundary that a user, or a role, would get."""
    [of_tags] = tags.told(request)
    return [{**of_tags, BOUNDARY: request["PermissionsBoundary"]} if "PermissionsBoundary" in request else of_tags]


@operation(on=_new_user, facts=told)
def create_user(call: Call, request: Shape) -> Shape:
    """Make a user, who has no credentials yet."""
    if request.get("Tags"):
        call.require("iam:TagUser", _new_user(call, request), tags.told(request)[0])
    user = registry.iam.users.create(
        call.on,
        call.caller.account_id,
        request["UserName"],
        path=request.get("Path", "/"),
        boundary_arn=request.get("PermissionsBoundary"),
        tags=tags.given(request),
    )
    return {"User": rendered(user, **_rendered_details(user))}


@operation(on=the_user)
def get_user(call: Call, request: Shape) -> Shape:
    """What is known about a user, or about who calls."""
    name, account_id = user_name(call, request), call.caller.account_id
    if name is None:
        root = {
            "UserName": registry.iam.account.alias(call.on, account_id),
            "UserId": account_id,
            "Arn": call.caller.arn,
            "CreateDate": registry.iam.account.created_at(call.on, account_id),
        }
        return {"User": root}
    user = registry.iam.users.get(call.on, account_id, name)
    return {"User": rendered(user, **_rendered_details(user))}


@operation(on=places.all_of("user"))
def list_users(call: Call, request: Shape) -> Shape:
    """List users, all of them or those whose paths begin alike; tags and boundaries are not shown."""
    found, more = registry.iam.users.page(
        call.on,
        call.caller.account_id,
        request.get("PathPrefix", "/"),
        markers.after(request),
        markers.size(request),
    )
    return {"Users": [rendered(user) for user in found], **markers.rest_by_name(found, more)}


@operation(on=places.renamed(the_user, "user", "NewUserName"))
def update_user(call: Call, request: Shape) -> Shape:
    """Give a user another name or path."""
    registry.iam.users.update(
        call.on,
        call.caller.account_id,
        request["UserName"],
        new_name=request.get("NewUserName"),
        new_path=request.get("NewPath"),
    )
    return {}


@operation(on=the_user)
def delete_user(call: Call, request: Shape) -> Shape:
    """Remove a user on whom nothing hangs."""
    registry.iam.users.delete(call.on, call.caller.account_id, request["UserName"])
    return {}


@operation(on=the_user, facts=told)
def tag_user(call: Call, request: Shape) -> Shape:
    """Add tags, or overwrite those of the same keys."""
    registry.iam.users.tag(call.on, call.caller.account_id, request["UserName"], tags.given(request))
    return {}


@operation(on=the_user, facts=tags.keys_told)
def untag_user(call: Call, request: Shape) -> Shape:
    """Remove tags."""
    registry.iam.users.untag(call.on, call.caller.account_id, request["UserName"], request["TagKeys"])
    return {}


@operation(on=the_user)
def list_user_tags(call: Call, request: Shape) -> Shape:
    """The tags of a user."""
    user = registry.iam.users.get(call.on, call.caller.account_id, request["UserName"])
    return tags.page(request, user.tags)


@operation(on=the_user, facts=told)
def put_user_permissions_boundary(call: Call, request: Shape) -> Shape:
    """Let a policy bound what a user may do, whatever else allows it."""
    account_id, boundary = call.caller.account_id, request["PermissionsBoundary"]
    registry.iam.users.put_boundary(call.on, account_id, request["UserName"], boundary)
    return {}


@operation(on=None)
def delete_user_permissions_boundary(call: Call, request: Shape) -> Shape:
    """Let no policy bound what a user may do any more; leave may be had for users who are bounded by a certain one."""
    account_id, name = call.caller.account_id, request["UserName"]
    arn, bound = registry.iam.attachments.holder(call.on, "user", account_id, name)
    facts = {} if bound is None else {BOUNDARY: bound}
    call.require("iam:DeleteUserPermissionsBoundary", Arn(account_id, arn), facts)
    registry.iam.users.delete_boundary(call.on, account_id, name)
    return {}


def rendered_boundary(policy_arn: str | None) -> Shape | None:
    """The policy that bounds a user or a role, if one does."""
    if policy_arn is None:
        return None
    return {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": policy_arn}


def rendered(user: User, **details: object) -> Shape:
    """A user as lists show him, and more of him where it is asked for."""
    return {
        "Path": user.path,
        "UserName": user.name,
        "UserId": user.id,
        "Arn": user.arn,
        "CreateDate": user.created_at,
        "PasswordLastUsed": user.password_used_at,
        **details,
    }


def _rendered_details(user: User) -> Shape:
    return {"PermissionsBoundary": rendered_boundary(user.boundary_arn), "Tags": tags.rendered(user.tags)}
