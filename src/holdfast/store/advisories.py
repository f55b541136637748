"""Advisories, the ranges of versions that they are about, and the package versions that are in them.

A match is made in SQL when either side of it appears: when an advisory is imported, over the package versions that are
known, and when a package version is first seen, over the ranges that are known. Both take the writers' turn, so
neither misses the other.
"""

from __future__ import annotations

import zlib
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

import msgspec
from sqlalchemy import (
    and_,
    bindparam,
    case,
    exists,
    false,
    func,
    literal,
    null,
    or_,
    select,
    true,
    update,
)

from holdfast.model.advisories import Facts
from holdfast.model.cvss import Cvss
from holdfast.model.ecosystems import clipped
from holdfast.model.packages import MODULE_CHARACTERS
from holdfast.store.feeds import COUNTS
from holdfast.store.statements import BATCH, Statement, batches, insertion, upsert
from holdfast.store.tables import (
    advisories,
    advisory_matches,
    advisory_names,
    advisory_ranges,
    cve_facts,
    feeds,
    package_versions,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from holdfast.model.advisories import Advisory
    from holdfast.store.database import Transaction
    from holdfast.store.feeds import Feed
    from holdfast.store.statements import Row

_ids: Any = bindparam("which", expanding=True)
_old = advisory_matches.alias()
_old_range = advisory_ranges.alias()
_newer = advisories.alias()
_new = advisory_matches.alias()

_key = package_versions.c.sort_key
_is_in = and_(
    advisory_ranges.c.ecosystem == package_versions.c.ecosystem,
    advisory_ranges.c.name == package_versions.c.name,
    or_(
        advisory_ranges.c.module == package_versions.c.module,
        advisory_ranges.c.module.is_(None),
        package_versions.c.module.is_(None),
    ),
    # What has no place in the order may be any version.
    or_(
        _key.is_(None),
        and_(advisory_ranges.c.low <= _key, or_(advisory_ranges.c.high.is_(None), _key < advisory_ranges.c.high)),
    ),
)
_says_the_same = and_(
    _old_range.c.status == advisory_ranges.c.status,
    _old_range.c.severity == advisory_ranges.c.severity,
    func.coalesce(_old_range.c.fixed, "") == func.coalesce(advisory_ranges.c.fixed, ""),
)
_COLUMNS = ["advisory_id", "package_version_id", "range_id", "first_seen_at", "is_news"]


def _matching(found: Any) -> Statement:
    # The first range counts, if a version is in several.
    return Statement(upsert(advisory_matches).from_select(_COLUMNS, found).on_conflict_do_nothing())


_MATCH_ADVISORIES = _matching(
    select(
        advisory_ranges.c.advisory_id,
        package_versions.c.id,
        advisory_ranges.c.id,
        case(
            (_old.c.advisory_id.is_(None), bindparam("now", type_=advisory_matches.c.first_seen_at.type)),
            else_=_old.c.first_seen_at,
        ),
        case((and_(_old.c.advisory_id.is_not(None), _says_the_same), false()), else_=true()),
    )
    .select_from(advisory_ranges)
    .join(package_versions, _is_in)
    .join(advisories, advisories.c.id == advisory_ranges.c.advisory_id)
    .outerjoin(
        _old, and_(_old.c.advisory_id == advisories.c.replaces, _old.c.package_version_id == package_versions.c.id)
    )
    .outerjoin(_old_range, _old_range.c.id == _old.c.range_id)
    .where(advisory_ranges.c.id > bindparam("after"))
    .order_by(advisory_ranges.c.id)
)
_MATCH_PACKAGES = _matching(
    select(advisory_ranges.c.advisory_id, package_versions.c.id, advisory_ranges.c.id, null(), false())
    .select_from(package_versions)
    .join(advisory_ranges, _is_in)
    .where(package_versions.c.id.in_(_ids))
    .order_by(advisory_ranges.c.id)
)

_OPEN = Statement(
    select(advisories.c.id, advisories.c.ident, advisories.c.fingerprint).where(
        advisories.c.feed_id == bindparam("feed"), advisories.c.until.is_(None), advisories.c.ident.in_(_ids)
    )
)
_OPEN_AFTER = Statement(
    select(advisories.c.id)
    .where(
        advisories.c.feed_id == bindparam("feed"), advisories.c.until.is_(None), advisories.c.id > bindparam("after")
    )
    .order_by(advisories.c.id)
    .limit(bindparam("limit"))
)
_CLOSE = Statement(update(advisories).where(advisories.c.id.in_(_ids)).values(until=bindparam("generation")))
_INSERT = insertion(advisories)
_INSERT_NAME = Statement(upsert(advisory_names).on_conflict_do_nothing(), ["name", "advisory_id"])
_INSERT_RANGE = insertion(advisory_ranges)
_LAST_RANGE = Statement(select(func.coalesce(func.max(advisory_ranges.c.id), 0)))
_INSERT_FACTS = Statement(upsert(cve_facts).on_conflict_do_nothing(), [column.name for column in cve_facts.c])

_FOUND = Statement(
    select(
        advisory_matches.c.package_version_id,
        advisory_matches.c.first_seen_at,
        advisories.c.id,
        advisories.c.ident,
        advisories.c.aliases,
        advisories.c.covers,
        advisory_ranges.c.severity,
        advisory_ranges.c.status,
        advisory_ranges.c.fixed,
        and_(advisory_ranges.c.is_exact, _key.is_not(None)).label("is_exact"),
        feeds.c.name.label("feed"),
    )
    .select_from(advisory_matches)
    .join(advisories, advisories.c.id == advisory_matches.c.advisory_id)
    .join(feeds, feeds.c.id == advisories.c.feed_id)
    .join(advisory_ranges, advisory_ranges.c.id == advisory_matches.c.range_id)
    .join(package_versions, package_versions.c.id == advisory_matches.c.package_version_id)
    .where(advisory_matches.c.package_version_id.in_(_ids), COUNTS)
)
_AFFECTED = Statement(
    select(advisory_matches.c.package_version_id)
    .distinct()
    .select_from(advisory_names)
    .join(advisories, advisories.c.id == advisory_names.c.advisory_id)
    .join(feeds, feeds.c.id == advisories.c.feed_id)
    .join(advisory_matches, advisory_matches.c.advisory_id == advisories.c.id)
    .where(
        advisory_names.c.name == bindparam("name"),
        COUNTS,
        advisory_matches.c.package_version_id > bindparam("after"),
    )
    .order_by(advisory_matches.c.package_version_id)
    .limit(bindparam("limit"))
)
_NAMED = Statement(
    select(advisories.c.id)
    .distinct()
    .join(advisory_names, advisory_names.c.advisory_id == advisories.c.id)
    .join(feeds, feeds.c.id == advisories.c.feed_id)
    .where(advisory_names.c.name == bindparam("name"), COUNTS)
    .limit(bindparam("limit"))
)
_BODIES = Statement(select(advisories.c.id, advisories.c.ident, advisories.c.body).where(advisories.c.id.in_(_ids)))
_SEVERITIES = Statement(
    select(advisory_names.c.name, advisories.c.severity)
    .select_from(advisory_names)
    .join(advisories, advisories.c.id == advisory_names.c.advisory_id)
    .join(feeds, feeds.c.id == advisories.c.feed_id)
    # What an erratum says is about the worst that it covers.
    .where(advisory_names.c.name.in_(_ids), COUNTS, advisories.c.severity != "UNDEFINED")
    .order_by(advisories.c.id)
)
_FACTS = Statement(
    select(cve_facts)
    .join(feeds, and_(feeds.c.id == cve_facts.c.feed_id, feeds.c.current == cve_facts.c.generation))
    .where(cve_facts.c.name.in_(_ids))
    .order_by(cve_facts.c.name, feeds.c.name)
)

_since: Any = bindparam("since")
_upto: Any = bindparam("upto")
_has_heir = exists().where(
    _newer.c.replaces == advisories.c.id,
    _new.c.advisory_id == _newer.c.id,
    _new.c.package_version_id == advisory_matches.c.package_version_id,
)
_had_scores = exists(
    select(literal(1))
    .select_from(_facts_before := cve_facts.alias())
    .where(
        _facts_before.c.feed_id == cve_facts.c.feed_id,
        _facts_before.c.generation == _since,
        _facts_before.c.name == cve_facts.c.name,
        _facts_before.c.cvss == cve_facts.c.cvss,
    )
)
_TOUCHED = Statement(
    select(advisory_matches.c.package_version_id)
    .join(advisories, advisories.c.id == advisory_matches.c.advisory_id)
    .where(
        advisories.c.feed_id == bindparam("feed"),
        advisories.c.since > _since,
        advisories.c.since <= _upto,
        advisory_matches.c.is_news,
    )
    .union(
        select(advisory_matches.c.package_version_id)
        .join(advisories, advisories.c.id == advisory_matches.c.advisory_id)
        .where(
            advisories.c.feed_id == bindparam("feed"),
            advisories.c.until > _since,
            advisories.c.until <= _upto,
            ~_has_heir,
        ),
        select(advisory_matches.c.package_version_id)
        .select_from(cve_facts)
        .join(advisory_names, advisory_names.c.name == cve_facts.c.name)
        .join(advisory_matches, advisory_matches.c.advisory_id == advisory_names.c.advisory_id)
        .where(
            cve_facts.c.feed_id == bindparam("feed"),
            cve_facts.c.generation == _upto,
            cve_facts.c.cvss != "[]",
            ~_had_scores,
        ),
    )
)


class Body(msgspec.Struct, frozen=True):
    """What people read of an advisory."""

    title: str
    description: str
    url: str
    references: tuple[str, ...]
    cvss: tuple[tuple[str, str, float | None], ...]  # version, vector, score
    published_at: datetime | None
    modified_at: datetime | None


def put(tx: Transaction, feed: Feed, given: Collection[tuple[Advisory, bytes]], now: datetime) -> tuple[list[int], int]:
    """Write advisories, each with its fingerprint, into the generation that is being written, and match them.

    The rows of those that were and still are, and how many are new or say something else.
    """
    known: dict[str, Row] = {}
    for some in batches([one.ident for one, _ in given]):
        known |= {row["ident"]: row for row in tx.all(_OPEN, feed=feed.id, which=some)}
    rows, fresh = [], []
    for one, fingerprint in given:
        before = known.get(one.ident)
        if before is not None and bytes(before["fingerprint"]) == fingerprint:
            rows.append(before["id"])
            continue
        row = {
            "feed_id": feed.id,
            "ident": one.ident,
            "since": feed.loading,
            "until": None,
            "replaces": before["id"] if before else None,
            "fingerprint": fingerprint,
            "aliases": list(one.aliases),
            "covers": list(one.covers),
            "severity": one.severity_of(None).value,
            "body": _packed(one),
        }
        fresh.append((int(tx.value(_INSERT, **row)), one))
    replaced = [known[one.ident]["id"] for _, one in fresh if one.ident in known]
    close(tx, feed, replaced)
    names = [
        {"name": name, "advisory_id": row} for row, one in fresh for name in (one.ident, *one.aliases, *one.covers)
    ]
    ranges = [_range_row(row, one, place) for row, one in fresh for place in range(len(one.ranges))]
    if names:
        tx.run_each(_INSERT_NAME, names)
    if ranges:
        last = tx.value(_LAST_RANGE)
        tx.run_each(_INSERT_RANGE, ranges)
        tx.run(_MATCH_ADVISORIES, after=last, now=now)
    return rows + [row for row, _ in fresh], len(fresh)


def open_after(tx: Transaction, feed: Feed, after: int, limit: int) -> list[int]:
    """The rows of advisories of a feed that nothing closes, beginning after one."""
    return tx.column(_OPEN_AFTER, feed=feed.id, after=after, limit=limit)


def close(tx: Transaction, feed: Feed, rows: Sequence[int]) -> None:
    """Let advisories count no more when the generation that is being written does."""
    for some in batches(rows):
        tx.run(_CLOSE, which=some, generation=feed.loading)


def put_facts(tx: Transaction, feed: Feed, given: Sequence[Facts]) -> None:
    """Write facts into the generation that is being written."""
    rows = [
        {
            "feed_id": feed.id,
            "generation": feed.loading,
            "name": one.cve,
            "exploited_since": one.exploited_since.isoformat() if one.exploited_since else None,
            "likelihood": _millionths(one.likelihood),
            "percentile": _millionths(one.percentile),
            "cvss": msgspec.json.encode(one.cvss).decode(),
        }
        for one in given
    ]
    if rows:
        tx.run_each(_INSERT_FACTS, rows)


def match_packages(tx: Transaction, package_version_ids: Sequence[int]) -> None:
    """Match package versions that were not there before."""
    for some in batches(package_version_ids):
        tx.run(_MATCH_PACKAGES, which=some)


def found(tx: Transaction, package_version_ids: Sequence[int]) -> list[Row]:
    """What the advisories that count say of package versions: a row for each pair."""
    return [row for some in batches(package_version_ids) for row in tx.all(_FOUND, which=some)]


def affected(tx: Transaction, name: str, after: int, limit: int) -> list[int]:
    """Package versions that a vulnerability is in, in their order, beginning after one."""
    return tx.column(_AFFECTED, name=name, after=after, limit=limit)


def published_at(tx: Transaction, name: str) -> datetime | None:
    """When a vulnerability was first told of, as the advisories that count know it."""
    told = bodies(tx, tx.column(_NAMED, name=name, limit=BATCH)).values()
    return min((one.published_at for one in told if one.published_at is not None), default=None)


def touched(tx: Transaction, feed: Feed) -> list[int]:
    """Package versions of which a feed says something else than when its changes were last told."""
    return tx.column(_TOUCHED, feed=feed.id, since=feed.settled, upto=feed.current)


def bodies(tx: Transaction, rows: Sequence[int]) -> dict[int, Body]:
    """What people read of advisories."""
    decoder = msgspec.json.Decoder(Body)
    return {
        row["id"]: decoder.decode(zlib.decompress(row["body"]))
        for some in batches(rows)
        for row in tx.all(_BODIES, which=some)
    }


def severities(tx: Transaction, names: Sequence[str]) -> dict[str, str]:
    """How bad the feeds find vulnerabilities, whatever the package."""
    told: dict[str, str] = {}
    for some in batches(names):
        for row in tx.all(_SEVERITIES, which=some):
            told.setdefault(row["name"], row["severity"])
    return told


def facts(tx: Transaction, names: Sequence[str]) -> dict[str, Facts]:
    """What is known of CVEs, all feeds together."""
    told: dict[str, Facts] = {}
    for some in batches(names):
        for row in tx.all(_FACTS, which=some):
            since = row["exploited_since"]
            now = Facts(
                row["name"],
                date.fromisoformat(since) if since else None,
                _share(row["likelihood"]),
                _share(row["percentile"]),
                tuple(Cvss(**one) for one in msgspec.json.decode(row["cvss"])),
            )
            told[now.cve] = _both(told[now.cve], now) if now.cve in told else now
    return told


def _millionths(share: float | None) -> int | None:
    return None if share is None else round(share * 1e6)


def _share(millionths: int | None) -> float | None:
    return None if millionths is None else millionths / 1e6


def _both(one: Facts, other: Facts) -> Facts:
    return Facts(
        one.cve,
        one.exploited_since or other.exploited_since,
        one.likelihood if one.likelihood is not None else other.likelihood,
        one.percentile if one.percentile is not None else other.percentile,
        one.cvss or other.cvss,
    )


def _range_row(advisory_id: int, advisory: Advisory, place: int) -> Row:
    one = advisory.ranges[place]
    return {
        "advisory_id": advisory_id,
        "ecosystem": one.ecosystem,
        "name": one.name,
        "low": one.low,
        "high": one.high,
        "fixed": one.fixed,
        "status": one.status.value,
        "severity": advisory.severity_of(one).value,
        "is_exact": one.is_exact,
        "module": one.module and clipped(one.module, MODULE_CHARACTERS),
    }


def _packed(one: Advisory) -> bytes:
    scores = tuple((score.version, score.vector, score.score) for score in one.cvss)
    body = Body(one.title, one.description, one.url, one.references, scores, one.published_at, one.modified_at)
    return zlib.compress(msgspec.json.encode(body))
