"""Serves, or works in the background, until told to stop."""

from __future__ import annotations

import logging
import os
import threading
from functools import partial
from typing import TYPE_CHECKING

from holdfast import aws, registry
from holdfast.boot import certificate
from holdfast.boot.announcing import announce
from holdfast.boot.application import Application
from holdfast.boot.first_start import prepare
from holdfast.boot.opening import open_backends, open_existing, try_blobs, try_blobs_apart
from holdfast.http import metrics, processes
from holdfast.http.bell import Bell
from holdfast.http.server import Server
from holdfast.model.errors import DatabaseUnavailable
from holdfast.model.work import Lane
from holdfast.settings import BadSetting
from holdfast.worker import Crew, Runner

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Sequence

    from holdfast.settings import Listen, Settings

log = logging.getLogger(__name__)

OPEN_FILES = 65_536


def serve(settings: Settings) -> int:
    """Serve until told to stop; the exit status."""
    workers = settings.workers or os.cpu_count() or 1
    # What may be refused is tried before anything is made: an address in use leaves no half-made folder behind.
    given = certificate.given(settings)
    sockets = [_listen(address, workers) for address in settings.listen]
    try_blobs_apart(settings)
    on = open_backends(settings)
    credentials = prepare(settings, on)
    own = certificate.own(settings) if given is None else given
    listeners = [
        (bound, own if settings.encrypts(address) else None)
        for bound, address in zip(sockets, settings.listen, strict=True)
    ]
    on.database.close()  # each worker opens its own
    aws.read_descriptions(settings.profile)  # 70 ms, and memory that all workers share
    metrics.prepare(settings.data.absolute() / "metrics")
    _raise_file_limit()
    _leave_no_core()

    def close_listeners(keep: int | None = None) -> None:
        """A socket listens until its last copy is closed, so nobody keeps one that he does not serve."""
        for sockets, _ in listeners:
            for index, listener in enumerate(sockets):
                if index != keep:
                    listener.close()

    bell = Bell()

    def work(index: int, ready: Callable[[], None]) -> None:
        close_listeners(keep=index)
        mine = [(sockets[index], tls) for sockets, tls in listeners]
        numbers = metrics.Metrics()
        crews = [Crew(on, Lane.DELIVERY), Crew(on, Lane.ABROAD)]
        runners: list[Runner | Crew] = []
        if settings.background:
            runners = [Runner(on), Runner(on, lane=Lane.PATIENT), *crews]
        server = Server(
            Application(settings, on, numbers),
            numbers,
            bell=bell,
            trusted_proxies=settings.trusted_proxies,
            notes=lambda: _write_notes(on, numbers),
            news=lambda: _tell_news(on, crews[0].tick if settings.background else None),
            background=[runner.tick for runner in runners],
        )
        for runner in runners:
            runner.is_stopping = lambda: server.is_draining
        on.database.remember()
        server.run(mine, ready)
        for crew in crews:
            crew.rest()
        on.peers.close()
        _write_notes(on)
        registry.audit.close(on)
        on.database.close()

    addresses = [(sockets[0].getsockname(), tls is not None) for sockets, tls in listeners]
    return processes.Parent(
        workers,
        work,
        ready=lambda: announce(settings, addresses, credentials),
        ended=metrics.forget_worker,
        rest=close_listeners,
    ).run()


def work(settings: Settings) -> int:
    """Do background work only, until told to stop."""
    import signal

    _leave_no_core()
    on = open_existing(settings)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try_blobs(settings)
    crews = [Crew(on, Lane.DELIVERY), Crew(on, Lane.ABROAD)]
    beside = (Runner(on, lane=Lane.PATIENT), *crews)
    threads = [threading.Thread(target=_tick, args=(one, stop), name=type(one).__name__) for one in beside]
    for thread in threads:
        thread.start()
    log.info("working in the background on %s", settings.data)
    _tick(Runner(on), stop, lambda: _write_notes(on))
    for thread in threads:
        thread.join()
    for crew in crews:
        crew.rest()
    on.peers.close()
    registry.audit.close(on)
    return 0


def _write_notes(on: registry.Backends, numbers: metrics.Metrics | None = None) -> None:
    """Write down what requests noted; what cannot be is kept for the next time."""
    if numbers is not None:
        numbers.read_faults(on.read_faults.take())
        numbers.replicated(on.peers.take_sent())
    records = (
        registry.pulls.record,
        registry.pulls.tell,
        registry.events.place,
        registry.iam.key_uses.record,
        registry.refusals.record,
        registry.audit.record,
    )
    _do([on.keys.refresh, *(partial(record, on) for record in records)])


def _tell_news(on: registry.Backends, deliver: Callable[[], None] | None) -> None:
    """Let what happened be told."""
    _do([partial(registry.events.place, on), *([deliver] if deliver else [])])


def _do(steps: Sequence[Callable[[], object]]) -> None:
    for step in steps:
        try:
            step()
        except DatabaseUnavailable:
            log.warning("what requests noted waits until the database can be had")
        except Exception:
            log.exception("what requests noted could not be written down")


def _tick(runner: Runner | Crew, stop: threading.Event, then: Callable[[], None] = lambda: None) -> None:
    """Let a runner do what is due, once a second until told to stop."""
    runner.is_stopping = stop.is_set
    while not stop.wait(1):
        runner.tick()
        then()


def _listen(address: Listen, workers: int) -> list[socket.socket]:
    try:
        return processes.listen(address.host, address.port, workers)
    except OSError as fault:
        raise BadSetting(f"--listen {address}: {fault.strerror}") from None


def _raise_file_limit() -> None:
    """Each connection is a file; the usual soft limit of 1024 is soon reached."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _leave_no_core() -> None:
    """Keys lie in memory in the clear, and a core dump would write them to a disk."""
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
