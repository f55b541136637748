"""Requests that are nearly what an operation takes: right in most places, anything at all in the others."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from tests.aws.desk import ECR
from tests.aws.furnished import RIGHT
from tests.aws.values import ANYTHING, GOOD, HUGE, NESTED, ODD, TEXTS, written

if TYPE_CHECKING:
    from collections.abc import Iterator

TWISTS = [None, HUGE, 2**63, -1, "\ud800", "", [], {}, NESTED]  # for each place in a document
UNKNOWN: list[dict[str, Any]] = [{"new": 1}, {"": NESTED}, {"x" * 9999: None}]


# ---- One thing that is not right


def changes(name: str) -> Iterator[dict[str, Any]]:
    """Every request that differs in one thing from the right one of an operation."""
    right, members = RIGHT[name], ECR.find(name).input_shape.members
    for key, shape in members.items():
        for value in _values(shape, key, right.get(key)):
            yield right | {key: value}
        yield {other: value for other, value in right.items() if other != key}
    for unknown in UNKNOWN:
        yield right | unknown


def _values(shape: Any, name: str, now: Any) -> Iterator[Any]:
    yield from ANYTHING
    yield from GOOD.get(name, GOOD.get(shape.name, ()))
    yield from TEXTS.get(name, ())
    if name in TEXTS:
        document = json.loads(TEXTS[name][-1])
        yield from (written(twist(document, at, what)) for at in places(document) for what in TWISTS)
    match shape.type_name:
        case "structure":
            plain = _plain(shape, name) if now is None else now
            for key, member in shape.members.items():
                yield from (plain | {key: value} for value in _values(member, key, plain.get(key)))
                yield {other: value for other, value in plain.items() if other != key}
        case "list":
            plain = _plain(shape.member, _singular(name)) if not now else now[0]
            yield from ([value] for value in _values(shape.member, _singular(name), plain))
            yield [plain] * 2
            yield [plain] * (shape.metadata.get("max", 1000) + 1)
        case "string":
            yield from shape.enum
            if shape.metadata.get("max", 10**6) < 10**5:
                yield "a" * (shape.metadata["max"] + 1)
        case "integer" | "long":
            yield from _bounds(shape)


def _plain(shape: Any, name: str) -> Any:
    """Something that a member may be."""
    good = GOOD.get(name, GOOD.get(shape.name, TEXTS.get(name)))
    if good is not None:
        return good[0]
    match shape.type_name:
        case "structure":
            return {key: _plain(shape.members[key], key) for key in shape.required_members}
        case "list":
            return [_plain(shape.member, _singular(name))]
        case "string":
            return shape.enum[0] if shape.enum else "a"
    return True if shape.type_name == "boolean" else 1


def _singular(name: str) -> str:
    return name.removesuffix("s")


def _bounds(shape: Any) -> list[int]:
    least, most = shape.metadata.get("min", 0), shape.metadata.get("max", 2**31)
    return [least - 1, least, least + 1, most, most + 1]


def places(document: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where in a JSON document something is."""
    inner = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    return [at, *(place for key, member in inner for place in places(member, (*at, key)))]


def twist(document: Any, at: tuple[Any, ...], what: Any) -> Any:
    """A JSON document with something else in one place."""
    if not at:
        return what
    if isinstance(document, list):
        return [twist(member, at[1:], what) if key == at[0] else member for key, member in enumerate(document)]
    return {key: twist(member, at[1:], what) if key == at[0] else member for key, member in document.items()}


# ---- Many things at once


def requests(name: str) -> st.SearchStrategy[dict[str, Any]]:
    """Members for an operation: those of its right request, with some in other forms, some absent, some unknown."""
    members = ECR.find(name).input_shape.members
    changed = st.fixed_dictionaries({}, optional={key: almost(member, key) for key, member in members.items()})
    absent = mostly(st.just(()), st.sampled_from([(key,) for key in members] or [()]), 5)
    unknown = mostly(st.just({}), st.sampled_from(UNKNOWN), 9)
    return st.builds(
        lambda changes, without, more: {
            key: value for key, value in (RIGHT[name] | changes | more).items() if key not in without
        },
        mostly(changed, st.just({}), 5), absent, unknown,
    )  # fmt: skip


def almost(shape: Any, name: str = "") -> st.SearchStrategy[Any]:
    """JSON that is nearly what a shape describes."""
    match shape.type_name:
        case "structure":
            required = {key: almost(shape.members[key], key) for key in shape.required_members}
            optional = {key: almost(member, key) for key, member in shape.members.items() if key not in required}
            right = st.fixed_dictionaries(required, optional=optional)
        case "list":
            right = st.lists(almost(shape.member, _singular(name)), max_size=3)
        case "string":
            right = st.sampled_from(shape.enum) if shape.enum else st.sampled_from(ODD) | st.text(max_size=9)
        case "boolean":
            right = st.booleans()
        case "integer" | "long":
            right = st.sampled_from(_bounds(shape)) | st.integers()
        case _:
            right = st.binary(max_size=9).map(lambda blob: base64.b64encode(blob).decode())
    good = GOOD.get(name, GOOD.get(shape.name))
    if good is not None:
        right = mostly(st.sampled_from(good), right, 3)
    elif name in TEXTS:
        right = st.sampled_from(TEXTS[name]) | _twisted(TEXTS[name][-1])
    return mostly(right, st.sampled_from(ANYTHING), 15)


def mostly(one: st.SearchStrategy[Any], other: st.SearchStrategy[Any], times: int) -> st.SearchStrategy[Any]:
    """One, so many times for each other."""
    return st.integers(0, times).flatmap(lambda number: other if number == times else one)


def _twisted(text: str) -> st.SearchStrategy[str]:
    document = json.loads(text)
    return st.builds(
        lambda at, what: written(twist(document, at, what)),
        st.sampled_from(places(document)),
        st.sampled_from(ANYTHING),
    )
