"""The audit log of a started product, as somebody reads it who waits until it is written."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = 20


def records(product: Any) -> list[dict[str, Any]]:
    """Every record so far, file by file."""
    folder = product.data / "audit"
    whole = [path.read_bytes().rpartition(b"\n")[0] for path in sorted(folder.glob("*.jsonl"))]
    lines = [line for text in whole for line in text.splitlines() if not line.startswith(b'{"audit":')]
    return [json.loads(line) for line in lines]


def found(product: Any, count: int = 1, **wanted: Any) -> list[dict[str, Any]]:
    """The records with some members, once there are so many of them, by the time they tell."""

    def fits(record: dict[str, Any]) -> bool:
        return all(record.get(name) == value for name, value in wanted.items())

    return until(lambda: [one for one in records(product) if fits(one)], count)


def until(look: Callable[[], list[dict[str, Any]]], count: int) -> list[dict[str, Any]]:
    """What is seen, once it is so many."""
    deadline = time.monotonic() + SECONDS
    while len(seen := look()) < count and time.monotonic() < deadline:
        time.sleep(0.05)
    assert len(seen) == count, seen
    return sorted(seen, key=lambda record: record["eventTime"])


def request_id(answer: dict[str, Any]) -> str:
    """The request id of a boto3 answer."""
    return answer["ResponseMetadata"]["RequestId"]
