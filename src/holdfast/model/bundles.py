"""What a bundle for a registry without a network says of itself; signed as a whole.

oci-layout, index.json          as image-spec has them: skopeo and others read images of it
blobs/sha256/3f9c…              manifests, configs and layers: what is new
holdfast/bundle.json            this document
holdfast/bundle.sig             its signature by a key of Ed25519, in base64
"""

from __future__ import annotations

import re
from datetime import datetime  # noqa: TC003 - msgspec reads it

import msgspec

from holdfast.model import digests
from holdfast.model.errors import Invalid
from holdfast.model.names import Registry, RepositoryRef

FORMAT = 1
LAYOUT, INDEX = "oci-layout", "index.json"
BUNDLE, SIGNATURE = "holdfast/bundle.json", "holdfast/bundle.sig"
BUNDLE_BYTES = 512 * 1024 * 1024
SIGNATURE_BYTES = 4096
REF_NAME = "org.opencontainers.image.ref.name"
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,299}", re.ASCII)
_BLOB = re.compile(r"blobs/(sha256/[0-9a-f]{64}|sha512/[0-9a-f]{128})", re.ASCII)


class BadBundle(Invalid):
    """A bundle that is not what one must be."""


class Image(msgspec.Struct, frozen=True):
    """An image of a repository, whether or not its bytes are in the bundle."""

    digest: str
    media_type: str
    size_bytes: int  # of its manifest
    tags: list[str]
    pushed_at: datetime


class Repository(msgspec.Struct, frozen=True):
    """A repository with its settings and all of its images."""

    name: str
    mutability: str
    mutability_filters: list[str]
    scan_on_push: bool
    tags: dict[str, str]
    policy: str | None
    lifecycle: str | None
    images: list[Image]
    withheld: dict[str, list[str]] = {}  # images that are there and not exported, by digest, with their tags


class Bundle(msgspec.Struct, frozen=True):
    """What is in a bundle, and what whoever imports it must have by then."""

    id: str
    created_at: datetime
    account_id: str
    region: str
    since: str | None  # the id of the bundle before, or a time
    repositories: list[Repository]
    parts: dict[str, int]  # by digest, the size of each blob and manifest in it
    known: list[str]  # digests that its images need and that are not in it
    index: str  # the digest of index.json
    format: int = FORMAT
    prefixes: list[str] | None = None  # of which names all there are is told; None: it tells nothing of what is gone

    @property
    def registry(self) -> Registry:
        """The registry that it was made of."""
        return Registry(self.account_id, self.region)

    def tells_of(self, name: str) -> bool:
        """Whether a repository that is not in it is gone."""
        return self.prefixes is not None and (not self.prefixes or name.startswith(tuple(self.prefixes)))


def blob_name(digest: str) -> str:
    """Where the bytes of a digest lie (image-layout, "Blobs")."""
    return f"blobs/{digest.replace(':', '/')}"


def is_name(name: str) -> bool:
    """Whether a bundle may have a file of that name."""
    return name in {LAYOUT, INDEX, BUNDLE, SIGNATURE} or _BLOB.fullmatch(name) is not None


def read(document: bytes) -> Bundle:
    """A bundle by its document, every name and digest checked; or `BadBundle`."""
    try:
        found = msgspec.json.decode(document, type=Bundle)
    except (msgspec.MsgspecError, RecursionError) as fault:
        raise BadBundle(f"{BUNDLE} is not what a bundle says of itself: {fault}") from None
    if found.format != FORMAT:
        raise BadBundle(f"The bundle has the format {found.format}, and this program knows {FORMAT}: use a newer one")
    named = [*found.parts, *found.known]
    for one in found.repositories:
        named += [*(image.digest for image in one.images), *one.withheld]
    bad = next((digest for digest in named if not digests.is_digest(digest)), None)
    if bad is not None:
        raise BadBundle(f"'{bad[:200]}' in {BUNDLE} is no digest")
    if any(size < 0 for size in found.parts.values()):
        raise BadBundle(f"A size in {BUNDLE} is less than nothing")
    for one in found.repositories:
        RepositoryRef(found.registry, one.name)
        if not all(_TAG.fullmatch(tag) for image in one.images for tag in image.tags):
            raise BadBundle(f"A tag of the repository {one.name} in {BUNDLE} is none")
    moments = [found.created_at, *(image.pushed_at for one in found.repositories for image in one.images)]
    if any(moment.tzinfo is None for moment in moments):
        raise BadBundle(f"A time in {BUNDLE} has no time zone")
    return found
