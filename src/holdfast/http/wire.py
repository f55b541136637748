"""An answer's head as bytes."""

from __future__ import annotations

import time
from email.utils import formatdate
from http import HTTPStatus
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n" for status in HTTPStatus}
_date = (0, "")


def head(status: int, headers: Iterable[tuple[str, str]], *, length: int | None, close: bool) -> bytes:
    """Status line and headers; `length` is added as Content-Length unless it is None."""
    lines = [_STATUS_LINES[status], "Date: ", _now(), "\r\n"]
    for name, value in headers:
        if "\r" in value or "\n" in value:
            raise ValueError(f"The header {name} would break the message")
        lines += (name, ": ", value, "\r\n")
    if length is not None:
        lines += ("Content-Length: ", str(length), "\r\n")
    lines.append("Connection: close\r\n\r\n" if close else "\r\n")
    return "".join(lines).encode("latin-1", "replace")


def plain(status: int, text: str) -> bytes:
    """A whole answer for what never became a request."""
    body = text.encode() + b"\n"
    return head(status, [("Content-Type", "text/plain; charset=utf-8")], length=len(body), close=True) + body


def _now() -> str:
    """The date of this second, made once."""
    global _date  # noqa: PLW0603 - one string a second for the whole process
    second = int(time.time())
    if _date[0] != second:
        _date = (second, formatdate(second, usegmt=True))
    return _date[1]
