"""Composer's versions: up to four numbers and a stability, `dev < alpha < beta < RC < release < patch`.

A branch, such as `dev-master`, has no place in the order.
"""

from __future__ import annotations

import re

from holdfast.model.versions.numbers import number

_VERSION = re.compile(
    r"v?([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?(?:\.([0-9]+))?"
    r"(?:[._-]?(stable|beta|b|rc|alpha|a|patch|pl|p)((?:[.-]?[0-9]+)*))?([.-]?dev)?(?:\+\S*)?",
    re.ASCII,
)
_STABILITIES = {"alpha": 1, "a": 1, "beta": 2, "b": 2, "rc": 3, "patch": 5, "pl": 5, "p": 5}


def key(version: str) -> bytes | None:
    """The key of a version."""
    found = _VERSION.fullmatch(version.strip().lower())
    if found is None:
        return None
    numbers = b"".join(number(found[place] or "") for place in (1, 2, 3, 4))
    if found[5] in {None, "stable"}:
        return numbers + (b"\x00" if found[7] else b"\x04")
    counts = re.findall(r"[0-9]+", found[6])
    return (
        numbers
        + bytes((_STABILITIES[found[5]],))
        + b"".join(b"\x02" + number(one) for one in counts)
        + (b"\x00" if found[7] else b"\x01")
    )
