"""Tags of IAM's entities, as requests give them and answers list them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.aws.iam import markers
from holdfast.aws.operations import tags_told
from holdfast.model.errors import Validation
from holdfast.model.iam_entities import tags_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.aws.operations import Shape
    from holdfast.model.circumstances import Facts

MOST_DIGITS = 3  # of a marker, which says how many tags came before; there are no more than fifty


def given(request: Shape) -> dict[str, str]:
    """The tags of a request."""
    return tags_of((item["Key"], item["Value"]) for item in request.get("Tags", []))


def told(request: Shape) -> list[Facts]:
    """The condition keys of the tags that a request would set."""
    return [tags_told(request.get("Tags", []))]


def keys_told(request: Shape) -> list[Facts]:
    """The condition key of the tags that a request would remove."""
    return [{"aws:tagkeys": tuple(request["TagKeys"])}]


def rendered(tags: Mapping[str, str]) -> list[Shape] | None:
    """Tags as a member of what they are of; None if there are none."""
    return [{"Key": key, "Value": value} for key, value in tags.items()] or None


def page(request: Shape, tags: Mapping[str, str]) -> Shape:
    """A page of tags."""
    before = markers.after(request) or "0"
    if not (before.isascii() and before.isdigit() and len(before) <= MOST_DIGITS):
        raise Validation("Invalid Marker.")
    items, end = rendered(tags) or [], int(before) + markers.size(request)
    return {"Tags": items[int(before) : end], **markers.rest(str(end) if end < len(items) else None)}
