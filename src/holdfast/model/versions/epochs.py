"""What Debian's and rpm's versions have in common: `[epoch:]version[-release]`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from holdfast.model.versions.numbers import number

if TYPE_CHECKING:
    from collections.abc import Callable

_VERSION = re.compile(r"(?:([0-9]+):)?([!-~]+?)(?:-([^-]*))?", re.ASCII)


def key(version: str, part: Callable[[str], bytes]) -> bytes | None:
    """The key of a version whose version and release have keys of their own; one without a release has an empty one."""
    found = _VERSION.fullmatch(version.strip())
    if found is None:
        return None
    return number(found[1] or "") + part(found[2]) + part(found[3] or "")
