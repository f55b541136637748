"""ARNs: six segments, of which each is compared alone and the sixth keeps its colons."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from holdfast.model.iam.patterns import Token, Tokens, Wildcard, joined, keys_of, matcher, resolved, template, tokenize

if TYPE_CHECKING:
    from collections.abc import Callable

    from holdfast.model.iam.patterns import Context

SEGMENTS = 6

Test: TypeAlias = "Callable[[str, Context], bool]"


def split(arn: str) -> tuple[str, ...] | None:
    """The six segments of an ARN; None if it has fewer."""
    found = tuple(arn.split(":", SEGMENTS - 1))
    return found if len(found) == SEGMENTS else None


def account_of(arn: str) -> str | None:
    """The account that an ARN names."""
    segments = split(arn)
    return segments[4] if segments else None


def resource_tokens(pattern: str, *, variables: bool) -> Tokens:
    """An entry of Resource: variables are read in its sixth segment only, and segments that it lacks may be anything.

    IAM user guide, "Resource": an incomplete ARN is completed with wildcards.
    """
    segments = pattern.split(":", SEGMENTS - 1)
    segments += ["*"] * (SEGMENTS - len(segments))
    head = tokenize(":".join(segments[:-1]) + ":", wildcards=True, variables=False)
    return joined(head + tokenize(segments[-1], wildcards=True, variables=variables))


def arn_test(tokens: Tokens) -> Test:
    """Whether an ARN is one that a pattern describes, in a request; a variable without a value describes none."""
    segments = _segments(tokens)
    if any(keys_of(segment) for segment in segments[: SEGMENTS - 1]):  # its value may have colons

        def test(arn: str, context: Context) -> bool:
            found = resolved(tokens, context)
            return found is not None and arn_test(found)(arn, context)

        return test
    if len(segments) < SEGMENTS:
        return lambda _arn, _context: False
    if all(isinstance(token, str) for segment in segments[:-1] for token in segment):
        return template(tokens)  # no wildcard that could cross a colon
    prefix = tokens[0] if isinstance(tokens[0], str) else ""
    heads = [
        (at, matcher(segment))
        for at, segment in enumerate(segments[:-1])
        if at >= prefix.count(":") and segment != (Wildcard.RUN,)
    ]
    last = template(segments[-1])

    def test_segments(arn: str, context: Context) -> bool:
        if not arn.startswith(prefix):
            return False
        found = arn.split(":", SEGMENTS - 1)
        if len(found) < SEGMENTS:
            return False
        for at, is_match in heads:
            if not is_match(found[at]):
                return False
        return last(found[-1], context)

    return test_segments


def _segments(tokens: Tokens) -> list[Tokens]:
    found: list[list[Token]] = [[]]
    for token in tokens:
        if not isinstance(token, str):
            found[-1].append(token)
            continue
        first, *rest = token.split(":", SEGMENTS - len(found))
        found[-1].append(first)
        found += [[text] for text in rest]
    return [joined(segment) for segment in found]
