"""Sources of advisories: their names, where they are fetched from, and on which terms.

Nothing is shipped with the program, and nothing is fetched that the operator did not ask for.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

OSV = "https://osv-vulnerabilities.storage.googleapis.com"
_CC_BY = "CC-BY 4.0"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a feed comes from, and on which terms."""

    name: str  # such as debian, alpine/v3.19/main or osv/npm
    url: str  # none: the operator has to say it
    suffix: str  # of the file
    licence: str
    attribution: str


_OSV = {  # the ecosystem as osv.dev spells it, and the terms of whoever wrote the advisories
    "AlmaLinux": ("MIT", "AlmaLinux OS Foundation"),
    "Alpine": ("not stated", "Alpine Linux, through osv.dev"),
    "Chainguard": ("not stated", "Chainguard"),
    "Debian": ("not stated", "Debian security tracker, through osv.dev"),
    "MinimOS": ("not stated", "Minimus"),
    "Red Hat": (_CC_BY, "Red Hat"),
    "Rocky Linux": ("BSD", "Rocky Enterprise Software Foundation"),
    "SUSE": (_CC_BY, "SUSE"),
    "Ubuntu": ("CC-BY-SA 4.0", "Canonical"),
    "Wolfi": ("not stated", "Wolfi"),
    "openEuler": ("not stated", "openEuler"),
    "openSUSE": (_CC_BY, "SUSE"),
    "Go": (_CC_BY, "Go vulnerability database, GitHub Advisory Database"),
    "Maven": (_CC_BY, "GitHub Advisory Database"),
    "NuGet": (_CC_BY, "GitHub Advisory Database"),
    "Packagist": (_CC_BY, "GitHub Advisory Database"),
    "PyPI": (_CC_BY, "GitHub Advisory Database, PyPA advisory database"),
    "RubyGems": (_CC_BY, "GitHub Advisory Database"),
    "crates.io": (_CC_BY, "RustSec advisory database (CC0), GitHub Advisory Database"),
    "npm": (_CC_BY, "GitHub Advisory Database, OpenSSF malicious packages (Apache-2.0)"),
}
_ALPINE = re.compile(r"alpine/(v[0-9]{1,2}\.[0-9]{1,2})/(main|community)", re.ASCII)
_AMAZON = re.compile(r"amazon/(2|2023)/([a-z0-9][a-z0-9._-]{0,60})", re.ASCII)
_NVD = re.compile(r"nvd/([0-9]{4}|recent|modified)", re.ASCII)
_DEBIAN = Source(
    "debian", "https://security-tracker.debian.org/tracker/data/json", "json", "not stated", "Debian security tracker"
)
_REDHAT = Source("redhat", "", "tar", _CC_BY, "Red Hat")
_KEV = Source(
    "kev",
    "https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json",
    "json",
    "CC0 1.0",
    "CISA",
)
_EPSS = Source(
    "epss",
    "https://epss.empiricalsecurity.com/epss_scores-current.csv.gz",
    "csv.gz",
    "free with attribution",
    "FIRST.org, Exploit Prediction Scoring System (https://www.first.org/epss)",
)
_NAMED = {one.name: one for one in (_DEBIAN, _REDHAT, _KEV, _EPSS)}


def find(name: str) -> Source | None:
    """The source of a name such as `debian`, `alpine/v3.19/main`, `osv/npm`, `amazon/2023/core` or `kev`."""
    if name in _NAMED:
        return _NAMED[name]
    kind, _, rest = name.partition("/")
    if kind == "osv" and rest in _OSV:
        licence, attribution = _OSV[rest]
        return Source(name, f"{OSV}/{rest.replace(' ', '%20')}/all.zip", "zip", licence, attribution)
    if found := _ALPINE.fullmatch(name):
        at = f"https://secdb.alpinelinux.org/{found[1]}/{found[2]}.json"
        return Source(name, at, "json", "not stated", "Alpine Linux security database")
    if _AMAZON.fullmatch(name):
        return Source(name, "", "xml.gz", "not stated", "Amazon Linux Security Center")
    if found := _NVD.fullmatch(name):
        at = f"https://nvd.nist.gov/feeds/json/cve/2.0/nvdcve-2.0-{found[1]}.json.gz"
        return Source(name, at, "json.gz", "public domain", "NIST National Vulnerability Database")
    return None


def shown() -> str:
    """What sources there are, for a message."""
    return (
        "debian, alpine/vN.N/main or /community, redhat, amazon/2/REPOSITORY or amazon/2023/REPOSITORY, kev, epss, "
        f"nvd/YEAR and osv/ with one of {', '.join(_OSV)}"
    )
