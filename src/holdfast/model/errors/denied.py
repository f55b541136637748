"""The caller may not do this."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.model.errors.families import Denied

if TYPE_CHECKING:
    from holdfast.model.iam import Decision


class AccessDenied(Denied):
    """The policies that apply do not allow the action."""

    decision: Decision | None = None  # what may be told to the account of who was refused

    def __init__(
        self, principal_arn: str, action: str, resource_arn: str, reason: str, decision: Decision | None = None
    ) -> None:
        self.decision = decision
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


class UpstreamAccessDenied(Denied):
    """An upstream does not take the credentials of its rule, or wants some."""

    code_of_failure = "UpstreamAccessDenied"

    def __init__(self, upstream_url: str, reason: str) -> None:
        super().__init__(
            "The authentication to the upstream registry failed. Verify that the credentials of the pull through cache "
            f"rule for {upstream_url} are right and may pull: {reason}"
        )
