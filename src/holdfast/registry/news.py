"""Tell what new advisories mean for the images that are watched.

    package versions of which a feed says something else ─► sets of packages that have them: counted anew, with news
        ─► repositories ─► images: one event each, as bad as the worst ─► one event for the repository

How far that is is the work's progress, so it goes on where it was interrupted; an event may then be told twice.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from holdfast import store
from holdfast.model import news
from holdfast.model.image_findings import counted, worst_by_name
from holdfast.model.news import News
from holdfast.model.scanning import Frequency, ScanType
from holdfast.model.severities import ORDER, Severity
from holdfast.registry import advisories, events, image_findings, scanning, verdicts

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

    from holdfast.model.findings import Finding
    from holdfast.model.image_findings import Counts
    from holdfast.model.repositories import Repository
    from holdfast.registry.backends import Backends
    from holdfast.registry.verdicts import Judge
    from holdfast.registry.work import Job
    from holdfast.store import Transaction
    from holdfast.store.feeds import Feed

SETS_AT_ONCE = 50
IMAGES_AT_ONCE = 100
REMEMBERED = 20_000  # package versions, while sets are counted
EVER = datetime(1970, 1, 1, tzinfo=UTC)
Gone = tuple[frozenset[str], Severity]  # what was told of a package, by its names, and how bad
DIGEST = 100  # vulnerabilities that the event of a repository tells


def count_sets(tx: Transaction, set_ids: Sequence[int]) -> None:
    """Count the vulnerabilities of sets of packages."""
    for set_id, version_ids in store.image_findings.versions_of_sets(tx, set_ids).items():
        found = advisories.findings_of(tx, version_ids)
        store.image_findings.put_counts(tx, set_id, _counts(one for some in found.values() for one in some))


def settle(on: Backends, job: Job) -> None:
    """Tell the changes of every feed that was imported since the last time, and clean up after them."""
    advisories.settle(on, job, _tell)


def _tell(on: Backends, job: Job, feed: Feed) -> None:
    run = f"{feed.id}/{feed.current}"
    progress = job.item.progress or {}
    if progress.get("run") != run:
        progress = {"run": run, "set": 0}
    if "set" in progress:
        _count_touched(on, job, feed, progress)
        progress = {"run": run, "repository": 0}
    _tell_repositories(on, job, progress)


# ---- Sets of packages


def _count_touched(on: Backends, job: Job, feed: Feed, progress: dict[str, Any]) -> None:
    """Count anew the sets that have what a feed says something else of."""
    with on.database.snapshot() as tx:
        touched = set(store.advisories.touched(tx, feed))
        set_ids = store.image_findings.counted_with(tx, sorted(touched))
    waiting = sorted(set_id for set_id in set_ids if set_id > progress["set"])
    known: dict[int, list[Finding]] = {}
    for start in range(0, len(waiting), SETS_AT_ONCE):
        some = waiting[start : start + SETS_AT_ONCE]
        with on.database.snapshot() as tx:
            counted_anew = _counted(tx, some, touched, known)
        with on.database.transaction() as tx:
            job.step(tx, {**progress, "set": some[-1]})
            for set_id, (counts, *told) in counted_anew.items():
                _put_counts(tx, set_id, counts, progress["run"], *told)
        if len(known) > REMEMBERED:
            known.clear()
        job.rest()


def _counted(
    tx: Transaction, set_ids: Sequence[int], touched: set[int], known: dict[int, list[Finding]]
) -> dict[int, tuple[Counts, News | None, News | None]]:
    """How many vulnerabilities each set has, which are new in it, and which are closed."""
    members = store.image_findings.versions_of_sets(tx, set_ids)
    every = {row for rows in members.values() for row in rows}
    unknown = sorted(every - known.keys())
    known.update({row: [] for row in unknown} | advisories.findings_of(tx, unknown))
    new = store.image_findings.new(tx, sorted(every & touched))
    found = {set_id: [one for row in rows for one in known[row]] for set_id, rows in members.items()}
    gone = store.image_findings.closed(tx, sorted(every & touched))
    told: dict[int, tuple[Counts, News | None, News | None]] = {}
    for set_id, some in found.items():
        before = [one for row in members[set_id] for one in gone.get(row, ())]
        told[set_id] = _counts(some), _news(some, new, before), _closed(some, before)
    return told


def _counts(found: Iterable[Finding]) -> Counts:
    return counted(worst_by_name(found).values())


def _news(found: Iterable[Finding], new: Collection[tuple[int, int]], gone: Iterable[Gone]) -> News | None:
    """Vulnerabilities that only advisories tell of which did not before, and no other one did."""
    fresh, old = [], {name for names, _ in gone for name in names}
    for one in found:
        if old.isdisjoint((one.name, *one.aliases)) and all(
            (match.advisory_id, one.package_version_id) in new for match in one.matches
        ):
            fresh.append(one)
        else:
            old.add(one.name)
    severities = worst_by_name(one for one in fresh if one.name not in old)
    return news.news(severities) if severities else None


def _closed(found: Iterable[Finding], gone: Iterable[Gone]) -> News | None:
    """Vulnerabilities that nobody tells of any more, under whatever name."""
    left = {name for one in found for name in (one.name, *one.aliases)}
    severities: dict[str, Severity] = {}
    for names, severity in gone:
        if left.isdisjoint(names):
            name = min(names, key=lambda one: (not one.startswith("CVE-"), one))
            severities[name] = min(severity, severities.get(name, severity), key=ORDER.index)
    return news.news(severities) if severities else None


def _put_counts(
    tx: Transaction, set_id: int, counts: Counts, run: str, found: News | None, closed: News | None
) -> None:
    kept = {kind: {"count": one.count, "severities": dict(one.severities)}
            for kind, one in (("new", found), ("closed", closed)) if one}  # fmt: skip
    store.image_findings.put_counts(tx, set_id, counts, run if kept else None, kept or None)


# ---- Images


def _tell_repositories(on: Backends, job: Job, progress: dict[str, Any]) -> None:
    watch = on.limits.scan_watch
    since = on.clock() - watch if watch else EVER
    run, after = progress["run"], progress["repository"]
    while True:
        with on.database.snapshot() as tx:
            rows = store.image_findings.repositories_with_news(tx, run, since, after, IMAGES_AT_ONCE)
        for row in rows:
            _tell_repository(on, job, run, since, row)
            with on.database.transaction(durable=False) as tx:
                job.step(tx, {"run": run, "repository": row})
        if not rows:
            return
        after = rows[-1]


def _tell_repository(on: Backends, job: Job, run: str, since: datetime, repository_id: int) -> None:
    """Tell of each image of a repository, and of all of them together."""
    total: dict[str, tuple[Severity, int]] = {}
    images = after = 0
    while True:
        with on.database.transaction() as tx:
            job.step(tx)
            repository = store.repositories.find_by_id(tx, repository_id)
            if repository is None or scanning.effective(tx, repository).frequency is not Frequency.CONTINUOUS_SCAN:
                return
            page = store.image_findings.images_with_news(tx, run, since, repository_id, after, IMAGES_AT_ONCE)
            for found in _tell_images(on, tx, repository, page):
                images += found.count > 0
                for name, severity in found.severities.items():
                    total[name] = (severity, total.get(name, (severity, 0))[1] + 1)
            if not page:
                if total:
                    worst = sorted(total.items(), key=lambda item: (ORDER.index(item[1][0]), item[0]))[:DIGEST]
                    events.tell(on, tx, repository.registry, news.in_repository(repository.ref, images, dict(worst)))
                return
            after = max(page)
        job.rest()


def _tell_images(
    on: Backends, tx: Transaction, repository: Repository, page: Mapping[int, Sequence[Mapping[str, Any]]]
) -> Iterator[News]:
    """Tell of each image of a page, and yield what is new in it."""
    rows = [store.images.find_by_id(tx, image_id) for image_id in page]
    images = store.tags.of_images(tx, [row[0] for row in rows if row is not None])
    judges = verdicts.over(tx, repository, images, on.clock())
    judged = verdicts.touched(tx, judges, list(page))
    closed_in = {image_id: closed for image_id, some in page.items() if (closed := _together(some, "closed")).count}
    left = _names_in(tx, list(closed_in))
    for image in images:
        found = _together(page[image.id], "new")
        if image.id in judged:
            found = _counting(tx, judges[image.id], found)
        if found.count:
            events.tell(on, tx, repository.registry, news.in_image(repository.ref, image, found))
        if image.id in closed_in and (closed := _gone(closed_in[image.id], left[image.id])).count:
            events.tell(on, tx, repository.registry, news.in_image(repository.ref, image, closed, "CLOSED"))
        yield found


def _together(some: Sequence[Mapping[str, Any]], kind: str) -> News:
    """What is told of all sets of an image."""
    found = News(0, {})
    for one in (told[kind] for told in some if kind in told):
        found |= News(one["count"], {name: Severity(text) for name, text in one["severities"].items()})
    return found


def _names_in(tx: Transaction, image_ids: Sequence[int]) -> dict[int, set[str]]:
    """The names of all that is wrong with each image; what images share is looked up once."""
    members = {image_id: list(store.image_findings.packages(tx, image_id)) for image_id in image_ids}
    every = advisories.findings_of(tx, sorted({row for rows in members.values() for row in rows}))
    names = {row: {name for one in some for name in (one.name, *one.aliases)} for row, some in every.items()}
    return {image_id: set().union(*(names.get(row, ()) for row in rows)) for image_id, rows in members.items()}


def _gone(closed: News, left: Collection[str]) -> News:
    """Without what is closed in one set of packages of an image, and still in another one."""
    severities = {name: severity for name, severity in closed.severities.items() if name not in left}
    return News(closed.count - len(closed.severities) + len(severities) if severities else 0, severities)


def _counting(tx: Transaction, judge: Judge, found: News) -> News:
    """Without what somebody decided does not count; of what is not told by name that is not known."""
    packages = store.image_findings.packages(tx, judge.image.id)
    hidden = {one.name for one, _ in image_findings.suppressed(tx, packages, ScanType.ENHANCED, judge)}
    shown = {one.name for one in image_findings.of_image(tx, packages, ScanType.ENHANCED, judge)}
    gone = [name for name in found.severities if name in hidden - shown]
    left = {name: severity for name, severity in found.severities.items() if name not in gone}
    return News(found.count - len(gone) if left else 0, left)
