"""Who made a package: the distribution, whose advisories know what is in it, or somebody else.

Of a package of the distribution the files of languages are its own, since it mends them without a new version. Nobody
tells of those in somebody else's but the feeds of the languages.
"""

from __future__ import annotations

import re

# Who maintains packages of Debian and Ubuntu.
_MAINTAINER = re.compile(
    r"[^@]*@(?:[a-z0-9.-]+\.)?(?:debian\.org|debian\.net|ubuntu\.com|canonical\.com)>?", re.IGNORECASE
)
_ORIGIN = re.compile(r"debian|ubuntu", re.IGNORECASE)
# What distributions write into the vendor of their packages of rpm.
_VENDOR = re.compile(
    r"red hat|centos|fedora project|rocky|almalinux|cloudlinux|oracle america|amazon|suse|microsoft corporation|vmware"
    r"|photon|openeuler|mariner|azl",
    re.IGNORECASE,
)
_EXTRA = re.compile(r"\.el[0-9]+")  # Fedora's packages for others, which those that they are for know nothing of
# Where no package of Debian or Alpine has its files (FHS; Debian policy 9.1).
_LOCAL = ("opt/", "usr/local/", "srv/", "home/", "app/")


def is_debs(fields: dict[str, str]) -> bool:
    """Whether a package of dpkg is of Debian or Ubuntu."""
    if fields.get("Vendor") or not _ORIGIN.match(fields.get("Origin", "debian")):
        return False
    return _MAINTAINER.fullmatch(fields.get("Maintainer", "a@debian.org")) is not None


def is_rpms(vendor: str, release: str) -> bool:
    """Whether a package of rpm is of a distribution."""
    if not vendor:
        return True
    return _VENDOR.search(vendor) is not None and not ("Fedora" in vendor and _EXTRA.search(release))


def is_local(path: str) -> bool:
    """Whether a file lies where distributions put none."""
    return path.startswith(_LOCAL)
