"""Guardrails: policies that bound what everybody of an account may do, its root too; AWS's service control policies.

    all accounts   FullAWSAccess, and what the operator adds ─┐
    one account    FullAWSAccess, and what the operator adds ─┴─► every level must allow, and any Deny wins

A level of which nothing is said has FullAWSAccess alone. It stays when another guardrail is added, so that a list of
Denies takes nothing else away; whoever wants a list of Allows removes it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.model.errors import InvalidInput, LimitExceeded, MalformedPolicyDocument
from holdfast.model.iam import Kind, kinds

if TYPE_CHECKING:
    from datetime import datetime

ALL = "all"  # the level of all accounts, where others have the id of one
FULL_ACCESS = "FullAWSAccess"
EVERYTHING = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
CHARACTERS = 10_240  # of one, and
MOST = 10  # of a level (Organizations user guide, "Quotas for AWS Organizations")

_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Guardrail:
    """A policy of a level, which is the id of an account or `all`."""

    level: str
    name: str
    document: str
    created_at: datetime

    @property
    def arn(self) -> str:
        """How refusals name it."""
        if self.name == FULL_ACCESS:
            return f"arn:aws:organizations::aws:policy/service_control_policy/p-{self.name}"
        return f"arn:aws:organizations::{self.level}:policy/o-holdfast/service_control_policy/p-{self.name}"


def whom(level: str) -> str:
    """Whom a level binds, for people."""
    return "all accounts" if level == ALL else f"the account {level}"


def check(name: str, document: str) -> None:
    """Refuse what AWS would not take as a service control policy."""
    if not _NAME.fullmatch(name):
        raise InvalidInput(
            f"The name {name[:128]!r} is not valid: a guardrail has letters, digits, - and _, 128 at most"
        )
    try:
        kinds.parse(document, Kind.GUARDRAIL)
    except MalformedPolicyDocument as fault:
        raise InvalidInput(f"The guardrail {name} is no service control policy: {fault.message}") from None
    if len(document) > CHARACTERS:
        raise LimitExceeded(f"The guardrail {name} has {len(document)} characters; {CHARACTERS} is the most")
