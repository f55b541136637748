"""Debian's packages: the status file of dpkg, and distroless images' folder of the same (deb822, deb-split)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from holdfast.inventory.cataloguers import makers
from holdfast.inventory.limits import Malformed
from holdfast.model.inventory import Evidence
from holdfast.model.packages import Package

if TYPE_CHECKING:
    from collections.abc import Iterable

_FIELD = re.compile(
    r"^(Package|Status|Version|Architecture|Source|Maintainer|Origin|Vendor):[ \t]*(.*?)[ \t]*$", re.MULTILINE
)
_SOURCE = re.compile(r"([^ ]+)(?: \(([^)]*)\))?")
_PARAGRAPH = re.compile(r"\n[ \t]*\n")
GONE = {"not-installed", "config-files"}


def status(data: bytes) -> Evidence:
    """Every package that has files here, from its paragraph."""
    packages, strangers = [], []
    for paragraph in _PARAGRAPH.split(data.decode(errors="backslashreplace").replace("\r\n", "\n")):
        fields = dict(_FIELD.findall(paragraph))
        if not paragraph.strip() or fields.get("Status", "").rpartition(" ")[2] in GONE:
            continue
        name, version = fields.get("Package"), fields.get("Version")
        if not name or not version:
            raise Malformed("a paragraph names no package, or no version of it")
        if not makers.is_debs(fields):
            strangers.append(name)
        source = _SOURCE.fullmatch(fields.get("Source", ""))
        source_name, source_version = (source[1], source[2] or "") if source else ("", "")
        packages.append(
            Package(
                "deb", name, version, fields.get("Architecture", ""),
                source_name if source_name != name else "", source_version if source_version != version else "",
            )
        )  # fmt: skip
    return Evidence(tuple(dict.fromkeys(packages)), strangers=tuple(dict.fromkeys(strangers)))


def file_list(data: bytes) -> Evidence:
    """The paths of one package, one a line."""
    return _owned(line.strip("/") for line in data.decode(errors="backslashreplace").splitlines())


def checksums(data: bytes) -> Evidence:
    """The paths of one package of a distroless image, each after its checksum."""
    lines = data.decode(errors="backslashreplace").splitlines()
    return _owned(line.partition("  ")[2].removeprefix("./").strip("/") for line in lines)


def _owned(paths: Iterable[str]) -> Evidence:
    return Evidence(owned=tuple(path for path in paths if not makers.is_local(path)))
