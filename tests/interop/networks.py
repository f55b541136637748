"""Servers in networks of their own, with cables between them that can be cut; no other machine is in reach."""

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
FAR = "10.77.0"  # the network of the switch
NAMES = re.compile(r"aws_access_key_id = (?P<id>\S+)\s+aws_secret_access_key = (?P<secret>\S+)")


class Networks:
    """Networks with names: each is joined to this one by a cable, and by a slow one to a switch that joins them all."""

    def __init__(self, rate: str, *names: str) -> None:
        if os.geteuid() != 0 or shutil.which("ip") is None:
            raise Unable("networks of their own need root, and Debian's iproute2")
        self._rate, self.names = rate, names
        self._switch = self.space("switch")

    def space(self, name: str) -> str:
        """What the system calls a network."""
        return f"hf{os.getpid() % 100_000}{name}"[:15]

    def near(self, name: str) -> str:
        """The address of a network's server as it is called from here."""
        return f"10.77.{self.names.index(name) + 1}.2"

    def far(self, name: str) -> str:
        """Its address as the servers of the other networks call it."""
        return f"{FAR}.{self.names.index(name) + 1}"

    def __enter__(self) -> Self:
        try:
            self._set_up(self._switch)
            _ip("-n", self._switch, "link", "add", "bridge", "type", "bridge")
            _ip("-n", self._switch, "link", "set", "bridge", "up")
            for name in self.names:
                space, here = self.space(name), self.near(name).rpartition(".")[0] + ".1"
                self._set_up(space)
                _ip("link", "add", space, "type", "veth", "peer", "name", "home", "netns", space)
                _ip("addr", "add", f"{here}/24", "dev", space)
                _ip("link", "set", space, "up")
                _ip("-n", space, "addr", "add", f"{self.near(name)}/24", "dev", "home")
                _ip("-n", space, "link", "set", "home", "up")
                _ip("-n", space, "link", "add", "far", "type", "veth", "peer", "name", name, "netns", self._switch)
                _ip("-n", self._switch, "link", "set", name, "master", "bridge", "up")
                _ip("-n", space, "addr", "add", f"{self.far(name)}/24", "dev", "far")
                _ip("-n", space, "link", "set", "far", "up")
                shape = ("qdisc", "add", "dev", "far", "root", "tbf", "rate", self._rate, "burst", "64kb")
                _run("ip", "netns", "exec", space, "tc", *shape, "latency", "100ms")
        except Failed as fault:
            self.__exit__()
            raise Unable(f"this machine makes no networks: {fault}") from None
        return self

    def _set_up(self, space: str) -> None:
        _ip("netns", "add", space)
        _ip("-n", space, "link", "set", "lo", "up")

    def __exit__(self, *_: object) -> None:
        for space in (*map(self.space, self.names), self._switch):
            subprocess.run(["ip", "netns", "del", space], capture_output=True, check=False)
            subprocess.run(["ip", "link", "del", space], capture_output=True, check=False)

    def cut(self, name: str) -> None:
        """Cut the cable between a network and the switch."""
        _ip("-n", self._switch, "link", "set", name, "down")

    def mend(self, name: str) -> None:
        """Mend it."""
        _ip("-n", self._switch, "link", "set", name, "up")


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
