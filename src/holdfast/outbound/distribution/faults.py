"""What can come of asking a remote registry."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

import msgspec

from holdfast.outbound import fetch

if TYPE_CHECKING:
    from collections.abc import Mapping

WORDS = 300  # characters of what a remote says
LONGEST_PAUSE = 24 * 3600  # seconds that a remote may ask us to wait


class RemoteFault(Exception):
    """A remote registry did not do what was asked of it; the message says why, and has no secret."""

    code = ""  # of distribution-spec, if it said one


class NotThere(RemoteFault):
    """It says that there is no such thing."""


class Refused(RemoteFault):
    """It refuses our credentials, or that we have none."""


class TooManyRequests(RemoteFault):
    """It wants to be asked less often, or again after a while."""

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class Unreachable(RemoteFault, fetch.Unreachable):
    """It cannot be reached, may not be, took too long, broke off, or has a fault of its own: try again later."""


class Failing(Unreachable):
    """It answers, and says that it has a fault of its own; perhaps with that one thing only."""


class OutOfBounds(Unreachable):
    """It is at, or points to, an address that may not be called: the operator may allow it."""


class Full(Unreachable):
    """It has no room for what it was given, or takes no body of that size: somebody may mend that."""


class Lied(RemoteFault):
    """What it sent is not what it said, or not what was asked for."""


class Rejected(RemoteFault):
    """It will not, for a reason of its own: an immutable tag, a media type that it does not know."""

    def __init__(self, message: str, status: int, code: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


def fault_of(who: str, asked: str, status: int, headers: Mapping[str, str], body: bytes) -> RemoteFault:
    """What an answer means that is not the one hoped for."""
    code, words = _said(body)
    message = f"{who} answered {status} for {printable(asked)}" + (f": {words}" if words else "")
    if status in {404, 410}:
        fault = NotThere(message)
        fault.code = code
        return fault
    if status in {401, 403, 407}:
        return Refused(message)
    if status == 429 or code == "TOOMANYREQUESTS":
        return TooManyRequests(message, _pause(headers.get("retry-after", "")))
    if status in {413, 507}:
        return Full(message)
    if status >= 500 or status == 408:
        return Failing(message)
    return Rejected(message, status, code)


def printable(text: str) -> str:
    """What a stranger wrote, fit for a log and an answer."""
    return re.sub(r"[^\x20-\x7e]+", " ", text[:WORDS]).strip()


def _said(body: bytes) -> tuple[str, str]:
    """The code and the words of an answer in the form of distribution-spec; else its beginning."""
    try:
        told: Any = msgspec.json.decode(body)
        first = told["errors"][0]
        code, words = str(first.get("code", "")), str(first.get("message", ""))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, LookupError, TypeError, AttributeError):
        return "", printable(body[:WORDS].decode(errors="replace")) if body[:1] not in {b"<", b"{"} else ""
    return printable(code), printable(f"{code} {words}")


def _pause(told: str) -> float | None:
    if told.isdecimal():
        return float(min(int(told[:9]), LONGEST_PAUSE))
    try:
        until = parsedate_to_datetime(told)
    except (ValueError, TypeError):
        return None
    seconds = (until.replace(tzinfo=until.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), float(LONGEST_PAUSE))
