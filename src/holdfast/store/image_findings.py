"""What was found in images: kept as a scan saw it, or read from the packages and advisories of this moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import bindparam, delete, exists, func, literal, or_, select

from holdfast.model.image_findings import PackageVersion, Vulnerable
from holdfast.model.packages import Package
from holdfast.model.severities import ORDER, Severity
from holdfast.store.feeds import COUNTS
from holdfast.store.statements import Statement, batches, replacement
from holdfast.store.tables import (
    advisories,
    advisory_matches,
    advisory_names,
    advisory_ranges,
    feeds,
    image_findings,
    image_package_sets,
    image_scans,
    manifests,
    package_set_counts,
    package_set_members,
    package_versions,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from holdfast.model.image_findings import Counts
    from holdfast.store.database import Transaction

_ids: Any = bindparam("ids", expanding=True)
_it: Any = bindparam("which")
_links, _members, _counts = image_package_sets, package_set_members, package_set_counts

_KEEP = replacement(image_findings)
_KEPT = Statement(select(image_findings.c.findings).where(image_findings.c.manifest_id == _it))
_FORGET = Statement(delete(image_findings).where(image_findings.c.manifest_id == _it))
_VERSIONS = Statement(
    select(package_versions.c.id, package_versions.c.ecosystem, package_versions.c.name, package_versions.c.version)
    .distinct()
    .join(_members, _members.c.package_version_id == package_versions.c.id)
    .join(_links, _links.c.set_id == _members.c.set_id)
    .where(_links.c.manifest_id == _it)
)
_PLACES = Statement(
    select(_members.c.package_version_id, _members.c.package, _members.c.path, _links.c.layer_digest)
    .join(_links, _links.c.set_id == _members.c.set_id)
    .where(_links.c.manifest_id == _it, _members.c.package_version_id.in_(_ids))
    .order_by(_links.c.layer, _members.c.position)
)
_IS_COVERED = Statement(
    select(literal(1))
    .select_from(advisory_ranges)
    .join(advisories, advisories.c.id == advisory_ranges.c.advisory_id)
    .join(feeds, feeds.c.id == advisories.c.feed_id)
    .where(advisory_ranges.c.ecosystem == _it, COUNTS)
    .limit(1)
)
_UNCOUNTED = Statement(
    select(_links.c.set_id)
    .distinct()
    .where(_links.c.manifest_id == _it, ~exists().where(_counts.c.set_id == _links.c.set_id))
)
_COUNTED_WITH = Statement(
    select(_members.c.set_id)
    .distinct()
    .join(_counts, _counts.c.set_id == _members.c.set_id)
    .where(_members.c.package_version_id.in_(_ids))
)
_VERSIONS_OF_SETS = Statement(
    select(_members.c.set_id, _members.c.package_version_id).distinct().where(_members.c.set_id.in_(_ids))
)
_PUT_COUNTS = replacement(_counts)
_SUMS = Statement(
    select(
        _links.c.manifest_id,
        (func.count(_counts.c.set_id) == func.count()).label("is_whole"),
        *(func.sum(_counts.c[one.lower()]).label(one.lower()) for one in ORDER),
    )
    .outerjoin(_counts, _counts.c.set_id == _links.c.set_id)
    .where(_links.c.manifest_id.in_(_ids))
    .group_by(_links.c.manifest_id)
)
_WITH = Statement(
    select(_links.c.manifest_id)
    .distinct()
    .join(_members, _members.c.set_id == _links.c.set_id)
    .join(advisory_matches, advisory_matches.c.package_version_id == _members.c.package_version_id)
    .join(advisory_names, advisory_names.c.advisory_id == advisory_matches.c.advisory_id)
    .where(_links.c.manifest_id.in_(_ids), advisory_names.c.name.in_(bindparam("names", expanding=True)))
)
_NEW = Statement(
    select(advisory_matches.c.advisory_id, advisory_matches.c.package_version_id)
    .join(advisories, advisories.c.id == advisory_matches.c.advisory_id)
    .join(feeds, feeds.c.id == advisories.c.feed_id)
    .where(
        advisory_matches.c.package_version_id.in_(_ids),
        advisories.c.since > feeds.c.settled,
        advisories.c.since <= feeds.c.current,
        advisory_matches.c.is_news,
        ~exists().where(
            (before := advisory_matches.alias()).c.advisory_id == advisories.c.replaces,
            before.c.package_version_id == advisory_matches.c.package_version_id,
        ),
    )
)
_CLOSED = Statement(
    select(
        advisory_matches.c.package_version_id,
        advisories.c.ident,
        advisories.c.aliases,
        advisories.c.covers,
        advisory_ranges.c.severity,
    )
    .join(advisories, advisories.c.id == advisory_matches.c.advisory_id)
    .join(feeds, feeds.c.id == advisories.c.feed_id)
    .join(advisory_ranges, advisory_ranges.c.id == advisory_matches.c.range_id)
    .where(
        advisory_matches.c.package_version_id.in_(_ids),
        advisories.c.until > feeds.c.settled,
        advisories.c.until <= feeds.c.current,
    )
)
_watched = (
    select(manifests.c.repository_id)
    .join(image_scans, image_scans.c.manifest_id == manifests.c.id)
    .join(_links, _links.c.manifest_id == manifests.c.id)
    .join(_counts, _counts.c.set_id == _links.c.set_id)
    .where(
        _counts.c.news_of == bindparam("run"), image_scans.c.is_live, manifests.c.is_tagged,
        manifests.c.status == "ACTIVE",
        or_(manifests.c.pushed_at > bindparam("since"), manifests.c.pulled_at > bindparam("since")),
    )
)  # fmt: skip
_REPOSITORIES = Statement(
    _watched.distinct()
    .where(manifests.c.repository_id > bindparam("after"))
    .order_by(manifests.c.repository_id)
    .limit(bindparam("limit"))
)
_page = (
    _watched.with_only_columns(manifests.c.id)
    .distinct()
    .where(manifests.c.repository_id == bindparam("repository_id"), manifests.c.id > bindparam("after"))
    .order_by(manifests.c.id)
    .limit(bindparam("limit"))
    .subquery()
)
_NEWS = Statement(
    select(_links.c.manifest_id, _counts.c.news)
    .join(_page, _page.c.id == _links.c.manifest_id)
    .join(_counts, _counts.c.set_id == _links.c.set_id)
    .where(_counts.c.news_of == bindparam("run"))
    .order_by(_links.c.manifest_id, _links.c.layer)
)


# ---- As a scan saw it


def keep(tx: Transaction, image_id: int, packed: bytes) -> None:
    """Keep what a scan found, in place of what the one before found."""
    tx.run(_KEEP, manifest_id=image_id, findings=packed)


def kept(tx: Transaction, image_id: int) -> bytes | None:
    """What the latest scan found, if that was kept."""
    found = tx.value(_KEPT, which=image_id)
    return None if found is None else bytes(found)


def forget(tx: Transaction, image_id: int) -> None:
    """Forget what was kept."""
    tx.run(_FORGET, which=image_id)


# ---- As it is now


def packages(tx: Transaction, image_id: int) -> dict[int, PackageVersion]:
    """The package versions of an image, by their rows."""
    return {row["id"]: PackageVersion(**row) for row in tx.all(_VERSIONS, which=image_id)}


def places(tx: Transaction, image_id: int, version_ids: Iterable[int]) -> dict[int, list[Vulnerable]]:
    """Where package versions are in an image, by their rows; nothing is said of what is fixed."""
    found: dict[int, list[Vulnerable]] = {}
    for some in batches(sorted(set(version_ids))):
        for row in tx.all(_PLACES, which=image_id, ids=some):
            one = msgspec.convert(row["package"], Package)
            path = f"{row['path']}/{one.within}" if one.within else row["path"]
            vulnerable = Vulnerable(
                one.type, one.name, one.version, one.architecture, path, row["layer_digest"],
                source=one.source_name, source_version=one.source_version,
            )  # fmt: skip
            found.setdefault(row["package_version_id"], []).append(vulnerable)
    return found


def covered(tx: Transaction, ecosystems: Iterable[str]) -> set[str]:
    """Those ecosystems that any advisory is about."""
    return {one for one in set(ecosystems) if tx.value(_IS_COVERED, which=one) is not None}


# ---- Sets of packages


def uncounted(tx: Transaction, image_id: int) -> list[int]:
    """Sets of an image whose vulnerabilities nobody has counted."""
    return tx.column(_UNCOUNTED, which=image_id)


def counted_with(tx: Transaction, version_ids: Sequence[int]) -> set[int]:
    """Sets that have any of some package versions, and whose vulnerabilities are counted."""
    return {set_id for some in batches(version_ids) for set_id in tx.column(_COUNTED_WITH, ids=some)}


def versions_of_sets(tx: Transaction, set_ids: Sequence[int]) -> dict[int, list[int]]:
    """The package versions of each set."""
    found: dict[int, list[int]] = {set_id: [] for set_id in set_ids}
    for some in batches(set_ids):
        for row in tx.all(_VERSIONS_OF_SETS, ids=some):
            found[row["set_id"]].append(row["package_version_id"])
    return found


def put_counts(
    tx: Transaction, set_id: int, counts: Counts, news_of: str | None = None, news: Mapping[str, Any] | None = None
) -> None:
    """Keep how many vulnerabilities a set has, and which of them a run found to be new."""
    numbers = {severity.lower(): counts.get(severity, 0) for severity in ORDER}
    tx.run(_PUT_COUNTS, set_id=set_id, **numbers, news_of=news_of, news=news)


def counts_of_images(tx: Transaction, image_ids: Sequence[int]) -> dict[int, dict[Severity, int] | None]:
    """How many vulnerabilities the sets of each image have together; what two of them have counts twice.

    None if a set was not counted; an image without packages is left out.
    """
    found: dict[int, dict[Severity, int] | None] = {}
    for some in batches(image_ids):
        for row in tx.all(_SUMS, ids=some):
            sums = {one: int(row[one.lower()]) for one in ORDER if row[one.lower()]}
            found[row["manifest_id"]] = sums if row["is_whole"] else None
    return found


def images_with(tx: Transaction, image_ids: Sequence[int], names: Sequence[str]) -> set[int]:
    """Those images in which any of some vulnerabilities may be."""
    found: set[int] = set()
    for some in batches(image_ids):
        for chosen in batches(names):
            found.update(tx.column(_WITH, ids=some, names=chosen))
    return found


# ---- News


def new(tx: Transaction, version_ids: Sequence[int]) -> set[tuple[int, int]]:
    """Advisory and package version of what feeds say since their changes were last told, and did not say before."""
    rows = [row for some in batches(version_ids) for row in tx.all(_NEW, ids=some)]
    return {(row["advisory_id"], row["package_version_id"]) for row in rows}


def closed(tx: Transaction, version_ids: Sequence[int]) -> dict[int, list[tuple[frozenset[str], Severity]]]:
    """What feeds said of package versions when their changes were last told and say no more: names, and how bad.

    Others may say it still.
    """
    found: dict[int, list[tuple[frozenset[str], Severity]]] = {}
    for some in batches(version_ids):
        for row in tx.all(_CLOSED, ids=some):
            for names in [{one} for one in row["covers"]] or [{row["ident"], *row["aliases"]}]:
                one = frozenset(names), Severity(row["severity"])
                found.setdefault(row["package_version_id"], []).append(one)
    return found


def repositories_with_news(tx: Transaction, run: str, since: datetime, after: int, limit: int) -> list[int]:
    """Repositories with tagged images that are watched, pushed or pulled since an instant, and have news of a run."""
    return tx.column(_REPOSITORIES, run=run, since=since, after=after, limit=limit)


def images_with_news(
    tx: Transaction, run: str, since: datetime, repository_id: int, after: int, limit: int
) -> dict[int, list[dict[str, Any]]]:
    """Such images of a repository, with the news of each of their sets."""
    found: dict[int, list[dict[str, Any]]] = {}
    for row in tx.all(_NEWS, run=run, since=since, repository_id=repository_id, after=after, limit=limit):
        found.setdefault(row["manifest_id"], []).append(row["news"])
    return found
