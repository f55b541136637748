"""SBOMs say what the inventory says, in forms that others can read; and others' add to it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document

from holdfast import registry
from holdfast.inventory import LayerReader
from holdfast.model import supplied_sboms
from holdfast.model.errors import InvalidParameter
from holdfast.model.images import ImageId
from holdfast.model.inventory import State
from holdfast.model.sboms import Format
from holdfast.model.supplied_sboms import Mode
from tests import layers
from tests.registry.ground import AT
from tests.registry.test_inventories import BASE, MODULE, named, push, take

SCOPED = {"app/node_modules/@babel/core/package.json": '{"name": "@babel/core", "version": "7.1.0"}',
          "x.jar": layers.jar(layers.pom("org.example", "lib", "1.0")),
          "usr/bin/app": layers.go_program("mod\texample.org/app\tv1.0.0")}  # fmt: skip
PURLS = {
    "pkg:deb/debian/libssl3@3.0.1-1?arch=amd64&distro=debian-12&upstream=openssl",
    "pkg:npm/lodash@4.17.10",
    "pkg:npm/%40babel/core@7.1.0",
    "pkg:maven/org.example/lib@1.0",
    "pkg:golang/example.org/app@v1.0.0",
    "pkg:golang/stdlib@1.19.4",
}


@pytest.fixture
def image(on):
    document = push(on, BASE, MODULE, SCOPED)
    take(on, document)
    return document


def sbom(on, image, form):
    return registry.sboms.document(on, AT, ImageId(image.digest), form)[1]


def supply(on, image, data, mode=Mode.ADD):
    return registry.sboms.supply(on, AT, ImageId(image.digest), data, mode)


def test_cyclonedx_is_valid_and_tells_each_package(on, image):
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator  # which takes seconds to load

    document = sbom(on, image, Format.CYCLONEDX)

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(document.decode()) is None
    components = [one for one in json.loads(document)["components"] if one["type"] == "library"]
    assert {one["purl"] for one in components} == PURLS
    where = {one["name"]: {kept["name"]: kept["value"] for kept in one["properties"]} for one in components}
    assert where["lodash"] == {
        "holdfast:path": "app/node_modules/lodash/package.json",
        "holdfast:layer": image.json()["layers"][1]["digest"],
    }


def test_spdx_is_valid_and_tells_each_package(on, image):
    told = json.loads(sbom(on, image, Format.SPDX))

    faults = validate_full_spdx_document(JsonLikeDictParser().parse(told))

    assert faults == []
    purls = {one["referenceLocator"] for package in told["packages"] for one in package.get("externalRefs", [])}
    assert {one for one in purls if not one.startswith("pkg:oci/")} == PURLS


@pytest.mark.parametrize("form", list(Format))
def test_an_sbom_is_attached_once_and_can_be_pulled(on, image, form):
    _, first = registry.sboms.attach(on, AT, ImageId(image.digest), form)
    _, again = registry.sboms.attach(on, AT, ImageId(image.digest), form)

    found, _ = registry.referrers.page(on, AT, image.digest, 0, 10, kinds=[form.media_type])
    assert [one.digest for one in found] == [first.digest] == [again.digest]
    assert registry.sboms.attached(on, AT, first.digest) == sbom(on, image, form)


def test_there_is_no_sbom_without_an_inventory(on):
    image = push(on, b"x" * 2000)
    with pytest.raises(InvalidParameter, match="nobody asked for it"):
        sbom(on, image, Format.SPDX)
    take(on, image)

    with pytest.raises(InvalidParameter, match="not a tar archive"):
        sbom(on, image, Format.SPDX)


# ---- Those of others


@pytest.mark.parametrize("form", list(Format))
def test_what_an_sbom_tells_is_what_was_found(on, image, form):
    """Our own documents, read again, give the same packages."""
    other = push(on, {"static/program": "of C"})

    supply(on, other, sbom(on, image, form))
    found = take(on, other)

    assert {one.package.purl(found.inventory.os) for one in found.inventory.packages} == PURLS
    assert found.inventory.os.ecosystem == "Debian:12"


def test_an_sbom_adds_to_what_is_found_replaces_it_and_is_forgotten(on, image):
    document = json.dumps({"bomFormat": "CycloneDX", "components": [
        {"purl": "pkg:npm/lodash@4.17.10"}, {"name": "no purl"}, {"purl": "pkg:npm/no-version"},
        {"components": [{"purl": "pkg:cargo/ring@0.16"}]},
    ]}).encode()  # fmt: skip
    before = named(take(on, image))

    supply(on, image, document)
    added = named(take(on, image))
    supply(on, image, document, Mode.REPLACE)
    replaced = named(take(on, image))
    registry.sboms.withdraw(on, AT, ImageId(image.digest))
    after = named(take(on, image))

    assert added == before | {("ring", "0.16", 3)}
    assert replaced == {("ring", "0.16", 3), ("lodash", "4.17.10", 3)}
    assert after == before


def test_an_sbom_that_comes_while_layers_are_read_is_used(on):
    document = push(on, BASE)

    class Reader(LayerReader):
        def read(self, pieces, watch=lambda: None):
            supply(on, document, b'{"artifacts": [{"purl": "pkg:pypi/django@3.2"}]}')
            return super().read(pieces, watch)

    taken = take(replace(on, layer_reader=Reader()), document)

    assert named(taken) == {("libssl3", "3.0.1-1", 0), ("django", "3.2", 1)}
    assert take(on, document) == taken


def test_an_image_that_cannot_be_read_has_what_its_sbom_tells(on):
    image = push(on, b"x" * 2000)
    assert take(on, image).state is State.FAILED

    supply(on, image, b'{"artifacts": [{"purl": "pkg:pypi/django@3.2"}]}', Mode.REPLACE)

    assert named(take(on, image)) == {("django", "3.2", 1)}


def test_an_sbom_survives_the_deletion_of_its_image(on, image):
    supply(on, image, b'{"artifacts": [{"purl": "pkg:pypi/django@3.2"}]}', Mode.REPLACE)
    registry.images.delete(on, AT, [ImageId(image.digest)])

    registry.undelete.restore_image(on, AT, image.digest)

    assert named(take(on, image)) == {("django", "3.2", 3)}


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b'{"components": ' + b'[{"components": ' * 5000, b'{"packages": 1}']
)
def test_what_is_no_sbom_is_refused(on, image, data):
    with pytest.raises(InvalidParameter):
        supply(on, image, data)


def test_an_sbom_that_tells_of_too_much_is_refused(on, image, monkeypatch):
    monkeypatch.setattr(supplied_sboms, "PACKAGES", 1)

    with pytest.raises(InvalidParameter, match="more than 1 packages"):
        supply(on, image, b'{"artifacts": [{"purl": "pkg:a/b@1"}, {"purl": "pkg:a/c@1"}]}')


def test_an_artifact_of_no_document_is_refused(on, image):
    with pytest.raises(InvalidParameter, match="not one document"):
        registry.sboms.attached(on, AT, image.digest)


@settings(max_examples=100, deadline=None)
@given(purl=st.text(max_size=60).map(lambda text: f"pkg:{text}"), more=st.binary(max_size=30))
def test_any_document_gives_packages_or_a_clean_refusal(purl, more):
    for data in (json.dumps({"components": [{"purl": purl}]}).encode(), b'{"components": [' + more + b"]}"):
        try:
            found = supplied_sboms.read(data, Mode.ADD, "sha256:0")
        except InvalidParameter:
            continue
        assert all(package.is_sane and package.purl(found.os) for package in found.packages)
