"""Prefixes of repository names, by which a creation template or a cache rule is chosen."""

from __future__ import annotations

ROOT = "ROOT"  # the prefix of every name; no name has capital letters


def reaching(name: str) -> list[str]:
    """Every prefix that reaches a repository, the nearest first; a slash after it is implied or written."""
    parts = name.split("/")[:-1]
    nearest_first = ["/".join(parts[:count]) for count in range(len(parts), 0, -1)]
    return [spelling for prefix in nearest_first for spelling in spellings(prefix)] + [ROOT]


def spellings(prefix: str) -> list[str]:
    """The ways to write one prefix."""
    plain = prefix.removesuffix("/")
    return [ROOT] if plain == ROOT else [plain, f"{plain}/"]
