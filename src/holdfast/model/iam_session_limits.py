"""How much a session may carry: the policies that narrow it, and the tags that tell of it.

AWS packs both into the session token, and tells how full that is. Here they lie in a row, yet what AWS would refuse is
refused: a caller should not learn only there that he asks for too much.
"""

from __future__ import annotations

import json
import math
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from holdfast.model.errors import InvalidParameterValue, PackedPolicyTooLarge, Validation
from holdfast.model.iam import Kind, parse
from holdfast.model.iam_entities import key_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

POLICY_CHARACTERS = 2048  # of the policy in the request and the ARNs beside it
POLICY_ARNS = 10
PACKED_BYTES = 2048
TAGS = 50


@dataclass(frozen=True, slots=True)
class SessionPolicies:
    """What narrows a session: a policy of its own, managed policies, or nothing."""

    inline: str | None = None
    arns: Sequence[str] = ()

    def __post_init__(self) -> None:
        if len(self.arns) > POLICY_ARNS:
            raise Validation(
                f"1 validation error detected: Value at 'policyArns' failed to satisfy constraint: "
                f"Member must have length less than or equal to {POLICY_ARNS}"
            )
        if self.inline is not None:
            parse(self.inline, Kind.SESSION)
        characters = sum(map(len, self._texts))
        if characters > POLICY_CHARACTERS:
            raise _policy_too_large(characters, POLICY_CHARACTERS)

    @property
    def _texts(self) -> list[str]:
        return [*([self.inline] if self.inline is not None else []), *self.arns]

    def packed_percent(self, tags: Mapping[str, str]) -> int | None:
        """How full a session token of AWS would be with the policies and some tags; None if there are neither."""
        texts = self._texts
        if not texts and not tags:
            return None
        packed = _packed(texts)
        if packed > PACKED_BYTES:
            raise _policy_too_large(packed, PACKED_BYTES)
        packed = _packed([*texts, *(json.dumps(pair) for pair in tags.items())])
        if packed > PACKED_BYTES:
            percent = _percent(packed, PACKED_BYTES)
            raise PackedPolicyTooLarge(f"Packed size of session tags consumes {percent}% of allotted space.")
        return _percent(packed, PACKED_BYTES)


@dataclass(frozen=True, slots=True)
class SessionTags:
    """What tells of a session, and which of it is handed on to the sessions of roles that are assumed with it."""

    tags: Mapping[str, str] = field(default_factory=dict)
    transitive: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        keys = {key_of(key) for key in self.tags}
        for key in self.transitive:
            if key_of(key) not in keys:
                raise InvalidParameterValue(
                    "The specified transitive tag key must be included in the requested tags. "
                    f"There is no tag of the key {key}."
                )
        if len(self.tags) > TAGS:
            raise InvalidParameterValue(f"A session can have at most {TAGS} tags.")

    def with_inherited(self, inherited: SessionTags) -> SessionTags:
        """These tags and the transitive ones of the session that asks, which cannot be changed."""
        handed_on = {key: value for key, value in inherited.tags.items() if key in inherited.transitive}
        if {key_of(key) for key in handed_on} & {key_of(key) for key in self.tags}:
            raise InvalidParameterValue(
                "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key "
                "from the calling session."
            )
        return SessionTags({**handed_on, **self.tags}, (*handed_on, *self.transitive))


def session_tags(pairs: Iterable[tuple[str, str]], transitive: Iterable[str] = ()) -> SessionTags:
    """Tags as a request lists them; a key that is given twice is refused."""
    pairs = list(pairs)
    if len({key_of(key) for key, _ in pairs}) != len(pairs):
        raise InvalidParameterValue("Duplicate tag keys found. Please note that Tag keys are case insensitive.")
    if any(key_of(key).startswith("aws:") for key, _ in pairs):
        raise InvalidParameterValue("Tag keys that begin with 'aws:' are reserved for AWS.")
    spelled = {key_of(key): key for key, _ in pairs}
    return SessionTags(dict(pairs), tuple(dict.fromkeys(spelled.get(key_of(key), key) for key in transitive)))


def _packed(texts: Iterable[str]) -> int:
    return len(zlib.compress("\n".join(texts).encode(), 9))


def _percent(size: int, most: int) -> int:
    return math.ceil(100 * size / most)


def _policy_too_large(size: int, most: int) -> PackedPolicyTooLarge:
    percent = _percent(size, most)
    return PackedPolicyTooLarge(f"Packed policy consumes {percent}% of allotted space, please use smaller policy.")
