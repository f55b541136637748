"""Writes what images hold into a database, as if their layers had been read: bases that many share, and their own."""

import random
from dataclasses import dataclass

import sqlalchemy
from filling import PORTION, digest

from holdfast.model.versions import sort_key
from holdfast.store import Database
from holdfast.store.statements import Statement
from holdfast.store.tables import (
    EPOCH,
    advisories,
    advisory_matches,
    advisory_names,
    advisory_ranges,
    feeds,
    image_package_sets,
    package_set_members,
    package_sets,
    package_versions,
)

BASES, BASE_PACKAGES, RELEASES = 300, 120, 30
OWN_PACKAGES, OWN_NAMES, OWN_VERSIONS = 20, 5_000, 20
OWN_SETS_SHARE = 0.6  # of the images; the others have the same packages on top as one of them
COMMON, RARE = "package-0", "module-4999"
COMMON_CVE, RARE_CVE = "CVE-2026-0001", "CVE-2026-0002"
DEBIAN = "Debian:12"


def _all(table: sqlalchemy.Table) -> Statement:
    return Statement(sqlalchemy.insert(table), [column.name for column in table.c])


_VERSION, _SET, _MEMBER, _LINK = map(_all, (package_versions, package_sets, package_set_members, image_package_sets))
_FEED, _ADVISORY, _NAME, _RANGE, _MATCH = map(
    _all, (feeds, advisories, advisory_names, advisory_ranges, advisory_matches)
)


@dataclass(frozen=True, slots=True)
class Inventories:
    """Inventories of images that are there, in rows of a new database."""

    database: Database
    images: range

    def add(self) -> None:
        """Write them: the same ones every time."""
        chance = random.Random(1)
        self._add_versions()
        own_sets = max(1, int(len(self.images) * OWN_SETS_SHARE))
        first_own = 1 + BASE_PACKAGES * RELEASES
        for number in range(BASES):
            release = number % RELEASES
            self._add_set(1 + number, [1 + package * RELEASES + release for package in range(BASE_PACKAGES)])
        for start in range(0, own_sets, PORTION // OWN_PACKAGES):
            with self.database.transaction(durable=False) as tx:
                for number in range(start, min(own_sets, start + PORTION // OWN_PACKAGES)):
                    names = chance.sample(range(OWN_NAMES), OWN_PACKAGES)
                    held = [first_own + name * OWN_VERSIONS + chance.randrange(OWN_VERSIONS) for name in names]
                    self._write_set(tx, 1 + BASES + number, held)
        for start in range(0, len(self.images), PORTION):
            links = []
            for place, image in enumerate(self.images[start : start + PORTION], start):
                for layer, set_id in enumerate((1 + place % BASES, 1 + BASES + place % own_sets)):
                    links.append({"manifest_id": image, "layer": layer, "set_id": set_id, "layer_digest": digest("")})
            with self.database.transaction(durable=False) as tx:
                tx.run_each(_LINK, links)
        self._add_advisories(first_own)

    def _add_versions(self) -> None:
        named = [
            (DEBIAN, f"package-{name}", f"1.{version}-1")
            for name in range(BASE_PACKAGES)
            for version in range(RELEASES)
        ]
        named += [
            ("npm", f"module-{name}", f"1.{version}.0") for name in range(OWN_NAMES) for version in range(OWN_VERSIONS)
        ]
        rows = [
            {
                "id": row,
                "ecosystem": ecosystem,
                "name": name,
                "version": version,
                "sort_key": sort_key(ecosystem, version),
                "module": "",
            }
            for row, (ecosystem, name, version) in enumerate(named, 1)
        ]
        for start in range(0, len(rows), PORTION):
            with self.database.transaction(durable=False) as tx:
                tx.run_each(_VERSION, rows[start : start + PORTION])

    def _add_set(self, set_id: int, versions: list[int]) -> None:
        with self.database.transaction(durable=False) as tx:
            self._write_set(tx, set_id, versions)

    def _write_set(self, tx, set_id: int, versions: list[int]) -> None:
        tx.run(_SET, id=set_id, digest=digest(f"set {set_id}"), created_at=EPOCH)
        tx.run_each(
            _MEMBER,
            [
                {
                    "set_id": set_id,
                    "position": place,
                    "package_version_id": version,
                    "package": ["npm", "x", "1"],
                    "path": "x",
                }
                for place, version in enumerate(versions)
            ],
        )

    def _add_advisories(self, first_own: int) -> None:
        """Two vulnerabilities: one in a package that every image has, one in a package of few."""
        rare = first_own + (OWN_NAMES - 1) * OWN_VERSIONS
        with self.database.transaction(durable=False) as tx:
            tx.run(
                _FEED,
                id=1,
                name="bench",
                current=1,
                loading=None,
                settled=1,
                as_of=EPOCH,
                imported_at=EPOCH,
                begun=1,
                details={},
            )
            for row, cve, held in (
                (1, COMMON_CVE, range(1, 1 + RELEASES)),
                (2, RARE_CVE, range(rare, rare + OWN_VERSIONS)),
            ):
                tx.run(_ADVISORY, id=row, feed_id=1, ident=cve, since=1, until=None, replaces=None, fingerprint=b"",
                       aliases=[], covers=[], severity="HIGH", body=b"")  # fmt: skip
                tx.run(_NAME, name=cve, advisory_id=row)
                tx.run(_RANGE, id=row, advisory_id=row, ecosystem=DEBIAN, name="x", low=b"", high=None, fixed=None,
                       status="affected", severity="HIGH", is_exact=True, module="")  # fmt: skip
                matches = [
                    {
                        "advisory_id": row,
                        "package_version_id": version,
                        "range_id": row,
                        "first_seen_at": None,
                        "is_news": False,
                    }
                    for version in held
                ]
                tx.run_each(_MATCH, matches)
