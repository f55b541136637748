"""What one process knows of peers: as whom it speaks to them, what they have, and which of them does not answer."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from holdfast.model.errors import Unavailable
from holdfast.model.peers import Kind
from holdfast.model.remotes import AccessKey, Password
from holdfast.outbound import ecr_api
from holdfast.outbound.distribution import Full, OutOfBounds, Pusher, TooManyRequests, Unreachable, Wire
from holdfast.registry import secrets

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from holdfast.model.names import Registry
    from holdfast.model.peers import Peer
    from holdfast.outbound import Network
    from holdfast.outbound.distribution import RemoteFault
    from holdfast.registry.backends import Backends

MOST = 100  # peers that are remembered
REMEMBERED = 20_000  # blobs of a peer, of which it is known which repository has them, and repositories
DOWN_SECONDS = 15.0  # for which a peer that did not answer is not asked again: others have their turn
LONGEST_DOWN_SECONDS = 300.0  # that a peer may wish for


class PeerUnavailable(Unavailable):
    """A peer does not answer, or wants to be asked later."""


class PeerFull(PeerUnavailable):
    """A peer has no room, or takes nothing of that size."""


class PeerSession:
    """One peer, spoken to as somebody; threads may share it."""

    def __init__(
        self, on: Backends, peer: Peer, credentials: AccessKey | Password | None, pusher: Pusher, wire: Wire
    ) -> None:
        self.peer = peer
        self.pusher = pusher
        self._on = on
        self._credentials = credentials
        self._wire = wire
        self._lock = threading.Lock()
        self._repositories: set[str] = set()  # that are known to be there
        self._holders: OrderedDict[str, str] = OrderedDict()
        self._lists_referrers: OrderedDict[str, bool] = OrderedDict()  # by repository
        self._down_until = -1e9
        self._refusal = PeerUnavailable("")

    @property
    def username(self) -> str:
        """As whom it is spoken to; empty for nobody."""
        known = self._credentials
        return "" if known is None else known.id if isinstance(known, AccessKey) else known.username

    def hang_up(self) -> None:
        """Keep no connection."""
        self._wire.close()

    def require_up(self) -> None:
        """Refuse for a while after the peer did not answer."""
        if self._on.monotonic() < self._down_until:
            raise type(self._refusal)(self._refusal.message)

    def failed(self, fault: RemoteFault) -> None:
        """Note what came of asking; raises `PeerUnavailable` for what may pass."""
        if isinstance(fault, OutOfBounds) or not isinstance(fault, Unreachable | TooManyRequests):
            return
        pause = getattr(fault, "retry_after_seconds", None) or DOWN_SECONDS
        self._refusal = (PeerFull if isinstance(fault, Full) else PeerUnavailable)(str(fault))
        self._down_until = self._on.monotonic() + min(pause, LONGEST_DOWN_SECONDS)
        raise self._refusal from None

    def call(self, operation: str, members: Mapping[str, Any], service: str = ecr_api.ECR) -> dict[str, Any]:
        """Call its API. Raises a `RemoteFault`."""
        assert isinstance(self._credentials, AccessKey), "a peer with an API has an access key"
        return ecr_api.call(self._wire, self.peer.remote, self._credentials, operation, members, service)

    def mark_of(self, source: Registry) -> str:
        """As what it is told that something is a copy of a registry's, so that it is copied no further."""
        return f"{source.account_id}/{source.region}" if self.peer.kind is Kind.HOLDFAST else ""

    def knows_repository(self, name: str) -> bool:
        """Whether it is known that a repository is there."""
        return name in self._repositories

    def learn_repository(self, name: str) -> None:
        """Remember that a repository is there."""
        with self._lock:
            if len(self._repositories) >= REMEMBERED:
                self._repositories.clear()
            self._repositories.add(name)

    def forget_repository(self, name: str) -> bool:
        """It is not there after all; whether that is news."""
        with self._lock:
            known = name in self._repositories
            self._repositories.discard(name)
        return known

    def holder(self, digest: str) -> str | None:
        """A repository there that has a blob, as far as is remembered."""
        return self._holders.get(digest)

    def learn_holder(self, digest: str, name: str) -> None:
        """Remember that a repository there has a blob."""
        with self._lock:
            self._holders[digest] = name
            if len(self._holders) > REMEMBERED:
                self._holders.popitem(last=False)

    def lists_referrers(self, name: str, digest: str) -> bool:
        """Whether the peer lists by itself what refers to images of a repository; one of them is asked for at first."""
        known = self._lists_referrers.get(name)
        if known is None:
            known = self.peer.kind.has_api or self.pusher.lists_referrers(name, digest)
            self._learn_lists_referrers(name, known)
        return known

    def took_referrer(self, name: str, *, is_listed: bool) -> None:
        """The peer said, or did not, that it lists a referrer that it was given; then it is asked whether it does."""
        if is_listed:
            self._learn_lists_referrers(name, known=True)
        elif self._lists_referrers.get(name):
            with self._lock:
                self._lists_referrers.pop(name, None)

    def _learn_lists_referrers(self, name: str, known: bool) -> None:
        with self._lock:
            self._lists_referrers[name] = known
            if len(self._lists_referrers) > REMEMBERED:
                self._lists_referrers.popitem(last=False)


class PeerSessions:
    """The sessions of a process; one with a secret that was changed since is not used again."""

    def __init__(self, allowed: Collection[Network] = ()) -> None:
        self._allowed = tuple(allowed)
        self._lock = threading.Lock()
        self._open: OrderedDict[tuple[object, ...], PeerSession] = OrderedDict()
        self._sent_bytes = 0

    def count_sent(self, size_bytes: int) -> None:
        """Count bytes of layers that were sent to peers."""
        with self._lock:
            self._sent_bytes += size_bytes

    def take_sent(self) -> int:
        """How many there were since this was last asked."""
        with self._lock:
            count, self._sent_bytes = self._sent_bytes, 0
        return count

    def close(self) -> None:
        """Keep no connections: the process comes to its end."""
        with self._lock:
            found = list(self._open.values())
        for session in found:
            session.hang_up()

    def of(self, on: Backends, peer: Peer) -> PeerSession:
        """A session with a peer. Refuses if its secret cannot be had."""
        credentials: AccessKey | Password | None = None
        if peer.credential_arn is not None:
            found = secrets.value_of(on, peer.credential_arn)
            if peer.kind.has_api:
                credentials = AccessKey(found.username, found.access_token, peer.region or peer.destination.region)
            else:
                credentials = Password(found.username, found.access_token)
        with self._lock:
            session = self._open.get((peer, credentials))
            if session is not None:
                self._open.move_to_end((peer, credentials))
            else:
                for known in [known for known in self._open if known[0] == peer]:
                    del self._open[known]  # its secret was changed
                wire = Wire(self._allowed, peer.ca_pem)
                pusher = Pusher(peer.remote, credentials, wire=wire)
                session = PeerSession(on, peer, credentials, pusher, wire)
                self._open[peer, credentials] = session
                if len(self._open) > MOST:
                    self._open.popitem(last=False)
            return session
