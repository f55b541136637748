"""May this caller do this to that? The one place that answers, for every door."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdfast.model.errors import AccessDenied
from holdfast.model.names import Arn, Registry, RepositoryRef

if TYPE_CHECKING:
    from holdfast.model.callers import Caller


Resource = Registry | RepositoryRef | Arn


def require(caller: Caller, action: str, resource: Resource) -> None:
    """Return if the caller may, refuse with `AccessDenied` if not. Deny by default.

    Every key is its account's own, so it may do everything there and nothing elsewhere.
    """
    owner = resource.registry.account_id if isinstance(resource, RepositoryRef) else resource.account_id
    if caller.account_id == owner:
        return
    arn = "*" if isinstance(resource, Registry) else resource.arn
    raise AccessDenied(caller.arn, action, arn, f"because no resource-based policy allows the {action} action")


def may(caller: Caller, action: str, resource: Resource) -> bool:
    """Whether `require` would return."""
    try:
        require(caller, action, resource)
    except AccessDenied:
        return False
    return True
