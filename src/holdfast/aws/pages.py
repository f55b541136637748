"""Where a list goes on: tokens that say after which item."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec

from holdfast.model.errors import InvalidParameter

if TYPE_CHECKING:
    from holdfast.aws.operations import Shape

T = TypeVar("T", int, str, tuple[int, str])
DEFAULT = 100
# A larger number is no row of any database, and would be a fault there.
Row = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Name = Annotated[str, msgspec.Meta(pattern=r"^[^\0]*\Z")]  # and so would be a zero character
PLACES: dict[type, Any] = {int: Row, str: Name, tuple: tuple[Row, Name]}


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
        place: T = msgspec.json.decode(raw, type=PLACES[type(start)])
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        raise InvalidParameter("nextToken", "The token is not one that a previous call returned") from None
    return place


def token(last: object) -> str:
    """An opaque text that lets the next page begin after an item."""
    return base64.urlsafe_b64encode(msgspec.json.encode(last)).decode()


def refuse_with(request: Shape, names: str) -> None:
    """Refuse paging together with an explicit list."""
    for member in ("nextToken", "maxResults"):
        if member in request:
            raise InvalidParameter(member, f"{member} cannot be used together with {names}")
