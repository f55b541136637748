"""How much of everything an account may have."""

from __future__ import annotations

from holdfast.model.errors import LimitExceeded


def check(name: str, count: int, limit: int) -> None:
    """Refuse one thing too many, by AWS's name of the quota."""
    if count > limit:
        raise LimitExceeded(f"Cannot exceed quota for {name}: {limit}")
