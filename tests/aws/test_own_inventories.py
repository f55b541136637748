"""What images hold, through boto3 and the command line."""

from __future__ import annotations

import json

import pytest

from tests import builders, layers
from tests.aws.test_own_deleted import own  # noqa: F401 - a fixture

BASE = {"etc/os-release": layers.os_release(PRETTY_NAME="Debian 12"),
        "var/lib/dpkg/status": layers.dpkg(("libssl3", "3.0.1-1", "openssl"), ("bash", "5.2"))}  # fmt: skip
MODULE = {"app/node_modules/lodash/package.json": '{"name": "lodash", "version": "4.17.10"}'}


@pytest.fixture
def image(product, name):
    """An image of two layers; its document."""
    repository = product.registry(name)
    archives = [layers.tar(files) for files in (BASE, MODULE)]
    packed = [layers.packed(archive) for archive in archives]
    config = json.dumps(
        {"os": "linux", "rootfs": {"type": "layers", "diff_ids": [*map(layers.diff_id, archives)]}}
    ).encode()
    for data in (config, *packed):
        repository.push_blob(data)
    described = [builders.descriptor(f"{layers.OCI_LAYER}+gzip", data) for data in packed]
    document = builders.document(
        builders.OCI_MANIFEST, config=builders.descriptor(builders.OCI_CONFIG, config), layers=described
    )
    repository.push_manifest(document, "v1")
    return document


def test_packages_of_an_image_are_listed(product, own, name, image):  # noqa: F811
    which = {"repositoryName": name, "imageId": {"imageTag": "v1"}}
    before = own.list_image_packages(**which)

    told = product.cli("image", "packages", f"{name}:v1")
    documents = product.cli("image", "packages", f"{name}@{image.digest}", "--json").stdout.splitlines()
    first = own.list_image_packages(**which, maxResults=2)
    rest = own.list_image_packages(**which, maxResults=2, nextToken=first["nextToken"])

    assert (before["inventoryStatus"], before["packages"]) == ("NOT_TAKEN", [])
    assert (told.returncode, told.stderr) == (0, "")
    assert f"3 packages in {image.digest} (Debian 12)." in told.stdout
    assert [json.loads(one)["name"] for one in documents] == ["bash", "libssl3", "lodash"]
    assert (first["inventoryStatus"], first["packageCount"], first["operatingSystem"]["id"]) == (
        "COMPLETE",
        3,
        "debian",
    )
    assert first["packages"][1] == {
        "type": "deb",
        "name": "libssl3",
        "version": "3.0.1-1",
        "architecture": "amd64",
        "sourceName": "openssl",
        "packageUrl": "pkg:deb/debian/libssl3@3.0.1-1?arch=amd64&distro=debian-12&upstream=openssl",
        "filePath": "var/lib/dpkg/status",
        "sourceLayerHash": image.json()["layers"][0]["digest"],
    }
    assert [one["packageUrl"] for one in rest["packages"]] == ["pkg:npm/lodash@4.17.10"]
    assert "nextToken" not in rest


def test_an_image_without_an_inventory_says_why(product, own, name):  # noqa: F811
    document = product.registry(name).push_image("v1")

    asked = own.start_image_inventory(repositoryName=name, imageId={"imageTag": "v1"}, again=True)
    told = product.cli("image", "packages", f"{name}:v1")

    assert (asked["imageDigest"], asked["inventoryStatus"]) == (document.digest, "PENDING")
    assert told.returncode == 1
    assert "has no inventory (failed): The configuration tells of 0 layers" in told.stdout
    assert product.cli("image", "packages", name).returncode == 2
