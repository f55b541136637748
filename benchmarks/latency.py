"""How long single requests take while something else goes on."""

import itertools
import time
from collections.abc import Callable

from wire import Connection, Door, UnexpectedAnswerError

PATIENCE = 600.0
LOOK = 0.05
PACE = 0.005
# The kernel spreads connections over the processes of a server; of so many, each process gets some.
CONNECTIONS = 16


def wait(is_over: Callable[[], bool]) -> None:
    """Look now and then whether something is over."""
    limit = time.perf_counter() + PATIENCE
    while not is_over():
        _give_up_after(limit)
        time.sleep(LOOK)


def paced(door: Door, ask: Callable[[Connection], object], is_over: Callable[[], bool]) -> list[float]:
    """Make a request every few milliseconds, over several connections in turn, until something is over.

    The seconds of each count from when it was due: a client that began later because the request before it was slow
    would else hide how many requests the server kept waiting.
    """
    connections = [Connection(door) for _ in range(CONNECTIONS)]
    due = looked = time.perf_counter()
    limit, taken = due + PATIENCE, []
    for connection in itertools.cycle(connections):
        if (early := due - time.perf_counter()) > 0:
            time.sleep(early)
            due = time.perf_counter()
        ask(connection)
        ended = time.perf_counter()
        taken.append(ended - due)
        due += PACE
        if ended > looked + LOOK:
            if is_over():
                break
            _give_up_after(limit)
            looked = time.perf_counter()
            due = max(due, looked)  # looking took its time, too
    for connection in connections:
        connection.close()
    return taken


def _give_up_after(limit: float) -> None:
    if time.perf_counter() > limit:
        raise UnexpectedAnswerError(f"it was not over after {PATIENCE:.0f} s")
