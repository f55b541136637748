"""Faults that somebody might build into the registry; each as a block in which it is there."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from types import SimpleNamespace
from unittest import mock

from sqlalchemy import bindparam, false, select, update

from holdfast import store
from holdfast.model.errors import ImageTagAlreadyExists
from holdfast.model.images import Blob, ImageId
from holdfast.registry import access, images, leases, objects, uploads
from holdfast.registry.pull_through import flights
from holdfast.store.statements import Statement
from holdfast.store.tables import EPOCH
from holdfast.store.tables import blobs as blobs_table
from holdfast.store.tables import objects as objects_table


@contextmanager
def an_acknowledgement_before_the_flush():
    """A commit is told before it is on disk."""
    with mock.patch.object(store.SqliteDatabase, "flush"):
        yield


@contextmanager
def a_sweep_that_does_not_look_again():
    """What was to be swept a moment ago is swept, whatever holds it now."""
    doom = update(objects_table).where(objects_table.c.key == bindparam("object_key")).values(expires_at=EPOCH)
    with mock.patch.object(store.blobs, "_DOOM", Statement(doom)):
        yield


@contextmanager
def a_tag_that_moves_outside_the_transaction():
    """Who holds a tag is asked first, and the tag is moved later."""
    keep = images.put

    def put(on, at, manifest, tags=()):
        result = keep(on, at, manifest)
        with on.database.snapshot() as tx:
            repository = store.repositories.get(tx, at)
            holders = {tag: store.images.find(tx, repository, tag=tag) for tag in tags}
        with on.database.transaction() as tx:
            image = store.images.get(tx, repository, ImageId(manifest.digest))
            for tag, holder in holders.items():
                if holder is not None and holder.id == image.id:
                    continue
                if holder is not None and not repository.mutability.may_move(tag):
                    raise ImageTagAlreadyExists(at, tag)
                store.tags.point(tx, repository, tag, image, on.clock(), holder=holder)
        return result

    with mock.patch.object(images, "put", put):
        yield


@contextmanager
def a_manifest_whose_parts_nobody_looks_for():
    """An image is kept although a blob of it is not there."""
    with mock.patch.object(images, "_require_parts", return_value=0):
        yield


@contextmanager
def a_blob_that_goes_although_an_image_needs_it():
    """A blob is deleted whoever refers to it."""
    with mock.patch.object(store.blobs, "is_referenced", return_value=False):
        yield


@contextmanager
def a_deletion_that_asks_for_no_lease():
    """Images go although somebody says that they run."""
    with mock.patch.object(leases, "require_unused"):
        yield


@contextmanager
def a_collector_that_ignores_references():
    """Layers go although images need them."""
    with mock.patch.object(store.garbage, "is_needed", return_value=False):
        yield


@contextmanager
def a_collector_that_does_not_wait():
    """Layers go before the manifest of their push can have come."""
    linked = store.garbage.linked

    def hasty(tx, repository_id, digest, _due_at):
        linked(tx, repository_id, digest, EPOCH)

    with mock.patch.object(store.garbage, "linked", hasty):
        yield


@contextmanager
def a_push_that_no_collector_hears_of():
    """Layers that no image needs are kept for ever."""
    with mock.patch.object(store.garbage, "linked"):
        yield


@contextmanager
def a_quarantine_that_nobody_waits_for():
    """Layers go for good as soon as they are out of sight."""
    with (
        mock.patch.object(store.garbage, "expired", partial(_now, store.garbage.expired)),
        mock.patch.object(store.garbage, "release", partial(_now, store.garbage.release)),
    ):
        yield


def _now(act, tx, what, *arguments):
    """Ask for what was taken away, or a limit, with an instant that is still to come."""
    late = datetime(2040, 1, 1, tzinfo=UTC)
    return act(tx, late, *arguments) if isinstance(what, datetime) else act(tx, what, late, arguments[-1])


@contextmanager
def a_manifest_that_finds_nothing_in_quarantine():
    """Who was told that a layer is there has to send it after all."""
    with mock.patch.object(store.garbage, "in_quarantine", return_value=[]):
        yield


@contextmanager
def a_memory_of_access_that_nobody_empties():
    """What was decided once is decided for ever."""

    def fresh(self, _on, caller, owner):
        return self._memories.setdefault((caller.account_id, owner), access._Memory((0, 0)))

    with mock.patch.object(access.Access, "_fresh", fresh):
        yield


@contextmanager
def a_deletion_that_forgets_who_shares():
    """The bytes of a registry go with its last image, whoever else holds them."""
    with mock.patch.object(store.garbage, "_HOLDERS", Statement(select(blobs_table.c.id).where(false()))):
        yield


@contextmanager
def bytes_that_nobody_announced():
    """The key of an object is on disk after its bytes."""
    begin = objects.PartWriter._begin

    def hasty(self):
        unhurried, self._on = self._on, replace(self._on, database=_Hasty(self._on.database))
        try:
            return begin(self)
        finally:
            self._on = unhurried

    with mock.patch.object(objects.PartWriter, "_begin", hasty):
        yield


@contextmanager
def a_cache_that_believes_its_upstream():
    """What an upstream sends is kept as what it was asked for."""

    def believe(on, at, writer, digest):
        part = writer.close()
        blob = Blob(digest, part.size_bytes, part.object_key, part.sealed)
        uploads._commit(on, at, blob, None, (part,))
        return blob

    with mock.patch.object(flights, "uploads", SimpleNamespace(complete_whole=believe, mount=uploads.mount)):
        yield


class _Hasty:
    def __init__(self, database):
        self.hot = database.hot
        self.transaction = lambda **_: database.transaction(durable=False)


FAULTS = [
    an_acknowledgement_before_the_flush,
    a_tag_that_moves_outside_the_transaction,
    a_manifest_whose_parts_nobody_looks_for,
    a_blob_that_goes_although_an_image_needs_it,
    a_collector_that_ignores_references,
    a_deletion_that_asks_for_no_lease,
    a_collector_that_does_not_wait,
    a_push_that_no_collector_hears_of,
    a_quarantine_that_nobody_waits_for,
    a_deletion_that_forgets_who_shares,
]
# What matters only if several things happen at once: it takes dozens of seeds.
RARE_FAULTS = [
    a_sweep_that_does_not_look_again,
    a_manifest_that_finds_nothing_in_quarantine,
    a_memory_of_access_that_nobody_empties,
    bytes_that_nobody_announced,
    a_cache_that_believes_its_upstream,
]
