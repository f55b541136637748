"""Condition operators, compiled to closures: `Test` tells whether a request meets one key of one operator.

Equals is what every operator is made of: whether one value of the request is one of those in the policy. A negated
operator turns the answer round, a set operator asks it of each value, `…IfExists` and `Null` of an absent key.

A value that cannot be read equals nothing; where that would let a negated operator grant something, it equals
everything instead: `unsure` says which.
"""

from __future__ import annotations

import operator
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from holdfast.model.iam import values
from holdfast.model.iam.arns import arn_test
from holdfast.model.iam.patterns import Context, keys_of, resolved, template, tokenize

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from holdfast.model.iam.patterns import Tokens

Test: TypeAlias = "Callable[[Context], bool]"
Equals: TypeAlias = "Callable[[str, Context], bool]"
Parse: TypeAlias = "Callable[[str], Any]"

_NAME = re.compile(r"(?:(?P<every>forallvalues)|(?P<some>foranyvalue)):(?P<rest>.+)", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Base:
    """An operator without its modifiers: how it compares, and what its values must be."""

    equals: Callable[[_Operands], Equals]
    is_negated: bool = False
    reads_variables: bool = True
    parse: Parse = lambda text: text  # what a value of the policy must be is what this does not answer None to


@dataclass(frozen=True, slots=True)
class Operator:
    """An operator as a policy names it."""

    base: _Base
    over: Callable[[Iterable[bool]], bool] | None  # all or any, of a set operator
    if_exists: bool
    is_null: bool

    def takes(self, value: str, *, variables: bool) -> bool:
        """Whether a value of a policy can be read."""
        may_vary = variables and self.base.reads_variables and "${" in value
        return may_vary or self.base.parse(value) is not None


@dataclass(frozen=True, slots=True)
class _Operands:
    """The values of a policy that a request's are compared with."""

    texts: tuple[str, ...]
    variables: bool
    unsure: bool

    def tokens(self, *, wildcards: bool) -> list[Tokens]:
        return [tokenize(text, wildcards=wildcards, variables=self.variables) for text in self.texts]


def find(name: str) -> Operator | None:
    """The operator of that name, if there is one."""
    name = name.lower()
    modified = _NAME.fullmatch(name)
    over = None
    if modified:
        name, over = modified["rest"], all if modified["every"] else any
    base = _BASES.get(name.removesuffix("ifexists"))
    is_null = name.startswith("null")
    if base is None or name == "nullifexists":
        return None
    return Operator(base, over, name.endswith("ifexists"), is_null)


def compiled(name: str, key: str, texts: tuple[str, ...], *, denies: bool, variables: bool) -> tuple[Test, set[str]]:
    """The test of one key, and the keys of the request that it reads.

    An operator that nobody knows keeps an Allow from applying and makes a Deny apply.
    """
    found = find(name)
    if found is None:
        return (lambda _context: denies), set()
    key = key.lower()
    if found.is_null:
        return _null(key, texts), {key}
    base = found.base
    variables = variables and base.reads_variables
    operands = _Operands(texts, variables, unsure=base.is_negated and not denies)
    read = {key}.union(*map(keys_of, operands.tokens(wildcards=False)))
    return _test(key, found, base.equals(operands), denies=denies), read


def _test(key: str, found: Operator, equals: Equals, *, denies: bool) -> Test:
    """The test of a key; if it has several values and no set operator says how to take them, it takes none.

    That is no way out of a Deny, which any of the values meets.
    """
    wanted = not found.base.is_negated
    over = found.over
    if over is None:
        absent = found.if_exists or not wanted

        def test(context: Context) -> bool:
            value = context.get(key)
            if isinstance(value, str):
                return equals(value, context) is wanted
            if not value:
                return absent
            return denies and (not wanted or any(equals(one, context) for one in value))

        return test

    absent = found.if_exists or over is all

    def test_each(context: Context) -> bool:
        value = context.get(key, ())
        each = (value,) if isinstance(value, str) else value
        return over(equals(one, context) is wanted for one in each) if each else absent

    return test_each


def _null(key: str, texts: tuple[str, ...]) -> Test:
    wanted = {values.truth(text) for text in texts}

    def test(context: Context) -> bool:
        value = context.get(key, ())
        return (not isinstance(value, str) and not value) in wanted

    return test


# ---- How one value of the request is compared with those of the policy


def _text(fold: Callable[[str], str] = str) -> Callable[[_Operands], Equals]:
    def equals(operands: _Operands) -> Equals:
        tokens = operands.tokens(wildcards=False)
        fixed = {fold("".join(map(str, one))) for one in tokens if not keys_of(one)}
        varying = [one for one in tokens if keys_of(one)]
        if not varying:
            return lambda value, _context: fold(value) in fixed

        def test(value: str, context: Context) -> bool:
            value = fold(value)
            if value in fixed:
                return True
            return any(
                value == fold("".join(map(str, found)))
                for found in (resolved(one, context) for one in varying)
                if found is not None
            )

        return test

    return equals


def _like(operands: _Operands) -> Equals:
    tests = [template(one) for one in operands.tokens(wildcards=True)]
    return lambda value, context: any(test(value, context) for test in tests)


def _arn(operands: _Operands) -> Equals:
    tests = [arn_test(one) for one in operands.tokens(wildcards=True)]
    return lambda value, context: any(test(value, context) for test in tests)


def _truth(operands: _Operands) -> Equals:
    equals = _text(str.lower)(operands)
    return lambda value, context: values.truth(value) is not None and equals(value, context)


def _parsed(parse: Parse, compare: Callable[[Any, Any], bool]) -> Callable[[_Operands], Equals]:
    def equals(operands: _Operands) -> Equals:
        unsure = operands.unsure
        read = [parse(text) for text in operands.texts]
        wanted = [one for one in read if one is not None]
        otherwise = unsure and len(wanted) < len(read)

        def test(value: str, _context: Context) -> bool:
            found = parse(value)
            if found is None:
                return unsure
            for one in wanted:
                if compare(found, one):
                    return True
            return otherwise

        return test

    return equals


def _bases() -> dict[str, _Base]:
    found: dict[str, _Base] = {}
    for name, equals in {
        "string{}equals": _text(),
        "string{}equalsignorecase": _text(str.lower),
        "string{}like": _like,
        "arn{}equals": _arn,
        "arn{}like": _arn,
    }.items():
        found[name.format("")] = _Base(equals)
        found[name.format("not")] = _Base(equals, is_negated=True)
    for kind, parse in {"numeric": values.number, "date": values.instant}.items():
        for name, compare in {
            "equals": operator.eq,
            "lessthan": operator.lt,
            "lessthanequals": operator.le,
            "greaterthan": operator.gt,
            "greaterthanequals": operator.ge,
        }.items():
            found[kind + name] = _Base(_parsed(parse, compare), reads_variables=False, parse=parse)
        found[f"{kind}notequals"] = _Base(_parsed(parse, operator.eq), True, False, parse)
    within = _parsed(values.network, lambda address, wanted: wanted.holds(address))
    found["ipaddress"] = _Base(within, reads_variables=False, parse=values.network)
    found["notipaddress"] = _Base(within, True, False, values.network)
    binary = _parsed(values.octets, operator.eq)
    found["binaryequals"] = _Base(binary, reads_variables=False, parse=values.octets)
    found["bool"] = _Base(_truth, parse=values.truth)
    found["null"] = _Base(_truth, reads_variables=False, parse=values.truth)
    return found


_BASES = _bases()
