"""Images for tests: say only what matters."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
EMPTY_CONFIG = "application/vnd.oci.empty.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"


@dataclass(frozen=True)
class Document:
    """A manifest as bytes."""

    body: bytes
    media_type: str

    @property
    def digest(self) -> str:
        """Its sha256 digest."""
        return digest(self.body)

    @property
    def descriptor(self) -> dict[str, Any]:
        """A pointer to it."""
        return descriptor(self.media_type, self.body)

    def json(self) -> Any:
        """It as JSON."""
        return json.loads(self.body)


def digest(data: bytes, algorithm: str = "sha256") -> str:
    """A digest of bytes."""
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def descriptor(media_type: str, data: bytes, **members: Any) -> dict[str, Any]:
    """A pointer to bytes."""
    return {"mediaType": media_type, "digest": digest(data), "size": len(data), **members}


def document(media_type: str, **members: Any) -> Document:
    """A manifest with these members."""
    return Document(json.dumps({"schemaVersion": 2, "mediaType": media_type, **members}).encode(), media_type)


def an_image(push_blob: Callable[[bytes], str], *, seed: str = "", docker: bool = False, **members: Any) -> Document:
    """An image of a config and a layer that differ by seed; both are pushed."""
    config = json.dumps({"architecture": "amd64", "os": "linux", "config": {"Env": [f"SEED={seed}"]},
                         "rootfs": {"type": "layers", "diff_ids": []}}).encode()  # fmt: skip
    layer = f"layer {seed}".encode()
    push_blob(config)
    push_blob(layer)
    return document(
        DOCKER_MANIFEST if docker else OCI_MANIFEST,
        config=descriptor(DOCKER_CONFIG if docker else OCI_CONFIG, config),
        layers=[descriptor(DOCKER_LAYER if docker else OCI_LAYER, layer)],
        **members,
    )


def an_index(*children: Document, media_type: str = OCI_INDEX, **members: Any) -> Document:
    """An index of manifests."""
    return document(media_type, manifests=[child.descriptor for child in children], **members)
