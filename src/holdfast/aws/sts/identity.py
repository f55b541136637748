"""Who am I, whose key is this, and why was I refused."""

from __future__ import annotations

from holdfast import registry
from holdfast.aws.operations import Call, Shape, operation
from holdfast.model.names import Arn


def the_account(call: Call, _request: Shape) -> Arn:
    """The caller's account as a whole."""
    return Arn(call.caller.account_id, "*")


@operation(on=None)
def get_caller_identity(call: Call, _request: Shape) -> Shape:
    """Who calls; nobody can be denied to know that."""
    user_id = registry.iam.temporary.user_id(call.on, call.caller)
    return {"UserId": user_id, "Account": call.caller.account_id, "Arn": call.caller.arn}


@operation(on=the_account)
def get_access_key_info(call: Call, request: Shape) -> Shape:
    """The account of an access key, of whatever account it is."""
    registry.iam.temporary.require_not_of_user(call.on, call.caller, "GetAccessKeyInfo")
    return {"Account": registry.iam.temporary.account_of_key(call.on, request["AccessKeyId"])}


@operation(on=the_account)
def decode_authorization_message(call: Call, request: Shape) -> Shape:
    """Why a request of the caller's account was refused, from the text that the refusal carried."""
    registry.iam.temporary.require_not_of_user(call.on, call.caller, "DecodeAuthorizationMessage")
    account_id = call.caller.account_id
    return {"DecodedMessage": registry.iam.messages.decode(call.on, account_id, request["EncodedMessage"])}
