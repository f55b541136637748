"""Microsoft's emulator of Azure Blob Storage on loopback: Azurite, from npm."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import os
import shutil
import subprocess
import time
from email.utils import formatdate
from typing import TYPE_CHECKING

import pytest

from tests.ports import free_ports

if TYPE_CHECKING:
    from pathlib import Path

ACCOUNT = "devstoreaccount1"
# Published with the emulator: https://learn.microsoft.com/azure/storage/common/storage-use-azurite
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
VERSION = "2021-08-06"
CONTAINER = "holdfast-tests"
START_SECONDS = 60


class Azurite:
    """The emulator; where it is not installed, the tests that need it are skipped and say so."""

    def __init__(self, folder: Path) -> None:
        program = os.environ.get("AZURITE") or shutil.which("azurite-blob")
        if program is None:
            pytest.skip("Azure was NOT tested: `npm install azurite`, and name its azurite-blob in AZURITE")
        (self.port,) = free_ports(1)
        flags = ["--blobHost", "127.0.0.1", "--blobPort", str(self.port), "--location", str(folder), "--silent"]
        with (folder / "log").open("wb") as log:
            self.process = subprocess.Popen([program, *flags, "--skipApiVersionCheck"], stdout=log, stderr=log)
        self.environment = {"AZURE_STORAGE_ACCOUNT_KEY": KEY}
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                self._make_container()
            except OSError:
                assert time.monotonic() < deadline, "Azurite did not start"
                assert self.process.poll() is None, (folder / "log").read_text()
                time.sleep(0.1)
            else:
                return

    def url(self, prefix: str) -> str:
        """A place for objects, as `--blobs` names it."""
        return f"az://{CONTAINER}/{prefix}?account={ACCOUNT}&endpoint=http://127.0.0.1:{self.port}/{ACCOUNT}"

    def _make_container(self) -> None:
        date = formatdate(usegmt=True)
        headers = {"x-ms-date": date, "x-ms-version": VERSION}
        named = "".join(f"{key}:{value}\n" for key, value in headers.items())
        text = "PUT" + 12 * "\n" + named + f"/{ACCOUNT}/{ACCOUNT}/{CONTAINER}\nrestype:container"
        proof = hmac.digest(base64.b64decode(KEY), text.encode(), hashlib.sha256)
        headers["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(proof).decode()}"
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request(
            "PUT", f"/{ACCOUNT}/{CONTAINER}?restype=container", headers=headers | {"Content-Length": "0"}
        )
        answer = connection.getresponse()
        assert answer.status in {201, 409}, answer.read()
        connection.close()

    def stop(self) -> None:
        """End it."""
        self.process.kill()
        self.process.wait()
