"""The account itself: its alias, and how much it has of everything."""

from __future__ import annotations

from holdfast import registry
from holdfast.aws.iam import markers
from holdfast.aws.operations import Call, Shape, operation
from holdfast.model.names import Registry


def the_account(call: Call, _request: Shape) -> Registry:
    """What is asked of an account as a whole."""
    return Registry(call.caller.account_id, call.region)


@operation(on=the_account)
def list_account_aliases(call: Call, request: Shape) -> Shape:
    """The name by which the account may be called instead of its number, if it has one."""
    markers.after(request)
    alias = registry.iam.account.alias(call.on, call.caller.account_id)
    return {"AccountAliases": [] if alias is None else [alias], "IsTruncated": False}


@operation(on=the_account)
def create_account_alias(call: Call, request: Shape) -> Shape:
    """Give the account an alias that nobody has, in the place of the one it had."""
    registry.iam.account.create_alias(call.on, call.caller.account_id, request["AccountAlias"])
    return {}


@operation(on=the_account)
def delete_account_alias(call: Call, request: Shape) -> Shape:
    """Take the account's alias away."""
    registry.iam.account.delete_alias(call.on, call.caller.account_id, request["AccountAlias"])
    return {}


@operation(on=the_account)
def get_account_summary(call: Call, _request: Shape) -> Shape:
    """How much there is of everything, and how much there may be."""
    return {"SummaryMap": registry.iam.account.summary(call.on, call.caller.account_id)}
