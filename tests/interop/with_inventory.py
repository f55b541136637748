"""What Holdfast finds in a real Debian image, beside what dpkg and syft find in it."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

from tests import builders, layers
from tests.advisories import given
from tests.interop.places import expect, expect_same
from tests.interop.report import Checks, Unable

if TYPE_CHECKING:
    from pathlib import Path

    from tests.interop.places import Place

CHECKS = Checks()
NAME = "inventory/debian"
SUITE = "bookworm"
MODULE = {
    "opt/node_modules/lodash/package.json": '{"name": "lodash", "version": "4.17.10"}',
    "opt/log4j-core-2.14.1.jar": layers.jar(
        {"META-INF/MANIFEST.MF": "Manifest-Version: 1.0\r\n"}
        | layers.pom("org.apache.logging.log4j", "log4j-core", "2.14.1")
    ),
}
EXPECTED = ("CVE-2019-10744", "CVE-2021-23337", "CVE-2021-44228", "CVE-2021-45046", "CVE-2021-45105", "CVE-2021-44832")
KINDS = {"java-archive": "maven", "python": "pypi"}
# What belongs to a package of Debian syft tells twice, and we as Debian's only.
OWNED = {"maven", "pypi"}


def system(at: Place) -> Path:
    """The files of a Debian system, made once."""
    folder = at.folder / "debian"
    if not folder.exists():
        done = subprocess.run(
            ["debootstrap", "--variant=minbase", "--include=python3-pip", SUITE, str(folder)],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise Unable(f"debootstrap has no system to offer: {done.stdout[-200:]}")
    return folder


def push(at: Place) -> str:
    """The image of that system with an application on it, pushed and kept as an OCI layout; its digest."""
    packed = subprocess.run(["tar", "-C", str(system(at)), "-cf", "-", "."], stdout=subprocess.PIPE, check=True).stdout
    archives = [packed, layers.tar(MODULE)]
    rootfs = {"type": "layers", "diff_ids": [layers.diff_id(one) for one in archives]}
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {}, "rootfs": rootfs}).encode()
    blobs = [layers.packed(one) for one in archives]
    document = builders.document(
        builders.OCI_MANIFEST,
        config=builders.descriptor(builders.OCI_CONFIG, config),
        layers=[builders.descriptor(f"{layers.OCI_LAYER}+gzip", data) for data in blobs],
    )
    folder = at.folder / "inventory"
    (folder / "blobs" / "sha256").mkdir(parents=True)
    for data in (config, *blobs, document.body):
        (folder / "blobs" / "sha256" / builders.digest(data).partition(":")[2]).write_bytes(data)
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    (folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [document.descriptor]}))
    repository = at.product.registry(NAME)
    for data in (config, *blobs):
        repository.push_blob(data)
    repository.push_manifest(document, "v1")
    return document.digest


def found(at: Place) -> set[tuple[str, str, str]]:
    """Type, name and version of each package that Holdfast finds."""
    told = at.product.cli("image", "packages", f"{NAME}:v1", "--json")
    expect_same(told.returncode, 0)
    return {(one["type"], one["name"], one["version"]) for one in map(json.loads, told.stdout.splitlines())}


@CHECKS.add("holdfast image packages = dpkg-query -W", "debootstrap", only="HTTP")
def dpkg(at: Place) -> None:
    push(at)

    packages = found(at)

    told = at.run("dpkg-query", f"--admindir={system(at)}/var/lib/dpkg", "-W", "-f", "${Package}\t${Version}\n")
    expect_same(
        {one[1:] for one in packages if one[0] == "deb"}, {tuple(line.split("\t")) for line in told.splitlines()}
    )


@CHECKS.add("holdfast image packages = syft", "debootstrap", "syft", only="HTTP")
def syft(at: Place) -> None:
    done = subprocess.run(
        [at.found["syft"], f"oci-dir:{at.folder}/inventory", "-o", "syft-json", "-q"],
        capture_output=True, check=True, env={**os.environ, "SYFT_CHECK_FOR_APP_UPDATE": "false"},
    )  # fmt: skip

    packages = found(at)

    theirs = {_named(one) for one in json.loads(done.stdout)["artifacts"]}
    expect(not packages - theirs, f"only we find {packages - theirs}")
    expect(not {one for one in theirs - packages if one[0] not in OWNED}, f"only syft finds {theirs - packages}")


@CHECKS.add("holdfast image affected, by advisories of Maven and npm", "debootstrap", only="HTTP")
def affected(at: Place) -> None:
    for file in given.excerpts():
        if file.source.name in {"osv/Maven", "osv/npm"}:
            path = at.folder / file.source.name.replace("/", "_")
            path.write_bytes(file.file.read())
            told = at.product.cli("advisories", "import", str(path), "--feed", file.source.name)
            expect_same(told.returncode, 0)

    for name in EXPECTED:
        told = at.product.cli("image", "affected", name)
        expect(NAME in told.stdout, f"{name} is in no image: {told.stdout}{told.stderr}")


def _named(artifact: dict[str, str]) -> tuple[str, str, str]:
    kind, name, version = KINDS.get(artifact["type"], artifact["type"]), artifact["name"], artifact["version"]
    if kind == "maven":
        name = artifact["purl"].partition("@")[0].removeprefix("pkg:maven/").replace("/", ":")
    return kind, name, version
