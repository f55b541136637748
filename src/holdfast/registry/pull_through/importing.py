"""What continues in the background when an image was pulled through: whatever its first client did not fetch.

A run of a handler never waits for bytes: it begins flights and comes again.

    manifest on its way ─► its members on their way (each with work of its own) ─► its blobs ─► the image, its tag
                                                                                                    └─► its referrers
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model import digests, manifests
from holdfast.model.errors import ImageTagAlreadyExists, Refusal
from holdfast.model.events import pull_through_action
from holdfast.model.work import FetchReferrers, ImportImage
from holdfast.outbound.distribution import RemoteFault
from holdfast.registry import caching, events, images
from holdfast.registry.pull_through import flights, siblings
from holdfast.registry.pull_through.flights import Wanted

if TYPE_CHECKING:
    from holdfast.model.caching import CacheRule
    from holdfast.model.manifests import Manifest
    from holdfast.model.names import RepositoryRef
    from holdfast.model.repositories import Repository
    from holdfast.registry.backends import Backends
    from holdfast.registry.pull_through.flights import Flight
    from holdfast.registry.work import Job

log = logging.getLogger(__name__)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LOOK = timedelta(seconds=1)  # until a look at flights that are under way
MEMBERS_AT_ONCE = 20  # manifests that one run asks for
AHEAD = 4  # blobs of one image that are fetched at once before somebody asks for them
REFERRERS = 200  # of one image that come with it
MOST_PARTS = 2000  # of one manifest; what has more is served, and not kept
MOST_COMING = 2000  # manifests on their way to one repository
MOST_COMING_BYTES = 64 * 1024 * 1024  # of these
ATTEMPTS = 8
FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=30)


class CannotImport(Exception):
    """What an image needs does not come; the message says why."""


class TooMuch(CannotImport):
    """What an image needs is more than is kept of one, whenever it is tried."""


def import_image(on: Backends, job: Job) -> datetime | None:
    """Bring what an image needs, then the image itself; give up after a while of trying."""
    payload = job.item.payload
    digest, tag = payload["digest"], payload["tag"]
    with on.database.snapshot() as tx:
        repository = store.repositories.find_by_id(tx, payload["repository_id"])
        coming = None if repository is None else store.cached.find_import(tx, repository, tag, digest)
        rule = None if repository is None else caching.rule_for(tx, repository.ref)
    if repository is None or coming is None or coming.failure is not None:
        return None
    failures = int((job.item.progress or {}).get("failures", 0))
    try:
        rule = _required(rule)
        manifest = manifests.parse(coming.body, coming.media_type, digests.algorithm(digest))
        if len(manifest.needed_manifests) + len(manifest.needed_blobs) > MOST_PARTS:
            raise TooMuch(f"it needs more than {MOST_PARTS} others")
        if not (
            _has_members(on, repository, rule, manifest, coming.requested_at)
            and _has_blobs(on, repository, rule, manifest)
        ):
            return on.clock() + LOOK
        _keep(on, job, repository, rule, manifest, tag)
    except (CannotImport, RemoteFault, Refusal) as fault:
        failures += 1
        log.warning("importing %s@%s failed %d times: %s", repository.name, digest, failures, fault)
        is_over = failures >= ATTEMPTS or rule is None or isinstance(fault, TooMuch)
        with on.database.transaction() as tx:
            job.step(tx, {"failures": failures})
            if is_over:
                store.cached.give_up_import(tx, repository, tag, digest, str(fault))
                event = pull_through_action(repository.ref, rule, coming.digest, tag, failure=str(fault))
                events.tell(on, tx, repository.registry, event)
        return None if is_over else on.clock() + min(FIRST_PAUSE * 2 ** (failures - 1), LONGEST_PAUSE)
    return None


def _required(rule: CacheRule | None) -> CacheRule:
    if rule is None:
        raise CannotImport("there is no pull through cache rule for the repository any more")
    return rule


def _has_members(on: Backends, repository: Repository, rule: CacheRule, manifest: Manifest, since: datetime) -> bool:
    """Whether every member of an index is here; those that are not are let come, unless they failed since."""
    wanted = list(manifest.needed_manifests)
    with on.database.snapshot() as tx:
        held = store.cached.held(tx, repository, wanted)
        coming = {one: store.cached.on_its_way(tx, repository, digest=one) for one in wanted if one not in held}
    for digest, one in coming.items():
        if one is not None and one.failure is not None and one.requested_at >= since:
            raise CannotImport(f"its member {digest} does not come: {one.failure}")
    wanted = [digest for digest, one in coming.items() if one is None or one.failure is not None]
    for digest in wanted[:MEMBERS_AT_ONCE]:
        _let_come(on, repository, rule, digest)
    return not coming


def _let_come(on: Backends, repository: Repository, rule: CacheRule, digest: str) -> None:
    with on.database.snapshot() as tx:
        count, size_bytes = store.cached.on_their_way(tx, repository)
    if count >= MOST_COMING or size_bytes >= MOST_COMING_BYTES:
        raise CannotImport("too many others are on their way to the repository")
    name = rule.upstream_name(repository.name)
    found = on.upstreams.ask(on, rule, name, digest, lambda puller: puller.manifest(name, digest))
    parsed = manifests.parse(found.body, found.media_type or None, digests.algorithm(digest))
    now = on.clock()
    with on.database.transaction(within=[repository.ref]) as tx:
        store.cached.begin_import(tx, repository, "", digest, parsed.media_type, found.body, now)
        store.work.add(tx, ImportImage(repository.id, digest, ""), now)


def _has_blobs(on: Backends, repository: Repository, rule: CacheRule, manifest: Manifest) -> bool:
    """Whether every blob is here; those that nobody fetches are begun, unless a client is at work."""
    at, scope = repository.ref, repository.encryption.key_scope
    with on.database.snapshot() as tx:
        held = store.blobs.sizes(tx, repository, manifest.needed_blobs)
        missing = [Wanted(at, digest, rule, scope) for digest in manifest.needed_blobs if digest not in held]
        known = {one.key: store.cached.find_fetch(tx, one.key) for one in missing}
        here = {one.digest for one in missing if store.cached.find_sent(tx, repository, one.digest, rule.prefix)}
    now = on.clock()
    if any(one is not None and one.failure is None and one.expires_at > now for one in known.values()):
        return False  # a client, or another process, brings them one by one
    for one in missing:
        fetch = known[one.key]
        if fetch is not None and fetch.failure is not None:
            with on.database.transaction(durable=False, within=()) as tx:
                store.cached.take_failure(tx, one.key)
            raise CannotImport(f"its blob {one.digest} does not come: {fetch.failure}")
    siblings.listen(on)
    for one in missing:
        if one.digest in here:
            _share(on, one)
        elif flights.begin(on, one) is None:
            break  # as many are fetched as may be
    return not missing


def fetch_ahead(on: Backends, at: RepositoryRef, rule: CacheRule, manifest: Manifest) -> None:
    """Fetch what a client will ask for next, in the order in which its manifest names it.

    Half of what may be fetched at once is left to those who ask. What does not come so comes with the import.
    """
    most = rule.options.at_once // 2
    if manifest.needed_blobs and most and on.upstreams.ahead.acquire(blocking=False):
        on.upstreams.begin(lambda: _fetch_ahead(on, at, rule, manifest, most))


def _fetch_ahead(on: Backends, at: RepositoryRef, rule: CacheRule, manifest: Manifest, most: int) -> None:
    try:
        with on.database.snapshot() as tx:
            repository = store.repositories.get(tx, at)
            held = store.blobs.sizes(tx, repository, manifest.needed_blobs)
            missing = [one for one in manifest.needed_blobs if one not in held]
            missing = [one for one in missing if store.cached.find_sent(tx, repository, one, rule.prefix) is None]
        siblings.listen(on)
        under_way: list[Flight] = []
        for digest in missing:
            if len(under_way) == min(most, AHEAD):
                on.upstreams.wait(under_way.pop(0).ended)
            flight = flights.begin(on, Wanted(at, digest, rule, repository.encryption.key_scope), most)
            under_way += [flight] if flight is not None else []
    except Refusal as refusal:
        log.info("nothing of %s is fetched ahead: %s", at.name, refusal.message)
    except Exception:
        log.exception("fetching ahead for %s failed; what is missing comes with its import", at.name)
    finally:
        on.upstreams.ahead.release()


def _share(on: Backends, wanted: Wanted) -> None:
    """Let a repository have what its upstream sent for another one, if it says that both have it."""
    name = wanted.upstream_name
    on.upstreams.ask(on, wanted.rule, name, wanted.digest, lambda puller: puller.stat_blob(name, wanted.digest))
    flights.link(on, wanted)


def _keep(on: Backends, job: Job, repository: Repository, rule: CacheRule, manifest: Manifest, tag: str) -> None:
    """Let an image be here, and its tag name it, unless the tag may not be moved."""
    try:
        _keep_as(on, job, repository, rule, manifest, tag, may_point=True)
    except ImageTagAlreadyExists as refusal:
        log.info("%s: %s", repository.name, refusal.message)
        _keep_as(on, job, repository, rule, manifest, tag, may_point=False)


def _keep_as(
    on: Backends, job: Job, repository: Repository, rule: CacheRule, manifest: Manifest, tag: str, *, may_point: bool
) -> None:
    now = on.clock()
    with on.database.transaction(within=[repository.ref]) as tx:
        job.step(tx)
        repository = store.repositories.get(tx, repository.ref)
        was_here = store.images.find(tx, repository, digest=manifest.digest)
        is_hosted = was_here is not None and store.cached.referrers_at(tx, was_here.id) is None
        may_point = may_point and not store.cached.is_pushed(tx, repository, tag)  # by somebody, in the meantime
        image = images.put_in(on, tx, repository, manifest, [tag] if tag and may_point else [], is_cached=True).image
        if not is_hosted:  # what somebody pushed here is never let go for room
            store.cached.mark(tx, image.id, repository, rule.prefix, now, EPOCH)
        if tag:
            may_move = repository.mutability.may_move(tag) and may_point
            stale_at = now + timedelta(seconds=rule.options.tag_seconds) if may_move else None
            store.cached.set_stale_at(tx, repository, tag, stale_at)
            event = pull_through_action(repository.ref, rule, manifest.digest, tag)
            events.tell(on, tx, repository.registry, event)
        store.cached.end_import(tx, repository, tag, manifest.digest)
        if manifest.subject is None and was_here is None:
            store.work.add(tx, FetchReferrers(repository.id, manifest.digest), now)


def fetch_referrers(on: Backends, job: Job) -> datetime | None:
    """Let what refers to an image come as well, as far as it has not."""
    payload = job.item.payload
    with on.database.snapshot() as tx:
        repository = store.repositories.find_by_id(tx, payload["repository_id"])
        rule = None if repository is None else caching.rule_for(tx, repository.ref)
        image = None if repository is None else store.images.find(tx, repository, digest=payload["digest"])
    if repository is None or rule is None or image is None:
        return None
    name, digest = rule.upstream_name(repository.name), image.digest
    try:
        found = on.upstreams.ask(on, rule, name, f"referrers of {digest}", lambda one: one.referrers(name, digest))
        with on.database.snapshot() as tx:
            held = store.cached.held(tx, repository, [one.digest for one in found])
            missing = [one.digest for one in found[:REFERRERS] if one.digest not in held]
            missing = [one for one in missing if store.cached.on_its_way(tx, repository, digest=one) is None]
        for one in missing[:MEMBERS_AT_ONCE]:
            _let_come(on, repository, rule, one)
    except (CannotImport, RemoteFault, Refusal) as fault:
        log.warning("what refers to %s@%s does not come until somebody asks: %s", repository.name, digest, fault)
        return None
    with on.database.transaction() as tx:
        job.step(tx)
        store.cached.referrers_asked(tx, image.id, on.clock())
    return on.clock() + LOOK if len(missing) > MEMBERS_AT_ONCE else None
