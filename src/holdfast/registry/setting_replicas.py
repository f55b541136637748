"""Set repositories where their images are copied to as they are here, where a registry wants that.

    a setting changes, or a repository is made there ──► work ──► what differs is set there
    a comparison finds that something differs ──────────┘

One side leads: what is changed there is set again as it is here. What is so already is not written.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from holdfast import store
from holdfast.model import replicated_settings as model
from holdfast.model.callers import Caller
from holdfast.model.circumstances import NoRequest
from holdfast.model.errors import Refusal, ReplicatedSettingsCircle, Unavailable
from holdfast.model.names import Registry, RepositoryRef
from holdfast.model.peers import Kind
from holdfast.model.replicated_settings import OWN_TAGS, Setting
from holdfast.model.repositories import Mutability, TagMutability
from holdfast.model.work import ReplicateSettings, SpreadSettings, VerifyReplica
from holdfast.outbound import ecr_api
from holdfast.outbound.distribution import Lied, NotThere, Refused, Rejected, RemoteFault
from holdfast.registry import access, lifecycle, peers, policies, replicated_settings, setting_leaders
from holdfast.registry.peer_sessions import PeerUnavailable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from holdfast.model.peers import Peer
    from holdfast.model.repositories import Repository
    from holdfast.registry.backends import Backends
    from holdfast.registry.peer_sessions import PeerSession
    from holdfast.registry.work import Job
    from holdfast.store import Transaction

log = logging.getLogger(__name__)

AT_ONCE = 200  # repositories in one transaction
Values = dict[Setting, Any]


# ---- Background work


def spread(on: Backends, job: Job) -> None:
    """Let every repository be set there as it is here, since a registry wants that now."""
    wanted = SpreadSettings(**job.item.payload)
    home, destination = Registry(wanted.account_id, wanted.region), Registry(wanted.to_account_id, wanted.to_region)
    after = (job.item.progress or {}).get("after", "")
    found: list[Repository] | None = None
    while found is None or len(found) == AT_ONCE:
        with on.database.transaction() as tx:
            found = store.repositories.page(tx, home, after, AT_ONCE)
            after = found[-1].name if found else after
            job.step(tx, {"after": after})
            for one in found:
                replicated_settings.begin(tx, one.id, destination, on.clock())


def replicate(on: Backends, job: Job) -> None:
    """Set a repository there as it is here; where there is none yet, it is set when it is made."""
    wanted = ReplicateSettings(**job.item.payload)
    there = Registry(wanted.account_id, wanted.region)
    with on.database.snapshot() as tx:
        repository = store.repositories.find_by_id(tx, wanted.repository_id)
        peer = peers.find_in(tx, repository.registry, there) if repository is not None else None
    if repository is None:
        return
    try:
        if peer is None:
            _set_here(on, job, repository, there)
        else:
            _set_elsewhere(on, job, repository, peer)
    except Unavailable:
        raise
    except Refusal as refusal:  # the next comparison finds it, and tries again
        if isinstance(refusal, ReplicatedSettingsCircle):  # which is told at once
            with on.database.transaction() as tx:
                told = VerifyReplica(repository.id, there.region, there.account_id, repairs=False, everything=False)
                store.work.add(tx, told, on.clock())
        log.warning("%s is not set in %s of %s as it is here: %s", repository.name, there.region, there.account_id,
                    refusal.message)  # fmt: skip


def differing(on: Backends, repository: Repository, destination: Registry) -> list[Setting]:
    """The settings that should be there as they are here, and are not. Refuses if a peer does not tell."""
    with on.database.snapshot() as tx:
        wanted = replicated_settings.wanted(tx, repository, destination)
        here = _ours(tx, repository, wanted)
        peer = peers.find_in(tx, repository.registry, destination)
        target = store.repositories.find(tx, RepositoryRef(destination, repository.name))
        if not wanted or (peer is None and target is None) or (peer is not None and not peer.kind.has_api):
            return []
        if peer is None and target is not None:
            return model.differing(here, _ours(tx, target, wanted))
    assert peer is not None
    session = on.peers.of(on, peer)
    session.require_up()
    try:
        _lead(on, repository, session)
        return model.differing(here, _Theirs(session, peer.name_of(repository.name)).read(wanted))
    except NotThere:
        return []
    except RemoteFault as fault:
        session.failed(fault)
        raise PeerUnavailable(str(fault)) from None


# ---- Another registry of this installation


def _set_here(on: Backends, job: Job, repository: Repository, destination: Registry) -> None:
    at = RepositoryRef(destination, repository.name)
    settings = differing(on, repository, destination)
    if settings and repository.registry.account_id != destination.account_id:
        for action in ("ecr:ReplicateImage", *(one.action for one in settings)):
            access.require(on, Caller(repository.registry.account_id, ""), action, at, NoRequest())
    with on.database.transaction() as tx:
        job.step(tx)
        source, target = store.repositories.find_by_id(tx, repository.id), store.repositories.find(tx, at)
        if source is None or target is None:
            return
        here, there = _ours(tx, source, settings), _ours(tx, target, settings)
        for setting in model.differing(here, there):
            _put(on, tx, target, setting, here[setting], there[setting])
        setting_leaders.follow(on, tx, target, setting_leaders.of(on, tx, source))
        store.counters.bump_access(tx, destination.account_id)


def _ours(tx: Transaction, repository: Repository, wanted: Sequence[Setting]) -> Values:
    """How a repository of this installation is set."""
    found: Values = {}
    for setting in wanted:
        match setting:
            case Setting.TAG_MUTABILITY:
                found[setting] = repository.mutability
            case Setting.SCAN_ON_PUSH:
                found[setting] = repository.scan_on_push
            case Setting.LIFECYCLE_POLICY:
                policy = store.lifecycle.find_policy(tx, repository.id)
                found[setting] = None if policy is None else policy.text
            case Setting.REPOSITORY_POLICY:
                found[setting] = policies.find_in(tx, repository)
            case Setting.RESOURCE_TAGS:
                found[setting] = _plain_tags(store.repositories.resource_tags(tx, repository))
    return found


def _put(on: Backends, tx: Transaction, target: Repository, setting: Setting, value: Any, before: Any) -> None:
    match setting:
        case Setting.TAG_MUTABILITY:
            store.repositories.set_mutability(tx, target, value)
        case Setting.SCAN_ON_PUSH:
            store.repositories.set_scan_on_push(tx, target, value)
        case Setting.LIFECYCLE_POLICY if value is None:
            store.lifecycle.delete_policy(tx, target)
        case Setting.LIFECYCLE_POLICY:
            lifecycle.store_policy(on, tx, target, value)
        case Setting.REPOSITORY_POLICY:
            policies.put_in(tx, target, value)
        case Setting.RESOURCE_TAGS:
            store.repositories.remove_resource_tags(tx, target, before.keys() - value.keys())
            store.repositories.set_resource_tags(tx, target, value)


def _plain_tags(tags: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in tags.items() if not key.startswith(OWN_TAGS)}


# ---- A registry elsewhere


def _set_elsewhere(on: Backends, job: Job, repository: Repository, peer: Peer) -> None:
    with on.database.snapshot() as tx:
        wanted = replicated_settings.wanted(tx, repository, peer.destination)
        here = _ours(tx, repository, wanted)
    if not wanted or not peer.kind.has_api:
        return
    session = on.peers.of(on, peer)
    session.require_up()
    theirs = _Theirs(session, peer.name_of(repository.name))
    try:
        _lead(on, repository, session)
        there = theirs.read(wanted)
        for setting in model.differing(here, there):
            with on.database.transaction(durable=False) as tx:
                job.step(tx)
            theirs.put(setting, here[setting], there[setting])
    except NotThere:
        return
    except RemoteFault as fault:
        session.failed(fault)
        log.warning("%s is not set at %s as it is here: %s", repository.name, peer.url, fault)


def _lead(on: Backends, repository: Repository, session: PeerSession) -> None:
    """Say to another Holdfast from where the settings come. Refuses if they come from there; may raise `NotThere`."""
    if session.peer.kind is not Kind.HOLDFAST:
        return
    leaders = setting_leaders.find(on, repository)
    name = session.peer.name_of(repository.name)
    try:
        session.call("PutSettingLeaders", {"repositoryName": name, "leaders": leaders}, ecr_api.HOLDFAST)
    except (Refused, Rejected) as fault:  # we may not, or it is older and cannot be asked
        circle = ReplicatedSettingsCircle(repository.ref)
        if isinstance(fault, Rejected) and fault.code == circle.code:
            raise circle from None
        log.info("%s is not told from where the settings of %s come: %s", session.peer.url, name, fault)


class _Theirs:
    """A repository at a peer, through ECR's API."""

    def __init__(self, session: PeerSession, name: str) -> None:
        self._session = session
        self._name = {"repositoryName": name}
        self._arn = ""

    def read(self, wanted: Sequence[Setting]) -> Values:
        """How it is set. Raises a `RemoteFault`; `NotThere` if there is none."""
        try:
            return self._read(wanted)
        except (AttributeError, KeyError, TypeError, ValueError) as fault:
            raise Lied(f"{self._session.peer.url} describes a repository as nobody can read it: {fault!r}") from None

    def _read(self, wanted: Sequence[Setting]) -> Values:
        told = self._session.call("DescribeRepositories", {"repositoryNames": [self._name["repositoryName"]]})
        [found] = told["repositories"]
        self._arn = found["repositoryArn"]
        filters = tuple(one["filter"] for one in found.get("imageTagMutabilityExclusionFilters") or ())
        values: Values = {
            Setting.TAG_MUTABILITY: TagMutability(Mutability(found["imageTagMutability"]), filters),
            Setting.SCAN_ON_PUSH: (found.get("imageScanningConfiguration") or {}).get("scanOnPush", False),
        }
        if Setting.LIFECYCLE_POLICY in wanted:
            values[Setting.LIFECYCLE_POLICY] = self._text("GetLifecyclePolicy", "lifecyclePolicyText")
        if Setting.REPOSITORY_POLICY in wanted:
            values[Setting.REPOSITORY_POLICY] = self._text("GetRepositoryPolicy", "policyText")
        if Setting.RESOURCE_TAGS in wanted:
            tags = self._session.call("ListTagsForResource", {"resourceArn": self._arn}).get("tags") or ()
            values[Setting.RESOURCE_TAGS] = _plain_tags({one["Key"]: one["Value"] for one in tags})
        return values

    def _text(self, operation: str, member: str) -> str | None:
        try:
            text: str = self._session.call(operation, self._name)[member]
        except NotThere:
            return None
        return text

    def put(self, setting: Setting, value: Any, before: Any) -> None:
        """Set it. Raises a `RemoteFault`."""
        call, name = self._session.call, self._name
        match setting:
            case Setting.TAG_MUTABILITY:
                filters = [{"filterType": "WILDCARD", "filter": pattern} for pattern in value.filters]
                more = {"imageTagMutabilityExclusionFilters": filters} if filters else {}
                call("PutImageTagMutability", {**name, "imageTagMutability": value.setting.value, **more})
            case Setting.SCAN_ON_PUSH:
                call("PutImageScanningConfiguration", {**name, "imageScanningConfiguration": {"scanOnPush": value}})
            case Setting.LIFECYCLE_POLICY if value is None:
                call("DeleteLifecyclePolicy", name)
            case Setting.LIFECYCLE_POLICY:
                call("PutLifecyclePolicy", {**name, "lifecyclePolicyText": value})
            case Setting.REPOSITORY_POLICY if value is None:
                call("DeleteRepositoryPolicy", name)
            case Setting.REPOSITORY_POLICY:
                call("SetRepositoryPolicy", {**name, "policyText": value})
            case Setting.RESOURCE_TAGS:
                if gone := sorted(before.keys() - value.keys()):
                    call("UntagResource", {"resourceArn": self._arn, "tagKeys": gone})
                if tags := [{"Key": key, "Value": item} for key, item in value.items() if before.get(key) != item]:
                    call("TagResource", {"resourceArn": self._arn, "tags": tags})
