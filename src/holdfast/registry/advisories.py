"""Import advisories beside requests, and tell what is wrong with package versions.

    begin ── a portion a transaction: write, match ── … ── all feeds count at once ── settle: tell changes, clean up
      └── whatever goes wrong: what was written is removed, and what counted before goes on counting

What is written counts only when `make_current` commits, so a process may die at any line.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import IO, TYPE_CHECKING, Any, Protocol

import msgspec

from holdfast import store
from holdfast.model import feeds, findings
from holdfast.model.advisories import PROBLEMS_SHARE, Advisory, BadFeed, Facts, Problems, Status
from holdfast.model.errors import Invalid, Unavailable
from holdfast.model.findings import Finding, Match
from holdfast.model.severities import Severity
from holdfast.model.work import SettleAdvisories

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from holdfast.model.feed_sources import Source
    from holdfast.registry.backends import Backends
    from holdfast.registry.work import Job
    from holdfast.store import Transaction
    from holdfast.store.advisories import Body
    from holdfast.store.feeds import Feed

WEIGHT_AT_ONCE = 4000  # of what one transaction writes: a fact is 1, a range 1, an advisory 10
ROWS_AT_ONCE = 1000


class BadAdvisories(Invalid):
    """A file of advisories that is not what it should be: nothing of it counts."""

    def __init__(self, name: str, why: object) -> None:
        super().__init__(
            f"The advisories of {name} were not imported: {why}. What was imported before goes on counting."
        )


class AdvisoriesOlder(Invalid):
    """A file of advisories that is older than what counts."""

    def __init__(self, name: str, given: datetime, counts: datetime) -> None:
        super().__init__(
            f"The advisories of {name} are of {given:%Y-%m-%d %H:%M}, and those that count are of "
            f"{counts:%Y-%m-%d %H:%M}. Nothing was imported; --force imports them all the same."
        )


class ImportTakenOver(Unavailable):
    """Somebody else began to import the same feed."""

    def __init__(self, name: str) -> None:
        super().__init__(f"Another import of {name} began meanwhile; this one was given up.")


class Shown(Protocol):
    """Whoever shows how far an import is."""

    def begin(self, what: str, count: int, size_bytes: int = 0) -> None:
        """Something begins."""

    def add(self, count: int = 0, size_bytes: int = 0) -> None:
        """More is done."""


@dataclass(frozen=True, slots=True)
class Given:
    """A file of a source, and where it came from."""

    source: Source
    file: IO[bytes]
    size_bytes: int
    as_of: datetime
    details: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Imported:
    """What became of a feed."""

    name: str
    records: int = 0
    changed: int = 0  # new ones among them
    closed: int = 0  # withdrawn, or the feed has them no more
    problems: Problems = field(default_factory=Problems)


def load(
    on: Backends, given: Sequence[Given], shown: Shown, *, force: bool = False, malware: bool = False
) -> list[Imported]:
    """Import files; all of them count from one moment on, or none does."""
    if not force:
        _require_newer(on, given)
    begun: list[tuple[Given, Feed, Imported]] = []
    try:
        for one in given:
            feed = _begin(on, one.source.name)
            begun.append((one, feed, Imported(one.source.name)))
            _write(on, *begun[-1], shown, malware=malware)
        _make_current(on, begun)
    except BaseException:
        for _, feed, _ in begun:
            _abandon(on, feed)
        raise
    return [imported for _, _, imported in begun]


def _require_newer(on: Backends, given: Sequence[Given]) -> None:
    with on.database.snapshot() as tx:
        for one in given:
            feed = store.feeds.find(tx, one.source.name)
            if feed is not None and feed.as_of is not None and feed.current and one.as_of < feed.as_of:
                raise AdvisoriesOlder(one.source.name, one.as_of, feed.as_of)


def _begin(on: Backends, name: str) -> Feed:
    with on.database.transaction(durable=False) as tx:
        feed = store.feeds.begin(tx, name)
    _remove_written(on, feed)
    return feed


def _write(on: Backends, given: Given, feed: Feed, imported: Imported, shown: Shown, *, malware: bool) -> None:
    """Write a file into the generation that is being written."""
    shown.begin(given.source.name, 0, given.size_bytes)
    kept: set[int] = set()
    read_bytes = 0
    try:
        found = feeds.read(given.source, given.file, imported.problems, malware=malware)
        for portion in _portions(_wanted(found, imported)):
            with _held(on, feed) as tx:
                _write_portion(tx, feed, imported, portion, kept, on.clock())
            now_bytes = max(read_bytes, given.file.tell())
            shown.add(len(portion), now_bytes - read_bytes)
            read_bytes = now_bytes
    except BadFeed as fault:
        raise BadAdvisories(given.source.name, fault) from None
    if imported.problems.count > (imported.records + imported.problems.count) * PROBLEMS_SHARE:
        told = "; ".join(imported.problems.told[:3])
        raise BadAdvisories(given.source.name, f"{imported.problems.count} records cannot be read ({told})")
    if not imported.records:
        raise BadAdvisories(given.source.name, "there are none in it")
    _close_others(on, feed, imported, kept)


def _wanted(found: Iterable[Advisory | Facts], imported: Imported) -> Iterator[Advisory | Facts]:
    """Each record once, without those that were withdrawn."""
    seen: set[str] = set()
    for one in found:
        name = one.ident if isinstance(one, Advisory) else one.cve
        if name in seen:
            imported.problems.add(name, "it is there twice; the first one counts")
            continue
        seen.add(name)
        imported.records += 1
        if isinstance(one, Facts) or not one.is_withdrawn:
            yield one


def _portions(found: Iterable[Advisory | Facts]) -> Iterator[list[Advisory | Facts]]:
    """As many at a time as are written in some hundredths of a second."""
    portion: list[Advisory | Facts] = []
    weight = 0
    for one in found:
        portion.append(one)
        weight += 1 if isinstance(one, Facts) else 10 + len(one.ranges)
        if weight >= WEIGHT_AT_ONCE:
            yield portion
            portion, weight = [], 0
    if portion:
        yield portion


@contextmanager
def _held(on: Backends, feed: Feed) -> Iterator[Transaction]:
    """A transaction in which the feed is still written by us and nobody else."""
    with on.database.transaction(durable=False) as tx:
        if not store.feeds.is_loading(tx, feed):
            raise ImportTakenOver(feed.name)
        yield tx


def _write_portion(
    tx: Transaction, feed: Feed, imported: Imported, portion: list[Advisory | Facts], kept: set[int], now: datetime
) -> None:
    store.advisories.put_facts(tx, feed, [one for one in portion if isinstance(one, Facts)])
    given = [(one, _fingerprint(one)) for one in portion if isinstance(one, Advisory)]
    rows, changed = store.advisories.put(tx, feed, given, now)
    kept.update(rows)
    imported.changed += changed


def _fingerprint(one: Advisory) -> bytes:
    return blake2b(msgspec.msgpack.encode(one), digest_size=16).digest()


def _close_others(on: Backends, feed: Feed, imported: Imported, kept: set[int]) -> None:
    """Close the advisories that the feed has no more."""
    after = 0
    while True:
        with _held(on, feed) as tx:
            rows = store.advisories.open_after(tx, feed, after, ROWS_AT_ONCE)
            gone = [row for row in rows if row not in kept]
            store.advisories.close(tx, feed, gone)
        imported.closed += len(gone)
        if not rows:
            return
        after = rows[-1]


def _make_current(on: Backends, begun: Sequence[tuple[Given, Feed, Imported]]) -> None:
    """Let all of it count, in one moment."""
    now = on.clock()
    with on.database.transaction() as tx:
        for given, feed, imported in begun:
            if not store.feeds.is_loading(tx, feed):
                raise ImportTakenOver(feed.name)
            details = {
                **given.details,
                "licence": given.source.licence,
                "attribution": given.source.attribution,
                "records": imported.records,
                "problems": imported.problems.count,
            }
            store.feeds.make_current(tx, feed, given.as_of, now, details)
        store.work.add(tx, SettleAdvisories(), now)


def _abandon(on: Backends, feed: Feed) -> None:
    """Remove what was written and will never count, unless the next import of the feed does."""
    with suppress(ImportTakenOver):
        _remove_written(on, feed)
        with _held(on, feed) as tx:
            store.feeds.stop(tx, feed)


def _remove_written(on: Backends, feed: Feed) -> None:
    has_more = True
    while has_more:
        with _held(on, feed) as tx:
            has_more = store.feeds.remove_written(tx, feed, ROWS_AT_ONCE)


def find(on: Backends, name: str) -> Feed | None:
    """The feed of a name, if it was ever imported."""
    with on.database.snapshot() as tx:
        return store.feeds.find(tx, name)


def are_there(on: Backends) -> bool:
    """Whether any feed was ever imported."""
    with on.database.snapshot() as tx:
        return bool(store.feeds.every(tx))


def status(on: Backends) -> list[tuple[Feed, int]]:
    """The feeds, each with how many advisories it has."""
    with on.database.snapshot() as tx:
        return [(feed, store.feeds.count(tx, feed)) for feed in store.feeds.every(tx)]


def settle(on: Backends, job: Job, tell: Callable[[Backends, Job, Feed], None]) -> None:
    """Let each feed tell what it says that it did not say the last time, and remove what counts no more.

    It is told at least once.
    """
    while True:
        with on.database.snapshot() as snapshot:
            feed = store.feeds.unsettled(snapshot)
        if feed is None:
            break
        tell(on, job, feed)
        with on.database.transaction() as tx:
            job.step(tx)
            store.feeds.settle(tx, feed)
    with on.database.snapshot() as snapshot:
        every = store.feeds.every(snapshot)
    for feed in every:
        has_more = True
        while has_more:
            with on.database.transaction(durable=False) as tx:
                job.step(tx)
                now = store.feeds.find(tx, feed.name)  # an import may have begun or ended since
                has_more = now is not None and store.feeds.remove_retired(tx, now, ROWS_AT_ONCE)
            job.rest()


def findings_of(tx: Transaction, package_version_ids: Sequence[int]) -> dict[int, list[Finding]]:
    """What is wrong with package versions, the worst first; one of which nothing is known to be wrong is left out."""
    matches: dict[int, list[Match]] = {}
    for row in store.advisories.found(tx, package_version_ids):
        matches.setdefault(row.pop("package_version_id"), []).append(_match(row))
    found = {number: findings.merged(number, some) for number, some in matches.items()}
    vague = {
        name
        for some in found.values()
        for one in some
        if one.severity is Severity.UNDEFINED
        for name in (one.name, *one.aliases)
    }
    if not vague:
        return found
    facts = store.advisories.facts(tx, sorted(vague))
    told = store.advisories.severities(tx, sorted(vague))
    elsewhere = {name: Severity(word) for name, word in told.items()}
    return {
        number: findings.ordered(findings.judged(one, facts, elsewhere) for one in some)
        for number, some in found.items()
    }


def facts_of(tx: Transaction, found: Iterable[Finding]) -> dict[str, Facts]:
    """Exploitation and scores of the CVEs of findings."""
    return store.advisories.facts(tx, sorted({name for one in found for name in (one.name, *one.aliases)}))


def bodies_of(tx: Transaction, found: Iterable[Finding]) -> dict[int, Body]:
    """What people read of the advisories of findings, by their rows."""
    return store.advisories.bodies(tx, sorted({match.advisory_id for one in found for match in one.matches}))


def _match(row: dict[str, Any]) -> Match:
    return Match(
        row["id"],
        row["feed"],
        row["ident"],
        tuple(row["aliases"]),
        tuple(row["covers"]),
        Severity(row["severity"]),
        Status(row["status"]),
        row["fixed"],
        bool(row["is_exact"]),
        row["first_seen_at"],
    )
