"""The caller may not do this."""

from __future__ import annotations

from holdfast.model.errors.families import Denied


class AccessDenied(Denied):
    """The policies that apply do not allow the action."""

    def __init__(self, principal_arn: str, action: str, resource_arn: str, reason: str) -> None:
        super().__init__(
            f"User: {principal_arn} is not authorized to perform: {action} on resource: {resource_arn} {reason}"
        )


class Unauthenticated(Denied):
    """No credentials, or credentials that nobody was given."""

    def __init__(self) -> None:
        super().__init__("Not Authorized")


class TokenExpired(Denied):
    """A login token past its time."""

    def __init__(self) -> None:
        super().__init__("Your authorization token has expired. Reauthenticate and try again.")


class UnrecognizedClient(Denied):
    """An access key that is unknown or inactive."""

    def __init__(self) -> None:
        super().__init__("The security token included in the request is invalid.")
