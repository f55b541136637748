"""The client of the stream of events."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from holdfast.cli.ground import backends

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from holdfast.settings import Settings

SILENCE_SECONDS = 60.0  # after which a stream counts as cut: it says something every 15
REST_SECONDS = 2.0


class Refused(Exception):
    """The registry does not let this be followed, and asking again would not help."""


class Cut(Exception):
    """The stream ended, or could not be had."""


class Follower:
    """Follows the events of a registry."""

    def __init__(self, settings: Settings, url: str | None, ca_file: str | None, password: str | None) -> None:
        self._settings = settings
        self._password = password
        own_ca = settings.data.absolute() / "tls/ca.crt"
        self._url = url or _own_url(settings)
        self._ca_file: str | Path | None = ca_file or (own_ca if own_ca.exists() else None)

    def events(
        self, after: int | None, *, pattern: str | None, pulls: bool
    ) -> Iterator[tuple[int, dict[str, Any] | None]]:
        """Events with their numbers, or numbers alone, until the stream is cut. Raises `Refused` and `Cut`."""
        wanted = {"after": after, "pattern": pattern, "pulls": "true" if pulls else None}
        query = urlencode({name: value for name, value in wanted.items() if value is not None})
        login = base64.b64encode(f"AWS:{self._password or self._own_password()}".encode()).decode()
        parts = urlsplit(self._url)
        connection = self._connection(parts.hostname or "", parts.port, is_secure=parts.scheme == "https")
        try:
            connection.request("GET", f"/events?{query}", headers={"Authorization": f"Basic {login}"})
            response = connection.getresponse()
            if response.status >= 500 or response.status == 429:
                raise Cut(f"{self._url} answers {response.status}")
            if response.status != 200:
                raise Refused(f"{self._url} answers {response.status}: {_said(response.read(2000))}")
            yield from _parsed(response)
        except (OSError, http.client.HTTPException) as fault:
            raise Cut(f"{self._url}: {fault or type(fault).__name__}") from None
        finally:
            connection.close()
        raise Cut(f"{self._url} ended the stream")

    def rest(self) -> None:
        """Wait before the next try."""
        time.sleep(REST_SECONDS)

    def _connection(self, host: str, port: int | None, *, is_secure: bool) -> http.client.HTTPConnection:
        if not is_secure:
            return http.client.HTTPConnection(host, port, timeout=SILENCE_SECONDS)
        tls = ssl.create_default_context()
        if self._ca_file is not None:
            tls.load_verify_locations(self._ca_file)
        return http.client.HTTPSConnection(host, port, timeout=SILENCE_SECONDS, context=tls)

    def _own_password(self) -> str:
        """A login of the root of the default account, whose database is at hand."""
        from holdfast import registry
        from holdfast.model.callers import Caller
        from holdfast.model.names import Registry

        on, account = backends(self._settings), self._settings.account
        keys = [key for key in registry.accounts.list_keys(on, account) if key.is_active and key.user_id is None]
        if not keys:
            raise Refused(f"Account {account} has no active root key: use --password-stdin")
        password, _ = registry.accounts.Tokens(on).issue(
            Caller(account, keys[0].id), Registry(account, self._settings.region)
        )
        return password


def _own_url(settings: Settings) -> str:
    address = settings.listen[0]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host)  # noqa: S104 - it is where we go to
    scheme = "https" if settings.encrypts(address) else "http"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{address.port}"


def _parsed(response: http.client.HTTPResponse) -> Iterator[tuple[int, dict[str, Any] | None]]:
    """The blocks of a stream (HTML standard, section 9.2.6), of those fields that ours has."""
    number, data = 0, list[str]()
    for raw in response:
        line = raw.decode().rstrip("\r\n")
        name, _, value = line.partition(":")
        if name == "id":
            number = int(value)
        elif name == "data":
            data.append(value.removeprefix(" "))
        elif not line and number:
            yield number, json.loads("\n".join(data)) if data else None
            data = []


def _said(body: bytes) -> str:
    try:
        document = json.loads(body)
        return str(document.get("message") or document.get("Message") or document)
    except (ValueError, AttributeError):
        return body.decode(errors="replace").strip()
