"""Notes → records: who it was is looked up here, where nobody waits for it."""

from __future__ import annotations

import logging
import uuid
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET

from holdfast.model import audit
from holdfast.model.audit import OURSELVES, SERVICE_EVENT, Pull, Record
from holdfast.model.callers import Caller

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import datetime

    from holdfast.model.audit import Note, Resource
    from holdfast.model.names import RepositoryRef
    from holdfast.registry.backends import Backends

log = logging.getLogger(__name__)

REMEMBERED = 10_000  # callers and resources
ID_BYTES = 16
FIRST_PLAIN = Pull._fields.index("event")  # of the fields that are compared as they are


class Renderer:
    """Makes records, and remembers those parts of them that are always the same; used by one thread at a time."""

    def __init__(self, pull_share: float) -> None:
        self._pull_share = pull_share
        self._encode = msgspec.json.Encoder().encode
        self._own: dict[Caller, msgspec.Raw] = {}
        self._foreign: dict[Caller, msgspec.Raw] = {}
        self._resources: dict[RepositoryRef | Resource, msgspec.Raw] = {}
        self._pulls: dict[tuple[object, ...], _Alike] = {}
        self._second = -1
        self._time = ""

    def bodies(self, on: Backends, notes: Iterable[Note | Pull]) -> Iterator[bytes]:
        """A JSON document for each record of some notes."""
        ids = _Ids(on.random_bytes(ID_BYTES).hex())
        for note in notes:
            if isinstance(note, Pull):
                # The caller by his identity, because to compare him costs more than all the rest.
                at = note.resource
                home = at.registry
                key = (id(note.who), at.name, home.account_id, home.region, *note[FIRST_PLAIN:])
                alike = self._pulls.get(key) or self._remembered(on, note, key, ids)
                if alike is not None:
                    yield alike.body(self._told(note.at), note.request_id, ids)
                    continue
                note = note.note(self._pull_share)  # noqa: PLW2901 - it is the same in full
            for record in self._records(on, note, ids):
                yield self._body(note, record)

    def _remembered(self, on: Backends, pull: Pull, key: tuple[object, ...], ids: _Ids) -> _Alike | None:
        """What all pulls alike have in common; None if they have several records, or nobody knows who it was."""
        records = list(self._records(on, pull.note(self._pull_share), ids))
        if len(records) > 1 or not self._is_known(pull.who):
            return None
        if len(self._pulls) >= REMEMBERED:
            self._pulls.clear()
        alike = self._pulls[key] = _Alike(self._encode, pull.who, records[0])
        return alike

    def _is_known(self, caller: Caller) -> bool:
        return caller in self._own or caller.kind == "anonymous"

    def _body(self, note: Note, record: Record) -> bytes:
        try:
            return self._encode(record)
        except (TypeError, ValueError):  # half of a character that takes two, such as only clients with a fault send
            log.warning("the parameters of the request %s cannot be recorded", record.request_id)
            bare: dict[str, Any] = {"request_parameters": None, "response_elements": None, "user_agent": UNSET}
            error = {"error_message": UNSET} if note.error else {}
            return self._encode(msgspec.structs.replace(record, **bare, **error))

    def _records(self, on: Backends, note: Note, ids: _Ids) -> Iterator[Record]:
        """One record, or one for each account where that of the caller is not that of what he asked for."""
        who = note.who
        error, message = note.error or (UNSET, UNSET)
        common: dict[str, Any] = {
            "event_time": self._told(note.at),
            "event_source": f"{note.service}.amazonaws.com",
            "event_name": note.event,
            "aws_region": note.region,
            "source_ip_address": note.peer,
            "user_agent": UNSET if note.agent is None else note.agent,
            "error_code": error,
            "error_message": message,
            "request_parameters": note.parameters,
            "response_elements": note.response,
            "additional_event_data": note.more or UNSET,
            "request_id": note.request_id or ids.fresh(),
            "read_only": note.read_only,
            "resources": self._resource(note.resource),
            "tls_details": UNSET if note.host is None else {"clientProvidedHostHeader": note.host},
        }
        if note.details is not None:
            common |= {"event_type": SERVICE_EVENT, "service_event_details": note.details, "request_id": UNSET,
                       "source_ip_address": OURSELVES, "user_agent": OURSELVES}  # fmt: skip
        if not isinstance(who, Caller):
            yield Record(user_identity=dict(who), event_id=ids.fresh(), recipient_account_id=note.owner, **common)
        elif who.account_id == note.owner or who.kind == "anonymous":
            identity = self._own.get(who) or self._identity(on, who)
            yield Record(user_identity=identity, event_id=ids.fresh(), recipient_account_id=note.owner, **common)
        else:
            shared = ids.fresh()
            for identity, account in ((self._identity(on, who), who.account_id), (self._outside(on, who), note.owner)):
                yield Record(user_identity=identity, event_id=ids.fresh(), recipient_account_id=account,
                             shared_event_id=shared, **common)  # fmt: skip

    def _told(self, at: datetime) -> str:
        second = int(at.timestamp())
        if second != self._second:
            self._second, self._time = second, f"{at:%Y-%m-%dT%H:%M:%SZ}"
        return self._time

    def _resource(self, resource: RepositoryRef | Resource | None) -> msgspec.Raw | msgspec.UnsetType:
        if resource is None:
            return UNSET
        found = self._resources.get(resource)
        if found is None:
            found = msgspec.Raw(self._encode(audit.resource_shown(resource)))
            _remember(self._resources, resource, found)
        return found

    def _identity(self, on: Backends, caller: Caller) -> msgspec.Raw:
        """A caller as his own account sees him."""
        found = self._own.get(caller)
        if found is None:
            known = self._known(on, caller)
            shown = audit.identity(caller, known.principal if known else None, known.context if known else {})
            found = msgspec.Raw(self._encode(shown))
            if known is not None:
                _remember(self._own, caller, found)
        return found

    def _outside(self, on: Backends, caller: Caller) -> msgspec.Raw:
        """A caller as another account sees him."""
        found = self._foreign.get(caller)
        if found is None:
            known = self._known(on, caller)
            found = msgspec.Raw(self._encode(audit.from_outside(caller, known.principal if known else None)))
            _remember(self._foreign, caller, found)
        return found

    @staticmethod
    def _known(on: Backends, caller: Caller) -> Any:
        try:
            return on.access.known(on, caller)
        except Exception:
            log.exception("who %s is could not be looked up for the audit log", caller.arn)
            return None


class _Ids:
    """Ids in the form of random UUIDs: the beginning is random, the end counts."""

    def __init__(self, chance: str) -> None:
        self.start = f"{chance[:8]}-{chance[8:12]}-4{chance[13:16]}-a{chance[17:20]}-"
        self.count = int(chance[21:], 16)  # so far from the end that nobody counts over it

    def fresh(self) -> str:
        """One that nobody has."""
        self.count += 1
        return f"{self.start}{self.count:012x}"


class _Alike:
    """A record with gaps for its time and its ids."""

    def __init__(self, encode: Callable[[Record], bytes], who: Caller, record: Record) -> None:
        self._who = who  # as long as he is here, no other caller has his identity
        # Nobody can have put these into what he sent: they did not exist then.
        time, request_id, event_id = (f"<{name} {uuid.uuid4()}>" for name in ("time", "request", "event"))
        whole = encode(msgspec.structs.replace(record, event_time=time, request_id=request_id, event_id=event_id))
        self._before, rest = whole.decode().split(time)
        self._until_request, rest = rest.split(request_id)
        self._until_event, self._after = rest.split(event_id)

    def body(self, time: str, request_id: str, ids: _Ids) -> bytes:
        """The record of one call."""
        number = ids.count = ids.count + 2
        request = request_id or f"{ids.start}{number - 1:012x}"
        return (
            f"{self._before}{time}{self._until_request}{request}{self._until_event}{ids.start}{number:012x}{self._after}"
        ).encode()


def _remember(memory: dict[Any, msgspec.Raw], key: object, found: msgspec.Raw) -> None:
    if len(memory) >= REMEMBERED:
        memory.clear()
    memory[key] = found
