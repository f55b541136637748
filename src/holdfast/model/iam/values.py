"""What condition values say: numbers, instants, addresses, truth and bytes; None where a text says none."""

from __future__ import annotations

import binascii
import ipaddress
import re
from base64 import b64decode
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache, wraps
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Value = TypeVar("Value")

MAXIMUM_EPOCH = 2**63 - 1
NANOSECONDS = 10**9
DAY = 24 * 60 * 60
LONGEST = 64  # characters of any of these, so that what is remembered is small
KEPT = 4096  # texts whose meaning is remembered

_NUMBER = re.compile(r"[+-]?\d+(?:\.\d*)?(?:[eE][+-]?\d{1,4})?", re.ASCII)
_EPOCH = re.compile(r"(\d{1,19})(?:\.(\d{1,9}))?", re.ASCII)
_INSTANT = re.compile(  # ISO 8601 as W3C profiles it, with fewer digits where AWS takes them
    r"(?P<year>-?\d{1,9})(?:-(?P<month>\d{1,2})(?:-(?P<day>\d{1,2}))?)?"
    r"(?:[Tt](?:(?P<hour>\d{1,2})(?::(?P<minute>\d{1,2})(?::(?P<second>\d{1,2})(?:\.(?P<fraction>\d{1,9}))?)?)?)?"
    r"(?:[Zz]|(?P<sign>[+-])(?P<east>\d{2})(?::?(?P<minutes_east>\d{2}))?)?)?",
    re.ASCII,
)
_TRUTH = {"true": True, "false": False}
_V4_IN_V6 = 0xFFFF  # the upper 96 bits of ::ffff:a.b.c.d


def _short(parse: Callable[[str], Value | None]) -> Callable[[str], Value | None]:
    """A parser that remembers what short texts mean, and does not look at long ones."""
    remembered = lru_cache(KEPT)(parse)

    @wraps(parse)
    def parse_short(text: str) -> Value | None:
        return remembered(text) if len(text) <= LONGEST else None

    return parse_short


@_short
def number(text: str) -> Decimal | None:
    """A decimal number."""
    return Decimal(text) if _NUMBER.fullmatch(text) else None


@_short
def instant(text: str) -> int | None:
    """Nanoseconds since 1970, of a date with hyphen or T, in UTC if it does not say; other texts count seconds."""
    if epoch := _EPOCH.fullmatch(text):
        seconds, fraction = int(epoch[1]), (epoch[2] or "").ljust(9, "0")
        return seconds * NANOSECONDS + int(fraction) if seconds <= MAXIMUM_EPOCH else None
    found = _INSTANT.fullmatch(text)
    if not found or ("-" not in text and "t" not in text.lower()):
        return None
    year, month, day = (int(part or 1) for part in found.group("year", "month", "day"))
    hour, minute, second = (int(part or 0) for part in found.group("hour", "minute", "second"))
    east, minutes_east = (int(part or 0) for part in found.group("east", "minutes_east"))
    if not 1 <= month <= 12 or not 1 <= day <= _days(year, month + 1) - _days(year, month):
        return None
    if hour > 23 or max(minute, second, minutes_east) > 59 or east > 23:
        return None
    ahead = (east * 60 + minutes_east) * 60 * (-1 if found["sign"] == "-" else 1)
    seconds = (_days(year, month) + day - 1) * DAY + (hour * 60 + minute) * 60 + second - ahead
    return seconds * NANOSECONDS + int((found["fraction"] or "").ljust(9, "0"))


def truth(text: str) -> bool | None:
    """True or false, however they are written."""
    return _TRUTH.get(text.lower())


def octets(text: str) -> bytes | None:
    """What base64 encodes."""
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


@dataclass(frozen=True, slots=True)
class Network:
    """Addresses of one family, from the first to the last."""

    version: int
    first: int
    last: int

    def holds(self, other: Network) -> bool:
        """Whether all of another are in it."""
        return self.version == other.version and self.first <= other.first and other.last <= self.last


@_short
def network(text: str) -> Network | None:
    """An address or a range of them; IPv4 written as IPv6 is IPv4."""
    host, slash, length = text.partition("/")
    if (slash and not (length.isascii() and length.isdigit() and len(length) <= 3)) or "%" in host:
        return None
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    bits = address.max_prefixlen
    free = bits - int(length) if slash else 0
    if free < 0:
        return None
    first = int(address) >> free << free
    last = first | (1 << free) - 1
    if address.version == 6 and free <= 32 and first >> 32 == _V4_IN_V6:
        return Network(4, first & 0xFFFFFFFF, last & 0xFFFFFFFF)
    return Network(address.version, first, last)


def _days(year: int, month: int) -> int:
    """Days from 1970-01-01 to the first of a month of any year; the thirteenth is next January."""
    shifted = year * 12 + month - 3  # years that begin in March end with the leap day
    year, month = divmod(shifted, 12)
    leaps = year // 4 - year // 100 + year // 400
    return year * 365 + leaps + (month * 153 + 2) // 5 - 719468
