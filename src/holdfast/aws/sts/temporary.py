"""Temporary credentials that are no role's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import registry
from holdfast.aws.operations import Call, Shape, operation, tags_told
from holdfast.aws.sts.credentials import policies_of, refuse_mfa, rendered, tags_of
from holdfast.model.iam_sessions import federated_user_arn
from holdfast.model.names import Arn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def the_federated_user(call: Call, request: Shape) -> Arn:
    """The federated user whom a request names."""
    account_id = call.caller.account_id
    return Arn(account_id, federated_user_arn(account_id, request["Name"]))


def the_tags(request: Shape) -> Sequence[Mapping[str, str | tuple[str, ...]]]:
    """The condition keys of the tags in a request."""
    return [tags_told(request.get("Tags", ()))]


@operation(on=None)
def get_session_token(call: Call, request: Shape) -> Shape:
    """Temporary credentials that may do almost all that the caller may."""
    registry.iam.temporary.require_long_term(call.on, call.caller, "GetSessionToken")
    refuse_mfa(request)
    credentials = registry.iam.temporary.of_caller(call.on, call.caller, request.get("DurationSeconds"))
    return {"Credentials": rendered(credentials)}


@operation(on=the_federated_user, facts=the_tags)
def get_federation_token(call: Call, request: Shape) -> Shape:
    """Temporary credentials for somebody whom the caller vouches for."""
    registry.iam.temporary.require_long_term(call.on, call.caller, "GetFederationToken")
    tags = tags_of(request)
    if tags.tags:
        [facts] = the_tags(request)
        call.require("sts:TagSession", the_federated_user(call, request), facts)
    seconds, policies = request.get("DurationSeconds"), policies_of(request)
    federated = registry.iam.temporary.of_federated_user(call.on, call.caller, request["Name"], seconds, policies, tags)
    return {
        "Credentials": rendered(federated.credentials),
        "FederatedUser": {"FederatedUserId": federated.id, "Arn": federated.arn},
        "PackedPolicySize": federated.packed_percent,
    }
