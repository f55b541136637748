"""Names of packages as OSV's ecosystems have them: one spelling each, so that what is meant alike is found alike."""

from __future__ import annotations

import re

ECOSYSTEM_CHARACTERS = 100
NAME_CHARACTERS = 300
_SEPARATORS = re.compile(r"[-_.]+")
_CASELESS = frozenset({"NuGet", "Packagist"})
_MAJOR = re.compile(
    r"(AlmaLinux|CentOS|Debian|Oracle Linux|Red Hat|Rocky Linux):(?:enterprise_linux:)?([0-9]+)(?:[.:].*)?"
)
_UBUNTU = re.compile(r"Ubuntu:([0-9]{2}\.[0-9]{2})(?::LTS)?")
_ALPINE = re.compile(r"Alpine:v?([0-9]+\.[0-9]+)(?:\.[0-9]+)?")


def spelled(ecosystem: str, name: str) -> tuple[str, str]:
    """An ecosystem such as `Debian:12` and the name of a package in it, in the one spelling that they are kept in."""
    if found := _UBUNTU.fullmatch(ecosystem):
        ecosystem = f"Ubuntu:{found[1]}"
    elif found := _ALPINE.fullmatch(ecosystem):
        ecosystem = f"Alpine:v{found[1]}"
    elif found := _MAJOR.fullmatch(ecosystem):
        ecosystem = f"{found[1]}:{found[2]}"
    elif ecosystem == "PyPI":
        name = _SEPARATORS.sub("-", name).lower()  # PEP 503
    elif ecosystem in _CASELESS:
        name = name.lower()
    return clipped(ecosystem, ECOSYSTEM_CHARACTERS), clipped(name, NAME_CHARACTERS)


def clipped(text: str, characters: int) -> str:
    """A text from an image or a feed, as long as an index can take, and without what no database keeps."""
    return text.replace("\0", "\ufffd")[:characters].encode(errors="replace").decode()
