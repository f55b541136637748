"""How answers of STS carry credentials, and how requests of STS say what a session is to be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.model.errors import StsAccessDenied
from holdfast.model.iam_session_limits import SessionPolicies, SessionTags, session_tags

if TYPE_CHECKING:
    from holdfast.aws.operations import Shape
    from holdfast.model.iam_sessions import Credentials


def rendered(credentials: Credentials) -> Shape:
    """Credentials as AWS spells them."""
    return {
        "AccessKeyId": credentials.access_key_id,
        "SecretAccessKey": credentials.secret,
        "SessionToken": credentials.session_token,
        "Expiration": credentials.expires_at,
    }


def policies_of(request: Shape) -> SessionPolicies:
    """The policies that are to narrow a session."""
    arns = [item["arn"] for item in request.get("PolicyArns", ()) if "arn" in item]
    return SessionPolicies(request.get("Policy"), arns)


def tags_of(request: Shape) -> SessionTags:
    """The tags that a session is to have."""
    pairs = [(item["Key"], item["Value"]) for item in request.get("Tags", ())]
    return session_tags(pairs, request.get("TransitiveTagKeys", ()))


def refuse_mfa(request: Shape) -> None:
    """Refuse the code of an MFA device: nobody has one here."""
    given = ("SerialNumber" in request, "TokenCode" in request)
    if all(given):
        raise StsAccessDenied(
            "MultiFactorAuthentication failed, unable to validate MFA code.  "
            "Please verify your MFA serial number is valid and associated with this user."
        )
    if any(given):
        raise StsAccessDenied(
            "MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code."
        )
