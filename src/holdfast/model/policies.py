"""Policies on repositories and registries: what their texts say, and what is asked of them when they are written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from holdfast.model import iam
from holdfast.model.errors import InvalidParameter

if TYPE_CHECKING:
    from holdfast.model.iam.documents import Statement

SETTING = "policy"  # among those of a registry
# The account setting REGISTRY_POLICY_SCOPE=V1 leaves these to registry policies.
V1_ACTIONS = {"ecr:replicateimage", "ecr:batchimportupstreamimage", "ecr:createrepository"}


@dataclass(frozen=True, slots=True)
class Policy:
    """A checked policy."""

    document: iam.Document

    @property
    def statements(self) -> tuple[Statement, ...]:
        """What it says."""
        return self.document.statements

    def always_denies(self, principal: iam.Principal, action: str, arn: str) -> bool:
        """Whether somebody may not do something under any circumstances."""
        return iam.compile_policy(self.document, "").always_denies(principal, action, arn)

    @property
    def keeps_to_v1(self) -> bool:
        """Whether it speaks only of what the older scope of registry policies lets it."""
        choices = [statement.actions for statement in self.statements]
        return all(
            choice and not choice.is_negated and V1_ACTIONS.issuperset(map(str.lower, choice.listed))
            for choice in choices
        )


def parse_repository_policy(text: str) -> Policy:
    """Read the policy of a repository, or refuse it."""
    return Policy(iam.parse(text, iam.Kind.REPOSITORY))


def parse_registry_policy(text: str, scope: str) -> Policy:
    """Read the policy of a registry, or refuse it; the scope is V1 or V2."""
    policy = Policy(iam.parse(text, iam.Kind.REGISTRY))
    if scope == "V1" and not policy.keeps_to_v1:
        raise InvalidParameter("PolicyText", "Invalid registry policy provided")
    return policy
