"""RubyGems' versions (Gem::Version): numbers and words, where a word is less than any number, and the end is zero.

word 01  <  zeros and then a word 02  <  END 03  <  number 04
"""

from __future__ import annotations

import re

from holdfast.model.versions.numbers import number

_VERSION = re.compile(r"[0-9]+(?:\.[0-9A-Za-z]+)*(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?", re.ASCII)
_SEGMENT = re.compile(r"[0-9]+|[A-Za-z]+", re.ASCII)


def key(version: str) -> bytes | None:
    """The key of a version."""
    text = version.strip()
    if not _VERSION.fullmatch(text):
        return None
    segments = _SEGMENT.findall(text.replace("-", ".pre."))
    key, zeros, seen_word = b"", 0, False
    for segment in segments:
        if not segment.strip("0"):
            zeros += 1
        elif segment.isdecimal():
            key += b"\x04\x00" * zeros + b"\x04" + number(segment)
            zeros = 0
        else:
            # Zeros before the first word say nothing: 1.0.a is 1.a.
            key += b"\x02" + bytes((zeros,)) if zeros and seen_word else b""
            key += b"\x01" + segment.encode() + b"\0"
            zeros, seen_word = 0, True
    return key + b"\x03"
