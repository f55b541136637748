"""Where in a JSON text its values stand, for who must change or show some of them and leave the rest as it is."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping

_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{},:]|[^\s\[\]{},:"]+')

Path: TypeAlias = tuple[str | int, ...]
Tokens: TypeAlias = "Iterator[re.Match[str]]"


@dataclass(frozen=True, slots=True)
class Place:
    """A value: the members and items that lead to it, and the characters that spell it."""

    path: Path
    start: int
    end: int


def places(text: str) -> Iterator[Place]:
    """Every value of a text that is known to be JSON and not too deep; what a value holds comes before the value."""
    tokens = _TOKEN.finditer(text)
    return _value(next(tokens), tokens, ())


def replaced(text: str, changes: Mapping[Place, str]) -> str:
    """The text with other strings in some places."""
    parts, at = [], 0
    for place in sorted(changes, key=lambda place: place.start):
        parts += [text[at : place.start], json.dumps(changes[place])]
        at = place.end
    return "".join([*parts, text[at:]])


def line_and_column(text: str, at: int) -> tuple[int, int]:
    """A place in the text as people count it, both from 1."""
    return text.count("\n", 0, at) + 1, at - text.rfind("\n", 0, at)


def _value(token: re.Match[str], tokens: Tokens, path: Path) -> Generator[Place, None, int]:
    end = token.end()
    if token[0] == "{":
        end = yield from _object(tokens, path)
    elif token[0] == "[":
        end = yield from _array(tokens, path)
    yield Place(path, token.start(), end)
    return end


def _object(tokens: Tokens, path: Path) -> Generator[Place, None, int]:
    for token in tokens:
        if token[0] == "}":
            return token.end()
        if token[0] != ",":
            next(tokens)  # the colon
            yield from _value(next(tokens), tokens, (*path, json.loads(token[0])))
    raise AssertionError("the text is not JSON")


def _array(tokens: Tokens, path: Path) -> Generator[Place, None, int]:
    index = 0
    for token in tokens:
        if token[0] == "]":
            return token.end()
        if token[0] != ",":
            yield from _value(token, tokens, (*path, index))
            index += 1
    raise AssertionError("the text is not JSON")
