"""A few advisories in the forms of their feeds, and their import.

What they say is cut from the Debian security tracker (as osv.dev exports it, February 2025) and from the GitHub
Advisory Database (CC-BY 4.0, https://github.com/github/advisory-database); descriptions are shortened.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from holdfast import settings
from holdfast.boot import opening
from tests.advisories import given
from tests.advisories.given import AS_OF, archive

if TYPE_CHECKING:
    from holdfast.registry import Backends
    from tests.conftest import Product

__all__ = ["AS_OF", "LODASH", "OPENSSL", "archive", "debian", "kev", "load", "load_into"]

LODASH = {
    "schema_version": "1.4.0",
    "id": "GHSA-jf85-cpcp-j695",
    "modified": "2024-04-22T19:49:41Z",
    "published": "2019-07-10T19:45:23Z",
    "aliases": ["CVE-2019-10744"],
    "summary": "Prototype Pollution in lodash",
    "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:H/A:H"}],
    "details": "Versions of `lodash` before 4.17.12 are vulnerable to Prototype Pollution.",
    "affected": [
        {
            "package": {"ecosystem": "npm", "name": "lodash"},
            "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "4.17.12"}]}],
        }
    ],
    "database_specific": {"severity": "CRITICAL"},
    "references": [{"type": "ADVISORY", "url": "https://nvd.nist.gov/vuln/detail/CVE-2019-10744"}],
}


def debian(**issues: tuple[str, str | None] | tuple[str, str | None, str]) -> bytes:
    """The tracker's document about bookworm: `CVE_2024_0727=("openssl", fixed or None, "urgency")`."""
    document: dict[str, dict[str, Any]] = {}
    for name, (package, fixed, *urgency) in issues.items():
        release = {
            "status": "resolved" if fixed else "open",
            "urgency": urgency[0] if urgency else "not yet assigned",
            **({"fixed_version": fixed} if fixed else {}),
        }
        issue = {"description": f"About {package}.", "scope": "local", "releases": {"bookworm": release}}
        document.setdefault(package, {})[name.replace("_", "-")] = issue
    return json.dumps(document).encode()


OPENSSL = {
    "CVE_2024_0727": ("openssl", "3.0.13-1~deb12u1", "medium"),
    "CVE_2023_5678": ("openssl", "3.0.13-1~deb12u1"),
    "CVE_2010_0928": ("openssl", None, "unimportant"),
}


def kev(*names: str) -> bytes:
    """CISA's catalogue."""
    return json.dumps({"vulnerabilities": [{"cveID": name, "dateAdded": "2024-01-02"} for name in names]}).encode()


def load(on: Backends, later: int = 0, **files: bytes) -> None:
    """Import files of feeds, as of some days later than others: `debian=…`, `npm=…` (osv/npm), `kev=…`."""
    as_of = AS_OF + timedelta(days=later)
    named = {"npm": "osv/npm"}
    given.load(on, *(given.given(named.get(name, name), data, as_of) for name, data in files.items()))


def load_into(product: Product, **files: bytes) -> None:
    """Import files of feeds into a product that serves."""
    on = opening.open_existing(settings.read({"data": str(product.data)}, product.environment))
    try:
        load(on, **files)
    finally:
        on.database.close()
