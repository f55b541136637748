"""Patterns in which `*` stands for any text, even none; read from left to right, never back."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def matches(pattern: str, text: str) -> bool:
    """Whether a pattern describes the whole of a text."""
    return is_made_of(pattern.split("*"), text)


def matcher(parts: Sequence[str]) -> Callable[[str], bool]:
    """`is_made_of`, for parts that are asked of many texts of which most do not even have the longest part."""
    if len(parts) == 1:
        return parts[0].__eq__
    longest = max(parts, key=len)  # `in` is the fastest question there is
    if len(parts) == 2 and not parts[1]:
        return lambda text: longest in text and text.startswith(longest)
    return lambda text: longest in text and is_made_of(parts, text)


def is_made_of(parts: Sequence[str], text: str) -> bool:
    """Whether the whole of a text is some parts in their order, with anything between them; there is at least one."""
    first, last = parts[0], parts[-1]
    if len(parts) == 1:
        return text == first
    at, end = len(first), len(text) - len(last)
    if at > end or not text.startswith(first) or not text.endswith(last):
        return False
    for part in parts[1:-1]:  # the leftmost place of each leaves the most room for those that follow
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True
