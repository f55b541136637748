"""Alpine's versions (apk-package(5)): `digits{.digits}[letter]{_suffix[digits]}[~hash][-rN]`.

_alpha … _rc 01  <  END 02  <  -r 03  <  ~ 04  <  digits of a suffix 05  <  _cvs … _p 06  <  letter 07  <  . 08
"""

from __future__ import annotations

import re

from holdfast.model.versions.numbers import number

_BEFORE = ("alpha", "beta", "pre", "rc")
_AFTER = ("cvs", "svn", "git", "hg", "p")
_VERSION = re.compile(
    r"([0-9]+)((?:\.[0-9]+)*)([a-z]?)((?:_(?:alpha|beta|pre|rc|cvs|svn|git|hg|p)[0-9]*)*)(?:~([0-9a-f]+))?(?:-r([0-9]+))?",
    re.ASCII,
)
_SUFFIX = re.compile(r"_([a-z]+)([0-9]*)")


def key(version: str) -> bytes | None:
    """The key of a version."""
    found = _VERSION.fullmatch(version.strip())
    if found is None:
        return None
    first, others, letter, suffixes, commit, revision = found.groups()
    key = number(first) + b"".join(b"\x08" + _fraction(one) for one in others.split(".")[1:])
    if letter:
        key += b"\x07" + letter.encode()
    for name, digits in _SUFFIX.findall(suffixes):
        key += bytes((1, _BEFORE.index(name)) if name in _BEFORE else (6, _AFTER.index(name)))
        if digits:
            key += b"\x05" + number(digits)
    if commit:
        key += b"\x04" + commit.encode() + b"\0"
    if revision:
        key += b"\x03" + number(revision)
    return key + b"\x02"


def _fraction(digits: str) -> bytes:
    """Digits after a dot: with zeros in front they are a fraction, and the more zeros, the less."""
    rest = digits.lstrip("0")
    zeros = len(digits) - len(rest)
    return b"\x01" + bytes((0xFF - zeros,)) + number(rest) if zeros else b"\x02" + number(rest)
