"""What a package is, what OSV's feeds call it, and its package URL (github.com/package-url/purl-spec)."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec
from packageurl import PackageURL

OS_TYPES = frozenset({"deb", "apk", "rpm"})

# OSV's words for package managers of languages (ossf.github.io/osv-schema, "Defined ecosystems").
LANGUAGES = {
    "pypi": "PyPI",
    "npm": "npm",
    "golang": "Go",
    "maven": "Maven",
    "cargo": "crates.io",
    "gem": "RubyGems",
    "composer": "Packagist",
    "nuget": "NuGet",
}
DEBIAN_RELEASES = {"buster": "10", "bullseye": "11", "bookworm": "12", "trixie": "13", "forky": "14"}
MAJOR, MINOR, WHOLE = re.compile(r"\d+"), re.compile(r"\d+\.\d+"), re.compile(r"\S+")
# ID of os-release: OSV's word for the distribution, and how much of VERSION_ID goes with it.
DISTRIBUTIONS: dict[str, tuple[str, re.Pattern[str] | None]] = {
    "debian": ("Debian:", MAJOR),
    "ubuntu": ("Ubuntu:", MINOR),
    "alpine": ("Alpine:v", MINOR),
    "wolfi": ("Wolfi", None),
    "chainguard": ("Chainguard", None),
    "rocky": ("Rocky Linux:", MAJOR),
    "almalinux": ("AlmaLinux:", MAJOR),
    "rhel": ("Red Hat:", MAJOR),
    "centos": ("CentOS:", MAJOR),
    "ol": ("Oracle Linux:", MAJOR),
    "fedora": ("Fedora:", MAJOR),
    "amzn": ("Amazon Linux:", MAJOR),
    "mariner": ("Azure Linux:", MAJOR),
    "azurelinux": ("Azure Linux:", MAJOR),
    "openEuler": ("openEuler:", WHOLE),
    "photon": ("Photon OS:", MINOR),
}
_RUN = re.compile(r"[-_.]+")
# What others wrote into their images: bounded, and without what no database keeps.
TEXT_CHARACTERS = 1000
MODULE_CHARACTERS = 100
IN_MODULE = ".module"  # in the release of what was built for one
Text = Annotated[str, msgspec.Meta(max_length=TEXT_CHARACTERS, pattern=r"\A[^\0]*\Z")]


class OperatingSystem(msgspec.Struct, frozen=True, array_like=True):
    """What os-release tells (man 5 os-release)."""

    id: Text
    version: Text = ""
    name: Text = ""
    codename: Text = ""

    @property
    def ecosystem(self) -> str | None:
        """OSV's word for its packages, such as `Debian:12`; None if it has none for this system.

        SUSE's advisories are told by module and by source package, which no image tells of its packages.
        """
        word, version = DISTRIBUTIONS.get(self.id, ("", None))
        if not word or version is None:
            return word or None
        found = version.match(self.version or DEBIAN_RELEASES.get(self.codename, ""))
        if found is None:
            return None
        is_long_term = self.id == "ubuntu" and re.fullmatch(r"\d*[02468]\.04", found[0])
        return f"{word}{found[0]}{':LTS' if is_long_term else ''}"


class Package(msgspec.Struct, frozen=True, array_like=True):
    """Something installed, by its package manager's names; the type is that of package URLs."""

    type: Text
    name: Text  # with its namespace: `@scope/name`, `group:artifact`, a Go module's path
    version: Text  # as its manager compares it, epoch and release with it
    architecture: Text = ""
    source_name: Text = ""  # of deb and apk, and only if it is another one
    source_version: Text = ""
    within: Text = ""  # the path inside of the archive that is its evidence
    module: Text = ""  # of rpm: the stream that it was built for, such as nodejs:18

    @property
    def is_sane(self) -> bool:
        """Whether each of its texts is one that is kept."""
        return all(len(text) <= TEXT_CHARACTERS and "\0" not in text for text in msgspec.structs.astuple(self))

    @property
    def stream(self) -> str | None:
        """The stream of a module that it is of, "" if it is of none; None if that is not told."""
        return None if self.type == "rpm" and not self.module and IN_MODULE in self.version else self.module

    def purl(self, os: OperatingSystem | None = None) -> str:
        """Its package URL."""
        namespace, name, version, qualifiers = "", self.name, self.version, dict[str, str]()
        if self.type in OS_TYPES:
            namespace = os.id if os else ""
            if self.type == "rpm" and ":" in version:
                qualifiers["epoch"], _, version = version.partition(":")
            if self.architecture:
                qualifiers["arch"] = self.architecture
            if self.module:
                qualifiers["rpmmod"] = self.module
            if os is not None:
                qualifiers["distro"] = f"{os.id}-{os.version}" if os.version else os.id
            if self.source_name or self.source_version:
                source = self.source_name or self.name
                qualifiers["upstream"] = f"{source}@{self.source_version}" if self.source_version else source
        elif self.type == "maven":
            namespace, _, name = name.rpartition(":")
        else:
            namespace, _, name = name.rpartition("/")
        return str(PackageURL(self.type, namespace or None, name or "unknown", version or None, qualifiers or None))


def stream(label: str) -> str:
    """The name and stream of a module, of a label that goes on with its build, such as `nodejs:18:8070020:bd1311ed`."""
    return ":".join(label.split(":")[:2])


def osv(os: OperatingSystem | None, package: Package) -> tuple[str, str, str]:
    """Ecosystem, name and version under which OSV's feeds know a package.

    Of deb and apk these are the source's, since advisories speak of sources. Where OSV has no word for a system, the
    ecosystem is the type of the package, and no advisory is for that.
    """
    name, version = package.name, package.version
    if package.type in OS_TYPES:
        ecosystem = os.ecosystem if os else None
        if package.type != "rpm":
            name, version = package.source_name or name, package.source_version or version
        return ecosystem or package.type, name, version
    if package.type == "pypi":
        name = _RUN.sub("-", name).lower()
    elif package.type in {"golang", "composer"}:
        version = version.removeprefix("v")
        name = name.lower() if package.type == "composer" else name
    return LANGUAGES.get(package.type, package.type), name, version
