"""The refusal itself, and the six families."""

from __future__ import annotations


class Refusal(Exception):
    """Something a caller asked for that will not be done, and why."""

    def __init__(self, message: str, **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.details = details

    @property
    def code(self) -> str:
        """The AWS error code, such as `RepositoryNotFoundException`."""
        return f"{type(self).__name__}Exception"


class Invalid(Refusal):
    """The request cannot be right, whatever is stored."""


class NotFound(Refusal):
    """The request names something that is not there."""


class AlreadyExists(Refusal):
    """The request would make something that is there already."""


class Denied(Refusal):
    """The caller may not do this."""


class LimitExceeded(Refusal):
    """A quota or a size is exhausted."""


class Unavailable(Refusal):
    """The request was right, but it cannot be done now."""
