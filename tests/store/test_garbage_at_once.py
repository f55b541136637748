"""Garbage is collected on PostgreSQL while others push, mount, delete and restore the same bytes."""

from __future__ import annotations

import itertools
import random
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

from holdfast import registry, store
from holdfast.blobs import FileStore, KeyFile, SealedStore
from holdfast.model.errors import Refusal, Unavailable
from holdfast.model.images import ImageId
from holdfast.model.names import RepositoryRef
from holdfast.model.uploads import SMALL_BYTES
from holdfast.registry import Backends
from holdfast.store import open_database
from holdfast.store.migrations import migrate
from tests import builders
from tests.registry.ground import AT, HOME, create, described, push_blob, put

DEEDS = 60  # of each of the people
PEOPLE = 4
PLACES = (AT, RepositoryRef(HOME, "another/repository"))
LAYERS = (b"a small layer", b"another one", bytes(SMALL_BYTES + 1), bytes(SMALL_BYTES + 2))
IMAGES = {
    layer: builders.document(
        builders.OCI_MANIFEST,
        config=builders.descriptor(builders.OCI_CONFIG, b"{}"),
        layers=[builders.descriptor(builders.OCI_LAYER, layer)],
    )
    for layer in LAYERS
}
NO_TIME = {"push_time": timedelta(0), "quarantine": timedelta(0), "deleted_lifetime": timedelta(seconds=0.1)}


def open_node(url, folder, key_file):
    database = open_database(url)
    on = Backends(
        database,
        SealedStore(FileStore(folder / "objects")),
        registry.keys.Keys(database, key_file),
        lambda: datetime.now(UTC),
    )
    return replace(on, limits=replace(on.limits, **NO_TIME, surprising_share=1.0))


def read(on, at, data):
    reader = registry.layers.open_blob(on, at, builders.digest(data))
    assert bytes(reader.read(0)) == data
    reader.close()


def deeds(on, chance):
    """What somebody may do, each with a repository and a layer of its own choice."""
    at, other = PLACES if chance.random() < 0.8 else PLACES[::-1]  # a blob goes with the last place that has it
    layer = chance.choice(LAYERS)
    digest, image = builders.digest(layer), IMAGES[layer]

    def push_image():
        for data in (b"{}", layer):
            push_blob(on, at, data)
        put(on, at, image, "latest")

    def delete_for_good():
        registry.images.delete(on, at, [ImageId(image.digest)])
        registry.undelete.purge_image(on, at, image.digest)

    return [
        push_image,
        lambda: push_blob(on, at, layer),
        lambda: registry.uploads.mount(on, at, other, digest),
        lambda: put(on, at, image),
        lambda: registry.images.delete(on, at, [ImageId(image.digest)]),
        delete_for_good,
        delete_for_good,
        lambda: registry.layers.delete(on, at, digest),
        lambda: registry.undelete.restore_image(on, at, image.digest),
        lambda: read(on, at, layer),
    ]


def act(on, seed, told):
    chance = random.Random(seed)
    for _ in range(DEEDS):
        try:
            chance.choice(deeds(on, chance))()
        except Refusal as refusal:
            if isinstance(refusal, Unavailable):
                told.append(refusal)
        except Exception as fault:  # noqa: BLE001 - none is expected
            told.append(fault)


def collect(on, is_over, told):
    job = SimpleNamespace(step=lambda _tx, _progress=None: None, rest=lambda: None)
    while not is_over.is_set():
        try:
            registry.purging.purge(on, job)
            tally = registry.garbage.run(on)
            registry.cleaning.sweep(on)
        except Exception as fault:  # noqa: BLE001 - none is expected
            told.append(fault)
        else:
            told += [tally.halted] if tally.halted else []


def test_nothing_that_is_needed_goes_whoever_collects_meanwhile(url, tmp_path):
    database = open_database(url)
    migrate(database)
    key_file = KeyFile.create(tmp_path / "keys" / "local.json", datetime.now(UTC))
    nodes = [open_node(url, tmp_path, key_file) for _ in range(2)]
    registry.accounts.create(nodes[0], HOME.account_id)
    for at in PLACES:
        create(nodes[0], at)
    told, is_over = [], threading.Event()
    collectors = [threading.Thread(target=collect, args=(on, is_over, told)) for on in nodes]
    people = [
        threading.Thread(target=act, args=(on, seed, told)) for on, seed in zip(itertools.cycle(nodes), range(PEOPLE))
    ]

    for thread in (*collectors, *people):
        thread.start()
    for thread in people:
        thread.join()
    is_over.set()
    for thread in collectors:
        thread.join()

    assert told == []
    with database.snapshot() as tx:
        assert store.invariants.broken(tx) == []
        needed = set(store.invariants.needed_objects(tx))
    assert needed <= {path.name for path in (tmp_path / "objects").rglob("*")}
    for at, (layer, document) in itertools.product(PLACES, IMAGES.items()):
        if document.digest in described(nodes[0], at):
            read(nodes[0], at, layer)
    for opened in (database, *(on.database for on in nodes)):
        opened.close()
