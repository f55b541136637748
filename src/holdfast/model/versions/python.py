"""Python's versions (PEP 440): `[N!]N(.N)*[{a|b|rc}N][.postN][.devN][+local]`.

a version of development only 00  <  a b rc 01 02 03  <  a release 04
"""

from __future__ import annotations

import re

from holdfast.model.versions.numbers import number

_VERSION = re.compile(  # appendix B of the PEP
    r"v?(?:(?P<epoch>[0-9]+)!)?(?P<release>[0-9]+(?:\.[0-9]+)*)"
    r"(?:[-_.]?(?P<pre>a|b|c|rc|alpha|beta|pre|preview)[-_.]?(?P<pre_number>[0-9]*))?"
    r"(?P<post>-(?P<post_number>[0-9]+)|[-_.]?(?:post|rev|r)[-_.]?(?P<post_other>[0-9]*))?"
    r"(?P<dev>[-_.]?dev[-_.]?(?P<dev_number>[0-9]*))?"
    r"(?:\+(?P<local>[a-z0-9]+(?:[-_.][a-z0-9]+)*))?",
    re.ASCII,
)
_PHASES = {"a": 1, "alpha": 1, "b": 2, "beta": 2, "c": 3, "rc": 3, "pre": 3, "preview": 3}


def key(version: str) -> bytes | None:
    """The key of a version."""
    found = _VERSION.fullmatch(version.strip().lower())
    if found is None:
        return None
    numbers = found["release"].split(".")
    while len(numbers) > 1 and not numbers[-1].strip("0"):
        numbers.pop()
    key = number(found["epoch"] or "") + b"".join(b"\x02" + number(one) for one in numbers) + b"\x01"
    if found["pre"]:
        key += bytes((_PHASES[found["pre"]],)) + number(found["pre_number"])
    else:
        key += b"\x00" if found["dev"] and not found["post"] else b"\x04"
    key += b"\x01" + number(found["post_number"] or found["post_other"] or "") if found["post"] else b"\x00"
    key += b"\x00" + number(found["dev_number"]) if found["dev"] else b"\x01"
    return key + _local(found["local"])


def _local(text: str | None) -> bytes:
    if text is None:
        return b"\x00"
    parts = re.split(r"[-_.]", text)
    return (
        b"\x01"
        + b"".join(b"\x02" + number(p) if p.isdecimal() else b"\x01" + p.encode() + b"\0" for p in parts)
        + b"\0"
    )
