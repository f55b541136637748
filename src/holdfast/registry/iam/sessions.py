"""Temporary credentials: begin a session, and tell whom a session token speaks for.

A token is worth something only as long as the row of its session is there; the secret is derived from the token.
"""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from holdfast import store
from holdfast.blobs.keys import WrongKey
from holdfast.model import access_key_ids
from holdfast.model.errors import SessionTokenExpired, SessionTokenInvalid, UnrecognizedClient
from holdfast.model.iam_sessions import ISSUED, MFA, Credentials, Session
from holdfast.registry.session_keys import Claims

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from holdfast.model.callers import Caller
    from holdfast.model.iam_sessions import Fact
    from holdfast.registry.backends import Backends
    from holdfast.registry.session_keys import Keys
    from holdfast.store import Transaction

TOKEN = "session-token"  # noqa: S105 - what is sealed, not a secret
TOKEN_PREFIX = "v1."  # noqa: S105 - a version mark
TOKEN_CHARACTERS = 1000
CHANCE_BYTES = 16


# ---- Begin


def begin(
    on: Backends,
    tx: Transaction,
    *,
    account_id: str,
    kind: str,
    entity_id: str | None,
    name: str,
    lifetime: timedelta,
    policies: tuple[str, ...] = (),
    tags: Mapping[str, str] | None = None,
    facts: Mapping[str, Fact] | None = None,
) -> Credentials:
    """Begin a session; its credentials are told this once."""
    now = on.clock().replace(microsecond=0)  # a second is the finest that clients are told
    expires_at = now + lifetime
    all_facts: dict[str, Fact] = {ISSUED: f"{now:%Y-%m-%dT%H:%M:%SZ}", MFA: "false", **(facts or {})}
    is_new = False
    while not is_new:
        key_id = access_key_ids.compose(
            access_key_ids.TEMPORARY, account_id, on.random_bytes(access_key_ids.CHANCE_BYTES)
        )
        session = Session(key_id, account_id, kind, entity_id, name, policies, tags or {}, all_facts, now, expires_at)
        is_new = store.iam_sessions.insert_new(tx, session)
    keys = on.session_keys.get(tx, on) or on.session_keys.first(tx, on)
    claims = Claims(key_id, on.random_bytes(CHANCE_BYTES), max(keys.for_secrets), expires_at.timestamp())
    token = TOKEN_PREFIX + _unpadded(keys.ring.wrap(msgspec.msgpack.encode(claims), TOKEN))
    return Credentials(key_id, keys.secret(claims), token, expires_at)


# ---- Find


def secret_of(on: Backends, access_key_id: str, session_token: str, now: datetime) -> tuple[Caller, str]:
    """Whom a session's key speaks for, and its secret; or `UnrecognizedClient`, or `SessionTokenExpired`."""
    with on.database.snapshot() as tx:
        claims, keys = _open(on, tx, session_token)
        if datetime.fromtimestamp(claims.expires_at, UTC) <= now:
            raise SessionTokenExpired
        session = store.iam_sessions.find(tx, claims.access_key_id)
    if claims.access_key_id != access_key_id:
        raise UnrecognizedClient
    if session is None:
        raise SessionTokenInvalid  # its role or user is gone
    return session.caller, keys.secret(claims)


def find(on: Backends, access_key_id: str) -> Session | None:
    """The session of an access key id, whether or not it is over; None if it never was, or went with its entity."""
    with on.database.snapshot() as tx:
        return store.iam_sessions.find(tx, access_key_id)


def _open(on: Backends, tx: Transaction, token: str) -> tuple[Claims, Keys]:
    if not token.startswith(TOKEN_PREFIX) or len(token) > TOKEN_CHARACTERS:
        raise SessionTokenInvalid
    text = token.removeprefix(TOKEN_PREFIX)
    try:
        sealed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise SessionTokenInvalid from None
    if _unpadded(sealed) != text:
        raise SessionTokenInvalid  # another spelling of the same bytes
    keys = on.session_keys.get(tx, on)
    try:
        if keys is not None:
            return msgspec.msgpack.decode(keys.ring.unwrap(sealed, TOKEN), type=Claims), keys
    except WrongKey:
        pass
    raise SessionTokenInvalid


def _unpadded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
