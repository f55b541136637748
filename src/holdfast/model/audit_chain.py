"""How lines hang together, so that none can be altered, taken out, put in or moved without a trace.

    {"eventVersion":…,"chain":{"sequence":41,"previous":"<SHA-256 of line 40>"}}
    {"eventVersion":…,"chain":{"sequence":42,"previous":"<SHA-256 of line 41>","seal":"<HMAC of this line>"}}

Anybody can make lines that hang together. Who wrote them is proved by the seals: the last line of every portion that is
written at once has one, and the first and the last line of every file.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

NOTHING = "0" * 64  # what comes before the first line
OURS = b'{"audit":'  # how lines begin that tell of the log itself
LINK = re.compile(
    rb',"chain":\{"sequence":(?P<sequence>[0-9]{1,18}),"previous":"(?P<previous>[0-9a-f]{64})"'
    rb'(?P<tail>,"seal":"(?P<seal>[0-9a-f]{64})")?\}\}$'
)
LINK_BYTES = 300  # at most
TIME = re.compile(rb'"(?:eventTime|time)":"([0-9TZ:-]{20})"')
NAME = re.compile(r"(?P<chain>[A-Za-z0-9.-]+)\.(?P<number>[0-9]{6,9})\.jsonl", re.ASCII)


@dataclass(frozen=True, slots=True)
class FileName:
    """A file of a chain: one process writes one chain, in files that are numbered from 1."""

    chain: str
    number: int

    def __str__(self) -> str:
        return f"{self.chain}.{self.number:06}.jsonl"

    @property
    def next(self) -> FileName:
        """The file that goes on with the chain."""
        return FileName(self.chain, self.number + 1)

    @property
    def before(self) -> FileName | None:
        """The file that the chain came from."""
        return FileName(self.chain, self.number - 1) if self.number > 1 else None


def file_name(text: str) -> FileName | None:
    """What a file is called, if it is one of the log."""
    found = NAME.fullmatch(text)
    return FileName(found["chain"], int(found["number"])) if found else None


class Head(NamedTuple):
    """Where a chain stands: its last line."""

    sequence: int = 0
    digest: str = NOTHING


class Link(NamedTuple):
    """What a line says of its place in the chain."""

    sequence: int
    previous: str
    seal: str | None

    def follows(self, head: Head) -> bool:
        """Whether the line is the one after another."""
        return (self.sequence, self.previous) == (head.sequence + 1, head.digest)


class Ending(msgspec.Struct, frozen=True):
    """How a file ended, or stood, when somebody looked."""

    file: str
    sequence: int
    digest: str
    at: str = ""  # the time of its last line

    @property
    def head(self) -> Head:
        """Where the chain stood."""
        return Head(self.sequence, self.digest)


class Opening(msgspec.Struct, frozen=True):
    """What the first line of a file says, beside the file's own name."""

    file: str
    folder: str = ""  # the id of the folder that it is in
    witnessed: list[Ending] = []
    forgotten: list[Ending] = []


class _FirstLine(msgspec.Struct, frozen=True):
    audit: Opening


def extended(head: Head, members: Iterable[bytes], key: bytes) -> tuple[bytes, Head]:
    """Lines with their ends, the last one sealed, and where the chain stands after them; members are JSON objects."""
    lines: list[bytes] = []
    sequence, digest = head
    sha256 = hashlib.sha256
    line = b""
    for body in members:
        if line:
            digest = sha256(line).hexdigest()
        sequence += 1
        line = b'%b,"chain":{"sequence":%d,"previous":"%b"}}' % (body[:-1], sequence, digest.encode())
        lines.append(line)
    if not lines:
        return b"", head
    lines[-1] = line = b'%b,"seal":"%b"}}' % (line[:-2], seal(line, key).encode())
    return b"\n".join(lines) + b"\n", Head(sequence, digest_of(line))


def seal(line: bytes, key: bytes) -> str:
    """What only who has the key can say of a line without a seal."""
    return hmac.digest(key, line, "sha256").hex()


def digest_of(line: bytes) -> str:
    """What the next line says of this one."""
    return hashlib.sha256(line).hexdigest()


def link_of(line: bytes) -> Link | None:
    """The place of a line in its chain; None if it says none."""
    found = LINK.search(line, max(len(line) - LINK_BYTES, 0))
    if found is None:
        return None
    seal_ = found["seal"]
    return Link(int(found["sequence"]), found["previous"].decode(), seal_.decode() if seal_ else None)


def ending_of(name: FileName, line: bytes) -> Ending | None:
    """How a file stands whose last whole line this is; None if it is no line of the log."""
    link, at = link_of(line), TIME.search(line)
    return Ending(str(name), link.sequence, digest_of(line), at[1].decode() if at else "") if link else None


def time_told(at: datetime) -> str:
    """An instant as lines tell it: these texts are ordered as the instants are."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def is_sealed_by(line: bytes, keys: Iterable[bytes]) -> bool:
    """Whether the seal of a line was made with one of some keys."""
    found = LINK.search(line, max(len(line) - LINK_BYTES, 0))
    if found is None or found["seal"] is None:
        return False
    bare = line[: found.start("tail")] + b"}}"
    wanted = found["seal"].decode()
    return any(hmac.compare_digest(seal(bare, key), wanted) for key in keys)


def told(event: str, **members: Any) -> bytes:
    """A line of ours, not yet linked."""
    return msgspec.json.encode({"audit": {"event": event, **members}})


def opening_of(line: bytes) -> Opening | None:
    """What the first line of a file says; None if it is no such line."""
    if not line.startswith(OURS):
        return None
    try:
        return msgspec.json.decode(line, type=_FirstLine).audit
    except msgspec.MsgspecError:
        return None


def shown(line: bytes) -> Mapping[str, Any] | None:
    """A record as people look at it; None for lines of ours, and for what is none."""
    if line.startswith(OURS):
        return None
    try:
        found = msgspec.json.decode(line)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
