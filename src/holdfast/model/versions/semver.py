"""Semantic versions (semver.org 2.0), as npm, Go and crates.io have them; build metadata has no order.

numbers  ── pre-release: digits 01 < other 02, and 00 ends them ── 03 if it is a release
"""

from __future__ import annotations

import re

from holdfast.model.versions.numbers import number

_VERSION = re.compile(
    r"[v=\s]*([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?(?:-?((?<=-)[0-9A-Za-z.-]+|[A-Za-z][0-9A-Za-z.-]*))?(?:\+[0-9A-Za-z.+-]*)?",
    re.ASCII,
)


def key(version: str) -> bytes | None:
    """The key of a version; numbers may be missing at its end, and the hyphen before letters, as npm lets them."""
    found = _VERSION.fullmatch(version.strip())
    if found is None:
        return None
    return b"".join(number(found[place] or "") for place in (1, 2, 3)) + pre_release(found[4])


def pre_release(text: str | None) -> bytes:
    """The key of what stands behind the hyphen."""
    if not text:
        return b"\x03"
    parts = text.split(".")
    return (
        b"".join(b"\x01" + number(one) if one.isdecimal() else b"\x02" + one.encode() + b"\0" for one in parts) + b"\0"
    )
