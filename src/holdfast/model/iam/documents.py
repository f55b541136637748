"""The text of a policy: what it says, before anybody asks whether such a policy may say so.

    policy      Version?, Id?, Statement: one or a list
    statement   Sid?, Effect, (Principal | NotPrincipal)?, (Action | NotAction)?, (Resource | NotResource)?, Condition?
    Condition   operator → key → one value or a list

`read` refuses what is no policy at all (IAM user guide, "Grammar of the IAM JSON policy language"); what each kind of
policy asks beyond that is in `kinds`. The text that a client gave is what is kept and given back.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from holdfast.model.errors import MalformedPolicyDocument

MAXIMUM_LENGTH = 131_072  # characters (IAM API, "policyDocumentType")
MAXIMUM_DEPTH = 16  # a policy needs seven
SYNTAX = "Syntax errors in policy."
WITH_VARIABLES = "2012-10-17"
VERSIONS = {"2008-10-17", WITH_VARIABLES}
PRINCIPAL_KINDS = {"AWS", "Service", "Federated", "CanonicalUser"}
EVERYBODY = ("AWS", "*")

_POLICY_MEMBERS = {"Version", "Id", "Statement"}
_STATEMENT_MEMBERS = {"Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource",
                      "Condition"}  # fmt: skip
_BRACKETS = re.compile(  # a string that does not end is one too, so that no quote is read twice
    r'"[^"\\]*(?:\\.[^"\\]*)*"?|(?P<open>[\[{])|(?P<close>[\]}])', re.DOTALL
)


class NotJson(ValueError):
    """A text that is not JSON."""


class _Malformed(ValueError):
    """JSON that is no policy."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What an element of a statement lists; or, with `Not…`, everything but that."""

    listed: tuple[str, ...]
    is_negated: bool = False


@dataclass(frozen=True, slots=True)
class Principals:
    """Whom a statement names, each with its kind; or, with `NotPrincipal`, everybody but them."""

    listed: tuple[tuple[str, str], ...]
    is_negated: bool = False


@dataclass(frozen=True, slots=True)
class Condition:
    """What an operator asks of the request, key by key."""

    operator: str
    tests: tuple[tuple[str, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement; an element that it lacks is None."""

    sid: str | None
    effect: str
    principals: Principals | None
    actions: Choice | None
    resources: Choice | None
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A policy."""

    version: str | None
    id: str | None
    statements: tuple[Statement, ...]

    @property
    def has_variables(self) -> bool:
        """Whether `${…}` is a variable; in older policies it is plain text."""
        return self.version == WITH_VARIABLES


@dataclass(frozen=True, slots=True)
class _Number:
    """A JSON number as it is written."""

    text: str


def read(text: str) -> Document:
    """What a text says, or `MalformedPolicyDocument`."""
    try:
        return document(decode(text))
    except NotJson:
        raise MalformedPolicyDocument(SYNTAX) from None


def decode(text: str) -> object:
    """The JSON value of a text, or `NotJson`; `MalformedPolicyDocument` for an object that names a member twice."""
    if len(text) > MAXIMUM_LENGTH or _depth(text) > MAXIMUM_DEPTH:
        raise NotJson
    try:
        return json.loads(
            text, object_pairs_hook=_unique, parse_constant=_refuse, parse_int=_Number, parse_float=_Number
        )
    except _Malformed:
        raise MalformedPolicyDocument(SYNTAX) from None
    except ValueError:
        raise NotJson from None


def document(value: object) -> Document:
    """The policy that a JSON value is, or `MalformedPolicyDocument`."""
    try:
        return _document(value)
    except _Malformed:
        raise MalformedPolicyDocument(SYNTAX) from None


def size(text: str) -> int:
    """The characters of a policy that count against a quota: white space does not."""
    return sum(map(len, text.split()))


# ---- JSON


def _depth(text: str) -> int:
    deepest = depth = 0
    for found in _BRACKETS.finditer(text):
        depth += (found["open"] is not None) - (found["close"] is not None)
        deepest = max(deepest, depth)
    return deepest


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):  # the second would be read and the first overlooked
        raise _Malformed
    return found


def _refuse(_name: str) -> None:
    raise NotJson  # NaN and Infinity


# ---- The grammar


def _document(value: object) -> Document:
    policy = _members(value, _POLICY_MEMBERS)
    version, name = policy.get("Version"), _text_or_none(policy, "Id")
    if "Version" in policy and (not isinstance(version, str) or version not in VERSIONS):
        raise _Malformed
    items = policy.get("Statement")
    items = [items] if isinstance(items, dict) else items
    if not isinstance(items, list) or not items:
        raise _Malformed
    return Document(version, name, tuple(map(_statement, items)))


def _statement(value: object) -> Statement:
    item = _members(value, _STATEMENT_MEMBERS)
    effect = item.get("Effect")
    if not isinstance(effect, str) or effect.lower() not in {"allow", "deny"}:
        raise _Malformed
    return Statement(
        sid=_text_or_none(item, "Sid"),
        effect=effect,
        principals=_principals(item),
        actions=_choice(item, "Action"),
        resources=_choice(item, "Resource"),
        conditions=_conditions(item.get("Condition", {})),
    )


def _members(value: object, known: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict) or not value.keys() <= known:
        raise _Malformed
    return value


def _text_or_none(item: dict[str, Any], name: str) -> str | None:
    value = item.get(name, "")
    if not isinstance(value, str):
        raise _Malformed
    return value if name in item else None


def _one_of(item: dict[str, Any], name: str) -> str | None:
    """The element as it is written, or None; both at once contradict each other."""
    found = [given for given in (name, f"Not{name}") if given in item]
    if len(found) > 1:
        raise _Malformed
    return found[0] if found else None


def _choice(item: dict[str, Any], name: str) -> Choice | None:
    given = _one_of(item, name)
    return None if given is None else Choice(_texts(item[given]), given != name)


def _texts(value: object) -> tuple[str, ...]:
    texts = value if isinstance(value, list) else [value]
    if not all(isinstance(text, str) for text in texts):
        raise _Malformed
    return tuple(texts)


def _principals(item: dict[str, Any]) -> Principals | None:
    given = _one_of(item, "Principal")
    if given is None:
        return None
    value, is_negated = item[given], given != "Principal"
    if value == "*":
        return Principals((EVERYBODY,), is_negated)
    by_kind = {kind: _texts(texts) for kind, texts in _members(value, PRINCIPAL_KINDS).items()}
    if not by_kind or not all(by_kind.values()):
        raise _Malformed
    return Principals(tuple((kind, text) for kind, texts in by_kind.items() for text in texts), is_negated)


def _conditions(value: object) -> tuple[Condition, ...]:
    if not isinstance(value, dict) or not all(isinstance(tests, dict) for tests in value.values()):
        raise _Malformed
    return tuple(
        Condition(operator, tuple((key, _values(wanted)) for key, wanted in tests.items()))
        for operator, tests in value.items()
    )


def _values(value: object) -> tuple[str, ...]:
    return tuple(map(_value, value if isinstance(value, list) else [value]))


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, _Number):
        return value.text
    if not isinstance(value, str):
        raise _Malformed
    return value
