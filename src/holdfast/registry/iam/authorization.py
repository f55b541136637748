"""Everything in an account that decides who may do what, a page at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model import iam_managed
from holdfast.model.iam_entities import Group, User, key_of
from holdfast.model.iam_policies import ManagedPolicy, Usage
from holdfast.model.iam_roles import Role
from holdfast.registry.iam import principals

if TYPE_CHECKING:
    from collections.abc import Collection

    from holdfast.model.iam_policies import PolicyVersion
    from holdfast.model.iam_roles import InstanceProfile
    from holdfast.registry.backends import Backends
    from holdfast.store import Transaction

Subject = User | Group | Role | ManagedPolicy
Page = Callable[["Transaction", str, str, int], Sequence[Subject]]

MOST_CHARACTERS = 2**20  # of the policies of a page: it may have fewer items than were asked for
MOST_OF_ONE = 1000  # groups of a user, or instance profiles of a role


@dataclass(frozen=True, slots=True)
class Detail:
    """A user, group, role or managed policy with all that decides what it allows."""

    kind: int  # its place among KINDS
    subject: Subject
    inline: tuple[tuple[str, str], ...] = ()  # names and documents
    attached: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    profiles: tuple[InstanceProfile, ...] = ()
    versions: tuple[PolicyVersion, ...] = ()
    usage: Usage = Usage()  # noqa: RUF009 - it is frozen

    @property
    def place(self) -> str:
        """Where it stands in the list."""
        return f"{self.kind} {key_of(self.subject.name)}"

    @property
    def characters(self) -> int:
        """How much its policies say."""
        documents = chain((text for _, text in self.inline), (version.document for version in self.versions))
        return sum(map(len, documents)) + len(getattr(self.subject, "trust_policy", ""))


def page(
    on: Backends, account_id: str, kinds: Collection[str], after: tuple[int, str], limit: int
) -> tuple[list[Detail], bool]:
    """Details of some kinds of things, by kind and name, beginning after one, and whether there are more."""
    found: list[Detail] = []
    characters = 0
    with on.database.snapshot() as tx:
        for kind, subject in _subjects(tx, account_id, kinds, after, limit + 1):
            if len(found) == limit or characters > MOST_CHARACTERS:
                return found, True
            found.append(_detail(tx, account_id, kind, subject))
            characters += found[-1].characters
    return found, False


def _subjects(
    tx: Transaction, account_id: str, kinds: Collection[str], after: tuple[int, str], limit: int
) -> Iterator[tuple[int, Subject]]:
    for kind, name in enumerate(KINDS):
        if name in kinds and kind >= after[0]:
            for subject in KINDS[name](tx, account_id, after[1] if kind == after[0] else "", limit):
                yield kind, subject


def _amazons(_tx: Transaction, _account_id: str, after: str, limit: int) -> Sequence[Subject]:
    return [policy for policy in iam_managed.POLICIES if key_of(policy.name) > after][:limit]


def _detail(tx: Transaction, account_id: str, kind: int, subject: Subject) -> Detail:
    if isinstance(subject, ManagedPolicy):
        is_amazons = subject.arn in iam_managed.BY_ARN
        versions = [iam_managed.version(subject.arn)] if is_amazons else store.iam_policies.versions(tx, subject)
        usage = store.iam_policies.usage(tx, account_id, [subject.arn])[subject.arn]
        return Detail(kind, subject, versions=tuple(versions), usage=usage)
    names = store.iam_attachments.inline_names(tx, subject.id)
    detail = Detail(
        kind,
        subject,
        inline=tuple((name, store.iam_attachments.inline(tx, subject.id, name) or "") for name in names),
        attached=tuple(store.iam_attachments.attached(tx, subject.id)),
    )
    if isinstance(subject, User):
        groups = store.iam_groups.of_user(tx, subject, "", MOST_OF_ONE)
        return replace(detail, groups=tuple(group.name for group in groups))
    if isinstance(subject, Role):
        shown = replace(subject, trust_policy=principals.shown(tx, [subject.trust_policy])[0])
        profiles = store.iam_instance_profiles.of_role(tx, subject, "", MOST_OF_ONE)
        return replace(detail, subject=shown, profiles=tuple(profiles))
    return detail


KINDS: dict[str, Page] = {  # by their names as AWS filters them, in the order in which they are listed
    "User": store.iam_users.page,
    "Group": store.iam_groups.page,
    "Role": store.iam_roles.page,
    "LocalManagedPolicy": store.iam_policies.page,
    "AWSManagedPolicy": _amazons,
}
