"""What is pushed: a handful of blobs and images, the same for every seed, so that clients often mean the same one."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass

from holdfast.model import digests
from holdfast.model.manifests import OCI_INDEX, OCI_MANIFEST
from holdfast.model.names import Registry, RepositoryRef
from holdfast.model.uploads import SMALL_BYTES

HOME = Registry("000000000000", "us-east-1")
COPIES = Registry("000000000000", "eu-west-1")  # where images are copied to, if they are
MOVING, FIXED = "team/moving", "team/fixed"  # repositories; tags of the second one never move
REPOSITORIES = {name: RepositoryRef(HOME, name) for name in (MOVING, FIXED)}
CACHED = RepositoryRef(HOME, "hub/cached")  # what an upstream has, if there is one
GUEST = "guest"  # a user
TAGS = ("v1", "v2")
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar"


@dataclass(frozen=True, slots=True)
class Thing:
    """A manifest: its bytes, and what it needs."""

    name: str
    body: bytes
    media_type: str
    blobs: tuple[str, ...] = ()  # digests
    children: tuple[str, ...] = ()  # digests of manifests
    subject: str | None = None

    @property
    def digest(self) -> str:
        """Its digest."""
        return digests.digest_of(self.body)


def _blobs(seed: int) -> dict[str, bytes]:
    chance = random.Random(seed)  # noqa: S311 - bytes that look like nothing
    sizes = (70, 2000, 2500, SMALL_BYTES + 100, SMALL_BYTES + 5000)
    return {digests.digest_of(data): data for data in (chance.randbytes(size) for size in sizes)}


BLOBS = _blobs(0)
REMOTE_BLOBS = _blobs(1)  # of an upstream


def _descriptor(media_type: str, body: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digests.digest_of(body), "size": len(body)}


def _image(blobs: dict[str, bytes], name: str, *chosen: int, subject: Thing | None = None) -> Thing:
    config, *layers = (list(blobs)[number] for number in chosen)
    document = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": _descriptor(CONFIG, blobs[config]),
        "layers": [_descriptor(LAYER, blobs[layer]) for layer in layers],
        "annotations": {"name": name},
    }
    if subject is not None:
        document["subject"] = _descriptor(OCI_MANIFEST, subject.body)
    body = json.dumps(document).encode()
    return Thing(name, body, OCI_MANIFEST, (config, *layers), subject=subject.digest if subject else None)


def _index(name: str, *children: Thing) -> Thing:
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX,
                "manifests": [_descriptor(OCI_MANIFEST, child.body) for child in children]}  # fmt: skip
    return Thing(name, json.dumps(document).encode(), OCI_INDEX, (), tuple(child.digest for child in children))


def _things(blobs: dict[str, bytes], of: str = "") -> dict[str, Thing]:
    one, two = _image(blobs, f"{of}image-1", 0, 1, 3), _image(blobs, f"{of}image-2", 0, 2, 3)
    three = _image(blobs, f"{of}image-3", 1, 4)
    signature = _image(blobs, f"{of}signature-of-1", 0, 2, subject=one)
    every = (one, two, three, signature, _index(f"{of}index-of-1-2", one, two))
    return {thing.digest: thing for thing in every}


THINGS = _things(BLOBS)
REMOTE_THINGS = _things(REMOTE_BLOBS, "remote ")


def name_of(digest: str | None) -> str:
    """How a history speaks of a digest."""
    if digest is None:
        return "nothing"
    if digest in THINGS:
        return THINGS[digest].name
    if digest in REMOTE_THINGS:
        return REMOTE_THINGS[digest].name
    if digest in REMOTE_BLOBS:
        return f"remote blob-{list(REMOTE_BLOBS).index(digest) + 1}"
    return f"blob-{list(BLOBS).index(digest) + 1}" if digest in BLOBS else digest
