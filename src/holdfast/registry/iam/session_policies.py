"""The policies that a request wants a session to be narrowed by, as they are kept with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.model import iam_policies
from holdfast.model.errors import InvalidInput, Validation
from holdfast.registry.iam import principals

if TYPE_CHECKING:
    from holdfast.model.iam_session_limits import SessionPolicies
    from holdfast.store import Transaction


def texts(tx: Transaction, account_id: str, wanted: SessionPolicies) -> tuple[str, ...]:
    """What they say at this moment: a later change of a managed policy does not change a session."""
    for arn in wanted.arns:
        _check(arn)
    found = principals.managed_documents(tx, account_id, set(wanted.arns))
    for arn in wanted.arns:
        if arn not in found:
            raise _invalid(arn)
    inline = () if wanted.inline is None else (wanted.inline,)
    return (*inline, *(found[arn] for arn in dict.fromkeys(wanted.arns)))


def _check(arn: str) -> None:
    try:
        iam_policies.read_arn(arn)
    except (InvalidInput, Validation):
        raise _invalid(arn) from None


def _invalid(arn: str) -> Validation:
    return Validation(f"{arn} is invalid")
