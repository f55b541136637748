"""One scene at a time: servers are started and prepared, then measured in turn, round after round."""

import statistics
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError
from samples import Sample, shown
from scenes import Row, Scene
from seats import Contender
from servers import Server
from wire import UnexpectedAnswerError

FAILURES = (
    OSError,
    RuntimeError,
    UnexpectedAnswerError,
    subprocess.SubprocessError,
    BotoCoreError,
    ClientError,
)


@dataclass(slots=True)
class Result:
    """What was seen of a row, by seat."""

    row: Row
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def median(self, seat: str) -> float | None:
        samples = self.samples.get(seat)
        return statistics.median(sample.value for sample in samples) if samples else None


def measured(scene: Scene, contenders: Mapping[str, Contender], rounds: int, directory: Path) -> list[Result]:
    """Measure the rows of a scene; a server that fails is left out of it and the others go on."""
    results = [Result(row) for row in scene.rows]
    seats = [seat for seat in contenders if any(seat in row.seats for row in scene.rows)]
    servers = {seat: contenders[seat].server(directory / seat) for seat in seats}
    try:
        for seat, server in list(servers.items()):
            tell(f"  preparing {server.title}")
            try:
                server.start()
                scene.prepare(server)
            except FAILURES as error:
                tell(f"  {server.title} failed: {' '.join(str(error).split())}")
                for result in results:
                    if seat in result.row.seats:
                        result.failures[seat] = str(error)
                servers.pop(seat).stop()
        for result in results:
            _measure(result, servers, 1 if result.row.once else rounds)
    finally:
        for server in servers.values():
            server.stop()
    return results


def _measure(result: Result, servers: Mapping[str, Server], rounds: int) -> None:
    taking_part = [seat for seat in servers if seat in result.row.seats]
    for number in range(rounds):
        # Each round begins with another server, so that none always follows the same one.
        turn = number % max(1, len(taking_part))
        for seat in taking_part[turn:] + taking_part[:turn]:
            if seat in result.failures:
                continue
            try:
                sample = result.row.measure(servers[seat])
            except FAILURES as error:
                result.failures[seat] = str(error)
                tell(f"  {result.row.name}: {servers[seat].title} failed: {error}")
                continue
            result.samples.setdefault(seat, []).append(sample)
            said = f"{shown(sample.value)} {result.row.unit.name}, {sample.cost:,.2f} {result.row.unit.cost}"
            tell(
                f"  {result.row.name} {number + 1}/{rounds}: {servers[seat].title}: {said}, others {sample.others:.0%}"
            )


def tell(text: str) -> None:
    """Say how far we are, away from the table."""
    print(text, file=sys.stderr, flush=True)
