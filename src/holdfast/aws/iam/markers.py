"""Where a list of IAM goes on: markers that say after which item."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Protocol, TypeVar

import msgspec

from holdfast.aws.pages import Name
from holdfast.model.errors import Validation
from holdfast.model.iam_entities import key_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from holdfast.aws.operations import Shape

T = TypeVar("T")
DEFAULT = 100


class Named(Protocol):
    """Something that has a name."""

    @property
    def name(self) -> str:
        """Its name, which differs from others without regard to case."""


def size(request: Shape) -> int:
    """How many items a page has."""
    return int(request.get("MaxItems", DEFAULT))


def after(request: Shape) -> str:
    """The item after which the page begins: what `rest` told, or the start."""
    text = request.get("Marker")
    if text is None:
        return ""
    try:
        raw = base64.urlsafe_b64decode(text.encode("ascii"))
        return msgspec.json.decode(raw, type=Name)
    except (ValueError, msgspec.MsgspecError):
        raise Validation("Invalid Marker.") from None


def rest(last: str | None) -> Shape:
    """The members that say after which item the list goes on; None if it does not."""
    marker = None if last is None else base64.urlsafe_b64encode(msgspec.json.encode(last)).decode()
    return {"IsTruncated": last is not None, "Marker": marker}


def rest_by_name(found: Sequence[Named], more: bool) -> Shape:
    """The members of `rest` for a page of things that are in the order of their names."""
    return rest(key_of(found[-1].name) if more else None)


def page(request: Shape, items: Iterable[T], place: Callable[[T], str]) -> tuple[list[T], Shape]:
    """The items of a page of few items, which are in the order of their places, and the members of `rest`."""
    start, most = after(request), size(request)
    found = [item for item in items if place(item) > start]
    return found[:most], rest(place(found[most - 1]) if len(found) > most else None)
