"""The request was right, but it cannot be done now."""

from __future__ import annotations

from holdfast.model.errors.families import Unavailable


class Kms(Unavailable):
    """A key cannot be used."""

    def __init__(self, message: str, kms_error: str) -> None:
        super().__init__(message, kmsError=kms_error)


class StorageFull(Unavailable):
    """There is no room to keep the bytes."""

    def __init__(self) -> None:
        super().__init__("The registry has no space left for this upload. Ask its operator to add storage, then retry.")


class BytesDamaged(Unavailable):
    """Kept bytes that are missing or do not prove themselves; they are never served."""

    def __init__(self, digest: str) -> None:
        super().__init__(f"The stored bytes of '{digest}' are missing or damaged and are not served")
