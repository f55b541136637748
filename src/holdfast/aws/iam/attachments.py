"""Give users, groups and roles policies, and take them away: managed ones, and inline ones of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import registry
from holdfast.aws.iam import documents, markers
from holdfast.aws.iam.groups import the_group
from holdfast.aws.iam.policies import named
from holdfast.aws.iam.roles import the_role
from holdfast.aws.iam.users import BOUNDARY, the_user
from holdfast.aws.operations import Call, Shape, operation
from holdfast.model.names import Arn

if TYPE_CHECKING:
    from holdfast.model.iam_policies import PolicyArn

# ---- Managed policies


@operation(on=None)
def attach_user_policy(call: Call, request: Shape) -> Shape:
    """Give a user a managed policy; that he has it already is no fault."""
    return _attach(call, request, "user")


@operation(on=None)
def attach_group_policy(call: Call, request: Shape) -> Shape:
    """Give a group a managed policy; that it has it already is no fault."""
    return _attach(call, request, "group")


@operation(on=None)
def attach_role_policy(call: Call, request: Shape) -> Shape:
    """Give a role a managed policy; that it has it already is no fault."""
    return _attach(call, request, "role")


@operation(on=None)
def detach_user_policy(call: Call, request: Shape) -> Shape:
    """Take a managed policy from a user."""
    return _detach(call, request, "user")


@operation(on=None)
def detach_group_policy(call: Call, request: Shape) -> Shape:
    """Take a managed policy from a group."""
    return _detach(call, request, "group")


@operation(on=None)
def detach_role_policy(call: Call, request: Shape) -> Shape:
    """Take a managed policy from a role."""
    return _detach(call, request, "role")


@operation(on=the_user)
def list_attached_user_policies(call: Call, request: Shape) -> Shape:
    """The managed policies of a user."""
    return _attached(call, request, "user")


@operation(on=the_group)
def list_attached_group_policies(call: Call, request: Shape) -> Shape:
    """The managed policies of a group."""
    return _attached(call, request, "group")


@operation(on=the_role)
def list_attached_role_policies(call: Call, request: Shape) -> Shape:
    """The managed policies of a role."""
    return _attached(call, request, "role")


def _attach(call: Call, request: Shape, kind: str) -> Shape:
    _require(call, request, kind, "Attach")
    registry.iam.attachments.attach(call.on, *_entity(call, request, kind), named(request))
    return {}


def _detach(call: Call, request: Shape, kind: str) -> Shape:
    _require(call, request, kind, "Detach")
    registry.iam.attachments.detach(call.on, *_entity(call, request, kind), named(request))
    return {}


def _attached(call: Call, request: Shape, kind: str) -> Shape:
    prefix = request.get("PathPrefix", "/")
    found = registry.iam.attachments.attached(call.on, *_entity(call, request, kind), prefix)
    policies, rest = markers.page(request, found, _place)
    return {"AttachedPolicies": [{"PolicyName": one.name, "PolicyArn": one.text} for one in policies], **rest}


def _place(policy: PolicyArn) -> str:
    return f"{policy.key} {policy.account_id}"  # Amazon's may have the name of an own one


# ---- Inline policies


@operation(on=None)
def put_user_policy(call: Call, request: Shape) -> Shape:
    """Give a user an inline policy, whatever he had under that name."""
    return _put(call, request, "user")


@operation(on=None)
def put_group_policy(call: Call, request: Shape) -> Shape:
    """Give a group an inline policy, whatever it had under that name."""
    return _put(call, request, "group")


@operation(on=None)
def put_role_policy(call: Call, request: Shape) -> Shape:
    """Give a role an inline policy, whatever it had under that name."""
    return _put(call, request, "role")


@operation(on=the_user)
def get_user_policy(call: Call, request: Shape) -> Shape:
    """What an inline policy of a user says."""
    return _get(call, request, "user")


@operation(on=the_group)
def get_group_policy(call: Call, request: Shape) -> Shape:
    """What an inline policy of a group says."""
    return _get(call, request, "group")


@operation(on=the_role)
def get_role_policy(call: Call, request: Shape) -> Shape:
    """What an inline policy of a role says."""
    return _get(call, request, "role")


@operation(on=None)
def delete_user_policy(call: Call, request: Shape) -> Shape:
    """Take an inline policy from a user."""
    return _delete(call, request, "user")


@operation(on=None)
def delete_group_policy(call: Call, request: Shape) -> Shape:
    """Take an inline policy from a group."""
    return _delete(call, request, "group")


@operation(on=None)
def delete_role_policy(call: Call, request: Shape) -> Shape:
    """Take an inline policy from a role."""
    return _delete(call, request, "role")


@operation(on=the_user)
def list_user_policies(call: Call, request: Shape) -> Shape:
    """The names of the inline policies of a user."""
    return _names(call, request, "user")


@operation(on=the_group)
def list_group_policies(call: Call, request: Shape) -> Shape:
    """The names of the inline policies of a group."""
    return _names(call, request, "group")


@operation(on=the_role)
def list_role_policies(call: Call, request: Shape) -> Shape:
    """The names of the inline policies of a role."""
    return _names(call, request, "role")


def _put(call: Call, request: Shape, kind: str) -> Shape:
    _require(call, request, kind, "Put")
    entity, policy_name = _entity(call, request, kind), request["PolicyName"]
    registry.iam.attachments.put_inline(call.on, *entity, policy_name, request["PolicyDocument"])
    return {}


def _get(call: Call, request: Shape, kind: str) -> Shape:
    entity, policy_name = _entity(call, request, kind), request["PolicyName"]
    text = registry.iam.attachments.inline(call.on, *entity, policy_name)
    return {_member(kind): entity[2], "PolicyName": policy_name, "PolicyDocument": documents.encoded(text)}


def _delete(call: Call, request: Shape, kind: str) -> Shape:
    _require(call, request, kind, "Delete")
    registry.iam.attachments.delete_inline(call.on, *_entity(call, request, kind), request["PolicyName"])
    return {}


def _names(call: Call, request: Shape, kind: str) -> Shape:
    names = registry.iam.attachments.inline_names(call.on, *_entity(call, request, kind))
    found, rest = markers.page(request, names, lambda name: name)
    return {"PolicyNames": found, **rest}


def _require(call: Call, request: Shape, kind: str, verb: str) -> None:
    """Refuse who may not change the policies of an entity; leave may hang on the policy, and on what bounds it."""
    arn, boundary = registry.iam.attachments.holder(call.on, *_entity(call, request, kind))
    told = {BOUNDARY: boundary, "iam:policyarn": request.get("PolicyArn")}
    facts = {key: value for key, value in told.items() if value is not None}
    call.require(f"iam:{verb}{kind.capitalize()}Policy", Arn(call.caller.account_id, arn), facts)


def _entity(call: Call, request: Shape, kind: str) -> tuple[str, str, str]:
    """Kind, account and name of the entity that a request is about."""
    return kind, call.caller.account_id, request[_member(kind)]


def _member(kind: str) -> str:
    return f"{kind.capitalize()}Name"
