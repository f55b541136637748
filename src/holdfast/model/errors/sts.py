"""What the Security Token Service refuses in words of its own; the texts are those of the real service."""

from __future__ import annotations

from holdfast.model.errors.denied import AccessDenied, UnrecognizedClient
from holdfast.model.errors.families import Denied, Invalid, LimitExceeded, Unavailable


class SessionTokenInvalid(UnrecognizedClient):
    """A session token that is damaged, that nobody was given, or whose role or user is gone."""

    def __init__(self) -> None:
        Denied.__init__(self, "The security token included in the request is invalid")  # AWS leaves out the full stop


class SessionTokenExpired(Denied):
    """A session token past its time; SDKs fetch new credentials when they are told so."""

    def __init__(self) -> None:
        super().__init__("The security token included in the request is expired")


class StsAccessDenied(AccessDenied):
    """A role that cannot be assumed, whether or not it is there; or an operation that such credentials cannot call."""

    def __init__(self, message: str) -> None:
        Denied.__init__(self, message)


class InvalidParameterValue(Invalid):
    """Members of a request that do not go together."""


class PackedPolicyTooLarge(LimitExceeded):
    """More session policies and tags than a session may have."""


class InvalidContextAssertion(Invalid):
    """A context that no provider of this installation asserts."""

    def __init__(self, provider_arn: str) -> None:
        super().__init__(f"The context provider {provider_arn} is not one of this installation")


class InvalidAuthorizationMessage(Invalid):
    """A message that was not encoded by this service."""

    def __init__(self) -> None:
        super().__init__("Message is not valid")


class InvalidIdentityToken(Invalid):
    """A token of an identity provider that is not valid here."""


class ExpiredToken(Denied):
    """A token of an identity provider past its time."""

    def __init__(self, now: int, expires: int) -> None:
        super().__init__(f"Token expired: current date/time {now} must be before the expiration date/time {expires}")


class IDPCommunicationError(Unavailable):
    """An identity provider that cannot be asked for its keys."""

    def __init__(self, host: str) -> None:
        super().__init__(f"The identity provider {host} could not be reached for its keys. Try again later")


class IDPRejectedClaim(Denied):
    """A claim in a token that cannot be followed."""
