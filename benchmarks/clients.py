"""Clients that load a server: wrk for small requests, processes of our own for everything else."""

import json
import multiprocessing
import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

from content import MANIFEST_TYPE, MEBIBYTE
from wire import Connection, Door, UnexpectedAnswerError

PATIENCE = 600.0
READERS_TICK = 0.25

# Forked clients share the filler and the imported modules, so starting one takes milliseconds.
FORK = multiprocessing.get_context("fork")

Deed = Callable[[], int]


@dataclass(frozen=True, slots=True)
class Load:
    """How much was done, in requests or bytes, and in how many seconds."""

    amount: int
    seconds: float


def wrk(door: Door, path: str, connections: int, seconds: int, *, script: str | None = None) -> Load:
    """GET one path, or what a script says, over kept-alive connections for some seconds."""
    headers = {"Accept": MANIFEST_TYPE} | door.headers()
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s"]
    command += [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
    command += ["-s", script] if script else []
    said = subprocess.run([*command, door.url + path], capture_output=True, text=True, check=True).stdout
    if trouble := re.search(r"Non-2xx or 3xx responses: \d+|Socket errors: .*", said):
        raise UnexpectedAnswerError(f"{trouble[0]} at {path}")
    amount, elapsed, unit = re.search(r"(\d+) requests in ([\d.]+)(ms|s|m),", said).groups()
    return Load(int(amount), float(elapsed) * {"ms": 0.001, "s": 1.0, "m": 60.0}[unit])


def script(requests: list[bytes]) -> str:
    """Write a wrk script that sends the given requests in turn."""
    # What JSON escapes in ASCII text, Lua reads the same way.
    listed = ",\n".join(json.dumps(request.decode("ascii")) for request in requests)
    return f"""
        local requests = {{{listed}}}
        local turn = 0
        request = function()
            turn = turn % #requests + 1
            return requests[turn]
        end
    """


def together(count: int, prepare: Callable[[int], Deed]) -> Load:
    """Prepare a deed in each of some processes, then do all at the same moment."""
    barrier = FORK.Barrier(count)
    results = FORK.SimpleQueue()
    clients = [FORK.Process(target=_client, args=(prepare, number, barrier, results)) for number in range(count)]
    for client in clients:
        client.start()
    for client in clients:
        client.join(PATIENCE)
        client.kill()
    if any(client.exitcode != 0 for client in clients):
        raise UnexpectedAnswerError("a client failed; its traceback is above")
    spans = [results.get() for _ in clients]
    begins, ends, amounts = zip(*spans, strict=True)
    return Load(sum(amounts), max(ends) - min(begins))


def read_slowly(door: Door, path: str, count: int, pace: int, seconds: float, watch: Callable[[], None]) -> None:
    """Let some clients GET a blob at a pace in bytes a second, and watch the server meanwhile."""
    # A small receive buffer, or the kernel would take megabytes at once and no client would be slow.
    readers = [Connection(door, receive_buffer=MEBIBYTE // 16) for _ in range(count)]
    for reader in readers:
        reader.ask(path)
        reader.socket.setblocking(False)
    limit, received = time.monotonic() + seconds, [0] * count
    while time.monotonic() < limit:
        for number, reader in enumerate(readers):
            try:
                received[number] += len(reader.socket.recv(int(pace * READERS_TICK)))
            except BlockingIOError:
                continue
        watch()
        time.sleep(READERS_TICK)
    for reader in readers:
        reader.close()
    if min(received) < pace * seconds / 4:
        raise UnexpectedAnswerError(f"a slow client received {min(received)} bytes only")


def _client(prepare: Callable[[int], Deed], number: int, barrier, results) -> None:
    try:
        deed = prepare(number)
        barrier.wait(PATIENCE)
    except BaseException:
        barrier.abort()
        raise
    begin = time.perf_counter()
    amount = deed()
    results.put((begin, time.perf_counter(), amount))
