"""Policies that bound what a user or a role may do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast import store
from holdfast.model import iam_managed, iam_policies
from holdfast.model.errors import NoSuchEntity, PolicyNotAttachable

if TYPE_CHECKING:
    from holdfast.store import Transaction


def require(tx: Transaction, account_id: str, policy_arn: str, *, kind: str = "role") -> None:
    """Refuse what is no managed policy that can bound a user or a role of an account."""
    named = iam_policies.read_arn(policy_arn)
    if named.is_of_a_service:
        raise PolicyNotAttachable(kind)
    if named.is_amazons:
        is_there = policy_arn in iam_managed.BY_ARN
    else:
        policy = store.iam_policies.find(tx, account_id, named.name)
        is_there = policy is not None and policy.arn == policy_arn
    if not is_there:
        raise NoSuchEntity("boundary", policy_arn)
