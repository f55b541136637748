"""Alpine's packages: the database of apk (wiki.alpinelinux.org, "Apk spec")."""

from __future__ import annotations

from holdfast.inventory.cataloguers import makers
from holdfast.inventory.limits import Malformed
from holdfast.model.inventory import Evidence
from holdfast.model.packages import Package


def installed(data: bytes) -> Evidence:
    """Every package with the files that it owns, a field a line, a blank line after each package."""
    packages, owned = [], []
    for paragraph in data.decode(errors="backslashreplace").split("\n\n"):
        fields, folder = dict[str, str](), ""
        for line in paragraph.splitlines():
            key, _, value = line.partition(":")
            if key == "F":
                folder = value
            elif key == "R":
                path = f"{folder}/{value}" if folder else value
                if not makers.is_local(path):
                    owned.append(path)
            else:
                fields.setdefault(key, value)
        if not fields and not paragraph.strip():
            continue
        name, version, origin = fields.get("P"), fields.get("V"), fields.get("o", "")
        if not name or not version:
            raise Malformed("an entry names no package, or no version of it")
        packages.append(Package("apk", name, version, fields.get("A", ""), origin if origin != name else ""))
    return Evidence(tuple(dict.fromkeys(packages)), tuple(owned))
