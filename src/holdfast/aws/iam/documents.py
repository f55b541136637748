"""How answers carry policies: the text as it was given, percent-encoded."""

from __future__ import annotations

from urllib.parse import quote


def encoded(text: str) -> str:
    """A document as answers of IAM spell it (RFC 3986)."""
    return quote(text, safe="")
