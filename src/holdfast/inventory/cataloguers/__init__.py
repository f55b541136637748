"""Which file tells of packages, and who reads it; one row a kind.

A fault in a database of an operating system makes the layer's inventory a failure: the list would be half a list. A
language's file that makes no sense is left out and noted.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from holdfast.inventory.cataloguers import apk, dpkg, java, languages, os_release, programs, rpm
from holdfast.inventory.limits import Limits
from holdfast.model.inventory import Evidence

Read = Callable[[bytes, str, Limits], Evidence]


class Cataloguer(NamedTuple):
    """Who reads a kind of file, how large one may be, and whether the list is no list without it."""

    read: Read
    limit: str = "manifest_bytes"
    is_database: bool = False


def _plain(
    read: Callable[[bytes], Evidence], *, limit: str = "manifest_bytes", is_database: bool = False
) -> Cataloguer:
    return Cataloguer(lambda data, _path, _limits: read(data), limit, is_database)


_FILE_LIST = _plain(dpkg.file_list, is_database=True)
_CHECKSUMS = _plain(dpkg.checksums, is_database=True)
_STATUS = _plain(dpkg.status, is_database=True)
_PYTHON = _plain(languages.python)
_NPM = _plain(languages.npm)
_GEM = _plain(languages.gem)
_NUGET = _plain(languages.nuget)
_JAVA = Cataloguer(java.java, limit="database_bytes")
PROGRAM = _plain(programs.program, limit="program_bytes")

_PATHS = {
    "etc/os-release": _plain(os_release.os_release),
    "usr/lib/os-release": _plain(os_release.os_release),
    "var/lib/dpkg/status": _STATUS,
    "lib/apk/db/installed": _plain(apk.installed, is_database=True),
    "usr/lib/apk/db/installed": _plain(apk.installed, is_database=True),
}
for _folder in ("var/lib/rpm", "usr/lib/sysimage/rpm", "usr/share/rpm"):
    _PATHS[f"{_folder}/rpmdb.sqlite"] = _plain(rpm.sqlite, limit="database_bytes", is_database=True)
    _PATHS[f"{_folder}/Packages.db"] = _plain(rpm.ndb, limit="database_bytes", is_database=True)
    _PATHS[f"{_folder}/Packages"] = _plain(rpm.berkeley, limit="database_bytes", is_database=True)

# By what a path ends with: the rows of one extension, the first that matches.
_ENDS: dict[str, tuple[tuple[re.Pattern[str], Cataloguer], ...]] = {
    "list": ((re.compile(r"var/lib/dpkg/info/[^/]+"), _FILE_LIST),),
    "METADATA": ((re.compile(r".*\.dist-info/METADATA"), _PYTHON),),
    "PKG-INFO": ((re.compile(r".*(?:\.egg-info|EGG-INFO)/PKG-INFO"), _PYTHON),),
    "egg-info": ((re.compile(r".*\.egg-info"), _PYTHON),),
    "json": (
        (re.compile(r"(?:.*/)?node_modules/(?:@[^/]+/)?[^/@][^/]*/package\.json"), _NPM),
        (re.compile(r"(?:.*/)?composer/installed\.json"), _plain(languages.composer)),
        (re.compile(r".*\.deps\.json"), _NUGET),
    ),
    "gemspec": ((re.compile(r"(?:.*/)?specifications/(?:default/)?[^/]+"), _GEM),),
    **{ending.strip("."): ((re.compile(r".*\.[jwe]ar", re.DOTALL), _JAVA),) for ending in java.ARCHIVES},
}
_DISTROLESS = "var/lib/dpkg/status.d/"


def of_path(path: str) -> Cataloguer | None:
    """Who reads a file of this path, if it tells of packages."""
    found = _PATHS.get(path)
    if found is not None:
        return found
    if path.startswith(_DISTROLESS):
        return _CHECKSUMS if path.endswith(".md5sums") else _STATUS
    base = path.rpartition("/")[2]
    for pattern, cataloguer in _ENDS.get(base.rpartition(".")[2], ()):
        if pattern.fullmatch(path):
            return cataloguer
    return None
