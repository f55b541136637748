"""Passwords of users for the console."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import registry
from holdfast.aws.iam.users import own_name, the_user
from holdfast.aws.operations import Call, Resource, Shape, operation
from holdfast.model.errors import InvalidInput, InvalidUserType, Validation
from holdfast.model.names import Arn

if TYPE_CHECKING:
    from holdfast.model.iam_entities import LoginProfile

NO_DURATIONS = "MaxSigninSessionDuration: every sign-in to the console holds equally long"


@operation(on=the_user, lacks=NO_DURATIONS)
def create_login_profile(call: Call, request: Shape) -> Shape:
    """Give a user a password."""
    name = own_name(call, request)
    _refuse_durations(request)
    if "Password" not in request:
        fault = "Value null at 'password' failed to satisfy constraint: Member must not be null"
        raise Validation(f"1 validation error detected: {fault}")
    must_change = request.get("PasswordResetRequired", False)
    account_id, password = call.caller.account_id, request["Password"]
    profile = registry.iam.passwords.create(call.on, account_id, name, password, must_change=must_change)
    return {"LoginProfile": _rendered(profile)}


@operation(on=the_user)
def get_login_profile(call: Call, request: Shape) -> Shape:
    """Whether a user has a password, and must choose another one."""
    profile = registry.iam.passwords.get(call.on, call.caller.account_id, own_name(call, request))
    return {"LoginProfile": _rendered(profile)}


@operation(on=the_user, lacks=NO_DURATIONS)
def update_login_profile(call: Call, request: Shape) -> Shape:
    """Give a user another password, or say whether he must choose one."""
    _refuse_durations(request)
    registry.iam.passwords.update(
        call.on,
        call.caller.account_id,
        request["UserName"],
        password=request.get("Password"),
        must_change=request.get("PasswordResetRequired"),
    )
    return {}


@operation(on=the_user)
def delete_login_profile(call: Call, request: Shape) -> Shape:
    """Take a user's password away; his access keys stay."""
    registry.iam.passwords.delete(call.on, call.caller.account_id, own_name(call, request))
    return {}


def _caller(call: Call, _request: Shape) -> list[Resource]:
    """Who calls; nobody is asked where the account lets all its users."""
    if registry.iam.password_policies.lets_change(call.on, call.caller, call.http):
        return []
    return [Arn(call.caller.account_id, call.caller.arn)]


@operation(on=_caller)
def change_password(call: Call, request: Shape) -> Shape:
    """Let who calls choose another password."""
    if call.caller.kind != "user" or call.caller.entity_id is None:
        raise InvalidUserType("Only IAM Users can change their own password.")
    registry.iam.passwords.change(call.on, call.caller.entity_id, request["OldPassword"], request["NewPassword"])
    return {}


def _refuse_durations(request: Shape) -> None:
    for member in ("MaxSigninSessionDuration", "ResetMaxSigninSessionDuration"):
        if member in request:
            raise InvalidInput(f"{member} is not supported: every sign-in to the console holds equally long.")


def _rendered(profile: LoginProfile) -> Shape:
    return {
        "UserName": profile.user.name,
        "CreateDate": profile.created_at,
        "PasswordResetRequired": profile.must_change,
    }
