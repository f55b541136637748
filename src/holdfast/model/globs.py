"""Patterns in which `*` stands for any text, even none; read from left to right, never back."""

from __future__ import annotations


def matches(pattern: str, text: str) -> bool:
    """Whether a pattern describes the whole of a text."""
    first, *rest = pattern.split("*")
    if not rest:
        return pattern == text
    *middle, last = rest
    at, end = len(first), len(text) - len(last)
    if at > end or not text.startswith(first) or not text.endswith(last):
        return False
    for part in middle:  # the leftmost place of each leaves the most room for those that follow
        found = text.find(part, at, end)
        if found < 0:
            return False
        at = found + len(part)
    return True
