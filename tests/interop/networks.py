"""Servers in networks of their own, with a cable between them that can be cut; no other machine is in reach."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any, Self

import boto3
import botocore.session
from botocore.config import Config

from holdfast.aws.service_models import OWN_MODELS
from tests.interop.report import Failed, Unable

if TYPE_CHECKING:
    from pathlib import Path

READY = re.compile(r"^Holdfast serves (?P<url>https?://\S+?),? ", re.MULTILINE)
START_SECONDS = 60
NAMES = re.compile(r"aws_access_key_id = (?P<id>\S+)\s+aws_secret_access_key = (?P<secret>\S+)")


class Networks:
    """Two networks, `west` and `east`: each is joined to this one by a cable, and to the other one by a slow one."""

    def __init__(self, rate: str) -> None:
        if os.geteuid() != 0 or shutil.which("ip") is None:
            raise Unable("networks of their own need root, and Debian's iproute2")
        self._mark = f"hf{os.getpid() % 100_000}"
        self.west, self.east = f"{self._mark}w", f"{self._mark}e"
        self._rate = rate

    def __enter__(self) -> Self:
        try:
            for space in (self.west, self.east):
                _ip("netns", "add", space)
                _ip("-n", space, "link", "set", "lo", "up")
            for space, net in ((self.west, "10.77.1"), (self.east, "10.77.2")):
                _ip("link", "add", space, "type", "veth", "peer", "name", "home", "netns", space)
                _ip("addr", "add", f"{net}.1/24", "dev", space)
                _ip("link", "set", space, "up")
                _ip("-n", space, "addr", "add", f"{net}.2/24", "dev", "home")
                _ip("-n", space, "link", "set", "home", "up")
            _ip("-n", self.west, "link", "add", "far", "type", "veth", "peer", "name", "far", "netns", self.east)
            for space, address in ((self.west, "10.77.0.1/24"), (self.east, "10.77.0.2/24")):
                _ip("-n", space, "addr", "add", address, "dev", "far")
                _ip("-n", space, "link", "set", "far", "up")
                shape = ("qdisc", "add", "dev", "far", "root", "tbf", "rate", self._rate, "burst", "64kb")
                _run("ip", "netns", "exec", space, "tc", *shape, "latency", "100ms")
        except Failed as fault:
            self.__exit__()
            raise Unable(f"this machine makes no networks: {fault}") from None
        return self

    def __exit__(self, *_: object) -> None:
        for space in (self.west, self.east):
            subprocess.run(["ip", "netns", "del", space], capture_output=True, check=False)
            subprocess.run(["ip", "link", "del", space], capture_output=True, check=False)

    def cut(self) -> None:
        """Cut the cable between the two networks."""
        _ip("-n", self.west, "link", "set", "far", "down")

    def mend(self) -> None:
        """Mend it."""
        _ip("-n", self.west, "link", "set", "far", "up")


class Server:
    """A Holdfast in one of the networks, which may be killed and started again."""

    def __init__(self, space: str, folder: Path, account: str, region: str, *flags: str) -> None:
        self.data, self.log = folder, folder.with_suffix(".log")
        self.account, self.region = account, region
        self._command = ["ip", "netns", "exec", space, sys.executable, "-m", "holdfast", "serve",
                         "--data", str(folder), "--account", account, "--region", region, *flags]  # fmt: skip
        self.start()

    def start(self) -> None:
        """Serve, and wait until it says so."""
        begin = self.log.stat().st_size if self.log.exists() else 0
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command, stdout=log, stderr=log, start_new_session=True, env=_clean_environment()
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            if READY.search(self.log.read_text(errors="replace")[begin:]):
                return
            time.sleep(0.05)
        raise Failed(f"the server did not start:\n{self.log.read_text(errors='replace')[begin:]}")

    def kill(self) -> None:
        """End every process of it at once, as a power cut would."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def stop(self) -> None:
        """End it, if it still runs."""
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait(60)

    @property
    def credentials(self) -> tuple[str, str]:
        """The root's access key and its secret."""
        found = NAMES.search((self.data / "root.credentials").read_text())
        assert found, "the first start wrote it"
        return found["id"], found["secret"]

    def client(self, service: str, url: str) -> Any:
        """A client of boto3 that comes in at an address."""
        key_id, secret = self.credentials
        authority = self.data / "tls" / "ca.crt"
        core = botocore.session.get_session()
        core.get_component("data_loader").search_paths.append(str(OWN_MODELS))
        return boto3.Session(botocore_session=core).client(
            service, endpoint_url=url, region_name=self.region, aws_access_key_id=key_id, aws_secret_access_key=secret,
            verify=str(authority) if url.startswith("https") else None, config=Config(retries={"max_attempts": 5}),
        )  # fmt: skip


def _clean_environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("HOLDFAST_", "AWS_"))}


def _ip(*arguments: str) -> None:
    _run("ip", *arguments)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"{' '.join(command)}: {done.stderr.strip()}")
