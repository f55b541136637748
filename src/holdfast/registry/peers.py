"""Say which registry elsewhere stands behind a destination of replication."""

from __future__ import annotations

import json
import ssl
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model import digests
from holdfast.model.errors import InvalidParameter, LimitExceeded, SecretNotFound
from holdfast.model.peers import SETTING, Peer
from holdfast.model.secrets import ANY_SUFFIX
from holdfast.outbound.distribution import RemoteFault
from holdfast.registry import secrets

if TYPE_CHECKING:
    from holdfast.model.names import Registry
    from holdfast.registry.backends import Backends
    from holdfast.store import Transaction

NOTHING = digests.digest_of(b"")


def put(on: Backends, source: Registry, peer: Peer) -> None:
    """Let a peer stand behind a destination, in place of another one."""
    if peer.destination == source:
        raise InvalidParameter("destination", "Replication destination cannot be the same as the source registry")
    peer.check_secret(source)
    if peer.credential_arn is not None:
        _check_secret(on, peer.credential_arn)
    if peer.ca_pem is not None:
        _check_certificates(peer.ca_pem)
    with on.database.transaction() as tx:
        others = [one for one in of_registry(tx, source) if one.destination != peer.destination]
        if len(others) >= on.limits.replication_destinations:
            raise LimitExceeded(f"The registry cannot have more than {on.limits.replication_destinations} peers")
        _keep(on, tx, source, [*others, peer])


def delete(on: Backends, source: Registry, destination: Registry) -> Peer | None:
    """Let a destination be a registry of this installation again; what stood behind it."""
    with on.database.transaction() as tx:
        found = of_registry(tx, source)
        _keep(on, tx, source, [one for one in found if one.destination != destination])
    return next((one for one in found if one.destination == destination), None)


def attempt(on: Backends, peer: Peer, repository_name: str) -> str | None:
    """Log in at a peer as a copy of a repository would; what is wrong, if it does not let us."""
    if peer.credential_arn is not None:
        _check_secret(on, peer.credential_arn)
    session = on.peers.of(on, peer)
    try:
        if peer.kind.has_api:
            session.call("GetAuthorizationToken", {})
        session.pusher.has_blob(peer.name_of(repository_name), NOTHING, 0)
    except RemoteFault as fault:
        return str(fault)
    return None


def page(on: Backends, source: Registry) -> list[Peer]:
    """All peers of a registry."""
    with on.database.snapshot() as tx:
        return of_registry(tx, source)


def find(on: Backends, source: Registry, destination: Registry) -> Peer | None:
    """The peer behind a destination; None if that is a registry of this installation."""
    with on.database.snapshot() as tx:
        return find_in(tx, source, destination)


def find_in(tx: Transaction, source: Registry, destination: Registry) -> Peer | None:
    """The same, in a transaction."""
    return next((one for one in of_registry(tx, source) if one.destination == destination), None)


def of_registry(tx: Transaction, source: Registry) -> list[Peer]:
    """All peers of a registry, as they are kept."""
    text = store.registry_settings.find(tx, source, SETTING)
    return [] if text is None else [Peer.of(one) for one in json.loads(text)]


def _keep(on: Backends, tx: Transaction, source: Registry, found: list[Peer]) -> None:
    found.sort(key=lambda one: (one.destination.region, one.destination.account_id))
    store.registry_settings.put(tx, source, SETTING, json.dumps([one.document for one in found]), on.clock())


def _check_secret(on: Backends, arn: str) -> None:
    """Refuse a secret that is not there, or is no name and token."""
    try:
        secrets.value_of(on, arn)
    except SecretNotFound:
        raise SecretNotFound(arn.partition(":secret:")[2].removesuffix(f"-{ANY_SUFFIX}")) from None


def _check_certificates(pem: str) -> None:
    try:
        ssl.create_default_context(cadata=pem)
    except (ssl.SSLError, ValueError):
        raise InvalidParameter("caCertificates", "must be certificates in PEM") from None
