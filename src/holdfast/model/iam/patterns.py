"""Texts with wildcards and policy variables, read once and matched many times.

    *  any run of characters    ?  one character    ${key}  ${key, 'default'}  a value of the request
    ${*}  ${?}  ${$}  the character itself

A pattern is first cut into tokens. What a variable stands for is put in as plain text, so nothing in it is a wildcard.
Matching reads from left to right and never goes back, whatever the pattern and the text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

from holdfast.model import globs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Context: TypeAlias = Mapping[str, str | tuple[str, ...]]


class Wildcard(Enum):
    """What stands for other characters."""

    RUN = "*"
    ONE = "?"


@dataclass(frozen=True, slots=True)
class Variable:
    """A value that only the request has; its key is in lower case."""

    key: str
    default: str | None = None

    def read(self, context: Context) -> str | None:
        """Its value; a key of several values has none."""
        value = context.get(self.key, self.default)
        return value if isinstance(value, str) else None


Token: TypeAlias = str | Wildcard | Variable
Tokens: TypeAlias = tuple[Token, ...]

_WILDCARDS = {wildcard.value: wildcard for wildcard in Wildcard}
_WILDCARD = re.compile(r"([*?])")
_VARIABLE = re.compile(r"\$\{(?:(?P<plain>[*?$])|(?P<key>[^{}$,']+)(?:,\s*'(?P<default>[^']*)'\s*)?)\}")


def tokenize(text: str, *, wildcards: bool, variables: bool) -> Tokens:
    """Cut a text into plain text, wildcards and variables, as far as it may have them."""
    found: list[Token] = []
    at = 0
    for match in _VARIABLE.finditer(text) if variables else ():
        found += _plain(text[at : match.start()], wildcards)
        plain, key, default = match.group("plain", "key", "default")
        found.append(plain or Variable(key.strip().lower(), default))
        at = match.end()
    found += _plain(text[at:], wildcards)
    return joined(found)


def joined(tokens: Iterable[Token]) -> Tokens:
    """The same tokens, neighbouring texts as one and neighbouring runs too."""
    found: list[Token] = []
    for token in tokens:
        last = found[-1] if found else None
        if isinstance(token, str) and isinstance(last, str):
            found[-1] = last + token
        elif token != "" and not (token is last is Wildcard.RUN):
            found.append(token)
    return tuple(found)


def keys_of(tokens: Tokens) -> set[str]:
    """The keys of the request that a pattern reads."""
    return {token.key for token in tokens if isinstance(token, Variable)}


def resolved(tokens: Tokens, context: Context) -> Tokens | None:
    """The tokens with the values of a request in them; None if one is missing."""
    found: list[Token] = []
    for token in tokens:
        value = token.read(context) if isinstance(token, Variable) else token
        if value is None:
            return None
        found.append(value)
    return joined(found)


def matcher(tokens: Tokens) -> Callable[[str], bool]:
    """Whether the whole of a text is what tokens without variables describe."""
    if Wildcard.ONE in tokens:
        return _matcher_of_pieces(tokens)
    texts = _texts(tokens, {})
    assert texts is not None
    return globs.matcher(texts)


def template(tokens: Tokens) -> Callable[[str, Context], bool]:
    """Whether the whole of a text is what tokens describe in a request; without a variable's value, nothing is."""
    if not keys_of(tokens):
        is_match = matcher(tokens)
        return lambda text, _context: is_match(text)
    if Wildcard.ONE in tokens:

        def test(text: str, context: Context) -> bool:
            found = resolved(tokens, context)
            return found is not None and matcher(found)(text)

        return test

    def test_runs(text: str, context: Context) -> bool:
        texts = _texts(tokens, context)
        return texts is not None and globs.is_made_of(texts, text)

    return test_runs


def matches(pattern: str, text: str) -> bool:
    """Whether the whole of a text is what a pattern with `*` and `?` describes."""
    return matcher(tokenize(pattern, wildcards=True, variables=False))(text)


def _plain(text: str, wildcards: bool) -> list[Token]:
    if not wildcards:
        return [text]
    return [_WILDCARDS.get(part, part) for part in _WILDCARD.split(text)]


# ---- Without `?`: texts that any runs of characters keep apart


def _texts(tokens: Tokens, context: Context) -> list[str] | None:
    found = [""]
    for token in tokens:
        if isinstance(token, str):
            found[-1] += token
        elif isinstance(token, Variable):
            value = token.read(context)
            if value is None:
                return None
            found[-1] += value
        else:
            found.append("")
    return found


# ---- With `?`: the same of pieces of a fixed width


@dataclass(frozen=True, slots=True)
class _Piece:
    """What stands between two `*`; its expression repeats nothing, so searching it never goes back."""

    regex: re.Pattern[str]
    width: int


def _matcher_of_pieces(tokens: Tokens) -> Callable[[str], bool]:
    between: list[list[Token]] = [[]]
    for token in tokens:
        if token is Wildcard.RUN:
            between.append([])
        else:
            between[-1].append(token)
    first, *rest = map(_piece, between)
    if not rest:
        return lambda text: first.regex.fullmatch(text) is not None
    *middle, last = rest

    def is_match(text: str) -> bool:
        at, end = first.width, len(text) - last.width
        if at > end or not first.regex.match(text) or not last.regex.match(text, end):
            return False
        for piece in middle:
            found = piece.regex.search(text, at, end)
            if not found:
                return False
            at = found.end()
        return True

    return is_match


def _piece(tokens: list[Token]) -> _Piece:
    texts = [token if isinstance(token, str) else None for token in tokens]
    regex = "".join("." if text is None else re.escape(text) for text in texts)
    return _Piece(re.compile(regex, re.DOTALL), sum(1 if text is None else len(text) for text in texts))
