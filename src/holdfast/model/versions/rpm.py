"""RPM's versions (rpm-version(7)): `[epoch:]version[-release]`, of runs of digits and of letters.

~ 01  <  END 02  <  ^ 03  <  letters 04  <  digits 05
"""

from __future__ import annotations

import re

from holdfast.model.versions import epochs
from holdfast.model.versions.numbers import number

_SEGMENTS = re.compile(r"([0-9]+)|([A-Za-z]+)|(~)|\^", re.ASCII)


def key(version: str) -> bytes | None:
    """The key of a version; one without a release is before all that have one."""
    return epochs.key(version, _part)


def _part(text: str) -> bytes:
    key = b""
    for digits, letters, tilde in _SEGMENTS.findall(text):
        if digits:
            key += b"\x05" + number(digits)
        elif letters:
            key += b"\x04" + letters.encode() + b"\0"
        else:
            key += b"\x01" if tilde else b"\x03"
    return key + b"\x02"
