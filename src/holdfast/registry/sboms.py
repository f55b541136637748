"""SBOMs of images: made, attached as referrers, and taken in where somebody else made one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from holdfast import __version__, store
from holdfast.model import digests, manifests, supplied_sboms
from holdfast.model.errors import InvalidParameter
from holdfast.model.inventory import Inventory
from holdfast.model.sboms import Format, Subject, render
from holdfast.registry import images, inventories, layers, scanning, uploads

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.model.images import Image, ImageId
    from holdfast.model.names import RepositoryRef
    from holdfast.model.repositories import Repository
    from holdfast.model.supplied_sboms import Mode, Supplied
    from holdfast.registry.backends import Backends
    from holdfast.store.inventories import ImageInventory

EMPTY = b"{}"
EMPTY_TYPE = "application/vnd.oci.empty.v1+json"
PAGE = 1000


def document(on: Backends, at: RepositoryRef, id_: ImageId, form: Format) -> tuple[Image, bytes]:
    """The SBOM of an image whose inventory was taken."""
    with on.database.snapshot() as tx:
        repository = store.repositories.get(tx, at)
        image = store.images.get(tx, repository, id_)
        found = store.inventories.find(tx, image.id)
        body = store.images.body(tx, image)
    if found is None or found.state != "COMPLETE":
        reason = found.reason if found else "nobody asked for it"
        raise InvalidParameter("imageId", f"There is no inventory of {image.digest}: {reason}. "
                               "StartImageInventory, or `holdfast image packages`, takes it")  # fmt: skip
    held = Inventory(found.os, tuple(one.installed for one in _packages(on, image, found)), found.notes)
    parts = manifests.parse(body, image.media_type).layers[1:]
    digests_ = tuple(part.digest for part in parts)
    return image, render(form, Subject(at.name, image.digest, digests_, found.taken_at, __version__), held)


def _packages(on: Backends, image: Image, found: ImageInventory) -> Iterator[store.inventories.Found]:
    with on.database.snapshot() as tx:
        yield from store.inventories.page(tx, image.id, store.inventories.FIRST, found.package_count)


def attach(on: Backends, at: RepositoryRef, id_: ImageId, form: Format) -> tuple[Image, Image]:
    """An image, and its SBOM that was pushed as a referrer of it; one that is there already is not another one."""
    image, data = document(on, at, id_, form)
    for blob in (EMPTY, data):
        uploads.take(on, at, digests.digest_of(blob), [blob])
    body = msgspec.json.encode({
        "schemaVersion": 2,
        "mediaType": manifests.OCI_MANIFEST,
        "artifactType": form.media_type,
        "config": _descriptor(EMPTY_TYPE, EMPTY),
        "layers": [_descriptor(form.media_type, data)],
        "subject": {"mediaType": image.media_type, "digest": image.digest, "size": image.manifest_bytes},
    })  # fmt: skip
    return image, images.put(on, at, manifests.parse(body, manifests.OCI_MANIFEST)).image


def _descriptor(media_type: str, data: bytes) -> dict[str, object]:
    return {"mediaType": media_type, "digest": digests.digest_of(data), "size": len(data)}


def attached(on: Backends, at: RepositoryRef, digest: str) -> bytes:
    """The bytes of the one document that an artifact of a repository has."""
    stored = images.find_stored(on, at, digest, by_tag=False)
    parts = manifests.parse(stored.body, stored.media_type).layers[1:]
    if len(parts) != 1 or parts[0].size > supplied_sboms.MAXIMUM_BYTES:
        raise InvalidParameter("sbomDigest", "The artifact has not one document, or one that is too large")
    blob = layers.open_blob(on, at, parts[0].digest)
    data = bytearray()
    try:
        if blob.size_bytes > supplied_sboms.MAXIMUM_BYTES:  # whatever the manifest says
            raise InvalidParameter("sbomDigest", "The document of the artifact is too large")
        while len(data) < blob.size_bytes:
            data += blob.read(len(data))
    finally:
        blob.close()
    return bytes(data)


def supply(on: Backends, at: RepositoryRef, id_: ImageId, data: bytes, mode: Mode) -> tuple[Image, Supplied]:
    """Let a document that somebody made add to what is found in an image, or take the place of it."""
    supplied = supplied_sboms.read(data, mode, digests.digest_of(data))
    with on.database.transaction() as tx:
        repository = store.repositories.get(tx, at)
        image = store.images.get(tx, repository, id_)
        store.supplied_sboms.put(tx, image.id, supplied, on.clock())
        _renew(on, tx, repository, image)
    return image, supplied


def withdraw(on: Backends, at: RepositoryRef, id_: ImageId) -> Image:
    """Forget the document that was supplied for an image."""
    with on.database.transaction() as tx:
        repository = store.repositories.get(tx, at)
        image = store.images.get(tx, repository, id_)
        store.supplied_sboms.forget(tx, image.id)
        _renew(on, tx, repository, image)
    return image


def _renew(on: Backends, tx: store.Transaction, repository: Repository, image: Image) -> None:
    inventories.renew(tx, repository, image, on.clock())
    scanning.renew(tx, repository, image, on.clock())
