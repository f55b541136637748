"""Records that are about one request, principal or event."""

from __future__ import annotations

import heapq
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from holdfast.model import audit_chain
from holdfast.store import audit_files

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from holdfast.registry.backends import Backends

PLAIN = re.compile(r"[\w:/.@=+*-]+", re.ASCII)  # what JSON has no other spelling for


@dataclass(frozen=True, slots=True)
class Wanted:
    """What records must have; None is anything."""

    request_id: str | None = None
    principal: str | None = None
    event: str | None = None
    since: datetime | None = None

    def matches(self, record: Mapping[str, Any]) -> bool:
        """Whether a record is one of those that are wanted."""
        return (
            (self.request_id is None or record.get("requestID") == self.request_id)
            and (self.event is None or record.get("eventName") == self.event)
            and (self.principal is None or self.principal in _names(record.get("userIdentity", {})))
            and (self.since is None or record.get("eventTime", "") >= audit_chain.time_told(self.since))
        )

    @property
    def needles(self) -> list[bytes]:
        """What a line must hold, so that it is worth reading."""
        texts = filter(None, (self.request_id, self.principal, self.event))
        return [text.encode() for text in texts if PLAIN.fullmatch(text)]


def find(on: Backends, wanted: Wanted, limit: int) -> list[bytes]:
    """The lines of the newest records that are wanted, the oldest of them first."""
    newest = heapq.nlargest(limit, _matches(on, wanted), key=lambda found: found[0])
    return [line for _, line in reversed(newest)]


def _matches(on: Backends, wanted: Wanted) -> Iterator[tuple[tuple[str, int], bytes]]:
    folder = on.audit.folder
    if folder is None:
        return
    needles = wanted.needles
    number = 0
    for name in audit_files.names(folder):
        if not audit_files.was_written_since(folder, name, wanted.since):
            continue
        for line in audit_files.lines(folder, name):
            number += 1
            if not all(needle in line for needle in needles):
                continue
            record = audit_chain.shown(line)
            if record is not None and wanted.matches(record):
                yield (record.get("eventTime", ""), number), line.rstrip(b"\n")


def _names(identity: Mapping[str, Any]) -> set[Any]:
    """Every name of a principal by which people may ask for what he did."""
    issuer = identity.get("sessionContext", {}).get("sessionIssuer", {})
    return {
        *(identity.get(name) for name in ("arn", "principalId", "accessKeyId", "userName", "accountId")),
        *(issuer.get(name) for name in ("arn", "principalId", "userName")),
    }
