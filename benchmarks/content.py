"""What is pushed and pulled: blobs that no server has seen before, and manifests that name them."""

import functools
import hashlib
import json
import os
import random
from collections.abc import Iterator
from dataclasses import dataclass

MEBIBYTE = 1 << 20
FILLER = random.Random("holdfast").randbytes(MEBIBYTE)
MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json"


@dataclass(frozen=True, slots=True)
class Blob:
    """FILLER some times over, then a tail that ends in bytes of its own, so that nothing can deduplicate it."""

    repeats: int
    tail: bytes
    digest: str

    @property
    def size(self) -> int:
        return self.repeats * MEBIBYTE + len(self.tail)

    def pieces(self) -> Iterator[bytes]:
        """Give the bytes as they are, for a body with a Content-Length."""
        for _ in range(self.repeats):
            yield FILLER
        yield self.tail

    def chunks(self, size: int) -> Iterator[bytes]:
        """Give the bytes in HTTP chunks of a size, many to a piece so that our own sending stays cheap."""
        for _ in range(self.repeats):
            yield _framed_filler(size)
        yield _framed(self.tail, size) + b"0\r\n\r\n"

    def descriptor(self, media_type: str) -> dict[str, str | int]:
        return {"mediaType": media_type, "digest": self.digest, "size": self.size}


def fresh_blob(size: int) -> Blob:
    """Make a blob that was never pushed; cheap, because the unlike part comes last and the rest is hashed once."""
    repeats = (size - 1) // MEBIBYTE
    tail = FILLER[: size - repeats * MEBIBYTE - 16] + os.urandom(16)
    digest = _filler_hash(repeats).copy()
    digest.update(tail)
    return Blob(repeats, tail, f"sha256:{digest.hexdigest()}")


@functools.cache
def shared_blob(size: int) -> Blob:
    """Give the one blob of a size that all servers hold in this run."""
    return fresh_blob(size)


def fresh_config() -> Blob:
    """Make an image configuration that was never pushed."""
    text = json.dumps(
        {"architecture": "amd64", "os": "linux", "author": os.urandom(8).hex(), "rootfs": {"type": "layers"}}
    )
    return Blob(0, text.encode("ascii"), digest_of(text.encode("ascii")))


def manifest(config: Blob, layer: Blob, note: str) -> bytes:
    """An image manifest, made unlike others by a note."""
    return json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": config.descriptor("application/vnd.oci.image.config.v1+json"),
            "layers": [layer.descriptor("application/vnd.oci.image.layer.v1.tar")],
            "annotations": {"org.opencontainers.image.description": note},
        }
    ).encode("ascii")


def digest_of(body: bytes) -> str:
    return f"sha256:{hashlib.sha256(body).hexdigest()}"


@functools.cache
def _filler_hash(repeats: int) -> "hashlib._Hash":
    digest = hashlib.sha256()
    for _ in range(repeats):
        digest.update(FILLER)
    return digest


@functools.cache
def _framed_filler(size: int) -> bytes:
    return _framed(FILLER, size)


def _framed(data: bytes, size: int) -> bytes:
    parts = [data[start : start + size] for start in range(0, len(data), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
