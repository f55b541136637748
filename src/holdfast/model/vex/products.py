"""Which package of which image a statement speaks of, by package URLs (github.com/package-url/purl-spec).

A package is known by two: its own, and that of its source. What a statement says that an image does not tell of its
package is taken to be something else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from packageurl import PackageURL

from holdfast.model.packages import OS_TYPES, Package
from holdfast.model.vex.statements import THIS, Product

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from holdfast.model.image_findings import Vulnerable
    from holdfast.model.packages import OperatingSystem
    from holdfast.model.vex.statements import Statement

PURL_CHARACTERS = 1000
_DIGEST = re.compile(r"(?:.*@)?(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})", re.ASCII)
_HASHES = {"sha-256": "sha256", "sha256": "sha256", "sha-512": "sha512", "sha512": "sha512"}
_DISTRIBUTIONS = {"redhat": "rhel", "amazon": "amzn"}  # other words for the ID of os-release
_SOURCE = frozenset({"source", "src"})
_WHERE_FROM = frozenset({"upstream", "repository_url", "repository_id", "download_url", "vcs_url", "checksum",
                         "file_name", "type"})  # fmt: skip
_TOLD_APART = frozenset({"arch", "distro", "epoch"})


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """An image as statements may name it."""

    repository: str
    digests: frozenset[str]  # its own, and those of the indexes that list it


@dataclass(frozen=True, slots=True)
class Held:
    """A package of an image as statements may name it."""

    own: PackageURL | None
    source: PackageURL | None


def named(told: Iterable[object], hashes: object = None) -> tuple[str, str]:
    """The image and the package that names of a component tell: a digest or OCI package URL, and a package URL."""
    image = package = ""
    if isinstance(hashes, dict):
        told = [*told, *(f"{_HASHES[key.lower()]}:{value}".lower() for key, value in hashes.items()
                         if isinstance(key, str) and key.lower() in _HASHES and isinstance(value, str))]  # fmt: skip
    for one in told:
        if not isinstance(one, str) or not one or len(one) > PURL_CHARACTERS or "\0" in one:
            continue
        if one.startswith("pkg:"):
            purl = parsed(one)
            if purl is None:
                continue
            if purl.type != "oci":
                package = package or one
            elif purl.version or not _qualifiers(purl).get("tag"):  # a tag may name another image tomorrow
                version = purl.version or ""
                image = image or (version if _DIGEST.fullmatch(version) else one)
        elif found := _DIGEST.fullmatch(one):
            image = found[1]
    return image, package


def product(whole: tuple[str, str], parts: Sequence[tuple[str, str]] | None) -> Product | None:
    """What a component is, or its parts, if there are any; None if that cannot be told."""
    image, package = whole
    packages = tuple(dict.fromkeys(one for _, one in parts or () if one))
    if image:
        return Product(image, packages) if packages or not parts else None
    # Which packages of an image belong to a package of it is not known.
    return Product("", (package,)) if package and not parts else None


def held(one: Vulnerable, os: OperatingSystem | None) -> Held:
    """How a package of an image is named."""
    if not one.type:
        return Held(None, None)
    own = parsed(Package(one.type, one.name, one.version, one.architecture).purl(os))
    if one.type not in OS_TYPES or one.type == "rpm":
        return Held(own, None)
    source = Package(one.type, one.source or one.name, one.source_version or one.version)
    return Held(own, parsed(source.purl(os)))


def covers(statement: Statement, at: Whereabouts, package: Held) -> bool:
    """Whether a statement speaks of a package of an image."""
    return any(_is_about(one, at, package) for one in statement.products)


def _is_about(one: Product, at: Whereabouts, package: Held) -> bool:
    if one.image and not _is_image(one.image, at):
        return False
    return not one.packages or any(_is_package(said, package) for said in one.packages)


def _is_image(said: str, at: Whereabouts) -> bool:
    if said == THIS:
        return True  # a document that says it counts for that image alone
    if not said.startswith("pkg:"):
        return said in at.digests
    purl = parsed(said)
    if purl is None or purl.version:
        return False
    url = _qualifiers(purl).get("repository_url")
    if url:
        return url.rpartition("://")[2].partition("/")[2].rstrip("/") == at.repository
    return purl.name == at.repository.rpartition("/")[2]


def _is_package(said: str, package: Held) -> bool:
    purl = parsed(said)
    if purl is None:
        return False
    arch = _qualifiers(purl).get("arch")
    if package.own is not None and arch not in _SOURCE and _is_same(purl, package.own):
        return True
    return package.source is not None and (not arch or arch in _SOURCE) and _is_same(purl, package.source)


def _is_same(said: PackageURL, held_: PackageURL) -> bool:
    if _name(said) != _name(held_):
        return False
    if said.version and _version(said) != _version(held_):
        return False
    qualifiers, known = _qualifiers(said), _qualifiers(held_)
    if not qualifiers.keys() <= _TOLD_APART | _WHERE_FROM:
        return False
    arch, distro = qualifiers.get("arch"), qualifiers.get("distro")
    if arch and arch not in _SOURCE and arch != known.get("arch"):
        return False
    is_distro = known.get("distro", "") == distro or known.get("distro", "").startswith(f"{distro}.")
    return not distro or is_distro


def _name(purl: PackageURL) -> tuple[str, str, str]:
    namespace = purl.namespace or ""
    if purl.type in OS_TYPES:
        namespace = _DISTRIBUTIONS.get(namespace, namespace)
    return purl.type, namespace, purl.name


def _version(purl: PackageURL) -> str:
    version = purl.version or ""
    if purl.type == "golang":
        return version.removeprefix("v")
    if purl.type == "rpm":
        epoch = _qualifiers(purl).get("epoch")
        return version if ":" in version else f"{epoch or 0}:{version}"
    return version


def _qualifiers(purl: PackageURL) -> dict[str, str]:
    return purl.qualifiers if isinstance(purl.qualifiers, dict) else {}


@lru_cache(maxsize=8192)
def parsed(text: str) -> PackageURL | None:
    """A package URL, if a text is one."""
    try:
        return PackageURL.from_string(text)
    except ValueError:
        return None
