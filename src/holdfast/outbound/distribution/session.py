"""Requests to a remote registry in somebody's name; redirects are followed, credentials stay where they belong.

401 ── Basic ──► the password        200 ◄── GET, HEAD ── 307 ──► another host, judged, without credentials
 └──── Bearer ──► a token of its realm, for one scope, until it is over
"""

from __future__ import annotations

import base64
import re
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urljoin

import msgspec

from holdfast.model.remotes import AccessKey, Password
from holdfast.outbound.distribution import ecr_login
from holdfast.outbound.distribution.faults import Refused, Unreachable, fault_of, printable
from holdfast.outbound.distribution.wire import Answer, Wire, at

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from holdfast.model.remotes import Credentials, Remote
    from holdfast.outbound.distribution.wire import Body
    from holdfast.outbound.fetch import Target

SECONDS = 60.0  # for a request and its small answer
REDIRECTS = 5
TOKEN_BYTES = 256 * 1024
LONGEST = 24 * 3600.0  # seconds for which a token is believed
TOKEN_SECONDS = 60  # of a token that does not say for how long (docker's token specification)
ERROR_BYTES = 64 * 1024
URL_LENGTH = 8192
REDIRECTED = {301, 302, 303, 307, 308}
_PARAMETER = re.compile(r'([A-Za-z_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))')
_TOKEN = re.compile(r"[\x21-\x7e]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Challenge:
    """What a remote wants to see."""

    realm: str = ""  # of a server of tokens; else a password is wanted
    service: str = ""
    scope: str = ""


class Session:
    """One remote, asked as somebody; threads may share it."""

    def __init__(
        self,
        remote: Remote,
        credentials: Credentials | None = None,
        *,
        wire: Wire,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.remote = remote
        self.authority = remote.authority
        self._base = at(f"{remote.url}/v2/")
        self._credentials = credentials
        self._wire = wire
        self._clock = clock
        self._lock = threading.Lock()
        self._challenge: _Challenge | None = None
        self._tokens: dict[tuple[str, ...], tuple[str, float]] = {}  # by scope: what is sent, and until when

    def ping(self) -> None:
        """Ask whether it speaks the protocol, and takes our credentials."""
        self.ask("GET", "").drain()

    def ask(
        self,
        method: str,
        path: str,
        scope: tuple[str, ...] = (),
        headers: Mapping[str, str] | None = None,
        body: Body = None,
        *,
        expected: tuple[int, ...] = (200,),
        seconds: float | None = None,
        called: str = "",
    ) -> Answer:
        """The answer to a request, of a status that was expected; a `RemoteFault` for any other.

        `path` is one below `/v2/`, or a whole URL as a remote gave it; what it is called in a message, if it is not to
        be told.
        """
        where = path if "://" in path else f"{self.remote.url}/v2/{path}"
        target = self._target(where)
        for _ in range(REDIRECTS + 1):
            answer = self._ask(method, target, scope, headers or {}, body, seconds or SECONDS)
            if answer.status in expected:
                return answer
            if answer.status not in REDIRECTED or method not in {"GET", "HEAD"}:
                raise self._fault(answer, f"{method} {called}" if called else "", method, target)
            answer.drain()
            target = self._target(urljoin(self.url_of(target), answer.headers.get("location", "")))
        raise Unreachable(f"{self.authority} redirects more than {REDIRECTS} times")

    def url_of(self, target: Target) -> str:
        """The URL of a target."""
        return f"{'https' if target.is_secure else 'http'}://{target.authority}{target.path}"

    def _target(self, url: str) -> Target:
        if len(url) > URL_LENGTH:
            raise Unreachable(f"{self.authority} points to a URL of more than {URL_LENGTH} characters")
        try:
            return at(url)
        except Unreachable:  # whose message has all of it, and a query may be a signature
            where = printable(url.partition("?")[0])
            raise Unreachable(f"{self.authority} points to what is not called: {where}") from None

    def _ask(
        self,
        method: str,
        target: Target,
        scope: tuple[str, ...],
        headers: Mapping[str, str],
        body: Body,
        seconds: float,
    ) -> Answer:
        if target.origin != self._base.origin:
            return self._wire.open(method, target, headers, body, seconds=seconds)
        said = self._authorization(scope)
        answer = self._wire.open(method, target, _with(headers, said), body, seconds=seconds)
        if answer.status != 401:
            return answer
        challenge = _challenge_of(answer.headers.get("www-authenticate", ""))
        answer.drain()
        with self._lock:
            self._challenge = challenge or self._challenge
            self._tokens.pop(() if isinstance(self._credentials, AccessKey) else scope, None)
        again = self._authorization(scope)
        if again is None or (again == said and isinstance(self._credentials, Password | None)):
            raise Refused(
                f"{self.authority} refuses "
                + ("our credentials" if self._credentials else "requests without credentials")
            )
        return self._wire.open(method, target, _with(headers, again), body, seconds=seconds)

    def _fault(self, answer: Answer, asked: str, method: str, target: Target) -> Exception:
        try:
            body = b"" if method == "HEAD" else answer.whole(ERROR_BYTES)
        except Exception:  # noqa: BLE001 - the status says enough
            body = b""
        if method == "HEAD":
            answer.drain()
        asked = asked or f"{method} {target.path.partition('?')[0]}"  # a query may be a signature
        return fault_of(target.authority, asked, answer.status, answer.headers, body)

    # ---- As whom

    def _authorization(self, scope: tuple[str, ...]) -> str | None:
        """What to send, if the remote has said what it wants to see, and we have it."""
        if isinstance(self._credentials, AccessKey):
            scope = ()  # its token is good for all that it may do
        with self._lock:
            challenge = self._challenge
            known = self._tokens.get(scope)
        if known is not None and known[1] > self._clock():
            return known[0]
        if challenge is None:
            return None
        if isinstance(self._credentials, AccessKey):
            said, seconds = ecr_login.get(self._wire, self.remote, self._credentials)
        elif challenge.realm:
            said, seconds = self._token(challenge, scope)
        elif isinstance(self._credentials, Password):
            return _basic(self._credentials)
        else:
            return None
        with self._lock:
            if len(self._tokens) > 1000:
                self._tokens.clear()
            self._tokens[scope] = said, self._clock() + max(seconds - 10, 1)
        return said

    def _token(self, challenge: _Challenge, scope: tuple[str, ...]) -> tuple[str, float]:
        """A token of the server that the remote trusts, and for how many seconds (docker's token specification)."""
        asked = [("service", challenge.service)] if challenge.service else []
        asked += [("scope", one) for one in scope or challenge.scope.split(" ") if one]
        joint = "&" if "?" in challenge.realm else "?"
        realm = self._target(challenge.realm + (joint + urlencode(asked) if asked else ""))
        if self._base.is_secure and not realm.is_secure:
            raise Refused(f"{self.authority} wants our credentials sent to {printable(challenge.realm)} in the clear")
        headers = _with(
            {"Accept": "application/json"},
            _basic(self._credentials) if isinstance(self._credentials, Password) else None,
        )
        answer = self._wire.open("GET", realm, headers, seconds=SECONDS)
        if answer.status != 200:
            raise self._fault(answer, "", "GET", realm)
        found = _token_of(answer.whole(TOKEN_BYTES))
        if found is None:
            raise Unreachable(f"{realm.authority} answered without a token")
        return found


def _token_of(body: bytes) -> tuple[str, float] | None:
    """What an answer of a server of tokens lets us send, and for how many seconds."""
    try:
        told: Any = msgspec.json.decode(body)
        token, seconds = told.get("token") or told["access_token"], float(told.get("expires_in") or TOKEN_SECONDS)
        return (f"Bearer {token}", min(seconds, LONGEST)) if _TOKEN.fullmatch(token) else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, LookupError, TypeError, ValueError,
            AttributeError):  # fmt: skip
        return None


def _basic(password: Password) -> str:
    return "Basic " + base64.b64encode(f"{password.username}:{password.password}".encode()).decode()


def _with(headers: Mapping[str, str], authorization: str | None) -> Mapping[str, str]:
    return headers if authorization is None else {**headers, "Authorization": authorization}


def _challenge_of(told: str) -> _Challenge | None:
    """The best of what a WWW-Authenticate header offers."""
    scheme, _, rest = told[:URL_LENGTH].strip().partition(" ")
    if scheme.lower() != "bearer":
        found = re.search(r"(?i)\bbearer\s+(?=[a-z_]+\s*=)", told[:URL_LENGTH])
        if found is None:
            return _Challenge() if scheme.lower() == "basic" else None
        rest = told[found.end() : URL_LENGTH]
    named = {name.lower(): quoted or plain for name, quoted, plain in _PARAMETER.findall(rest)}
    if not named.get("realm"):
        return None
    return _Challenge(named["realm"], named.get("service", ""), named.get("scope", ""))


def scope_of(name: str, *actions: str) -> str:
    """What a token for a repository is asked for."""
    return f"repository:{name}:{','.join(actions)}"


def path_of(name: str, *parts: str) -> str:
    """A path below `/v2/`."""
    return "/".join(quote(part, safe="/:@") for part in (name, *parts))
