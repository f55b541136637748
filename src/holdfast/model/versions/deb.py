"""Debian's versions (deb-version(7)): `[epoch:]upstream[-revision]`, and `~` is before everything, even the end.

upstream, revision = (other characters, digits)*    END = 02, as after other characters: `~` < END < letters < rest
"""

from __future__ import annotations

import re

from holdfast.model.versions import epochs
from holdfast.model.versions.numbers import number

_PARTS = re.compile(r"([^0-9]*)([0-9]*)", re.ASCII)
_END = b"\x02"
_ORDER = bytes(
    0x01 if chr(one) == "~" else one if chr(one).isalpha() else min(one + 0x80, 0xFF) for one in range(128)
).ljust(256, b"\xff")


def key(version: str) -> bytes | None:
    """The key of a version."""
    return epochs.key(version, _part)


def _part(text: str) -> bytes:
    pairs = _PARTS.findall(text)[:-1] or [("", "")]  # the last match is the empty one at the end
    return b"".join(other.encode().translate(_ORDER) + _END + number(digits) for other, digits in pairs) + _END
