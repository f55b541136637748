"""Sessions of roles."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import registry
from holdfast.aws.operations import Call, Shape, operation
from holdfast.aws.sts.credentials import policies_of, refuse_mfa, rendered, tags_of
from holdfast.model.errors import InvalidContextAssertion, InvalidIdentityToken
from holdfast.registry.iam.assuming import Wish

if TYPE_CHECKING:
    from holdfast.registry.iam.assuming import Assumed


# The trust policy of the role decides, together with the caller's own: the deed asks.
@operation(on=None)
def assume_role(call: Call, request: Shape) -> Shape:
    """Become a role that trusts the caller."""
    refuse_mfa(request)
    for context in request.get("ProvidedContexts", ()):
        raise InvalidContextAssertion(context.get("ProviderArn", ""))
    wish = Wish(
        request["RoleSessionName"],
        call.region,
        request.get("DurationSeconds"),
        policies_of(request),
        tags_of(request),
        request.get("SourceIdentity"),
        request.get("ExternalId"),
    )
    return _rendered(registry.iam.assuming.assume(call.on, call.caller, request["RoleArn"], wish, call.http))


@operation(on=None, unsigned=True)
def assume_role_with_web_identity(call: Call, request: Shape) -> Shape:
    """Become a role that trusts an identity provider, with a token of that provider's."""
    if "ProviderId" in request:
        raise InvalidIdentityToken("Tokens of OAuth 2.0 providers are not accepted, only those of OpenID Connect")
    seconds, policies = request.get("DurationSeconds"), policies_of(request)
    wish = Wish(request["RoleSessionName"], call.region, seconds, policies)
    assumed, identity = registry.iam.assuming.assume_with_web_identity(
        call.on, request["RoleArn"], request["WebIdentityToken"], wish, call.http
    )
    return {
        **_rendered(assumed),
        "SubjectFromWebIdentityToken": identity.subject,
        "Provider": identity.provider_arn,
        "Audience": identity.audience,
    }


def _rendered(assumed: Assumed) -> Shape:
    return {
        "Credentials": rendered(assumed.credentials),
        "AssumedRoleUser": {"AssumedRoleId": assumed.id, "Arn": assumed.arn},
        "PackedPolicySize": assumed.packed_percent,
        "SourceIdentity": assumed.source_identity,
    }
