"""Find out what images hold: read their layers, each once, and keep what lies on top of what.

    image ─► manifest, configuration ─► each layer: kept record, or a child that reads it ─► merge ─► sets ─► rows

A record belongs to a blob and not to the digest that a configuration claims for what the blob unpacks to: else an image
that claims somebody else's layer would be told what is in it. The claim is held against what was read.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from holdfast import store
from holdfast.inventory import READER, ChildDied, LayerRefused
from holdfast.model import digests, efficiency, inventory, manifests, scanning
from holdfast.model.errors import BlobNotFound, LayerDamaged, StorageUnavailable
from holdfast.model.inventory import LIMIT, Inventory, State, Taken
from holdfast.model.supplied_sboms import Mode
from holdfast.model.work import TakeInventory
from holdfast.registry import damage, layering, layers
from holdfast.registry.layering import PACKAGES, NotTaken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from holdfast.model.images import Image, ImageId
    from holdfast.model.manifests import Descriptor
    from holdfast.model.names import RepositoryRef
    from holdfast.model.repositories import Repository
    from holdfast.model.supplied_sboms import Supplied
    from holdfast.registry.backends import Backends
    from holdfast.registry.damage import Guarded
    from holdfast.registry.work import Job
    from holdfast.store.inventories import Found, ImageInventory, LayerInventory, Place

log = logging.getLogger(__name__)

ATTEMPTS = 3  # at a layer; then it is left alone until somebody asks for another try
STEP_SECONDS = 30.0  # between two looks whether the work is still wanted


def ask(on: Backends, at: RepositoryRef, id_: ImageId, *, again: bool = False) -> Image:
    """Want the inventory of an image taken in the background; `again` tries what was given up as well."""
    now = on.clock()
    with on.database.transaction() as tx:
        repository = store.repositories.get(tx, at)
        image = store.images.get(tx, repository, id_)
        if again:
            renew(tx, repository, image, now)
        else:
            store.work.add(tx, TakeInventory(image.id), now)
    return image


def renew(tx: store.Transaction, repository: Repository, image: Image, now: datetime) -> None:
    """Forget the inventory of an image, and want it taken in the background."""
    _forget(tx, repository, image)
    store.work.add(tx, TakeInventory(image.id), now)


def get(on: Backends, at: RepositoryRef, id_: ImageId) -> tuple[Image, ImageInventory | None, bool]:
    """An image, how its inventory stands if it was ever taken, and whether it is going to be taken."""
    with on.database.snapshot() as tx:
        repository = store.repositories.get(tx, at)
        image = store.images.get(tx, repository, id_)
        return image, store.inventories.find(tx, image.id), store.work.is_alive(tx, TakeInventory(image.id))


def page(on: Backends, image: Image, after: Place, limit: int) -> tuple[list[Found], bool]:
    """Up to `limit` packages of an image after a place, and whether there are more."""
    with on.database.snapshot() as tx:
        found = store.inventories.page(tx, image.id, after, limit + 1)
    return found[:limit], len(found) > limit


def take_now(on: Backends, at: RepositoryRef, id_: ImageId, *, again: bool = False) -> tuple[str, Taken]:
    """The digest and the inventory of an image, for somebody who waits for it."""
    with on.database.snapshot() as tx:
        repository = store.repositories.get(tx, at)
        image = store.images.get(tx, repository, id_)
    return image.digest, take(on, repository, image, again=again)


def take_inventory(on: Backends, job: Job) -> datetime | None:
    """Take the inventory of an image, in the background."""
    with on.database.snapshot() as tx:
        found = store.images.find_by_id(tx, job.item.payload["image_id"])
        if found is None:
            return None
        repository = store.repositories.get_by_id(tx, found[1])
    take(on, repository, found[0], watching(on, job))
    return None


def watching(on: Backends, job: Job) -> Callable[[], None]:
    """What is called while layers are read: it raises when the work is to stop, or is not wanted any more."""
    stepped_at = on.monotonic()

    def watch() -> None:
        nonlocal stepped_at
        if not job.is_stopping() and on.monotonic() - stepped_at < STEP_SECONDS:
            return
        stepped_at = on.monotonic()
        with on.database.transaction(durable=False) as tx:
            job.step(tx)

    return watch


def take(
    on: Backends, repository: Repository, image: Image, watch: Callable[[], None] = lambda: None, *, again: bool = False
) -> Taken:
    """The inventory of an image, from what is kept where it is; how its taking ended is kept as well.

    It is complete, or there is none: `UNSUPPORTED` if the image has no files that can be looked at, `FAILED` if they
    could not be read. What is only away for now, as a store, is raised.
    """
    if again:
        with on.database.transaction() as tx:
            _forget(tx, repository, image)
    if (kept := _kept(on, image)) is not None:
        return kept
    while True:
        with on.database.snapshot() as tx:
            told = store.supplied_sboms.find(tx, image.id)
            brought_by = origins(tx, image)
        layer_count = len(brought_by) - 1
        if told is not None and told.mode is Mode.REPLACE:
            taken = Taken(State.COMPLETE, inventory=inventory.supplied(None, told, layer_count))
        else:
            taken = _taken(on, repository, image, watch)
            if told is not None and taken.inventory is not None:
                taken = replace(taken, inventory=inventory.supplied(taken.inventory, told, layer_count))
        if _keep(on, image, taken, brought_by, told):
            return taken


def origins(tx: store.Transaction, image: Image) -> list[str]:
    """What brought a package, by the number of its layer: the layers, and last the image itself for supplied SBOMs."""
    return [*(layer.digest for layer in _layers(tx, image)), image.digest]


def _layers(tx: store.Transaction, image: Image) -> Sequence[Descriptor]:
    return manifests.parse(store.images.body(tx, image), image.media_type).layers[1:]


def _taken(on: Backends, repository: Repository, image: Image, watch: Callable[[], None]) -> Taken:
    try:
        descriptors, config = _parts(on, repository, image)
        read = partial(_record, on, repository, watch=watch)
        records = tuple(layering.records(descriptors, config, read, watch, on.limits.scan_image_bytes))
        return Taken(State.COMPLETE, "", layering.merged(records), records, config.instructions)
    except NotTaken as fault:
        log.warning("no inventory of %s in %s: %s", image.digest, repository.name, fault.taken.reason)
        return fault.taken


def _kept(on: Backends, image: Image) -> Taken | None:
    """A complete inventory that this version took."""
    with on.database.snapshot() as tx:
        found = store.inventories.find(tx, image.id)
        if found is None or found.reader != READER or found.state is not State.COMPLETE:
            return None
        packages = store.inventories.page(tx, image.id, store.inventories.FIRST, PACKAGES)
    held = Inventory(found.os, tuple(one.installed for one in packages), found.notes)
    return Taken(found.state, found.reason, held)


def _forget(tx: store.Transaction, repository: Repository, image: Image) -> None:
    """Forget the inventory of an image, and which of its layers were given up."""
    store.inventories.forget(tx, image.id)
    for descriptor in _layers(tx, image):
        found = store.inventories.layer(tx, repository, descriptor.digest, READER)
        if found is not None and found.record is None:
            store.inventories.forget_layer(tx, found.blob_id)


# ---- The image


def _parts(on: Backends, repository: Repository, image: Image) -> tuple[list[Descriptor], layering.Config]:
    """The layers of an image, and its configuration, which tells what each unpacks to."""
    if not scanning.is_scannable(image):
        raise NotTaken(State.UNSUPPORTED, layering.NO_FILES)
    with on.database.snapshot() as tx:
        body = store.images.body(tx, image)
    return layering.parts(body, image.media_type, lambda one: _pieces(on, repository, one.digest))


def _keep(on: Backends, image: Image, taken: Taken, layer_digests: Sequence[str], told: Supplied | None) -> bool:
    """Keep how the taking of an inventory ended; False if meanwhile another document was supplied, or none is."""
    found = taken.inventory
    sets = {number: (found.set_digest(members), members) for number, members in found.sets().items()} if found else {}
    report = efficiency.judge(taken.records, found.packages, taken.instructions) if found and taken.records else None
    while True:
        for set_digest, members in sets.values():
            with on.database.transaction(durable=False) as tx:
                store.inventories.ensure_set(tx, set_digest, found.os if found else None, members, on.clock())
        with on.database.transaction() as tx:
            if store.images.find_by_id(tx, image.id) is None:
                return True
            if store.supplied_sboms.find(tx, image.id) != told:
                return False
            links = [(number, layer_digests[number], set_digest) for number, (set_digest, _) in sets.items()]
            if store.inventories.put(tx, image.id, READER, taken, links, on.clock()):
                if report is not None:
                    store.image_reports.put(tx, image.id, report)
                return True  # else sets that no image had yet were forgotten in between


# ---- A layer


def _record(on: Backends, repository: Repository, descriptor: Descriptor, watch: Callable[[], None]) -> bytes:
    """The packed record of a layer, which is read at most a few times, whatever ends the reading."""
    digest = descriptor.digest
    while True:
        with on.database.transaction(durable=False) as tx:
            found = store.inventories.layer(tx, repository, digest, READER)
            if found is None:
                raise NotTaken(State.FAILED, f"The layer {digest} is not there.")
            if found.record is not None:
                return found.record
            if found.attempts >= ATTEMPTS:
                if found.refusal is None and _is_recent(on, found.read_at):
                    raise StorageUnavailable  # others may be reading it at this moment
                reason = found.refusal or f"its reading was begun {ATTEMPTS} times and never ended"
                state = State.TOO_LARGE if reason.startswith(LIMIT) else State.FAILED
                raise NotTaken(state, f"The layer {digest} cannot be read: {reason}")
            found = replace(found, attempts=found.attempts + 1)  # known even if this process dies of it
            store.inventories.put_layer(tx, found, on.clock())
        try:
            record = on.layer_reader.read(_pieces(on, repository, digest), watch)
            found = replace(found, record=inventory.pack(record), refusal=None)
        except LayerRefused as fault:
            found = replace(found, refusal=str(fault), attempts=ATTEMPTS)
        except ChildDied as fault:
            found = replace(found, refusal=str(fault))
        except BaseException:
            _put(on, repository, digest, replace(found, attempts=found.attempts - 1))  # it is not the layer's fault
            raise
        _put(on, repository, digest, found)


def _is_recent(on: Backends, begun_at: datetime | None) -> bool:
    return begun_at is not None and on.clock() - begun_at < on.layer_reader.longest


def _put(on: Backends, repository: Repository, digest: str, found: LayerInventory) -> None:
    """Keep how a reading ended, unless another one had a record meanwhile."""
    with on.database.transaction(durable=False) as tx:
        now = store.inventories.layer(tx, repository, digest, READER)
        if now is not None and now.record is None:
            store.inventories.put_layer(tx, found, on.clock())


def _pieces(on: Backends, repository: Repository, digest: str) -> Iterator[memoryview]:
    """The bytes of a blob, segment by segment, held against its digest at their end."""
    try:
        blob: Guarded = layers.open_blob(on, repository.ref, digest)
    except (BlobNotFound, LayerDamaged) as refusal:
        raise NotTaken(State.FAILED, refusal.message) from None
    proof, position = digests.hasher(digests.algorithm(digest)), 0
    try:
        while position < blob.size_bytes:
            piece = blob.read(position)
            proof.update(piece)
            position += len(piece)
            yield piece
    except damage.Damaged as fault:
        raise NotTaken(State.FAILED, f"The blob {digest} is damaged: {fault}") from None
    except damage.Unreadable:
        raise StorageUnavailable from None
    finally:
        blob.close()
    if not digests.same(f"{digests.algorithm(digest)}:{proof.hexdigest()}", digest):
        raise NotTaken(State.FAILED, f"The bytes of the blob {digest} are not what its digest says.")
