"""Try the registry's own rules in a simulation: nothing of an installation is touched."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from holdfast.cli.ground import counted

if TYPE_CHECKING:
    import argparse

    from holdfast.cli.ground import Commands
    from holdfast.settings import Settings
    from holdfast.simulation import Outcome

SEEDS = 200
STEPS = 60
PROGRESS_SECONDS = 1.0


def add(commands: Commands) -> None:
    """Add the command."""
    command = commands.add_parser(
        "selftest",
        help="try the registry in a simulation of crashes, faults and many clients",
        description="Try the registry in a simulation of crashes, faults and many clients; no data is touched.",
    )
    command.add_argument("--seeds", metavar="N", type=_positive, default=SEEDS, help=f"how many runs [{SEEDS}]")
    command.add_argument("--seed", metavar="S", type=int, default=1, help="the seed of the first run [1]")
    command.add_argument(
        "--steps", metavar="K", type=_positive, default=STEPS, help=f"requests of all clients in a run [{STEPS}]"
    )
    command.add_argument("--verbose", action="store_true", help="print the whole history of a run that fails")
    command.set_defaults(run=_run)


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _run(_settings: Settings, options: argparse.Namespace) -> int:
    from holdfast import simulation

    began_at = told_at = time.monotonic()
    for number in range(options.seeds):
        outcome = simulation.run(options.seed + number, options.steps)
        if outcome.violation is not None:
            _forget_progress()
            _tell(simulation.shortened(outcome), options)
            return 1
        if sys.stderr.isatty() and time.monotonic() - told_at > PROGRESS_SECONDS:
            told_at = time.monotonic()
            sys.stderr.write(f"\r{number + 1} of {options.seeds} runs")
    _forget_progress()
    print(f"{counted(options.seeds, 'run')} in {time.monotonic() - began_at:.0f} s: nothing was lost, nothing leaked.")
    return 0


def _forget_progress() -> None:
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")


def _tell(outcome: Outcome, options: argparse.Namespace) -> None:
    """What was wrong, what led to it, and how to see it again."""
    violation = outcome.violation
    assert violation is not None
    about = None if options.verbose else violation.about
    print(f"Seed {outcome.seed} breaks a rule: {violation}\n")
    print("\n".join(outcome.history.lines(about)))
    print(f"\nTo see it again: holdfast selftest --seed {outcome.seed} --seeds 1 --steps {outcome.steps}")
