"""A registry in this process, with a clock that the test moves."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar

from holdfast import registry
from holdfast.blobs import FileStore, KeyFile, SealedStore
from holdfast.inventory import LayerReader
from holdfast.model import manifests
from holdfast.model.names import Registry, RepositoryRef
from holdfast.model.repositories import Encryption, TagMutability
from holdfast.model.work import Lane
from holdfast.registry import Backends
from holdfast.worker import Runner
from tests import builders, databases

if TYPE_CHECKING:
    from holdfast.model.inventory import LayerRecord

SMALL_BYTES = 100_000
HOME = Registry("000000000000", "us-east-1")
AT = RepositoryRef(HOME, "some/repository")


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2030, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **time: float) -> None:
        self.now += timedelta(**time)


def open_ground(folder, clock, **limits) -> Backends:
    """A registry with one repository, AT."""
    database = databases.open_fresh(folder)
    keys = registry.keys.Keys(database, KeyFile.create(folder / "keys" / "local.json", clock()))
    on = Backends(database, SealedStore(FileStore(folder / "objects")), keys, clock)
    on = replace(on, limits=replace(on.limits, **limits), layer_reader=_Remembering())
    registry.accounts.create(on, HOME.account_id)
    create(on, AT)
    return on


class _Remembering(LayerReader):
    """Reads the same small layer once for all tests: it takes a process, and that a tenth of a second."""

    known: ClassVar[dict[bytes, LayerRecord]] = {}

    def read(self, pieces, watch=lambda: None):
        data = b"".join(map(bytes, pieces))
        if data in self.known:
            watch()
            return self.known[data]
        record = super().read(iter([data]), watch)
        if len(data) < SMALL_BYTES:
            self.known[data] = record
        return record


def create(on, at, **changed):
    """Make a repository."""
    plain = {"mutability": TagMutability(), "scan_on_push": False, "encryption": Encryption(), "tags": {}}
    return registry.repositories.create(on, at, **plain | changed)


def push_blob(on, at, data):
    """Push a layer."""
    writer = registry.uploads.receive_whole(on, at)
    writer.write(data)
    registry.uploads.complete_whole(on, at, writer, builders.digest(data))


def push(on, at, seed, *tags, **members):
    """Push an image that differs by its seed; its document."""
    document = builders.an_image(lambda data: push_blob(on, at, data), seed=seed, **members)
    put(on, at, document, *tags)
    return document


def put(on, at, document, *tags):
    """Push a manifest."""
    return registry.images.put(on, at, manifests.parse(document.body, document.media_type), tags)


def work_off(on) -> None:
    """Do in the background what is due now, until nothing is."""
    Runner(on).tick()


def work_off_patiently(on) -> None:
    """Do what takes its time and is due now, until nothing is."""
    Runner(on, lane=Lane.PATIENT).tick()
    Runner(on, lane=Lane.ABROAD).tick()


def described(on, at=AT, status="ANY"):
    """Every image of a repository, by digest."""
    found, more = registry.images.page(on, at, 0, 1000, status=status)
    assert not more
    return {image.digest: image for image in found}


def told(on, kind=None):
    """The details of the events so far, of one kind."""
    return [one.event.detail for one in registry.events.page(on) if kind in {None, one.event.detail_type}]
