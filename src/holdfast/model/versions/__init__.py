"""Versions as bytes whose order is that of their ecosystem, so that a database can compare them.

    "1:2.0~rc1-3"  ── deb ──►  01 '1' 02 01 '2' … ──►  low <= sort_key < high, by an index

No key is the beginning of another one, so the key and a zero byte is what comes right after a version.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from holdfast.model.versions import apk, composer, deb, gem, maven, nuget, python, rpm, semver

if TYPE_CHECKING:
    from collections.abc import Callable

VERSION_CHARACTERS = 200  # more is no version
KEY_BYTES = 1000  # what an index of PostgreSQL takes beside a name

_NUMBERS = re.compile(r"v?((?:[0-9]+\.)*)([0-9]+)", re.ASCII)

SCHEMES: dict[str, Callable[[str], bytes | None]] = {
    "AlmaLinux": rpm.key,
    "Alpine": apk.key,
    "Amazon Linux": rpm.key,
    "Azure Linux": rpm.key,
    "CentOS": rpm.key,
    "Chainguard": apk.key,
    "crates.io": semver.key,
    "Debian": deb.key,
    "Fedora": rpm.key,
    "Go": semver.key,
    "Hex": semver.key,
    "Maven": maven.key,
    "MinimOS": apk.key,
    "npm": semver.key,
    "NuGet": nuget.key,
    "openEuler": rpm.key,
    "openSUSE": rpm.key,
    "Oracle Linux": rpm.key,
    "Packagist": composer.key,
    "Photon OS": rpm.key,
    "Pub": semver.key,
    "PyPI": python.key,
    "Red Hat": rpm.key,
    "Rocky Linux": rpm.key,
    "RubyGems": gem.key,
    "SUSE": rpm.key,
    "Ubuntu": deb.key,
    "Wolfi": apk.key,
}


def sort_key(ecosystem: str, version: str) -> bytes | None:
    """The key of a version in an ecosystem such as `Debian:12`; None if it is none there, or nobody knows the order."""
    scheme = SCHEMES.get(ecosystem.partition(":")[0])
    if scheme is None or not 0 < len(version) <= VERSION_CHARACTERS:
        return None
    found = scheme(version)
    return found if found is None or len(found) <= KEY_BYTES else None


def around(ecosystem: str, version: str) -> tuple[bytes, bytes] | None:
    """Keys between which a version is that has no place in the order: those of its numbers and of the next ones."""
    found = _NUMBERS.match(version)
    if found is None or len(found[0]) > VERSION_CHARACTERS:
        return None
    low, high = sort_key(ecosystem, found[0]), sort_key(ecosystem, f"{found[1] or ''}{int(found[2]) + 1}")
    return None if low is None or high is None else (low, high)


def after(key: bytes) -> bytes:
    """The least key that is greater than one, whatever versions there are."""
    return key + b"\0"
