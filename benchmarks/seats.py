"""Who takes part: the limit, the peer and the candidate, as found on this machine."""

import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from servers import Distribution, Holdfast, Moto, Nginx, Server
from stores import DistributionOnS3, HoldfastOnPostgres, HoldfastOnS3

LIMIT, PEER, CANDIDATE, STUB = "limit", "peer", "candidate", "stub"

ABSENCES = {
    LIMIT: "nginx is not on the PATH, so no limit is shown.",
    PEER: "PEER_REGISTRY names no registry and docker-registry is not on the PATH, so there is no peer.",
    CANDIDATE: "docker-registry is not on the PATH, so nothing can stand in for Holdfast.",
    STUB: "moto_server is not on the PATH (pip install 'moto[server]'), so the calls of the ECR API have no peer.",
}


@dataclass(frozen=True, slots=True)
class Contender:
    """A program that is there to be started, under the name it has in the table."""

    kind: type[Server]
    program: str
    title: str

    def server(self, directory: Path) -> Server:
        return self.kind(self.program, self.title, directory)


def taken(*, stand_in: bool, on_s3: bool = False, on_postgresql: bool = False) -> dict[str, Contender]:
    """Fill the seats that can be filled; ABSENCES says why another stays empty."""
    program = os.environ.get("PEER_REGISTRY", "docker-registry")
    ours, theirs = (HoldfastOnS3, DistributionOnS3) if on_s3 else (Holdfast, Distribution)
    peer = (theirs, program, "distribution")
    candidate = (theirs, "docker-registry", "stand-in") if stand_in else (ours, "holdfast", "Holdfast")
    if on_postgresql:
        peer = (Holdfast, "holdfast", "Holdfast on SQLite")
        candidate = (HoldfastOnPostgres, "holdfast", "Holdfast on PostgreSQL")
    stub = peer if on_postgresql else (Moto, "moto_server", "moto")
    seats = {
        LIMIT: _contender(Nginx, "nginx", "nginx", "-v"),
        PEER: _contender(*peer),
        CANDIDATE: _contender(*candidate),
        STUB: _contender(*stub),
    }
    return {seat: contender for seat, contender in seats.items() if contender}


def _contender(kind: type[Server], program: str, name: str, version: str = "--version") -> Contender | None:
    # What the virtual environment holds goes before what the machine has.
    beside = str(Path(sys.executable).parent)
    path = shutil.which(program, path=os.pathsep.join((beside, os.environ.get("PATH", os.defpath))))
    return Contender(kind, path, f"{name} {_version(path, version)}".strip()) if path else None


def _version(*command: str) -> str:
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    return (re.findall(r"\d+(?:\.\d+)+", outcome.stdout + outcome.stderr) or [""])[-1]
