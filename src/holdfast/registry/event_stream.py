"""What happens in a registry as it happens, for one who follows it: server-sent events (HTML standard, section 9.2).

Each has the position of the event as its id, so that whoever was cut off says which was his last.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model import event_patterns
from holdfast.model.errors import DatabaseUnavailable
from holdfast.model.events import is_pull
from holdfast.registry import access

if TYPE_CHECKING:
    from datetime import datetime

    from holdfast.model.callers import Caller
    from holdfast.model.circumstances import Circumstances
    from holdfast.model.events import Told
    from holdfast.model.names import Registry
    from holdfast.registry.backends import Backends

ACTION = "ecr:StreamEvents"
MEDIA_TYPE = "text/event-stream"
AT_ONCE = 200  # events
HEARTBEAT_SECONDS = 15.0
AGAIN_MILLISECONDS = 2000  # after which a client that was cut off comes again


class EventStream:
    """Events of one registry for one caller, for as long as he may have them."""

    def __init__(
        self,
        on: Backends,
        caller: Caller,
        home: Registry,
        request: Circumstances,
        *,
        until: datetime,
        after: int | None = None,
        pattern: str | None = None,
        pulls: bool = False,
    ) -> None:
        access.require(on, caller, ACTION, home, request)
        self._on = on
        self._caller = caller
        self._home = home
        self._request = request
        self._until = until
        self._matches = event_patterns.compiled(pattern) if pattern else bool
        self._pulls = pulls
        self._told_at = on.monotonic()
        self._begun = False
        self._after = _last(on) if after is None else after

    def more(self) -> bytes | None:
        """What happened since this was asked last; None when the caller may not know any more."""
        on = self._on
        try:
            if on.clock() >= self._until or not access.may(on, self._caller, ACTION, self._home, self._request):
                return None
            with on.database.snapshot() as tx:
                page = store.events.page(tx, self._after, AT_ONCE)
        except DatabaseUnavailable:
            return b""  # which does not end what is followed
        before, self._after = self._after, page[-1].number if page else self._after
        told = b"".join(_framed(one) for one in page if self._wants(one))
        if not self._begun:
            self._begun, told = True, f"retry: {AGAIN_MILLISECONDS}\nid: {before}\n\n".encode() + told
        if not told and on.monotonic() - self._told_at > HEARTBEAT_SECONDS:
            told = f": nothing new\nid: {self._after}\n\n".encode()
        if told:
            self._told_at = on.monotonic()
        return told

    def _wants(self, told: Told) -> bool:
        if told.registry != self._home:
            return False
        envelope = told.envelope
        return (self._pulls or not is_pull(envelope)) and self._matches(envelope)


def _framed(told: Told) -> bytes:
    return f"id: {told.number}\ndata: {json.dumps(told.envelope, separators=(',', ':'))}\n\n".encode()


def _last(on: Backends) -> int:
    with on.database.snapshot() as tx:
        return store.events.last(tx)
