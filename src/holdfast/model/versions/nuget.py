"""NuGet's versions: semantic ones with up to four numbers, whatever the case of the letters."""

from __future__ import annotations

import re

from holdfast.model.versions.numbers import number
from holdfast.model.versions.semver import pre_release

_VERSION = re.compile(
    r"v?([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?(?:\.([0-9]+))?(?:-([0-9a-z.-]+))?(?:\+[0-9a-z.-]*)?", re.ASCII
)


def key(version: str) -> bytes | None:
    """The key of a version."""
    found = _VERSION.fullmatch(version.strip().lower())
    if found is None:
        return None
    return b"".join(number(found[place] or "") for place in (1, 2, 3, 4)) + pre_release(found[5])
