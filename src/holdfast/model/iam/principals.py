"""Who asks, and by which names a statement may mean them.

    class       the statement names
    DIRECT      the user, the session or the federated user itself, by ARN or by unique id; the root, by its account
    ROLE        the role of a session, or the user behind a federated one
    ACCOUNT     the account, by its id or by the ARN of its root: every principal of it is meant, and none by name
    SERVICE     the service
    FEDERATED   the identity provider whose token came
    STAR        everybody

Both sides are put into the same words, so that matching is a look-up: a principal lists its names with their classes,
a statement is the set of the names that it lists.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from holdfast.model.iam import arns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.model.iam import documents

DIRECT, ROLE, ACCOUNT, SERVICE, FEDERATED, STAR = (1 << bit for bit in range(6))
NOBODY = 0
BY_NAME = DIRECT | ROLE | SERVICE | FEDERATED | STAR  # what keeps a principal out of the reach of Deny and NotPrincipal

PrincipalKind: TypeAlias = Literal["root", "user", "session", "federated-user", "service", "web-identity", "anonymous"]

_EVERYBODY = "*"
_ACCOUNT = re.compile(r"(arn:aws(?:-[a-z]+)*:iam::)?(?P<id>[0-9]{12})(?(1):root)", re.ASCII)
_AWS_PRINCIPAL = re.compile(
    r"\*|[0-9]{12}|A(?:ID|RO)A[A-Z0-9]{12,124}"
    r"|arn:aws(?:-[a-z]+)*:(?:iam::[0-9]{12}:(?:root|(?:user|role)/[\w+=,.@/-]+)"
    r"|sts::[0-9]{12}:(?:assumed-role|federated-user)/[\w+=,.@/-]+)",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Principal:
    """Whoever makes a request: the ARN of a service is its name, that of a web identity is its provider's."""

    kind: PrincipalKind
    arn: str
    account_id: str | None = None
    id: str | None = None  # AIDA…, or AROA…:session
    role_arn: str | None = None  # of a session; with path
    user_arn: str | None = None  # of a federated user: who asked for the session
    user_id: str | None = None
    names: tuple[tuple[str, int], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", tuple(_names(self)))

    def classes(self, listed: frozenset[str]) -> int:
        """The classes by which a set of names means this principal."""
        found = NOBODY
        for name, kind in self.names:
            if name in listed:
                found |= kind
        return found


def is_aws_principal(text: str) -> bool:
    """Whether a text may stand as a principal of the kind AWS."""
    return _AWS_PRINCIPAL.fullmatch(text) is not None


def listed_names(principals: documents.Principals) -> frozenset[str]:
    """The names that a statement lists."""
    return frozenset(name for kind, text in principals.listed for name in _listed(kind, text))


def _listed(kind: str, text: str) -> Iterator[str]:
    account = _ACCOUNT.fullmatch(text)
    if kind != "AWS":
        yield f"{kind}:{text}"
    elif text == "*":
        yield _EVERYBODY
    elif account:
        yield f"account:{account['id']}"
    else:
        yield f"AWS:{text}"
        yield from _by_last_segment(text)


def _names(principal: Principal) -> Iterator[tuple[str, int]]:
    """Every name that means a principal."""
    kind, arn = principal.kind, principal.arn
    yield _EVERYBODY, STAR
    if kind == "service":
        yield f"Service:{arn}", SERVICE
    elif kind == "web-identity":
        yield f"Federated:{arn}", FEDERATED
    elif kind != "anonymous":
        yield f"account:{principal.account_id}", ACCOUNT | DIRECT if kind == "root" else ACCOUNT
        yield f"AWS:{arn}", DIRECT
    if kind == "user" and principal.id:
        yield f"AWS:{principal.id}", DIRECT
    elif kind == "session":
        yield from _behind(principal, "role", principal.role_arn, (principal.id or "").partition(":")[0])
    elif kind == "federated-user":
        yield from _behind(principal, "user", principal.user_arn, principal.user_id)


def _behind(principal: Principal, kind: str, arn: str | None, id_: str | None) -> Iterator[tuple[str, int]]:
    """The role or user behind a session; where its ARN is not known, by the name that the session's ARN has."""
    if id_:
        yield f"AWS:{id_}", ROLE
    if arn:
        yield f"AWS:{arn}", ROLE
    elif kind == "role" or not id_:  # a federated user may be called as he likes
        segments = arns.split(principal.arn)
        name = segments[5].split("/")[1:2] if segments else []
        yield from ((f"{kind} of {principal.account_id}:{one}", ROLE) for one in name)


def _by_last_segment(arn: str) -> Iterator[str]:
    """The name of a user or role without its path: it is unique in its account, and sessions have no more."""
    segments = arns.split(arn)
    kind, slash, path = segments[5].partition("/") if segments else ("", "", "")
    if slash and segments and segments[2] == "iam" and kind in {"user", "role"}:
        yield f"{kind} of {segments[4]}:{path.rsplit('/', 1)[-1]}"
