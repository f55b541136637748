"""What the process that reads a layer answers."""

from __future__ import annotations

import msgspec

READER = 4  # counted up when a layer would be read otherwise than before, so that it is read again


class Reply(msgspec.Struct, frozen=True):
    """A packed record, or why there is none."""

    record: bytes = b""
    refusal: str = ""
