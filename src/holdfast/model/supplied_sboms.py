"""An SBOM that somebody else made, read: CycloneDX, SPDX 2 and syft's own form, all as JSON.

Only what has a package URL with a version is taken: without one nobody can say what a name means.
"""

from __future__ import annotations

import re
from enum import StrEnum

import msgspec
from packageurl import PackageURL

from holdfast.model.errors import InvalidParameter
from holdfast.model.packages import OS_TYPES, OperatingSystem, Package, stream

_SYSTEM = re.compile(r"[\w.+:~-]{1,200}", re.ASCII)
MAXIMUM_BYTES = 64 * 1024 * 1024
PACKAGES = 100_000


class Mode(StrEnum):
    """What a supplied document does to what was found."""

    ADD = "ADD"
    REPLACE = "REPLACE"


class Supplied(msgspec.Struct, frozen=True):
    """What a document tells."""

    mode: Mode
    origin: str  # the digest of the document
    packages: tuple[Package, ...]
    os: OperatingSystem | None = None


class _Component(msgspec.Struct):
    purl: str = ""
    components: list[_Component] = []


class _Reference(msgspec.Struct, rename="camel"):
    reference_type: str = ""
    reference_locator: str = ""


class _Package(msgspec.Struct, rename="camel"):
    external_refs: list[_Reference] = []


class _Document(msgspec.Struct, rename="camel"):
    bom_format: str = ""
    spdx_version: str = ""
    components: list[_Component] = []
    packages: list[_Package] = []
    artifacts: list[_Component] = []


def read(data: bytes, mode: Mode, origin: str) -> Supplied:
    """What a document tells, or `InvalidParameter` if it is none or has no package in it."""
    if len(data) > MAXIMUM_BYTES:
        raise InvalidParameter("sbom", f"The document has more than {MAXIMUM_BYTES} bytes")
    try:
        document = msgspec.json.decode(data, type=_Document)
        purls = _purls(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise InvalidParameter("sbom", f"The document is no SBOM in JSON: {fault}") from None
    if len(purls) > PACKAGES:
        raise InvalidParameter("sbom", f"The document tells of more than {PACKAGES} packages")
    systems: dict[OperatingSystem, None] = {}
    found: dict[Package, None] = {}
    for purl in purls:
        package = _package(purl, systems)
        if package is not None and package.is_sane:
            found[package] = None
    if not found:
        raise InvalidParameter("sbom", "The document tells of no package with a package URL and a version")
    return Supplied(mode, origin, tuple(found), next(iter(systems), None))


def _purls(document: _Document) -> list[str]:
    found = [one.purl for one in document.artifacts if one.purl]
    waiting = list(document.components)
    while waiting:
        one = waiting.pop()
        found.append(one.purl)
        waiting += one.components
    found += [
        reference.reference_locator
        for package in document.packages
        for reference in package.external_refs
        if reference.reference_type == "purl"
    ]
    return sorted(set(found))


def _package(text: str, systems: dict[OperatingSystem, None]) -> Package | None:
    try:
        purl = PackageURL.from_string(text)
    except ValueError:
        return None
    if not purl.version or purl.type == "oci":
        return None
    qualifiers = purl.qualifiers if isinstance(purl.qualifiers, dict) else {}
    name, version = purl.name, purl.version
    if purl.type in OS_TYPES:
        source, _, source_version = str(qualifiers.get("upstream", "")).partition("@")
        if purl.type == "rpm":
            source, source_version = "", ""
            epoch = str(qualifiers.get("epoch", "0"))
            version = f"{epoch}:{version}" if epoch != "0" else version
        distro = str(qualifiers.get("distro", ""))
        if purl.namespace and distro.startswith(f"{purl.namespace}-") and _SYSTEM.fullmatch(distro):
            systems[OperatingSystem(purl.namespace, distro.removeprefix(f"{purl.namespace}-"))] = None
        return Package(
            purl.type, name, version, str(qualifiers.get("arch", "")), source if source != name else "",
            source_version if source_version != version else "", module=stream(str(qualifiers.get("rpmmod", ""))),
        )  # fmt: skip
    separator = ":" if purl.type == "maven" else "/"
    return Package(purl.type, f"{purl.namespace}{separator}{name}" if purl.namespace else name, version)
