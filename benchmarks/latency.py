"""Requests one after the other, each timed, while something else goes on."""

import itertools
import time
from collections.abc import Callable

from wire import Connection, Door, UnexpectedAnswerError

PATIENCE = 600.0
LOOK = 0.05
# The kernel spreads connections over the processes of a server; of so many, each process gets some.
CONNECTIONS = 16


def wait(is_over: Callable[[], bool]) -> None:
    """Look now and then whether something is over."""
    limit = time.perf_counter() + PATIENCE
    while not is_over():
        if time.perf_counter() > limit:
            raise UnexpectedAnswerError(f"it was not over after {PATIENCE:.0f} s")
        time.sleep(LOOK)


def one_by_one(door: Door, ask: Callable[[Connection], object], is_over: Callable[[], bool]) -> list[float]:
    """Ask again and again, never twice at the same time, over several connections in turn; the seconds of each."""
    connections = [Connection(door) for _ in range(CONNECTIONS)]
    begin = looked = time.perf_counter()
    taken = []
    for connection in itertools.cycle(connections):
        asked = time.perf_counter()
        ask(connection)
        taken.append(time.perf_counter() - asked)
        if asked > looked + LOOK:
            if is_over():
                break
            if asked > begin + PATIENCE:
                raise UnexpectedAnswerError(f"it was not over after {PATIENCE:.0f} s")
            looked = time.perf_counter()
    for connection in connections:
        connection.close()
    return taken
