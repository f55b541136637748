"""Maven's versions (Maven's "Version Order Specification"): parts between dots, hyphens and digits and letters.

alpha beta milestone rc snapshot 01-05  <  END 06  <  sp 07  <  word 08  <  -N 09  <  .N 0A
"""

from __future__ import annotations

import re

from holdfast.model.versions.numbers import number

_PARTS = re.compile(r"([.-]?)([0-9]+|[^0-9.-]+|)")
_BEFORE = {"alpha": 1, "beta": 2, "milestone": 3, "rc": 4, "cr": 4, "snapshot": 5}
_SHORT = {"a": "alpha", "b": "beta", "m": "milestone"}  # when a number follows at once
_NOTHING = {"", "final", "ga", "release"}


def key(version: str) -> bytes | None:
    """The key of a version; any text is one, as long as it is printable."""
    text = version.strip().lower()
    if not text.isascii() or not text.isprintable() or " " in text or not text:
        return None
    key = b""
    for hyphen, part in _trimmed(_split(text)):
        if part.isdecimal():
            key += (b"\x09" if hyphen else b"\x0a") + number(part)
        elif part in _BEFORE:
            key += bytes((_BEFORE[part],))
        else:
            key += b"\x07" if part == "sp" else b"\x08" + part.encode() + b"\0"
    return key + b"\x06"


def _split(text: str) -> list[tuple[bool, str]]:
    """The parts, each with whether it stands behind a hyphen."""
    parts: list[tuple[bool, str]] = []
    found = [(separator, part) for separator, part in _PARTS.findall(text) if separator or part]
    for place, (separator, part) in enumerate(found):
        is_short = part in _SHORT and place + 1 < len(found) and not found[place + 1][0]
        # Digits that follow letters, and letters that follow digits, do so as behind a hyphen.
        is_behind = separator == "-" or (not separator and place > 0)
        parts.append((is_behind, _SHORT[part] if is_short else part or "0"))
    return parts


def _trimmed(parts: list[tuple[bool, str]]) -> list[tuple[bool, str]]:
    """Without what says nothing before a hyphen or a word, and at the end."""
    kept: list[tuple[bool, str]] = []
    may_trim = True
    for hyphen, part in reversed(parts):
        if may_trim and (part in _NOTHING or not part.strip("0")):
            may_trim = True
            continue
        kept.append((hyphen, part))
        may_trim = hyphen or not part.isdecimal()
    return kept[::-1]
