"""An inventory as a document: CycloneDX 1.6 (ECMA-424) and SPDX 2.3, both as JSON.

The same image gives the same bytes, so that attaching its document twice is attaching it once.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec
from packageurl import PackageURL

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.model.inventory import Installed, Inventory

NAMESPACE = uuid.UUID("b5bd5a6e-6d5e-4f5f-9d0c-1f5a6b4c8d2e")  # of our documents' serial numbers, made once


class Format(StrEnum):
    """The forms of a document."""

    CYCLONEDX = "cyclonedx"
    SPDX = "spdx"

    @property
    def media_type(self) -> str:
        """As IANA knows it."""
        return "application/vnd.cyclonedx+json" if self is Format.CYCLONEDX else "application/spdx+json"


@dataclass(frozen=True, slots=True)
class Subject:
    """The image that a document is about, its layers, and when its inventory was taken by which program."""

    repository_name: str
    digest: str
    layers: tuple[str, ...]
    taken_at: datetime
    program: str  # the version of Holdfast

    @property
    def purl(self) -> str:
        """Its package URL."""
        return str(PackageURL("oci", None, self.repository_name.rpartition("/")[2], self.digest))

    @property
    def serial(self) -> uuid.UUID:
        """A number that no other image has."""
        return uuid.uuid5(NAMESPACE, f"{self.repository_name}@{self.digest}")


def render(form: Format, subject: Subject, found: Inventory) -> bytes:
    """The document of an image."""
    document = _cyclonedx(subject, found) if form is Format.CYCLONEDX else _spdx(subject, found)
    return msgspec.json.encode(document)


def _instant(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%SZ}"


def _where(subject: Subject, one: Installed) -> tuple[str, str]:
    """The path and the layer of a package."""
    return one.file_path, subject.layers[one.layer] if one.layer < len(subject.layers) else subject.digest


# ---- CycloneDX


def _cyclonedx(subject: Subject, found: Inventory) -> dict[str, Any]:
    components = [_component(subject, found, number, one) for number, one in enumerate(found.packages, 1)]
    if found.os is not None:
        version = {"version": found.os.version} if found.os.version else {}
        components.append({"bom-ref": "os", "type": "operating-system", "name": found.os.id, **version})
    image = {"bom-ref": "image", "type": "container", "name": subject.repository_name, "version": subject.digest}
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{subject.serial}",
        "version": 1,
        "metadata": {
            "timestamp": _instant(subject.taken_at),
            "tools": {"components": [{"type": "application", "name": "holdfast", "version": subject.program}]},
            "component": {**image, "purl": subject.purl},
        },
        "components": components,
    }


def _component(subject: Subject, found: Inventory, number: int, one: Installed) -> dict[str, Any]:
    path, layer = _where(subject, one)
    return {
        "bom-ref": f"package-{number}",
        "type": "library",
        "name": one.package.name,
        "version": one.package.version,
        "purl": one.package.purl(found.os),
        "properties": [{"name": "holdfast:path", "value": path}, {"name": "holdfast:layer", "value": layer}],
    }


# ---- SPDX


def _spdx(subject: Subject, found: Inventory) -> dict[str, Any]:
    packages = [_package(subject, found, number, one) for number, one in enumerate(found.packages, 1)]
    image = _unknown("SPDXRef-Image", subject.repository_name, subject.digest, subject.purl, "CONTAINER")
    if found.os is not None:
        packages.append(_unknown("SPDXRef-System", found.os.id, found.os.version, None, "OPERATING-SYSTEM"))
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"{subject.repository_name}@{subject.digest}",
        "documentNamespace": f"https://holdfast.invalid/spdx/{subject.serial}",
        "creationInfo": {"created": _instant(subject.taken_at), "creators": [f"Tool: holdfast-{subject.program}"]},
        "packages": [image, *packages],
        "relationships": [
            _relation("SPDXRef-DOCUMENT", "DESCRIBES", "SPDXRef-Image"),
            *(_relation("SPDXRef-Image", "CONTAINS", package["SPDXID"]) for package in packages),
        ],
    }


def _package(subject: Subject, found: Inventory, number: int, one: Installed) -> dict[str, Any]:
    path, layer = _where(subject, one)
    package = one.package
    told = _unknown(f"SPDXRef-Package-{number}", package.name, package.version, package.purl(found.os), "LIBRARY")
    return {**told, "sourceInfo": f"found in /{path} of the layer {layer}"}


def _unknown(id_: str, name: str, version: str, purl: str | None, purpose: str) -> dict[str, Any]:
    """A package of which nobody said where it is from and what its licence is."""
    references = {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}
    return {
        "SPDXID": id_,
        "name": name,
        **({"versionInfo": version} if version else {}),
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": "NOASSERTION",
        "copyrightText": "NOASSERTION",
        "primaryPackagePurpose": purpose,
        **({"externalRefs": [references]} if purl else {}),
    }


def _relation(from_: str, kind: str, to: str) -> dict[str, str]:
    return {"spdxElementId": from_, "relationshipType": kind, "relatedSpdxElement": to}
