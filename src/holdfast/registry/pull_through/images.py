"""Pulls of what is not here: manifests and blobs by way of a rule, and tags that are to be asked for again.

A manifest that was fetched is on its way until all that it needs is here; it is served meanwhile. Its bytes are those
of the upstream, whatever else happens.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from holdfast import store
from holdfast.model import digests, manifests
from holdfast.model.caching import own_name
from holdfast.model.errors import (
    BlobNotFound,
    ImageNotFound,
    PullThroughCacheRuleNotFound,
    Refusal,
    RepositoryNotFound,
)
from holdfast.model.prefixes import reaching
from holdfast.model.templates import Purpose, TemplateSettings
from holdfast.model.work import ImportImage
from holdfast.outbound.distribution import NotThere, RemoteFault
from holdfast.registry import caching, keys, kms_keys, repositories, templates
from holdfast.registry.pull_through import flights, importing, siblings
from holdfast.registry.pull_through.flights import Flight, Reader, Wanted
from holdfast.registry.pull_through.upstreams import LOOK_SECONDS, refusal_of
from holdfast.store.hot import StoredManifest

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.model.caching import CacheRule
    from holdfast.model.names import Registry, RepositoryRef
    from holdfast.model.repositories import Repository
    from holdfast.outbound.distribution import Manifest
    from holdfast.registry.backends import Backends
    from holdfast.store.cached import Import

T = TypeVar("T")
log = logging.getLogger(__name__)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
ASKING = timedelta(seconds=15)  # in which nobody else asks; if a process dies or dawdles, somebody else does
RETRY = timedelta(minutes=1)  # after which a tag is asked for again whose upstream did not answer
IMPORT_DELAY = timedelta(seconds=2)  # in which a client begins to fetch what it wants by itself
AFTER_FAILURE = timedelta(hours=1)  # an image that does not come is begun anew when it is pulled
DOCKER_HUB = {"docker.io": "registry-1.docker.io"}  # what clients call it, and where its registry is


class Wait:
    """Somebody else is asking: look again in a moment, but not before it `is_over`."""

    def __init__(self, is_over: Callable[[], bool] = lambda: True) -> None:
        self.is_over = is_over


WAIT = Wait()


class Leave:
    """What a caller may do that ECR asks of whoever pulls through a rule.

    `is_sender` is asked for nothing that a client does not send if it is there: for it, what cannot be told is not.
    """

    def __init__(
        self,
        may_import: Callable[[], bool],
        may_create: Callable[[], bool],
        is_sender: Callable[[], bool] = lambda: False,
    ) -> None:
        self.may_import = may_import
        self.may_create = may_create
        self.is_sender = is_sender


EVERYTHING = Leave(lambda: True, lambda: True)


def may_have(on: Backends, at: RepositoryRef) -> bool:
    """Whether an upstream may have what a repository has not."""
    prefixes = reaching(at.name)
    return any(prefix in prefixes for prefix in on.database.hot.rules_of(at.registry))


def is_stale(on: Backends, found: StoredManifest) -> bool:
    """Whether the upstream of the tag that named a manifest is to be asked again."""
    return found.stale_at is not None and found.stale_at <= (on.clock() - EPOCH) // timedelta(microseconds=1)


def rewritten(on: Backends, registry: Registry, host: str, name: str) -> str:
    """The repository here that stands for one of another host, as containerd's `ns` names it; else the name itself."""
    for prefix, upstream_prefix in on.database.hot.rules_of_host(registry, DOCKER_HUB.get(host, host)):
        found = own_name(prefix, upstream_prefix, name)
        if found is not None:
            return found
    return name


# ---- Manifests


def manifest(on: Backends, at: RepositoryRef, reference: str, *, by_tag: bool, leave: Leave) -> StoredManifest | Wait:
    """A manifest by way of its rule: on its way already, or asked for now; the cached one where that fails."""
    rule = _rule(on, at)
    kept = on.database.hot.manifest(at, reference, by_tag=by_tag)
    if kept is not None and (rule is None or not is_stale(on, kept)):
        return kept
    with on.database.snapshot() as tx:
        repository = store.repositories.find(tx, at)
        named = {"tag" if by_tag else "digest": reference}
        coming = None if repository is None else store.cached.on_its_way(tx, repository, **named)
    if rule is None:
        raise _missing(at, reference, by_tag=by_tag, repository=repository)
    if (repository is None and not leave.may_create()) or not leave.may_import():
        if kept is not None:
            return kept
        raise _missing(at, reference, by_tag=by_tag, repository=repository)
    if coming is not None and _is_good(on, rule, coming, by_tag=by_tag):
        return StoredManifest(0, coming.digest, coming.media_type, coming.body)
    asked = partial(_asked, on, at, rule, reference, by_tag=by_tag, repository=repository, kept=kept)
    if not leave.is_sender():
        return asked()
    found = _soon(on, rule, asked) or kept
    if found is None:
        raise _missing(at, reference, by_tag=by_tag, repository=repository)
    return found


def _is_good(on: Backends, rule: CacheRule, coming: Import, *, by_tag: bool) -> bool:
    """Whether an image on its way is not to be asked for again."""
    age = on.clock() - coming.requested_at
    if coming.failure is not None and age > AFTER_FAILURE:
        return False
    return not by_tag or age < timedelta(seconds=rule.options.tag_seconds)


def _soon(on: Backends, rule: CacheRule, asked: Callable[[], T | Wait]) -> T | None:
    """What an upstream has, for whoever is about to send it; None if it has not, or does not tell at once."""

    def once() -> T | None:
        found = asked()
        return None if isinstance(found, Wait) else found

    try:
        return on.upstreams.soon(on, rule, once)
    except Refusal as refusal:
        log.info("the upstream of %s does not say what need not be pushed: %s", rule.prefix, refusal.message)
        return None


def _asked(
    on: Backends,
    at: RepositoryRef,
    rule: CacheRule,
    reference: str,
    *,
    by_tag: bool,
    repository: Repository | None,
    kept: StoredManifest | None,
) -> StoredManifest | Wait:
    name = rule.upstream_name(at.name)
    key = flights.key_of("manifest", at.arn, reference)
    with on.upstreams.turn(rule) as is_mine, on.upstreams.once(key) as is_first:
        if not (is_mine and is_first) or not _claim(on, at, rule, key, reference):
            return kept if kept is not None else WAIT  # a cached one is good enough while somebody else asks
        try:
            if kept is not None and _is_same(on, rule, name, reference, kept):
                _postpone(on, at, reference, timedelta(seconds=rule.options.tag_seconds))
                return kept
            fetched = on.upstreams.ask(on, rule, name, reference, lambda puller: puller.manifest(name, reference))
            return _begun(on, at, rule, fetched, reference if by_tag else "")
        except (RemoteFault, Refusal) as fault:
            if kept is not None:
                log.warning("what is cached as %s:%s is served for now: %s", at.name, reference, fault)
                _postpone(on, at, reference, RETRY)
                return kept
            if isinstance(fault, NotThere):
                raise _missing(at, reference, by_tag=by_tag, repository=repository) from None
            if isinstance(fault, RemoteFault):
                raise refusal_of(rule, fault) from None
            raise
        finally:
            with on.database.transaction(durable=False, within=()) as tx:
                store.cached.end_fetch(tx, key, on.upstreams.owner)


def _claim(on: Backends, at: RepositoryRef, rule: CacheRule, key: str, reference: str) -> bool:
    """Be the only one of all processes who asks."""
    now = on.clock()
    with on.database.snapshot() as tx:
        if not store.cached.may_claim(tx, key, 0, rule.prefix, now, None):
            return False
    with on.database.transaction(durable=False, within=[key]) as tx:
        wanted = store.cached.Fetch(
            key=key, registry_id=store.accounts.registry_id(tx, at.registry, now), prefix=rule.prefix,
            repository_name=at.name, reference=reference, owner=on.upstreams.owner, started_at=now,
            expires_at=now + ASKING, received_bytes=0, size_bytes=0, failure=None,
        )  # fmt: skip
        return store.cached.claim(tx, wanted, now, None)


def _is_same(on: Backends, rule: CacheRule, name: str, tag: str, kept: StoredManifest) -> bool:
    found = on.upstreams.ask(on, rule, name, tag, lambda puller: puller.stat_manifest(name, tag))
    return found.digest == kept.digest


def _begun(on: Backends, at: RepositoryRef, rule: CacheRule, fetched: Manifest, tag: str) -> StoredManifest:
    """Let a manifest that was fetched be on its way; its repository comes into being if need be."""
    parsed = manifests.parse(fetched.body, fetched.media_type or None, digests.algorithm(fetched.digest))
    _ensure_repository(on, at)
    keys.require(on, at)
    now = on.clock()
    with on.database.transaction(within=[at]) as tx:
        repository = store.repositories.get(tx, at)
        here = store.images.find(tx, repository, digest=parsed.digest)
        store.cached.begin_import(tx, repository, tag, parsed.digest, parsed.media_type, fetched.body, now)
        due_at = now if here is not None else now + IMPORT_DELAY
        store.work.add(tx, ImportImage(repository.id, parsed.digest, tag), now, due_at)
    if here is None:
        importing.fetch_ahead(on, at, rule, parsed)
    return StoredManifest(0, parsed.digest, parsed.media_type, fetched.body)


def _ensure_repository(on: Backends, at: RepositoryRef) -> None:
    """Let the repository of a first pull be there: by the template for that, else with what is the default."""
    while not on.database.hot.has_repository(at):
        with on.database.snapshot() as tx:
            template = templates.settings_for(tx, at, Purpose.PULL_THROUGH_CACHE)
        settings = TemplateSettings((Purpose.PULL_THROUGH_CACHE,)) if template is None else template.settings
        if settings.lacks_role:
            log.warning("repository %s is not created: its template sets tags or KMS but no customRoleArn", at.name)
            raise RepositoryNotFound(at)
        settings = replace(settings, encryption=kms_keys.settled(on, at.registry, settings.encryption))
        with on.database.transaction() as tx:
            if store.repositories.find(tx, at) is not None:
                return
            if templates.settings_for(tx, at, Purpose.PULL_THROUGH_CACHE) == template:
                repositories.create_by_template(on, tx, at, settings)
                return


def _postpone(on: Backends, at: RepositoryRef, tag: str, pause: timedelta, *, even_pushed: bool = False) -> None:
    """Ask for a tag after a while; not for one that somebody pushed in the meantime."""
    with on.database.transaction(durable=False, within=[at]) as tx:
        repository = store.repositories.find(tx, at)
        if repository is not None and (even_pushed or not store.cached.is_pushed(tx, repository, tag)):
            store.cached.set_stale_at(tx, repository, tag, on.clock() + pause)


def refresh(on: Backends, at: RepositoryRef, tag: str) -> StoredManifest:
    """Ask for a tag now, whenever that was done last; what it names at the upstream. Raises what asking does."""
    rule = _rule(on, at)
    if rule is None:
        raise PullThroughCacheRuleNotFound(at.registry, at.name)
    on.upstreams.forget(rule)
    name = rule.upstream_name(at.name)
    try:
        fetched = on.upstreams.ask(on, rule, name, tag, lambda puller: puller.manifest(name, tag))
    except NotThere:
        raise ImageNotFound(at, None, tag) from None
    except RemoteFault as fault:
        raise refusal_of(rule, fault) from None
    found = _begun(on, at, rule, fetched, tag)
    _postpone(on, at, tag, -RETRY, even_pushed=True)  # till it is here, whoever pulls the tag gets what is on its way
    return found


def _missing(at: RepositoryRef, reference: str, *, by_tag: bool, repository: Repository | None) -> Refusal:
    if repository is None:
        return RepositoryNotFound(at)
    return ImageNotFound(at, None if by_tag else reference, reference if by_tag else None)


# ---- Blobs


def blob_size(on: Backends, at: RepositoryRef, digest: str, leave: Leave) -> int:
    """How many bytes a blob has that only an upstream has. Raises `BlobNotFound`."""
    repositories.require(on, at)
    if not leave.may_import():
        raise BlobNotFound(at, digest)
    if not leave.is_sender():
        return stat(on, at, digest)
    rule = _rule(on, at)
    size_bytes = None if rule is None else _soon(on, rule, lambda: stat(on, at, digest))
    if size_bytes is None:
        raise BlobNotFound(at, digest)
    return size_bytes


def stat(on: Backends, at: RepositoryRef, digest: str) -> int:
    """How many bytes a blob has at the upstream of a repository. Raises `BlobNotFound`, and what asking does."""
    rule = _rule(on, at)
    if rule is None:
        raise BlobNotFound(at, digest)
    name = rule.upstream_name(at.name)
    try:
        return on.upstreams.ask(on, rule, name, digest, lambda puller: puller.stat_blob(name, digest))
    except NotThere:
        raise BlobNotFound(at, digest) from None
    except RemoteFault as fault:
        raise refusal_of(rule, fault) from None


def blob(on: Backends, at: RepositoryRef, digest: str, leave: Leave) -> Reader | Wait | None:
    """A blob that comes from an upstream, to be read while it comes; None if the repository has it by now."""
    if on.database.hot.blob(at, digest) is not None:
        return None
    with on.database.snapshot() as tx:
        repository = store.repositories.get(tx, at)
        rule = caching.rule_for(tx, at)
        is_sent = rule is not None and store.cached.find_sent(tx, repository, digest, rule.prefix) is not None
    if rule is None or not leave.may_import():
        raise BlobNotFound(at, digest)
    wanted = Wanted(at, digest, rule, repository.encryption.key_scope)
    flight = flights.find(on, wanted)
    if flight is None:
        if is_sent:
            stat(on, at, digest)  # whoever may not have it from there does not get it here
            if flights.link(on, wanted):
                return None
        siblings.listen(on)
        flight = flights.begin(on, wanted) or siblings.follow(on, wanted)
        if flight is None:
            return WAIT
    if flight.wanted.at != at:
        stat(on, at, digest)
    on.upstreams.wait(flight.opened, LOOK_SECONDS)
    if not flight.opened.is_set():
        return Wait(flight.opened.is_set)
    if not flight.is_following:  # else the next look has its own
        _require_sent(at, flight)
    return flights.join(on, flight, at) or WAIT


def _require_sent(at: RepositoryRef, flight: Flight) -> None:
    """Refuse a blob that does not come."""
    if flight.is_absent:
        raise BlobNotFound(at, flight.wanted.digest)
    if flight.refusal is not None:
        raise flight.refusal


def _rule(on: Backends, at: RepositoryRef) -> CacheRule | None:
    with on.database.snapshot() as tx:
        return caching.rule_for(tx, at)
