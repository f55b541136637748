"""Access keys of users, and of the root of the account."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import registry
from holdfast.aws.iam import markers
from holdfast.aws.iam.users import the_user, user_name
from holdfast.aws.operations import Call, Shape, operation
from holdfast.model.errors import InvalidInput
from holdfast.model.names import Arn

if TYPE_CHECKING:
    from holdfast.model.callers import AccessKey
    from holdfast.registry.iam.access_keys import Holder

IS_ACTIVE = {"Active": True, "Inactive": False}
NEVER = "N/A"


@operation(on=the_user)
def create_access_key(call: Call, request: Shape) -> Shape:
    """Make a key, whose secret is told this once."""
    name, account_id = user_name(call, request), call.caller.account_id
    holder, key, secret = registry.iam.access_keys.create(call.on, account_id, name)
    return {"AccessKey": {**_rendered(holder, key), "SecretAccessKey": secret}}


@operation(on=the_user)
def list_access_keys(call: Call, request: Shape) -> Shape:
    """The keys of a user, without their secrets."""
    name, account_id = user_name(call, request), call.caller.account_id
    after, size = markers.after(request), markers.size(request)
    holder, found, more = registry.iam.access_keys.page(call.on, account_id, name, after, size)
    return {
        "AccessKeyMetadata": [_rendered(holder, key) for key in found],
        **markers.rest(found[-1].id if more else None),
    }


@operation(on=the_user)
def update_access_key(call: Call, request: Shape) -> Shape:
    """Switch a key on or off; logins made with it stop with it."""
    status, key_id = request["Status"], request["AccessKeyId"]
    if status not in IS_ACTIVE:
        raise InvalidInput(f"The status {status} cannot be set: a key is made Active or Inactive.")
    name, account_id = user_name(call, request), call.caller.account_id
    registry.iam.access_keys.set_active(call.on, account_id, name, key_id, is_active=IS_ACTIVE[status])
    return {}


@operation(on=the_user)
def delete_access_key(call: Call, request: Shape) -> Shape:
    """Forget a key, and logins made with it, for good."""
    name, account_id = user_name(call, request), call.caller.account_id
    registry.iam.access_keys.delete(call.on, account_id, name, request["AccessKeyId"])
    return {}


def _holder(call: Call, request: Shape) -> Arn:
    """The user whose key a request names; the account's root if it is nobody's there."""
    account_id = call.caller.account_id
    key = registry.iam.access_keys.find(call.on, account_id, request["AccessKeyId"])
    if key is None or key.user_id is None:
        return Arn(account_id, f"arn:aws:iam::{account_id}:root")
    return Arn(account_id, registry.iam.users.get_by_id(call.on, key.user_id).arn)


@operation(on=_holder)
def get_access_key_last_used(call: Call, request: Shape) -> Shape:
    """When and for what a key was last used, to the minute."""
    holder, key = registry.iam.access_keys.last_used(call.on, call.caller, request["AccessKeyId"])
    used = {
        "LastUsedDate": key.used_at,
        "ServiceName": key.used_for or NEVER,
        "Region": key.used_in or NEVER,
    }
    return {"UserName": holder.name, "AccessKeyLastUsed": used}


def _rendered(holder: Holder, key: AccessKey) -> Shape:
    """A key without its secret."""
    return {
        "UserName": holder.name,
        "AccessKeyId": key.id,
        "Status": "Active" if key.is_active else "Inactive",
        "CreateDate": key.created_at,
    }
