"""What a row and a scene are, and how much of everything is done.

A scene is a state that servers are brought into; they are started afresh for each, so no scene sees the leftovers of
another. Its rows are measured in turn on the running servers.
"""

from collections.abc import Callable
from dataclasses import dataclass

from content import MEBIBYTE
from samples import Sample, Unit
from seats import CANDIDATE, PEER
from servers import Server

SMALL = 10 * 1024


@dataclass(frozen=True, slots=True)
class Scale:
    """How much of everything: the full measure or the quick one."""

    bulk: int
    share: int
    seconds: int
    many_tags: int
    many_images: int
    planned_images: int
    blobs: int
    rounds: int
    chunk: int


@dataclass(frozen=True, slots=True)
class Row:
    name: str
    work: str
    unit: Unit
    measure: Callable[[Server], Sample]
    seats: tuple[str, ...] = (PEER, CANDIDATE)
    once: bool = False


@dataclass(frozen=True, slots=True)
class Scene:
    rows: tuple[Row, ...]
    prepare: Callable[[Server], None]


def size(amount: int) -> str:
    return f"{amount // (1024 * MEBIBYTE)} GiB" if amount % (1024 * MEBIBYTE) == 0 else f"{amount // MEBIBYTE} MiB"


def count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number > 1 else ''}"
