"""A quota or a size is exhausted."""

from __future__ import annotations

from holdfast.model.errors.families import LimitExceeded


class TooManyTags(LimitExceeded):
    """More resource tags than a repository may carry."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"The resource cannot have more than {limit} tags")


class ManifestTooLarge(LimitExceeded):
    """A manifest over the size that this registry keeps."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"The manifest is larger than {limit} bytes")


class RequestTooLarge(LimitExceeded):
    """A request with more bytes than any operation takes."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"The request is larger than {limit} bytes")


class LayerTooLarge(LimitExceeded):
    """A layer over the size that this registry keeps."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"The layer is larger than {limit} bytes")


class Throttling(LimitExceeded):
    """More calls than the operator lets through in a while."""

    def __init__(self) -> None:
        super().__init__("Rate exceeded")


class UpstreamTooManyRequests(LimitExceeded):
    """An upstream wants to be asked less often."""

    code_of_failure = "UpstreamTooManyRequests"

    def __init__(self, upstream_url: str, reason: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(f"The upstream registry {upstream_url} takes no more requests for now: {reason}")
        self.retry_after_seconds = retry_after_seconds
