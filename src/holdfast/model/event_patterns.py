"""EventBridge's language of patterns: which events somebody wants (EventBridge user guide, "Event patterns").

    {"source": ["aws.ecr"], "detail": {"action-type": ["PUSH"], "image-tag": [{"anything-but": {"prefix": "dev-"}}]}}

A pattern names members of an event; each has a list of which one must hold, and all members must. A member that is a
list holds if any of its values does. There are exact values, prefix, suffix, equals-ignore-case, wildcard,
anything-but, numeric, exists, and `$or` over patterns.
"""

from __future__ import annotations

import json
import operator
from collections.abc import Callable
from typing import Any

from holdfast.model import globs
from holdfast.model.errors import InvalidParameter

MOST_CHARACTERS = 4096
MOST_RULES = 300  # of one pattern
MOST_CHOICES = 100  # of one `$or`
DEPTH = 20
OR = "$or"

Matcher = Callable[[Any], bool]
_COMPARED: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip


class _Absent:
    """The value of a member that an event does not have."""


ABSENT = _Absent()


def compiled(text: str) -> Matcher:
    """What tells whether an event's document matches a pattern; `InvalidParameter` says what is wrong with the text."""
    if len(text) > MOST_CHARACTERS:
        raise _bad(f"it has more than {MOST_CHARACTERS} characters")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise _bad("it is not JSON") from None
    return _Compiler().object(document, "the pattern", 0)


class _Compiler:
    """Compiles one pattern, and counts how much there is of it."""

    def __init__(self) -> None:
        self._rules = 0

    def object(self, pattern: Any, where: str, depth: int) -> Matcher:
        """What all members of a pattern say."""
        if not isinstance(pattern, dict) or not pattern:
            raise _bad(f"{where} must be an object with members")
        if depth > DEPTH:
            raise _bad(f"it is nested more than {DEPTH} times")
        members = [(name, self._member(name, value, depth)) for name, value in pattern.items() if name != OR]
        choices = self._choices(pattern[OR], depth) if OR in pattern else None

        def matches(document: Any) -> bool:
            if isinstance(document, list):  # one of the objects in it must match as a whole
                return any(matches(one) for one in document)
            if not isinstance(document, dict):
                document = {}
            if not all(matcher(document.get(name, ABSENT)) for name, matcher in members):
                return False
            return choices is None or any(choice(document) for choice in choices)

        return matches

    def _choices(self, value: Any, depth: int) -> list[Matcher]:
        if not isinstance(value, list) or not 2 <= len(value) <= MOST_CHOICES:
            raise _bad(f"{OR} must be a list of 2 to {MOST_CHOICES} patterns")
        return [self.object(one, f"each of {OR}", depth + 1) for one in value]

    def _member(self, name: str, value: Any, depth: int) -> Matcher:
        if isinstance(value, dict):
            return self.object(value, f"'{name}'", depth + 1)
        if not isinstance(value, list) or not value:
            raise _bad(f"'{name}' must be an object, or a list of what it may be")
        self._rules += len(value)
        if self._rules > MOST_RULES:
            raise _bad(f"it has more than {MOST_RULES} rules")
        rules = [_rule(name, one) for one in value]

        def matches(found: Any) -> bool:
            values = found if isinstance(found, list) else [found]
            return any(rule(one) for rule in rules for one in values)

        return matches


def _rule(name: str, rule: Any) -> Matcher:
    """One of the alternatives of a member."""
    if isinstance(rule, list):
        raise _bad(f"'{name}' has a list in its list")
    if not isinstance(rule, dict):
        return lambda value: _same(value, rule)
    if len(rule) != 1:
        raise _bad(f"a rule of '{name}' must have one member")
    [(kind, wanted)] = rule.items()
    if kind == "exists":
        if not isinstance(wanted, bool):
            raise _bad("exists must be true or false")
        return lambda value: (not isinstance(value, _Absent | dict)) is wanted
    if kind == "anything-but":
        inner = _anything_but(wanted)
        return lambda value: not isinstance(value, _Absent | dict) and not inner(value)
    if kind == "numeric":
        return _numeric(wanted)
    return _text_rule(kind, wanted)


def _text_rule(kind: str, wanted: Any) -> Matcher:
    """A rule about a text, or one of several."""
    if kind in {"prefix", "suffix"} and isinstance(wanted, dict) and set(wanted) == {"equals-ignore-case"}:
        inner = _text_rule(kind, _folded(wanted["equals-ignore-case"]))
        return lambda value: isinstance(value, str) and inner(value.casefold())
    if not isinstance(wanted, str):
        raise _bad(f"{kind} must be a text")
    if kind == "prefix":
        return lambda value: isinstance(value, str) and value.startswith(wanted)
    if kind == "suffix":
        return lambda value: isinstance(value, str) and value.endswith(wanted)
    if kind == "equals-ignore-case":
        return lambda value: isinstance(value, str) and value.casefold() == wanted.casefold()
    if kind == "wildcard":
        if "**" in wanted:
            raise _bad("a wildcard must not have two asterisks in a row")
        parts = [part.replace("\0", "*") for part in wanted.replace("\\*", "\0").split("*")]
        return lambda value: isinstance(value, str) and globs.is_made_of(parts, value)
    raise _bad(f"there is no rule '{kind}'")


def _anything_but(wanted: Any) -> Matcher:
    """What must not hold: values, or one rule about a text or several."""
    if isinstance(wanted, dict):
        if len(wanted) != 1:
            raise _bad("anything-but must have one rule")
        [(kind, texts)] = wanted.items()
        if kind not in {"prefix", "suffix", "equals-ignore-case", "wildcard"}:
            raise _bad(f"anything-but knows no '{kind}'")
        rules = [_text_rule(kind, text) for text in (texts if isinstance(texts, list) else [texts])]
        return lambda value: any(rule(value) for rule in rules)
    values = wanted if isinstance(wanted, list) else [wanted]
    if not values or not all(isinstance(one, str | int | float) and not isinstance(one, bool) for one in values):
        raise _bad("anything-but must have texts or numbers")
    return lambda value: any(_same(value, one) for one in values)


def _numeric(wanted: Any) -> Matcher:
    pairs = list(zip(wanted[::2], wanted[1::2], strict=False)) if isinstance(wanted, list) else []
    if not pairs or len(pairs) > 2 or len(wanted) % 2:
        raise _bad('numeric must be such as [">", 0, "<=", 5]')
    for sign, number in pairs:
        if not isinstance(sign, str) or sign not in _COMPARED or not _is_number(number):
            raise _bad('numeric must be such as [">", 0, "<=", 5]')
    return lambda value: _is_number(value) and all(_COMPARED[sign](value, number) for sign, number in pairs)


def _same(value: Any, wanted: Any) -> bool:
    """Whether a value of an event is exactly a wanted one: `true` is no 1, and 1.0 is 1."""
    if _is_number(value) and _is_number(wanted):
        return bool(value == wanted)
    return type(value) is type(wanted) and bool(value == wanted)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _folded(text: Any) -> Any:
    return text.casefold() if isinstance(text, str) else text


def _bad(why: str) -> InvalidParameter:
    return InvalidParameter("eventPattern", f"Event pattern is not valid: {why}")
