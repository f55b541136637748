"""Processes of the program, each forked off one that has loaded it: to load it takes most of a start's time.

    a test ── command, environment, files ──→ the loader ──fork──→ the process
       ↑                                          │
       └─── its process id, and later its status ─┘

What a start loads is loaded in an interpreter of its own, and nothing of it has run; nobody waits for the disk there,
as the tests' PostgreSQL does not. Without a loader, as outside of pytest, and for those tests that are about the
process itself, an interpreter is started anew.
"""

from __future__ import annotations

import gc
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

_NUMBER = struct.Struct("i")
_loader: Loader | None = None


def use_loader() -> None:
    """From now on fork what is started."""
    global _loader  # noqa: PLW0603 - one of this process, as its children are
    _loader = Loader()


def end_loader() -> None:
    """End it; what it started goes on."""
    global _loader  # noqa: PLW0603 - likewise
    if _loader is not None:
        _loader.end()
    _loader = None


def start(arguments, environment, *, stdout=None, stderr=None, folder=None, is_leader=False):
    """Start the program with files to write to, or none; a leader gets a group of processes of its own."""
    if _loader is not None:
        with Path(os.devnull).open("wb") as nowhere:
            files = [(file or nowhere).fileno() for file in (stdout, stderr)]
            return _loader.start(arguments, environment, files, str(folder or Path.cwd()), is_leader=is_leader)
    return subprocess.Popen(
        [sys.executable, "-m", "holdfast", *arguments],
        stdout=stdout or subprocess.DEVNULL,
        stderr=stderr or subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        env=environment,
        cwd=folder,
        start_new_session=is_leader,
    )


def run(arguments, environment, folder=None) -> subprocess.CompletedProcess[str]:
    """Run the program to its end, and read what it said."""
    with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
        status = start(arguments, environment, stdout=stdout, stderr=stderr, folder=folder).wait()
        stdout.seek(0)
        stderr.seek(0)
        return subprocess.CompletedProcess(arguments, status, stdout.read(), stderr.read())


class Forked:
    """A process that the loader forked, as `subprocess.Popen` shows one."""

    def __init__(self, arguments, told: int) -> None:
        self.args = arguments
        self.returncode: int | None = None
        self._told = told
        self.pid = self._hear()

    def poll(self) -> int | None:
        """The status, if it ended."""
        if self.returncode is None and _has_news(self._told, 0):
            self._end()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The status, as soon as it ended."""
        if self.returncode is None:
            if not _has_news(self._told, timeout):
                raise subprocess.TimeoutExpired(self.args, timeout)
            self._end()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)

    def _end(self) -> None:
        try:
            self.returncode = self._hear()
        finally:
            os.close(self._told)

    def _hear(self) -> int:
        number = os.read(self._told, _NUMBER.size)
        assert number, "the loader is gone"
        return _NUMBER.unpack(number)[0]


def _has_news(fd: int, timeout: float | None) -> bool:
    poll = select.poll()  # which knows no largest number of a file
    poll.register(fd, select.POLLIN)
    return bool(poll.poll(None if timeout is None else timeout * 1000))


class Loader:
    """A process that has loaded the program, and forks at once for every request."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            clean = {name: value for name, value in os.environ.items() if not name.startswith(("HOLDFAST_", "AWS_"))}
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.programs", str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env=clean,
                cwd=Path(__file__).parents[1],
                start_new_session=True,  # an interrupt is for the tests
            )

    def start(self, arguments, environment, files, folder, *, is_leader) -> Forked:
        """Fork a process."""
        request = {"arguments": arguments, "environment": environment, "folder": folder, "is_leader": is_leader}
        told, tell = os.pipe()
        try:
            socket.send_fds(self._socket, [json.dumps(request).encode()], [*files, tell])
        finally:
            os.close(tell)
        return Forked(arguments, told)

    def end(self) -> None:
        """Fork no more."""
        self._socket.close()
        self._process.wait()


# ---- In the loader


def _serve(requests: socket.socket) -> list[str] | None:
    """Fork whenever a process is wanted; in the child its arguments, and None when nobody can want one any more."""
    children: dict[int, int] = {}
    ended, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        ready = select.select([requests, ended], [], [])[0]
        if ended in ready:
            os.read(ended, 4096)
            _tell_of_ended(children)
        if requests not in ready:
            continue
        request, files, _, _ = socket.recv_fds(requests, 2**20, 3)
        if not request:
            return None
        pid = os.fork()
        if pid == 0:
            requests.close()
            _become(json.loads(request), files, [ended, wake, *children.values()])
            return sys.argv[1:]
        *passed, children[pid] = files
        os.write(children[pid], _NUMBER.pack(pid))
        for fd in passed:
            os.close(fd)


def _tell_of_ended(children: dict[int, int]) -> None:
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        tell = children.pop(pid)
        with suppress(BrokenPipeError):  # nobody may listen any more
            os.write(tell, _NUMBER.pack(os.waitstatus_to_exitcode(status)))
        os.close(tell)


def _become(request, files: list[int], others: list[int]) -> None:
    """Let this process be as if an interpreter had been started for it."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if request["is_leader"]:
        os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for number, fd in enumerate((nothing, *files[:2])):
        os.dup2(fd, number)
    for fd in (nothing, *files, *others):
        os.close(fd)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    sys.argv[1:] = request["arguments"]


if __name__ == "__main__":
    # A kill loses nothing that the system has been given; what a power cut takes is the simulation's to find.
    os.fsync = os.fdatasync = os.fstat

    import alembic.command  # noqa: F401 - which a first start loads

    import holdfast.boot  # which `serve` loads
    from holdfast.cli import main
    from holdfast.model.profiles import Profile

    for profile in Profile:
        holdfast.aws.read_descriptions(profile)
    gc.collect()
    gc.freeze()
    arguments = _serve(socket.socket(fileno=int(sys.argv[1])))
    raise SystemExit(0 if arguments is None else main(arguments))
