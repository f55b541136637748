"""Images made of nothing, in a folder of OCI's layout."""

from __future__ import annotations

import gzip
import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

from tests.builders import OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, descriptor, digest

MOTTO = "what is pushed here is held fast"
PLAIN_LAYER = "application/vnd.oci.image.layer.v1.tar"
TAG = "org.opencontainers.image.ref.name"
MEBIBYTE = 1 << 20


class Layout:
    """A folder that skopeo calls oci:FOLDER:TAG; images in it print the motto when run."""

    def __init__(self, folder: Path, busybox: str | None) -> None:
        self.folder = folder
        self._busybox = Path(busybox) if busybox else None
        (folder / "blobs" / "sha256").mkdir(parents=True)
        (folder / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')
        self._index: list[dict[str, Any]] = []

    def name(self, tag: str) -> str:
        """What skopeo and podman call an image of this folder."""
        return f"oci:{self.folder}:{tag}"

    def image(self, tag: str, *, size: int = 0, compressed: bool = True, architecture: str = "amd64") -> str:
        """Make an image that no registry has seen before; its digest."""
        return self._tagged(tag, self._manifest(size, compressed, architecture))

    def index(self, tag: str, *architectures: str) -> str:
        """Make an image for several architectures; the digest of its index."""
        children = [
            self._manifest(0, True, name) | {"platform": {"os": "linux", "architecture": name}}
            for name in architectures
        ]
        document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": children}
        return self._tagged(tag, self._keep(json.dumps(document).encode(), OCI_INDEX))

    def archive(self, tag: str, file: Path, name: str) -> None:
        """Write one image, under a full name, as the archive that containerd imports."""
        chosen = next(entry for entry in self._index if entry["annotations"] == {TAG: tag})
        entry = chosen | {"annotations": {"io.containerd.image.name": name}}
        with tarfile.open(file, "w") as tar:
            tar.add(self.folder / "oci-layout", "oci-layout")
            tar.add(self.folder / "blobs", "blobs")
            _add(tar, "index.json", json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode())

    def _manifest(self, size: int, compressed: bool, architecture: str) -> dict[str, Any]:
        tars = [self._programs(), _tar({"etc/motd": MOTTO.encode()}), _tar({"noise": os.urandom(size or 16)})]
        if (
            not compressed
        ):  # root's clients share what they know of layers: one that went as zstd is to be in no other image
            tars = tars[-1:]
        config = {
            "architecture": architecture,
            "os": "linux",
            "config": {"Cmd": ["/bin/cat", "/etc/motd"], "Env": ["PATH=/bin"]},
            "history": [{"created_by": "interop"} for _ in tars],  # podman build wants one a layer
            "rootfs": {"type": "layers", "diff_ids": [digest(tar) for tar in tars]},
        }
        document = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": self._keep(json.dumps(config).encode(), OCI_CONFIG),
            "layers": [
                self._keep(gzip.compress(tar, 1, mtime=0), OCI_LAYER) if compressed else self._keep(tar, PLAIN_LAYER)
                for tar in tars
            ],
        }
        return self._keep(json.dumps(document).encode(), OCI_MANIFEST)

    def _programs(self) -> bytes:
        if self._busybox is None:
            return _tar({"bin/cat": b"there was no busybox to put here"})
        return _tar({"bin/busybox": self._busybox.read_bytes()}, links={"bin/cat": "busybox", "bin/sh": "busybox"})

    def _keep(self, data: bytes, media_type: str) -> dict[str, Any]:
        described = descriptor(media_type, data)
        (self.folder / "blobs" / "sha256" / described["digest"].partition(":")[2]).write_bytes(data)
        return described

    def _tagged(self, tag: str, described: dict[str, Any]) -> str:
        self._index.append(described | {"annotations": {TAG: tag}})
        (self.folder / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": self._index}))
        return described["digest"]


def _tar(files: dict[str, bytes], links: dict[str, str] | None = None) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, data in files.items():
            _add(tar, path, data)
        for path, target in (links or {}).items():
            link = tarfile.TarInfo(path)
            link.type, link.linkname = tarfile.SYMTYPE, target
            tar.addfile(link)
    return buffer.getvalue()


def _add(tar: tarfile.TarFile, path: str, data: bytes) -> None:
    file = tarfile.TarInfo(path)
    file.size, file.mode = len(data), 0o755
    tar.addfile(file, io.BytesIO(data))
