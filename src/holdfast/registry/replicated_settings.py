"""Choose which settings of repositories go where their images go, and notice when one changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model import replicated_settings as model
from holdfast.model import replication
from holdfast.model.errors import InvalidParameter
from holdfast.model.replicated_settings import SETTING, Setting
from holdfast.model.work import ReplicateSettings, SpreadSettings
from holdfast.registry import peers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from holdfast.model.names import Registry, RepositoryRef
    from holdfast.model.repositories import Repository
    from holdfast.registry.backends import Backends
    from holdfast.store import Transaction


def choose(on: Backends, home: Registry, destination: Registry, settings: Sequence[Setting]) -> None:
    """Say which settings go to a destination, in place of those that did; none of them by default."""
    with on.database.transaction() as tx:
        rules = replication.read(store.registry_settings.find(tx, home, replication.SETTING))
        if settings and destination not in rules.destinations:
            raise InvalidParameter("destination", "the replication configuration of the registry does not have it")
        peer = peers.find_in(tx, home, destination)
        if settings and peer is not None and not peer.kind.has_api:
            raise InvalidParameter("destination", "only a registry that speaks ECR's API has such settings")
        if settings and peer is None and _leads(tx, destination, home):
            raise InvalidParameter(
                "destination", "its repositories set those of this registry already, and one of the two must lead"
            )
        choices = model.read(store.registry_settings.find(tx, home, SETTING))
        choices[destination] = tuple(dict.fromkeys(settings))
        store.registry_settings.put(tx, home, SETTING, model.text_of(choices), on.clock())
        if settings:
            spread = SpreadSettings(home.account_id, home.region, destination.account_id, destination.region)
            store.work.add(tx, spread, on.clock())


def _leads(tx: Transaction, registry: Registry, follower: Registry) -> bool:
    """Whether settings of a registry go to another one, at once or by way of others of this installation.

    In a circle, whoever compares first would take back what was just changed.
    """
    seen: set[Registry] = set()
    waiting = [registry]
    while waiting:
        at = waiting.pop()
        if at in seen:
            continue
        seen.add(at)
        others = {peer.destination for peer in peers.of_registry(tx, at)}
        waiting += model.read(store.registry_settings.find(tx, at, SETTING)).keys() - others
    return follower in seen


def chosen(on: Backends, home: Registry) -> model.Choices:
    """Which settings go to each destination."""
    with on.database.snapshot() as tx:
        return model.read(store.registry_settings.find(tx, home, SETTING))


def changed(tx: Transaction, repository: Repository, now: datetime) -> None:
    """A repository was set otherwise: let that go where it shall, in the transaction of the change."""
    choices = model.read(store.registry_settings.find_by_id(tx, repository.registry_id, SETTING))
    for destination in choices:
        begin(tx, repository.id, destination, now)


def begin(tx: Transaction, repository_id: int, destination: Registry, now: datetime) -> None:
    """Let a repository be set at a destination in the background."""
    store.work.add(tx, ReplicateSettings(repository_id, destination.region, destination.account_id), now)


def made(on: Backends, at: RepositoryRef, destination: Registry) -> None:
    """A repository was made to be a copy of one that is here."""
    with on.database.snapshot() as tx:
        repository = store.repositories.find(tx, at)
        is_wanted = repository is not None and wanted(tx, repository, destination)
    if repository is not None and is_wanted:
        ask(on, repository, destination)


def ask(on: Backends, repository: Repository, destination: Registry) -> None:
    """The same, in a transaction of its own."""
    with on.database.transaction() as tx:
        begin(tx, repository.id, destination, on.clock())


def wanted(tx: Transaction, repository: Repository, destination: Registry) -> tuple[Setting, ...]:
    """The settings of a repository that go to a destination now."""
    rules = replication.read(store.registry_settings.find_by_id(tx, repository.registry_id, replication.SETTING))
    if destination not in replication.destinations_of(rules, repository.name):
        return ()
    return model.read(store.registry_settings.find_by_id(tx, repository.registry_id, SETTING)).get(destination, ())
