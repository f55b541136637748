"""What the process that reads a layer answers."""

from __future__ import annotations

import msgspec


class Reply(msgspec.Struct, frozen=True):
    """A packed record, or why there is none."""

    record: bytes = b""
    refusal: str = ""
