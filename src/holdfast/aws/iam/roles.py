"""Create, describe, change and delete roles; and those that belong to services."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import registry
from holdfast.aws.iam import documents, markers, places, tags
from holdfast.aws.iam.users import BOUNDARY, rendered_boundary, told
from holdfast.aws.operations import Call, Shape, operation
from holdfast.model import iam_entities
from holdfast.model.errors import InvalidInput
from holdfast.model.iam_roles import DEFAULT_SESSION_SECONDS, SERVICE_PATH, SERVICE_ROLES
from holdfast.model.names import Arn

if TYPE_CHECKING:
    from holdfast.model.iam_roles import Role

SIGN_IN = ("MaxSigninSessionDuration", "ResetMaxSigninSessionDuration")

_new_role = places.new("role", "RoleName")


def the_role(call: Call, request: Shape) -> Arn:
    """The role that a request names, whether or not there is one."""
    account_id = call.caller.account_id
    return Arn(account_id, registry.iam.roles.arn(call.on, account_id, request["RoleName"]))


def _service_role(call: Call, request: Shape) -> Arn:
    """The role that a service would have."""
    account_id, service = call.caller.account_id, request["AWSServiceName"]
    name = SERVICE_ROLES[service].role_name if service in SERVICE_ROLES else "*"
    return Arn(account_id, iam_entities.arn(account_id, "role", f"{SERVICE_PATH}{service}/", name))


def _deleted_role(call: Call, request: Shape) -> Arn:
    """The role that the id of a deletion tells of."""
    account_id = call.caller.account_id
    name = request["DeletionTaskId"].removeprefix("task/").rpartition("/")[0]
    return Arn(account_id, iam_entities.arn(account_id, "role", "/", name))


@operation(on=_new_role, lacks="MaxSigninSessionDuration", facts=told)
def create_role(call: Call, request: Shape) -> Shape:
    """Make a role that the principals of its trust policy may become."""
    _refuse_sign_in(request)
    if request.get("Tags"):
        call.require("iam:TagRole", _new_role(call, request), tags.told(request)[0])
    role = registry.iam.roles.create(
        call.on,
        call.caller.account_id,
        request["RoleName"],
        request["AssumeRolePolicyDocument"],
        path=request.get("Path", "/"),
        description=request.get("Description"),
        max_session_seconds=request.get("MaxSessionDuration", DEFAULT_SESSION_SECONDS),
        boundary_arn=request.get("PermissionsBoundary"),
        tags=tags.given(request),
    )
    return {"Role": _new(role)}


@operation(on=the_role)
def get_role(call: Call, request: Shape) -> Shape:
    """What is known about a role."""
    return {"Role": _described(registry.iam.roles.get(call.on, call.caller.account_id, request["RoleName"]))}


@operation(on=places.all_of("role"))
def list_roles(call: Call, request: Shape) -> Shape:
    """List roles, all of them or those whose paths begin alike; tags and boundaries are not shown."""
    found, more = registry.iam.roles.page(
        call.on,
        call.caller.account_id,
        request.get("PathPrefix", "/"),
        markers.after(request),
        markers.size(request),
    )
    return {"Roles": list(map(rendered, found)), **markers.rest_by_name(found, more)}


@operation(on=the_role, lacks="MaxSigninSessionDuration")
def update_role(call: Call, request: Shape) -> Shape:
    """Describe a role in other words, or say for how long somebody may be it."""
    _refuse_sign_in(request)
    registry.iam.roles.update(
        call.on,
        call.caller.account_id,
        request["RoleName"],
        description=request.get("Description"),
        max_session_seconds=request.get("MaxSessionDuration"),
    )
    return {}


@operation(on=the_role)
def update_role_description(call: Call, request: Shape) -> Shape:
    """Describe a role in other words."""
    account_id, text = call.caller.account_id, request["Description"]
    return {"Role": _described(registry.iam.roles.update(call.on, account_id, request["RoleName"], description=text))}


@operation(on=the_role)
def update_assume_role_policy(call: Call, request: Shape) -> Shape:
    """Say who may become a role."""
    registry.iam.roles.set_trust(call.on, call.caller.account_id, request["RoleName"], request["PolicyDocument"])
    return {}


@operation(on=the_role)
def delete_role(call: Call, request: Shape) -> Shape:
    """Remove a role on which nothing hangs."""
    registry.iam.roles.delete(call.on, call.caller.account_id, request["RoleName"])
    return {}


@operation(on=the_role, facts=tags.told)
def tag_role(call: Call, request: Shape) -> Shape:
    """Add tags, or overwrite those of the same keys."""
    registry.iam.roles.tag(call.on, call.caller.account_id, request["RoleName"], tags.given(request))
    return {}


@operation(on=the_role, facts=tags.keys_told)
def untag_role(call: Call, request: Shape) -> Shape:
    """Remove tags."""
    registry.iam.roles.untag(call.on, call.caller.account_id, request["RoleName"], request["TagKeys"])
    return {}


@operation(on=the_role)
def list_role_tags(call: Call, request: Shape) -> Shape:
    """The tags of a role."""
    return tags.page(request, registry.iam.roles.get(call.on, call.caller.account_id, request["RoleName"]).tags)


@operation(on=the_role, facts=told)
def put_role_permissions_boundary(call: Call, request: Shape) -> Shape:
    """Let a policy bound what a role may do, whatever else allows it."""
    account_id, boundary = call.caller.account_id, request["PermissionsBoundary"]
    registry.iam.roles.put_boundary(call.on, account_id, request["RoleName"], boundary)
    return {}


@operation(on=None)
def delete_role_permissions_boundary(call: Call, request: Shape) -> Shape:
    """Let no policy bound what a role may do any more; leave may hang on which one does."""
    account_id, name = call.caller.account_id, request["RoleName"]
    arn, boundary = registry.iam.attachments.holder(call.on, "role", account_id, name)
    facts = {} if boundary is None else {BOUNDARY: boundary}
    call.require("iam:DeleteRolePermissionsBoundary", Arn(account_id, arn), facts)
    registry.iam.roles.delete_boundary(call.on, account_id, name)
    return {}


# ---- Roles of services


@operation(on=_service_role, facts=lambda request: [{"iam:awsservicename": request["AWSServiceName"]}])
def create_service_linked_role(call: Call, request: Shape) -> Shape:
    """Make the role that a service has in the account, with the policy that belongs to it."""
    role = registry.iam.roles.create_for_service(
        call.on,
        call.caller.account_id,
        request["AWSServiceName"],
        suffix=request.get("CustomSuffix"),
        description=request.get("Description"),
    )
    return {"Role": _new(role)}


@operation(on=the_role)
def delete_service_linked_role(call: Call, request: Shape) -> Shape:
    """Remove the role of a service."""
    account_id = call.caller.account_id
    return {"DeletionTaskId": registry.iam.roles.delete_of_service(call.on, account_id, request["RoleName"])}


@operation(on=_deleted_role)
def get_service_linked_role_deletion_status(_call: Call, request: Shape) -> Shape:
    """Whether the role of a service is gone, which it is at once."""
    registry.iam.roles.check_deletion(request["DeletionTaskId"])
    return {"Status": "SUCCEEDED"}


# ---- As answers show them


def rendered(role: Role, **details: object) -> Shape:
    """A role as lists show it, and more of it where it is asked for."""
    return {
        "Path": role.path,
        "RoleName": role.name,
        "RoleId": role.id,
        "Arn": role.arn,
        "CreateDate": role.created_at,
        "AssumeRolePolicyDocument": documents.encoded(role.trust_policy),
        "Description": role.description,
        "MaxSessionDuration": role.max_session_seconds,
        **details,
    }


def _new(role: Role) -> Shape:
    details = {"PermissionsBoundary": rendered_boundary(role.boundary_arn), "Tags": tags.rendered(role.tags)}
    return rendered(role, **details, MaxSessionDuration=None)


def _described(role: Role) -> Shape:
    used = {"LastUsedDate": role.used_at, "Region": role.used_in}
    details = {"PermissionsBoundary": rendered_boundary(role.boundary_arn), "Tags": tags.rendered(role.tags)}
    return rendered(role, **details, RoleLastUsed=used)


def _refuse_sign_in(request: Shape) -> None:
    for member in SIGN_IN:
        if request.get(member):
            raise InvalidInput(f"{member} is not supported: nobody signs in to a role here")
