"""Which system an image is (man 5 os-release)."""

from __future__ import annotations

import re

from holdfast.model.inventory import Evidence
from holdfast.model.packages import OperatingSystem

_LINE = re.compile(r"^([A-Z_]+)=[\"']?([^\"'\n]*)[\"']?[ \t]*$", re.MULTILINE)


def os_release(data: bytes) -> Evidence:
    """Its id, version, name and codename; nothing if it has no id."""
    found = dict(_LINE.findall(data.decode(errors="backslashreplace")))
    if not found.get("ID"):
        return Evidence()
    told = (found.get(key, "")[:200] for key in ("VERSION_ID", "PRETTY_NAME", "VERSION_CODENAME"))
    return Evidence(os=OperatingSystem(found["ID"][:200], *told))
