"""The keys of identity providers, as this process fetched them last.

    fresh    as long as the provider says, between five minutes and a day: used, nobody is asked
    stale    for a day more: asked again, at most once a minute; used while the provider is down
    gone     asked again, at most every ten seconds

A key that is not known is asked for too, at most once a minute. Only one request at a time asks a provider.
"""

from __future__ import annotations

import logging
import threading
from base64 import urlsafe_b64decode
from collections import OrderedDict
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey

from holdfast.model.errors import IDPCommunicationError, InvalidIdentityToken
from holdfast.outbound import Unreachable

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from holdfast.model.web_identity import Token
    from holdfast.outbound import Fetched
    from holdfast.registry.backends import Backends

WELL_KNOWN = "/.well-known/openid-configuration"
SHORTEST, LONGEST, USUAL = timedelta(minutes=5), timedelta(hours=24), timedelta(hours=1)  # that keys are fresh
STALE = timedelta(hours=24)
BETWEEN_FETCHES = timedelta(minutes=1)
AFTER_FAILURE = timedelta(seconds=10)
WAITING = 4  # requests that wait for providers, whoever named them: the other threads have other work
WAITING_FOR_ONE = 3
PROVIDERS = 1024  # that are remembered
RSA_BITS = (2048, 6144)
CURVES = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
# Of a public key, and how long its parts may be in base64: a huge number costs its reader, not its writer.
PARTS = {"RSA": {"n": 1024, "e": 11}, "EC": {"crv": 5, "x": 88, "y": 88}}
NO_KEY = (
    "Couldn't retrieve verification key from your identity provider,  "
    "please reference AssumeRoleWithWebIdentity documentation for requirements"
)

Key: TypeAlias = RSAKey | ECKey

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _PublicKey:
    """A key that a provider signs with."""

    id: str | None
    algorithm: str | None  # the only one it is for, if it says so
    key: Key

    def is_for(self, algorithm: str) -> bool:
        """Whether it may prove signatures of an algorithm."""
        if isinstance(self.key, RSAKey):
            fits = algorithm.startswith("RS")
        else:
            fits = CURVES.get(algorithm) == self.key.curve_name
        return fits and self.algorithm in {None, algorithm}


@dataclass(frozen=True, slots=True)
class _Keys:
    """What a provider published."""

    keys: tuple[_PublicKey, ...]
    fresh_until: datetime

    def find(self, token: Token) -> Key | None:
        """The key of a token; one without the id of a key needs a provider with a single one."""
        fitting = [one for one in self.keys if one.is_for(token.algorithm)]
        if token.key_id is not None:
            fitting = [one for one in fitting if one.id == token.key_id]
        elif len(fitting) > 1:
            return None
        return fitting[0].key if fitting else None


class _Provider:
    """One provider: its keys, and when it was asked last."""

    def __init__(self) -> None:
        self.asking = threading.Lock()
        self.waiting = threading.BoundedSemaphore(WAITING_FOR_ONE)
        self.keys: _Keys | None = None
        self.asked_at: datetime | None = None
        self.fault: Exception | None = None  # of the last time

    def usable(self, now: datetime) -> _Keys | None:
        """The keys, unless they are too old even for want of others."""
        keys = self.keys
        return keys if keys is not None and now < keys.fresh_until + STALE else None

    def may_be_asked(self, now: datetime) -> bool:
        """Whether it was not asked just now."""
        pause = BETWEEN_FETCHES if self.usable(now) else AFTER_FAILURE
        return self.asked_at is None or now - self.asked_at >= pause


class IdentityProviders:
    """The providers that this process knows."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting = threading.BoundedSemaphore(WAITING)
        self._known: OrderedDict[tuple[str, frozenset[str]], _Provider] = OrderedDict()

    def key(self, on: Backends, token: Token, thumbprints: Collection[str]) -> Key:
        """The key that a token says it is signed with; or `InvalidIdentityToken`, or `IDPCommunicationError`.

        Who pins a private CA has keys of his own: he must not choose those that others get.
        """
        provider = self._provider(token.issuer, frozenset(thumbprints))
        now = on.clock()
        keys = provider.usable(now)
        found = keys.find(token) if keys else None
        if keys is None or found is None or now >= keys.fresh_until:
            found = self._ask(on, provider, token, thumbprints, now)
        if found is None:
            raise InvalidIdentityToken(NO_KEY)
        return found

    def _provider(self, issuer: str, thumbprints: frozenset[str]) -> _Provider:
        with self._lock:
            provider = self._known.setdefault((issuer, thumbprints), _Provider())
            self._known.move_to_end((issuer, thumbprints))
            if len(self._known) > PROVIDERS:
                self._known.popitem(last=False)
        return provider

    def _ask(
        self, on: Backends, provider: _Provider, token: Token, thumbprints: Collection[str], now: datetime
    ) -> Key | None:
        """The key after the provider was asked, if it may be; what is known will do while somebody else asks."""
        known = provider.usable(now)
        key = known.find(token) if known else None
        with ExitStack() as held:
            for places in (provider.waiting, self._waiting):
                if not places.acquire(blocking=False):
                    if known is None:
                        raise IDPCommunicationError(token.issuer)
                    return key
                held.callback(places.release)
            if not provider.asking.acquire(blocking=key is None):
                return key
            held.callback(provider.asking.release)
            return _asked(on, provider, token, thumbprints)


def _asked(on: Backends, provider: _Provider, token: Token, thumbprints: Collection[str]) -> Key | None:
    """The key of a token, after its provider was asked unless that was done just now."""
    now = on.clock()
    keys = provider.usable(now)
    is_wanting = keys is None or now >= keys.fresh_until or keys.find(token) is None
    if is_wanting and provider.may_be_asked(now):
        provider.asked_at = now
        try:
            provider.keys, provider.fault = _fetch(on, token.issuer, thumbprints, now), None
        except (Unreachable, InvalidIdentityToken) as fault:
            log.warning("the keys of the identity provider %s cannot be had: %s", token.issuer, fault)
            provider.fault = fault
        keys = provider.usable(now)
    if keys is not None:
        return keys.find(token)
    if isinstance(provider.fault, InvalidIdentityToken):
        raise InvalidIdentityToken(NO_KEY)
    raise IDPCommunicationError(token.issuer)


# ---- Fetching


def _fetch(on: Backends, issuer: str, thumbprints: Collection[str], now: datetime) -> _Keys:
    """Discover where a provider's keys are, and get them (OpenID Connect Discovery 1.0)."""
    found = on.fetcher.get_json(issuer.rstrip("/") + WELL_KNOWN, thumbprints).document
    place = found.get("jwks_uri")
    if found.get("issuer") != issuer or not isinstance(place, str):
        raise InvalidIdentityToken("Its configuration is of another issuer, or does not say where its keys are")
    fetched = on.fetcher.get_json(place, thumbprints)
    keys = fetched.document.get("keys")
    if not isinstance(keys, list):
        raise InvalidIdentityToken("What it publishes is no set of keys")
    public = tuple(key for key in map(_public_key, keys) if key is not None)
    return _Keys(public, now + _lifetime(fetched))


def _lifetime(fetched: Fetched) -> timedelta:
    if fetched.max_age is None:
        return USUAL
    return min(max(timedelta(seconds=fetched.max_age), SHORTEST), LONGEST)


def _public_key(document: object) -> _PublicKey | None:
    """A key that can prove signatures; None if it is of another kind, or weak, or broken."""
    if not isinstance(document, dict) or document.get("use", "sig") != "sig":
        return None
    kind, id_, algorithm = (document.get(name) for name in ("kty", "kid", "alg"))
    operations = document.get("key_ops", ["verify"])
    limits = PARTS.get(kind) if isinstance(kind, str) else None
    if limits is None or not isinstance(operations, list) or "verify" not in operations:
        return None
    # Its public parts only, whatever else it lets slip.
    parts = {name: value for name in limits if isinstance(value := document.get(name), str)}
    if len(parts) != len(limits) or any(len(parts[name]) > most for name, most in limits.items()):
        return None
    if not isinstance(id_, str | None) or not isinstance(algorithm, str | None):
        return None
    key = _imported(str(kind), parts)
    return None if key is None else _PublicKey(id_, algorithm, key)


def _imported(kind: str, parts: Mapping[str, str]) -> Key | None:
    document: Any = {"kty": kind, **parts}
    try:
        if kind == "EC":
            return ECKey.import_key(document)
        bits = int.from_bytes(urlsafe_b64decode(parts["n"] + "==")).bit_length()
        return RSAKey.import_key(document) if RSA_BITS[0] <= bits <= RSA_BITS[1] else None
    except (JoseError, ValueError, TypeError, KeyError):
        return None
