"""Whole numbers as bytes in their order, however long they are."""

from __future__ import annotations


def number(digits: str) -> bytes:
    """How many digits there are, and they; zero has none. There are at most 200, as a version has."""
    digits = digits.lstrip("0")
    return bytes((len(digits),)) + digits.encode()
