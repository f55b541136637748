"""Bring a bundle into a registry without a network: as a client would that pulls from the bundle and pushes here.

What is here already is not brought again, so an import that was stopped goes on where it was.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from holdfast.blobs import signatures
from holdfast.blobs.layouts import BadLayout, open_layout, read_small
from holdfast.model import bundles, digests, instants, manifests
from holdfast.model.bundles import BUNDLE, INDEX, SIGNATURE, BadBundle
from holdfast.model.errors import NotFound
from holdfast.model.names import RepositoryRef
from holdfast.outbound import FoundImage, FoundRepository
from holdfast.outbound.distribution import Manifest
from holdfast.registry import audit, repositories, shadows
from holdfast.registry.importing import Importer
from holdfast.registry.shadows import Pass, Wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime
    from pathlib import Path

    from holdfast.blobs.layouts import LayoutReader
    from holdfast.model.bundles import Bundle
    from holdfast.registry.backends import Backends


CARRIED = "holdfast:carried-at"  # a resource tag: when the newest bundle was made that was imported


class NotInBundle(NotFound):
    """Bytes that are neither here nor in the bundle."""

    def __init__(self, digest: str, since: str | None) -> None:
        why = f"has only what is new since {since}: import that one first, or export without --since"
        whole = "was to be whole: copy it again"
        super().__init__(f"{digest} is neither here nor in this bundle, which {why if since else whole}")


def open_bundle(path: Path, key_file: Path | None) -> tuple[LayoutReader, Bundle]:
    """A bundle and what it says of itself, once it is proved who signed that; without a key nothing is proved.

    Raises `BadBundle`.
    """
    try:
        layout = open_layout(path, bundles.is_name)
        document = read_small(layout, BUNDLE, bundles.BUNDLE_BYTES)
        signature = read_small(layout, SIGNATURE, bundles.SIGNATURE_BYTES)
        if key_file is not None and not signatures.is_signed(document, _decoded(signature), key_file):
            raise BadBundle(f"{path} was not signed by the key in {key_file}, or was changed since")
        bundle = bundles.read(document)
        if digests.digest_of(read_small(layout, INDEX, bundles.BUNDLE_BYTES)) != bundle.index:
            raise BadBundle(f"{INDEX} in {path} was changed since it was signed")
    except FileNotFoundError:
        raise BadBundle(f"There is no bundle at {path}") from None
    except (BadLayout, OSError) as fault:
        raise BadBundle(f"{path}: {fault}") from None
    return layout, bundle


def _decoded(signature: bytes) -> bytes:
    try:
        return base64.b64decode(signature, validate=True)
    except binascii.Error:
        return b""


class BundleSource:
    """A bundle as a registry to pull from."""

    def __init__(self, layout: LayoutReader, bundle: Bundle) -> None:
        self._layout = layout
        self._bundle = bundle
        self._types = {image.digest: image.media_type for one in bundle.repositories for image in one.images}

    def manifest(self, _name: str, reference: str) -> Manifest:
        """A manifest by its digest."""
        body = b""
        for piece in self.read_blob(_name, reference):
            body += piece
            if len(body) > manifests.MAXIMUM_BYTES:
                raise BadBundle(f"The manifest {reference} in the bundle has more than {manifests.MAXIMUM_BYTES} bytes")
        if digests.digest_of(body, digests.algorithm(reference)) != reference:
            raise BadBundle(f"{reference} in the bundle is other bytes: it was changed or damaged on its way")
        return Manifest(reference, self._types.get(reference, ""), body)

    def read_blob(
        self,
        _name: str,
        digest: str,
        start: int = 0,
        size_bytes: int | None = None,  # noqa: ARG002 - the bundle knows better
        *,
        pause: Callable[[float], None] | None = None,  # noqa: ARG002 - nobody has to be waited for
    ) -> Iterator[bytes]:
        """The pieces of a blob, as many bytes as were announced and signed; whoever keeps them proves the digest."""
        assert start == 0
        name, announced = bundles.blob_name(digest), self._bundle.parts.get(digest)
        if announced is None:
            raise NotInBundle(digest, self._bundle.since)
        try:
            size = self._layout.size(name)
            if size != announced:
                told = "is not there" if size is None else f"has {size} bytes"
                raise BadBundle(f"{name} {told}, and {announced} were announced: copy the bundle again")
            yield from self._layout.pieces(name)
        except (BadLayout, OSError) as fault:
            raise BadBundle(str(fault)) from None


def bring(
    on: Backends,
    layout: LayoutReader,
    bundle: Bundle,
    wanted: Wanted,
    tell: Callable[[str], None] = lambda _: None,
    moved: Callable[[int], None] = lambda _: None,
) -> Pass:
    """Bring repositories, settings, images and tags of a bundle here; one that fails is told and stops nothing else."""
    done, importer = Pass(), Importer(on, BundleSource(layout, bundle), moved)
    mark = f"{bundle.account_id}/{bundle.region}"
    for one in bundle.repositories:
        if not wanted.selects(one.name):
            continue
        at, before = RepositoryRef(wanted.into, one.name), importer.brought.images
        with shadows.told(done, one.name):
            shadows.settle(on, at, _found(one), mark, done)
            found = [FoundImage(image.digest, tuple(image.tags), image.pushed_at, False) for image in one.images]
            shadows.bring(importer, wanted, at, found, shadows.images_of(on, at), done)
            _note(on, wanted, bundle, at, one, done)
        done.repositories += 1
        if (new := importer.brought.images - before) > 0:
            tell(f"{one.name}: {new:,} image{'s' * (new != 1)}")
    if wanted.follows_deletions:
        _forget_repositories(on, wanted, bundle, mark, done, tell)
    done.brought = came = importer.brought
    told = {"bundleId": bundle.id, "from": mark, "repositories": done.repositories, "images": came.images,
            "tags": done.tags, "bytes": came.size_bytes, "leftOut": len(done.faults)}  # fmt: skip
    audit.carried(on, audit.IMPORTED, wanted.into, told)
    return done


def _note(on: Backends, wanted: Wanted, bundle: Bundle, at: RepositoryRef, one: bundles.Repository, done: Pass) -> None:
    """Note up to when a repository is known, and let what was gone by then go if that is wanted."""
    carried = _carried_at(on, at)
    if carried is None or carried < bundle.created_at:
        repositories.tag(on, at, {CARRIED: bundle.created_at.isoformat()})
    if not wanted.follows_deletions:
        return
    if bundle.prefixes is None:
        raise BadBundle("The bundle does not tell what is gone: export with a newer program")
    if carried is not None and carried > bundle.created_at:
        raise BadBundle(f"A bundle of {carried:%Y-%m-%d %H:%M:%S} was imported before, so nothing goes for this one")
    there = {image.digest: image.tags for image in one.images} | one.withheld
    shadows.forget_images(on, wanted, at, there, done)


def _forget_repositories(
    on: Backends, wanted: Wanted, bundle: Bundle, mark: str, done: Pass, tell: Callable[[str], None]
) -> None:
    def selects(at: RepositoryRef) -> bool:
        if not (wanted.selects(at.name) and bundle.tells_of(at.name)):
            return False
        carried = _carried_at(on, at)
        return carried is not None and carried <= bundle.created_at

    there = {one.name for one in bundle.repositories}
    shadows.forget_repositories(on, wanted, mark, selects, there, done, tell)


def _carried_at(on: Backends, at: RepositoryRef) -> datetime | None:
    """When the newest bundle was made that was imported into a repository."""
    return instants.read(repositories.tags(on, at).get(CARRIED, ""))


def _found(one: bundles.Repository) -> FoundRepository:
    filters = tuple(one.mutability_filters)
    return FoundRepository(
        one.name, one.mutability, filters, one.scan_on_push, "AES256", one.tags, one.policy, one.lifecycle
    )


def check(layout: LayoutReader, bundle: Bundle, moved: Callable[[int], None] = lambda _: None) -> Iterator[str]:
    """Read a whole bundle; what of it is not what was signed."""
    source = BundleSource(layout, bundle)
    for digest in sorted(bundle.parts):
        hasher = digests.hasher(digests.algorithm(digest))
        try:
            for piece in source.read_blob("", digest):
                hasher.update(piece)
                moved(len(piece))
        except BadBundle as refusal:
            yield refusal.message
            continue
        if hasher.hexdigest() != digest.partition(":")[2]:
            yield f"{digest} is other bytes: it was changed or damaged on its way"
