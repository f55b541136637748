"""Image manifests, indexes and their descriptors: what a pushed document says it needs (image-spec, Docker v2.2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from holdfast.model import digests
from holdfast.model.errors import ManifestInvalid, ManifestTooLarge, Unsupported

if TYPE_CHECKING:
    from collections.abc import Iterable

MAXIMUM_BYTES = 4 * 1024 * 1024  # ECR's limit, and the floor that distribution-spec asks of registries

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
IMAGE_TYPES = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
INDEX_TYPES = frozenset({OCI_INDEX, DOCKER_LIST})
MANIFEST_TYPES = IMAGE_TYPES | INDEX_TYPES

# What the two families call the same thing; a pull by tag may ask for either (ECR converts, sheet of media types).
DOCKER_TO_OCI = {
    DOCKER_MANIFEST: OCI_MANIFEST,
    "application/vnd.docker.container.image.v1+json": "application/vnd.oci.image.config.v1+json",
    "application/vnd.docker.image.rootfs.diff.tar.gzip": "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.docker.image.rootfs.diff.tar": "application/vnd.oci.image.layer.v1.tar",
}


class Descriptor(msgspec.Struct, frozen=True, rename="camel"):
    """A pointer to content by digest; unknown members are kept in the stored bytes only."""

    digest: str
    size: int
    media_type: str = ""
    artifact_type: str | None = None
    urls: list[str] | None = None

    @property
    def is_elsewhere(self) -> bool:
        """Whether the bytes may live at a URL outside the registry, so that nobody pushes them here."""
        return "nondistributable" in self.media_type or ".foreign." in self.media_type


class _Document(msgspec.Struct, frozen=True, rename="camel"):
    schema_version: int
    media_type: str | None = None
    artifact_type: str | None = None
    config: Descriptor | None = None
    # Go writes an empty list as null, so null is a list here and only absence is absence.
    layers: list[Descriptor] | msgspec.UnsetType | None = msgspec.UNSET
    manifests: list[Descriptor] | msgspec.UnsetType | None = msgspec.UNSET
    subject: Descriptor | None = None
    annotations: dict[str, str] | None = None
    fs_layers: Any = None


_DECODER = msgspec.json.Decoder(_Document)


@dataclass(frozen=True, slots=True)
class Manifest:
    """A checked manifest: its exact bytes, and what they say."""

    body: bytes
    digest: str
    media_type: str
    artifact_type: str | None
    config_media_type: str | None
    subject: str | None
    annotations: dict[str, str]
    layers: tuple[Descriptor, ...]  # config first; empty for an index
    children: tuple[Descriptor, ...]  # of an index

    @property
    def is_index(self) -> bool:
        """Whether it lists other manifests."""
        return self.media_type in INDEX_TYPES

    @property
    def needed_blobs(self) -> dict[str, str]:
        """Digests of the blobs that must be in the repository, with their media types."""
        blobs = [layer for layer in self.layers if not layer.is_elsewhere]
        blobs += [child for child in self.children if child.media_type not in MANIFEST_TYPES]
        return {blob.digest: blob.media_type for blob in blobs}

    @property
    def needed_manifests(self) -> dict[str, str]:
        """Digests of the manifests that must be in the repository, with their media types."""
        return {child.digest: child.media_type for child in self.children if child.media_type in MANIFEST_TYPES}

    @property
    def layer_bytes(self) -> int:
        """What ECR calls the image's size: config and layers as stored, compressed."""
        return sum(layer.size for layer in self.layers)


def parse(body: bytes, media_type: str | None, algorithm: str = "sha256") -> Manifest:
    """Read and check a manifest; `media_type` is what the client declared beside it, if anything.

    Raises `ManifestInvalid`, `ManifestTooLarge` or `Unsupported`; what is returned needs no further check.
    """
    if len(body) > MAXIMUM_BYTES:
        raise ManifestTooLarge(MAXIMUM_BYTES)
    document = _decode(body)
    kind = _media_type(document, media_type)
    if kind in INDEX_TYPES:
        _refuse_members(kind, config=document.config, layers=document.layers, fsLayers=document.fs_layers)
        if document.manifests is msgspec.UNSET:
            raise ManifestInvalid("An index must have the member 'manifests'")
    else:
        _refuse_members(kind, manifests=document.manifests, fsLayers=document.fs_layers)
        if document.config is None or document.layers is msgspec.UNSET:
            raise ManifestInvalid("An image manifest must have the members 'config' and 'layers'")
    config = document.config
    _check_kinds(document.artifact_type, config.media_type if config else None)
    layers = (*((config,) if config else ()), *(document.layers or ()))
    children = tuple(document.manifests or ())
    subject = document.subject
    _check_descriptors((*layers, *children, *((subject,) if subject else ())))
    return Manifest(
        body=body,
        digest=digests.digest_of(body, algorithm),
        media_type=kind,
        artifact_type=document.artifact_type or None,
        config_media_type=(config.media_type or None) if config else None,
        subject=subject.digest if subject else None,
        annotations=document.annotations or {},
        layers=layers,
        children=children,
    )


def _decode(body: bytes) -> _Document:
    try:
        document = _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise ManifestInvalid(f"The manifest is not a valid document: {fault}") from fault
    if document.schema_version != 2 or document.fs_layers is not None:
        raise Unsupported("Unsupported manifest type: only schemaVersion 2 is kept")
    return document


def _media_type(document: _Document, declared: str | None) -> str:
    declared = (declared or "").partition(";")[0].strip().lower() or None
    own = document.media_type
    if own and declared and own != declared:
        raise ManifestInvalid(f"The manifest says it is '{own[:200]}' but was sent as '{declared[:200]}'")
    kind = own or declared
    if kind is None:
        raise ManifestInvalid("The manifest has no 'mediaType', and none was sent beside it")
    if kind not in MANIFEST_TYPES:
        raise Unsupported(f"Unsupported manifest type: {kind[:200]}")
    return kind


def _refuse_members(kind: str, **members: object) -> None:
    """Refuse a document that can be read as two kinds (CVE-2021-41190)."""
    for name, value in members.items():
        if value:
            raise ManifestInvalid(f"A manifest of type '{kind}' must not have the member '{name}'")


def _check_kinds(*kinds: str | None) -> None:
    """Refuse a type that is kept as a text of its own, if it has a zero character, which no text of a database has."""
    if any("\0" in kind for kind in kinds if kind):
        raise ManifestInvalid("A media type must not contain a zero character")


def _check_descriptors(descriptors: Iterable[Descriptor]) -> None:
    total = 0
    for descriptor in descriptors:
        if not digests.is_digest(descriptor.digest):
            raise ManifestInvalid(f"'{descriptor.digest[:200]}' is not a digest that this registry can prove")
        total += descriptor.size
        if descriptor.size < 0 or total >= 2**63:  # the sum is kept, too, and sizes are int64 (image-spec, descriptors)
            raise ManifestInvalid(f"The descriptor of '{descriptor.digest}' has an impossible size")


def convert(body: bytes, media_type: str, accepted: frozenset[str]) -> tuple[bytes, str] | None:
    """The same image in the other family's words, if only that is accepted and ECR would convert it.

    Only image manifests are converted, never lists; the result has another digest than what is stored.
    """
    if media_type in accepted or not IMAGE_TYPES & accepted or media_type not in IMAGE_TYPES:
        return None
    words = DOCKER_TO_OCI if media_type == DOCKER_MANIFEST else {oci: docker for docker, oci in DOCKER_TO_OCI.items()}
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return None  # members that are not ours were skipped when it was pushed, and one of them cannot be read
    document["mediaType"] = words[media_type]
    for descriptor in (document["config"], *(document["layers"] or ())):
        kind = descriptor.get("mediaType", "")
        if kind not in words:
            return None  # an artifact, or a compression the other family has no word for
        descriptor["mediaType"] = words[kind]
    if words is not DOCKER_TO_OCI:
        document.pop("annotations", None)
    return msgspec.json.encode(document), words[media_type]
