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
