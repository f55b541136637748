"""A parent and its worker processes: start them, replace those that die, let all come to rest."""

from __future__ import annotations

import ctypes
import logging
import os
import selectors
import signal
import socket
import time
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)

REST_SECONDS = 29.0  # the contract: exit within 30 s
CRASHES = 5  # of one worker within CRASH_SECONDS: it will not get better
CRASH_SECONDS = 10.0
_PR_SET_PDEATHSIG = 1


def listen(host: str, port: int, count: int) -> list[socket.socket]:
    """One listening socket a worker on the same address; the kernel spreads new connections over them.

    The parent holds them all, so a worker that dies leaves no connection refused.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sockets: list[socket.socket] = []
    for _ in range(count):
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if not sockets:
            # Without SO_REUSEPORT first: another server on the port must be a fault, not a silent share.
            probe = socket.socket(family, socket.SOCK_STREAM)
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with probe:
                probe.bind((host, port))
                port = probe.getsockname()[1]
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((host, port))
        listener.listen(1024)
        listener.setblocking(False)
        sockets.append(listener)
    return sockets


class Parent:
    """Runs `work(index, ready)` in each of several processes."""

    def __init__(
        self,
        count: int,
        work: Callable[[int, Callable[[], None]], None],
        *,
        ready: Callable[[], None],
        ended: Callable[[int], None],
        rest: Callable[[], None],
    ) -> None:
        self._count = count
        self._work = work
        self._when_ready = ready
        self._when_ended = ended
        self._when_resting = rest
        self._workers: dict[int, int] = {}
        self._deaths: dict[int, list[float]] = {}
        self._waiting = set(range(count))

    def run(self) -> int:
        """Until told to stop; the exit status."""
        self._pipe, self._ready_pipe = os.pipe()
        self._signals, self._signal_pipe = os.pipe()
        os.set_blocking(self._signal_pipe, False)
        signal.set_wakeup_fd(self._signal_pipe)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        for index in range(self._count):
            self._start(index)
        with selectors.DefaultSelector() as selector:
            selector.register(self._signals, selectors.EVENT_READ)
            selector.register(self._pipe, selectors.EVENT_READ)
            while self._workers:
                for key, _ in selector.select():
                    data = os.read(key.fd, 64)
                    if key.fd == self._pipe:
                        self._note_ready(data)
                    elif {signal.SIGTERM, signal.SIGINT} & set(data):
                        return self._rest()
                if not self._reap():
                    self._rest()
                    return 1
        return 1

    def _start(self, index: int) -> None:
        parent = os.getpid()
        pid = os.fork()
        if pid:
            self._workers[pid] = index
            return
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD):
            signal.signal(number, signal.SIG_DFL)
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)  # no worker outlives its parent
        if os.getppid() != parent:
            os._exit(1)
        self._work_and_exit(index)

    def _work_and_exit(self, index: int) -> NoReturn:
        status = 1
        try:
            self._work(index, lambda: self._say_ready(index))
            status = 0
        except BaseException:
            log.exception("worker %d failed", index)
        finally:
            logging.shutdown()
            os._exit(status)  # not through the parent's own clean-up; threads that still wait are left behind

    def _say_ready(self, index: int) -> None:
        os.write(self._ready_pipe, bytes([index]))

    def _note_ready(self, indices: bytes) -> None:
        was_waiting = bool(self._waiting)
        self._waiting -= set(indices)
        if was_waiting and not self._waiting:
            self._when_ready()

    def _reap(self) -> bool:
        """Replace workers that died; False if they die faster than that helps."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return True
            if pid == 0:
                return True
            index = self._workers.pop(pid)
            self._when_ended(pid)
            if os.waitstatus_to_exitcode(status) == os.EX_IOERR:
                log.critical("worker %d could not write to the disk; stopping. Check the disk, then start again", index)
                return False
            now = time.monotonic()
            recent = [death for death in self._deaths.get(index, ()) if now - death < CRASH_SECONDS]
            self._deaths[index] = [*recent, now]
            log.error("worker %d (process %d) ended with status %d", index, pid, os.waitstatus_to_exitcode(status))
            if len(self._deaths[index]) >= CRASHES:
                log.critical("worker %d ends as soon as it starts; stopping", index)
                return False
            self._start(index)

    def _rest(self) -> int:
        """Let every worker finish; kill what does not."""
        deadline = time.monotonic() + REST_SECONDS
        self._when_resting()
        for pid in self._workers:
            os.kill(pid, signal.SIGTERM)
        while self._workers:
            pid, _ = os.waitpid(-1, os.WNOHANG)
            if pid:
                self._workers.pop(pid, None)
                self._when_ended(pid)
            elif time.monotonic() > deadline:
                log.error("%d workers did not come to rest and are killed", len(self._workers))
                for stuck in self._workers:
                    os.kill(stuck, signal.SIGKILL)
                deadline = float("inf")
            else:
                time.sleep(0.02)
        return 0
