"""What images hold is found out once a layer, told whole or not at all, and shared."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from holdfast import registry, store
from holdfast.inventory import READER, ChildDied, LayerReader, Limits
from holdfast.model.errors import StorageUnavailable
from holdfast.model.images import ImageId
from holdfast.model.inventory import State
from holdfast.model.names import RepositoryRef
from tests import builders, feeds, layers
from tests.registry.ground import AT, HOME, create, push_blob, put, work_off, work_off_patiently

BASE = {"etc/os-release": layers.os_release(), "var/lib/dpkg/status": layers.dpkg(("libssl3", "3.0.1-1", "openssl"))}
MODULE = {"app/node_modules/lodash/package.json": '{"name": "lodash", "version": "4.17.10"}'}


class Counting(LayerReader):
    """Reads layers, and counts how often."""

    def __init__(self, *faults, **limits):
        super().__init__(Limits(**limits))
        self.count = 0
        self.faults = list(faults)

    def read(self, pieces, watch=lambda: None):
        self.count += 1
        if self.faults:
            raise self.faults.pop()
        return super().read(pieces, watch)


@pytest.fixture
def on(on):
    return replace(on, layer_reader=Counting())


def push(on, *contents, at=AT, diff_ids=None, os="linux", media_type=layers.OCI_LAYER, **members):
    """Push an image of layers, each given by its files or as bytes; its document."""
    archives = [layers.tar(files) if isinstance(files, dict) else files for files in contents]
    packed = [layers.packed(archive) for archive in archives]
    claimed = diff_ids or [layers.diff_id(archive) for archive in archives]
    config = json.dumps({"os": os, "rootfs": {"type": "layers", "diff_ids": claimed}}).encode()
    for data in (config, *packed):
        push_blob(on, at, data)
    document = builders.document(
        builders.OCI_MANIFEST,
        config=builders.descriptor(builders.OCI_CONFIG, config),
        layers=[builders.descriptor(f"{media_type}+gzip", data) for data in packed],
        **members,
    )
    put(on, at, document)
    return document


def take(on, document, at=AT, **how):
    with on.database.snapshot() as tx:
        repository = store.repositories.get(tx, at)
        image = store.images.get(tx, repository, ImageId(document.digest))
    return registry.inventories.take(on, repository, image, **how)


def named(taken):
    return {(one.package.name, one.package.version, one.layer) for one in taken.inventory.packages}


def versions(on):
    """What is kept for advisories to be held against, with how many sets have it."""
    with on.database.snapshot() as tx:
        rows = tx._driver.execute(
            "SELECT v.ecosystem, v.name, v.version, count(*) FROM package_versions v "
            "JOIN package_set_members m ON m.package_version_id = v.id GROUP BY 1, 2, 3"
        ).fetchall()
    return set(rows)


def test_an_inventory_tells_packages_their_layers_and_the_system(on):
    image = push(on, BASE, {"x": "y"}, MODULE)

    taken = take(on, image)

    assert taken.state is State.COMPLETE
    assert named(taken) == {("libssl3", "3.0.1-1", 0), ("lodash", "4.17.10", 2)}
    assert taken.inventory.os.id == "debian"
    assert versions(on) == {("Debian:12", "openssl", "3.0.1-1", 1), ("npm", "lodash", "4.17.10", 1)}


def test_what_was_found_is_kept_and_read_no_more(on):
    first, second = push(on, BASE), push(on, BASE, MODULE)

    taken = [take(on, document) for document in (first, first, second, second)]

    assert on.layer_reader.count == 2
    assert taken[0] == taken[1]
    assert taken[2] == taken[3]
    assert {count for *_, count in versions(on)} == {1}, "the base's packages are one set of two images"


def test_an_image_may_be_asked_about_while_its_inventory_is_taken_in_the_background(on):
    document = push(on, BASE, MODULE)
    before = registry.inventories.get(on, AT, ImageId(document.digest))

    image = registry.inventories.ask(on, AT, ImageId(document.digest))
    waiting = registry.inventories.get(on, AT, ImageId(document.digest))
    work_off(on)
    work_off_patiently(on)

    assert before[1:] == (None, False)
    assert waiting[1:] == (None, True)
    _, found, is_coming = registry.inventories.get(on, AT, ImageId(document.digest))
    assert (found.state, found.package_count, is_coming) == (State.COMPLETE, 2, False)
    first, more = registry.inventories.page(on, image, (-1, -1), 1)
    rest, no_more = registry.inventories.page(on, image, first[0].place, 1)
    assert [one.installed.package.name for one in first + rest] == ["libssl3", "lodash"]
    assert (more, no_more) == (True, False)
    assert rest[0].layer_digest == document.json()["layers"][1]["digest"]


# ---- Half a list is no list


@pytest.mark.parametrize(
    ("contents", "options", "state", "text"),
    [
        ([BASE], {"os": "windows"}, State.UNSUPPORTED, "Windows"),
        ([BASE], {"media_type": "application/vnd.oci.image.layer.v1.tar+encrypted"}, State.UNSUPPORTED, "encrypted"),
        ([BASE], {"media_type": "application/vnd.docker.image.rootfs.foreign.diff.tar"}, State.UNSUPPORTED, "foreign"),
        ([BASE], {"diff_ids": ["sha256:" + "0" * 64]}, State.FAILED, "the configuration says sha256:0000"),
        ([BASE, MODULE], {"diff_ids": ["sha256:" + "0" * 64]}, State.FAILED, "tells of 1 layers, and"),
        ([BASE, b"x" * 2000], {}, State.FAILED, "not a tar archive"),
        ([BASE, {"lib/apk/db/installed": "P:x\n"}], {}, State.FAILED, "installed: an entry names no package"),
        ([layers.tar(MODULE)[:1024]], {"diff_ids": [layers.diff_id(layers.tar(MODULE))]},
         State.FAILED, "Layer 1 unpacks to"),
    ],
)  # fmt: skip
def test_an_image_that_cannot_be_read_whole_says_why(on, contents, options, state, text):
    image = push(on, *contents, **options)

    taken = take(on, image)

    assert (taken.state, taken.inventory) == (state, None)
    assert text in taken.reason
    _, found, _ = registry.inventories.get(on, AT, ImageId(image.digest))
    assert (found.state, found.reason, found.package_count) == (state, taken.reason, 0)


def test_lists_and_artifacts_have_no_inventory(on):
    index = builders.an_index(push(on, BASE))
    put(on, AT, index)

    assert take(on, index).state is State.UNSUPPORTED


def test_a_limit_is_told_and_not_tried_again(on):
    on = replace(on, layer_reader=Counting(layer_bytes=1000))
    image = push(on, BASE)

    taken = [take(on, image), take(on, image)]

    assert taken[0] == taken[1]
    assert taken[0].state is State.TOO_LARGE
    assert "limit: the layer unpacks to more than 1000 bytes" in taken[0].reason
    assert on.layer_reader.count == 1


def test_a_reader_that_dies_is_tried_three_times_and_then_only_when_somebody_asks(on):
    on = replace(on, layer_reader=Counting(*[ChildDied("its process was ended by signal 11")] * 4))
    image = push(on, BASE)

    taken = [take(on, image), take(on, image)]

    assert taken[0] == taken[1]
    assert "signal 11" in taken[0].reason
    assert on.layer_reader.count == 3
    assert take(on, image, again=True).state is State.COMPLETE
    assert on.layer_reader.count == 5


def test_a_process_that_stops_is_not_the_fault_of_a_layer(on):
    on = replace(on, layer_reader=Counting(KeyboardInterrupt(), KeyboardInterrupt(), KeyboardInterrupt()))
    image = push(on, BASE)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt):
            take(on, image)
    assert take(on, image).state is State.COMPLETE


def test_a_layer_is_told_only_to_who_has_its_bytes(on):
    """Who claims somebody else's layer in a configuration is not told what is in it."""
    secret, other = layers.tar(BASE), RepositoryRef(HOME, "other/one")
    create(on, other)
    take(on, push(on, secret))

    taken = take(on, push(on, {"x": "y"}, at=other, diff_ids=[layers.diff_id(secret)]), at=other)

    assert taken.state is State.FAILED


def test_what_no_image_has_is_forgotten(on, clock):
    one, other = ("CVE_2030_0001", ("openssl", None)), feeds.LODASH
    feeds.load(on, debian=feeds.debian(**dict([one])), npm=feeds.archive(other))
    first, second = push(on, BASE), push(on, BASE, MODULE)
    for document in (first, second):
        take(on, document)
    registry.images.delete(on, AT, [ImageId(second.digest)])

    clock.pass_(days=2)
    work_off(on)

    assert {name for _, name, _, _ in versions(on)} == {"openssl"}
    with on.database.migration() as tx:
        assert tx.exec_driver_sql("SELECT name FROM package_versions").fetchall() == [("openssl",)]
        assert tx.exec_driver_sql("SELECT count(*) FROM advisory_matches").scalar() == 1
    assert take(on, first).state is State.COMPLETE


def test_the_image_with_most_of_the_layers_is_the_base_and_is_told_to_those_who_may_see_it(on):
    other = RepositoryRef(HOME, "other/repository")
    create(on, other)
    for document, at in (
        (push(on, BASE), AT),
        (push(on, BASE, MODULE, at=other), other),
        (push(on, BASE, {"x": "1"}), AT),
        (push(on, {"x": "1"}), AT),
    ):
        take(on, document, at)
    document = push(on, BASE, MODULE, {"app": "x"})
    take(on, document)
    image, _, _ = registry.inventories.get(on, AT, ImageId(document.digest))

    everything = registry.efficiency.find(on, AT, image, lambda _: True)
    less = registry.efficiency.find(on, AT, image, lambda at: at == AT)
    nothing = registry.efficiency.find(on, AT, image, lambda _: False)

    assert (everything.base.repository_name, everything.base.layers) == ("other/repository", 2)
    assert (less.base.repository_name, less.base.layers) == (AT.name, 1)
    assert nothing.base is None
    assert [layer.images for layer in everything.layers] == [4, 2, 1]


def test_an_image_with_more_versions_of_a_package_than_any_has_is_refused(on):
    many = layers.dpkg(*((f"linux-{number}", f"1.{number}", "linux") for number in range(60)))

    taken = take(on, push(on, {"etc/os-release": layers.os_release(), "var/lib/dpkg/status": many}))

    assert taken.state is State.TOO_LARGE
    assert "more than 50 versions of 'linux'" in taken.reason


def test_a_configuration_is_as_large_as_it_is_and_not_as_it_says(on, monkeypatch):
    monkeypatch.setattr(registry.layering, "CONFIG_BYTES", 10)

    taken = take(on, push(on, BASE))

    assert (taken.state, taken.reason) == (State.TOO_LARGE, "limit: the configuration has more than 10 bytes")


def test_layers_together_are_bounded(on, monkeypatch):
    monkeypatch.setattr(registry.layering, "ENTRIES", 3)

    assert take(on, push(on, BASE)).state is State.COMPLETE
    assert "limit: the layers have more than 3 entries" in take(on, push(on, BASE, MODULE, {"x": "1"})).reason


def test_a_layer_that_others_are_reading_is_waited_for(on, clock):
    document = push(on, BASE)
    with on.database.transaction() as tx:
        repository = store.repositories.get(tx, AT)
        found = store.inventories.layer(tx, repository, document.json()["layers"][0]["digest"], READER)
        store.inventories.put_layer(tx, replace(found, attempts=3), clock())

    with pytest.raises(StorageUnavailable):
        take(on, document)
    clock.pass_(hours=1)

    assert "was begun 3 times and never ended" in take(on, document).reason
