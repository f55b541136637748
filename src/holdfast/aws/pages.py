"""Where a list goes on: tokens that say after which item."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, TypeVar

import msgspec

from holdfast.model.errors import InvalidParameter

if TYPE_CHECKING:
    from holdfast.aws.operations import Shape

T = TypeVar("T", int, str, tuple[int, str])
DEFAULT = 100


def size(request: Shape) -> int:
    """How many items a page has."""
    return int(request.get("maxResults", DEFAULT))


def after(request: Shape, start: T) -> T:
    """The item after which the page begins: what `token` was given, or the start."""
    text = request.get("nextToken")
    if text is None:
        return start
    try:
        raw = base64.urlsafe_b64decode(text.encode("ascii"))
        return msgspec.json.decode(raw, type=tuple[int, str] if isinstance(start, tuple) else type(start))
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        raise InvalidParameter("nextToken", "The token is not one that a previous call returned") from None


def token(last: object) -> str:
    """An opaque text that lets the next page begin after an item."""
    return base64.urlsafe_b64encode(msgspec.json.encode(last)).decode()


def refuse_with(request: Shape, names: str) -> None:
    """Refuse paging together with an explicit list."""
    for member in ("nextToken", "maxResults"):
        if member in request:
            raise InvalidParameter(member, f"{member} cannot be used together with {names}")
