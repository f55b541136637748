"""Accounts, access keys, and the login tokens made from them."""

from __future__ import annotations

import base64
import binascii
from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import msgspec

from holdfast import store
from holdfast.blobs import KeyRing
from holdfast.blobs.keys import WrongKey
from holdfast.model import access_key_ids
from holdfast.model.callers import ANONYMOUS, SCANNER, AccessKey, Caller, scanner
from holdfast.model.errors import InvalidParameter, NotFound, TokenExpired, Unauthenticated, UnrecognizedClient
from holdfast.model.guardrails import ALL
from holdfast.model.names import ACCOUNT_ID, Registry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.model.names import RepositoryRef
    from holdfast.registry.backends import Backends
    from holdfast.store import Transaction

T = TypeVar("T")
LAYER_SECRET = "layer-url"  # noqa: S105 - what a text is sealed for
TOKEN_SECRET = "login-token"  # noqa: S105 - the name of a secret, not one
TOKEN_PREFIX = "v1."  # noqa: S105 - a version mark
SCAN_SECRET = "scan-token"  # noqa: S105 - what a text is sealed for
SCAN_PREFIX = "s1."
TOKEN_BYTES = 4096
REMEMBERED_TOKENS = 4096


class NoSuchKey(NotFound):
    """No access key of that id."""

    def __init__(self, access_key_id: str) -> None:
        super().__init__(
            f"There is no access key '{access_key_id}'. `holdfast account list-keys` shows those there are."
        )


class NoSuchAccount(NotFound):
    """No account of that id."""

    def __init__(self, account_id: str) -> None:
        super().__init__(f"There is no account '{account_id}'. `holdfast account create {account_id}` makes it.")


class KeyExists(InvalidParameter):
    """The id of the key is taken."""

    def __init__(self, access_key_id: str) -> None:
        super().__init__("accessKeyId", f"The access key '{access_key_id}' exists already")


@dataclass(frozen=True, slots=True)
class Login:
    """Whom a login token speaks for, and the registry it was asked for."""

    caller: Caller
    registry: Registry
    expires_at: datetime


def create(on: Backends, account_id: str) -> bool:
    """Make an account; False if it exists."""
    if not ACCOUNT_ID.fullmatch(account_id):
        raise InvalidParameter("accountId", "An account id has 12 digits")
    with on.database.transaction() as tx:
        return store.accounts.ensure(tx, account_id, on.clock())


def create_key(
    on: Backends, account_id: str, description: str = "", *, key_id: str | None = None, secret: str | None = None
) -> tuple[AccessKey, str]:
    """Make an access key of an account's root; the secret is told once and kept sealed."""
    with on.database.transaction() as tx:
        if not store.accounts.exists(tx, account_id):
            raise NoSuchAccount(account_id)
        if key_id is None:
            return add_key(on, tx, account_id, description=description)
        key = AccessKey(key_id, account_id, True, description[:256], on.clock())
        secret = secret or fresh_key(on, account_id)[1]
        _keep(on, tx, key, secret)
    return key, secret


def add_key(
    on: Backends, tx: Transaction, account_id: str, *, user_id: str | None = None, description: str = ""
) -> tuple[AccessKey, str]:
    """Make an access key of a user, or of an account's root, in the transaction of whoever asks for it."""
    key_id, secret = fresh_key(on, account_id)
    while store.accounts.find_key(tx, key_id) is not None:  # there are 2^39 of an account: it has to be asked
        key_id, secret = fresh_key(on, account_id)
    key = AccessKey(key_id, account_id, True, description[:256], on.clock(), user_id)
    _keep(on, tx, key, secret)
    return key, secret


def fresh_key(on: Backends, account_id: str) -> tuple[str, str]:
    """The id and secret of a key of an account, neither of which is kept yet."""
    key_id = access_key_ids.compose(access_key_ids.LONG_TERM, account_id, on.random_bytes(access_key_ids.CHANCE_BYTES))
    return key_id, base64.b64encode(on.random_bytes(30)).decode()


def _keep(on: Backends, tx: Transaction, key: AccessKey, secret: str) -> None:
    if not store.accounts.add_key(tx, key, on.keys.wrap(secret.encode(), key_context(key.id))):
        raise KeyExists(key.id)
    store.counters.bump_access(tx, key.account_id)


def exists(on: Backends, account_id: str) -> bool:
    """Whether there is such an account."""
    with on.database.snapshot() as tx:
        return store.accounts.exists(tx, account_id)


def ensure_root(on: Backends, account_id: str, key_id: str, secret: str) -> None:
    """Make the default account with its first key, in one step.

    An account that exists keeps the keys it has, so that a deleted root key does not come back with a restart.
    """
    key = AccessKey(key_id, account_id, True, "root", on.clock())
    with on.database.transaction() as tx:
        if store.accounts.ensure(tx, account_id, key.created_at):
            _keep(on, tx, key, secret)


def ensure_given_root(on: Backends, account_id: str, key_id: str, secret: str) -> None:
    """Let the pair that the operator hands in be a root key of the default account, whatever was before."""
    key = AccessKey(key_id, account_id, True, "root", on.clock())
    with on.database.transaction() as tx:
        store.accounts.ensure(tx, account_id, key.created_at)
        found = store.accounts.find_key(tx, key_id)
        if found is not None and (found[0].account_id, found[0].user_id) != (account_id, None):
            raise KeyExists(key_id)
        store.accounts.delete_key(tx, key_id)
        _keep(on, tx, key, secret)


def list_accounts(on: Backends) -> list[tuple[str, int]]:
    """Every account with the number of its keys."""
    with on.database.snapshot() as tx:
        return store.accounts.list_all(tx)


def list_keys(on: Backends, account_id: str | None = None) -> list[AccessKey]:
    """Access keys of one account, or of all."""
    with on.database.snapshot() as tx:
        return store.accounts.list_keys(tx, account_id)


def set_key_active(on: Backends, key_id: str, *, is_active: bool) -> None:
    """Switch a key on or off; what was made from it stops with it."""
    with on.database.transaction() as tx:
        account_id = _account_of(tx, key_id)
        store.accounts.set_key_active(tx, key_id, is_active=is_active)
        store.counters.bump_access(tx, account_id)


def delete_key(on: Backends, key_id: str) -> None:
    """Forget a key; login tokens made from it are worthless at once."""
    with on.database.transaction() as tx:
        account_id = _account_of(tx, key_id)
        store.accounts.delete_key(tx, key_id)
        store.counters.bump_access(tx, account_id)


def _account_of(tx: Transaction, key_id: str) -> str:
    found = store.accounts.find_key(tx, key_id)
    if found is None:
        raise NoSuchKey(key_id)
    return found[0].account_id


def secret_of(on: Backends, key_id: str) -> tuple[Caller, str]:
    """Whom an active key speaks for, and its secret; or `UnrecognizedClient`."""
    with on.database.snapshot() as tx:
        found = store.accounts.find_holder(tx, key_id)
    if found is None:
        raise UnrecognizedClient
    caller, sealed = found
    return caller, on.keys.unwrap(sealed, key_context(key_id)).decode()


class Tokens:
    """Makes and reads login tokens; one a process.

    A token is sealed, not stored: it says who asked, for which registry and until when. It is worth something only as
    long as its access key is active, which is looked up again whenever access was changed in the account of the key.
    """

    def __init__(self, on: Backends) -> None:
        self._on = on
        self._keys = _token_keys(on)
        self._logins: OrderedDict[str, tuple[Login, int]] = OrderedDict()  # with the version of access that it held for

    def issue(self, caller: Caller, registry: Registry) -> tuple[str, datetime]:
        """A password for `docker login -u AWS`, and until when it holds."""
        expires_at = self._on.clock() + self._on.limits.token_lifetime
        claims = [caller.account_id, caller.access_key_id, registry.account_id, registry.region, expires_at.timestamp()]
        sealed = self._ring().wrap(msgspec.json.encode(claims), TOKEN_SECRET)
        return TOKEN_PREFIX + _unpadded(sealed), expires_at

    def issue_for_scan(self, at: RepositoryRef, lifetime: timedelta) -> str:
        """A password that pulls from one repository, for a scanner."""
        expires_at = (self._on.clock() + lifetime).timestamp()
        claims = [at.arn, at.registry.account_id, at.registry.region, expires_at]
        return SCAN_PREFIX + _unpadded(self._ring().wrap(msgspec.json.encode(claims), SCAN_SECRET))

    def login(self, authorization: str | None, *, even_if_over: bool = False) -> Login:
        """Whom an Authorization header speaks for; `Unauthenticated` or `TokenExpired` if for nobody.

        With `even_if_over` it may be over for as long as an upload that nobody continues lives.
        """
        if not authorization:
            raise Unauthenticated
        known = self._logins.get(authorization)
        login = known[0] if known is not None else self._read(authorization)
        grace = self._on.limits.upload_lifetime if even_if_over else timedelta(0)
        if login.expires_at + grace <= self._on.clock():
            raise TokenExpired
        # Before the rest is read, which is as new then, or newer.
        version = self._on.database.hot.access_version(login.caller.account_id)
        if known is not None and known[1] == version:
            return login
        login = self._read(authorization)
        if login.caller.kind != SCANNER:
            login = replace(login, caller=self._holder(login.caller.account_id, login.caller.access_key_id))
        self._logins[authorization] = login, version
        if len(self._logins) > REMEMBERED_TOKENS:
            self._logins.popitem(last=False)
        return login

    def sign_layer(self, caller: Caller, at_arn: str, digest: str) -> str:
        """A text that lets anybody who has it read one layer for a while, as long as the caller's key holds."""
        expires_at = (self._on.clock() + self._on.limits.layer_url_lifetime).timestamp()
        claims = [caller.account_id, caller.access_key_id, at_arn, digest, expires_at]
        return _unpadded(self._ring().wrap(msgspec.json.encode(claims), LAYER_SECRET))

    def read_layer(self, text: str) -> tuple[Caller, str, str]:
        """The caller, the repository's ARN and the digest that `sign_layer` was given."""
        claims = _open(self._ring(), text, LAYER_SECRET, tuple[str, str, str, str, float])
        account_id, key_id, arn, digest, expires_at = claims
        if expires_at <= self._on.clock().timestamp():
            raise TokenExpired
        return self._holder(account_id, key_id) if key_id else ANONYMOUS, arn, digest

    def _holder(self, account_id: str, key_id: str) -> Caller:
        """Whom a key speaks for now: a token does not say which user it is of, nor what he is called."""
        caller = self._on.database.hot.holder_of_key(key_id)
        if caller is None or caller.account_id != account_id:
            raise Unauthenticated
        return caller

    def _ring(self) -> KeyRing:
        """The token keys, which are looked up again when something was changed that concerns all accounts."""
        version = self._on.database.hot.access_version(ALL)  # before the keys are read, as above
        keys = self._keys
        if keys.version != version:
            with self._on.database.snapshot() as tx:
                sealed = store.secrets.find_all(tx, TOKEN_SECRET)
            ring = keys.ring if sealed == keys.sealed else _opened(self._on, sealed)
            keys = self._keys = _TokenKeys(ring, sealed, version)
        return keys.ring

    def _read(self, authorization: str) -> Login:
        scheme, _, encoded = authorization.partition(" ")
        if scheme.lower() != "basic" or len(encoded) > TOKEN_BYTES:
            raise Unauthenticated
        try:
            user, _, password = base64.b64decode(encoded.strip(), validate=True).decode("ascii").partition(":")
        except ValueError:
            raise Unauthenticated from None
        if user == "AWS" and password.startswith(SCAN_PREFIX):
            sealed = password.removeprefix(SCAN_PREFIX)
            arn, account, region, until = _open(self._ring(), sealed, SCAN_SECRET, tuple[str, str, str, float])
            return Login(scanner(arn, account), Registry(account, region), datetime.fromtimestamp(until, UTC))
        if user != "AWS" or not password.startswith(TOKEN_PREFIX):
            raise Unauthenticated
        claims = _open(
            self._ring(), password.removeprefix(TOKEN_PREFIX), TOKEN_SECRET, tuple[str, str, str, str, float]
        )
        account, key_id, registry_account, region, expires_at = claims
        return Login(
            Caller(account, key_id), Registry(registry_account, region), datetime.fromtimestamp(expires_at, UTC)
        )


class _TokenKeys(NamedTuple):
    """The token keys, as they are kept and opened, and the version of access that they were read at."""

    ring: KeyRing
    sealed: Mapping[int, bytes]
    version: int


def _open(ring: KeyRing, text: str, context: str, shape: type[T]) -> T:
    try:
        sealed = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        if _unpadded(sealed) != text:
            raise Unauthenticated  # another spelling of the same bytes
        return msgspec.json.decode(ring.unwrap(sealed, context), type=shape)
    except (binascii.Error, ValueError, WrongKey, msgspec.MsgspecError):
        raise Unauthenticated from None


def _token_keys(on: Backends) -> _TokenKeys:
    """The installation's token keys, made on first use and shared by every process and node."""
    version = on.database.hot.access_version(ALL)
    with on.database.transaction() as tx:
        sealed = store.secrets.find_all(tx, TOKEN_SECRET)
        if not sealed:
            sealed = {1: on.keys.wrap(on.random_bytes(32), TOKEN_SECRET)}
            store.secrets.add(tx, TOKEN_SECRET, 1, sealed[1], on.clock())
    return _TokenKeys(_opened(on, sealed), sealed, version)


def _opened(on: Backends, sealed: Mapping[int, bytes]) -> KeyRing:
    return KeyRing({version: on.keys.unwrap(secret, TOKEN_SECRET) for version, secret in sealed.items()})


def _unpadded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def key_context(key_id: str) -> str:
    """What the secret of an access key is sealed for."""
    return f"holdfast access key {key_id}"
