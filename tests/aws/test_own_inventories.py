"""What images hold, through boto3 and the command line."""

from __future__ import annotations

import json

import pytest

from tests import builders, layers
from tests.aws.test_own_deleted import own  # noqa: F401 - a fixture

BASE = {"etc/os-release": layers.os_release(PRETTY_NAME="Debian 12"),
        "var/lib/dpkg/status": layers.dpkg(("libssl3", "3.0.1-1", "openssl"), ("bash", "5.2"))}  # fmt: skip
MODULE = {"app/node_modules/lodash/package.json": '{"name": "lodash", "version": "4.17.10"}'}


def push(repository, tag, *files, instructions=()):
    """Push an image of layers with some files each; its document."""
    archives = [layers.tar(one) for one in files]
    packed = [layers.packed(archive) for archive in archives]
    config = json.dumps({
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": [*map(layers.diff_id, archives)]},
        "history": [{"created_by": "ENV A=1", "empty_layer": True}, *({"created_by": one} for one in instructions)],
    }).encode()  # fmt: skip
    for data in (config, *packed):
        repository.push_blob(data)
    described = [builders.descriptor(f"{layers.OCI_LAYER}+gzip", data) for data in packed]
    document = builders.document(
        builders.OCI_MANIFEST, config=builders.descriptor(builders.OCI_CONFIG, config), layers=described
    )
    repository.push_manifest(document, tag)
    return document


@pytest.fixture
def repository(product, name):
    return product.registry(name)


@pytest.fixture
def image(repository):
    """An image of two layers; its document."""
    return push(repository, "v1", BASE, MODULE)


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


def test_images_are_found_by_a_package(product, own, name, image):  # noqa: F811
    product.cli("image", "packages", f"{name}:v1")

    text = product.cli("image", "with", "lodash", "--below", "4.17.11").stdout
    found = own.list_images_with_package(packageName="lodash", versionBelow="4.17.11", includeCount=True)

    [held] = [one for one in found["images"] if one["repositoryName"] == name]
    assert (held["imageDigest"], held["imageTags"]) == (image.digest, ["v1"])
    assert held["packageVersions"] == [{"ecosystem": "npm", "name": "lodash", "version": "4.17.10"}]
    assert found["imageCount"] >= 1
    assert f"v1                        {image.digest}  npm lodash 4.17.10" in text
    assert own.list_images_with_vulnerability(vulnerabilityId="CVE-0000-0000")["images"] == []


def test_what_an_image_wastes_is_told_with_the_instruction_that_made_it(product, own, name):  # noqa: F811
    base = product.registry(f"{name}/base")
    app = product.registry(f"{name}/app")
    lists = {**BASE, "var/lib/apt/lists/a": b"x" * 200_000, "root/.npmrc": "_authToken=1"}
    base_document = push(base, "v1", lists, instructions=["RUN apt-get update"])
    removal = {"var/lib/apt/lists/.wh.a": "", "root/.wh..npmrc": "", "bell\x07": "x"}
    document = push(app, "v1", lists, removal, instructions=["RUN apt-get update", "RUN rm -rf /var/lib/apt/lists"])
    which = {"repositoryName": f"{name}/app", "imageId": {"imageTag": "v1"}}

    before = own.describe_image_efficiency(**which)
    product.cli("image", "packages", f"{name}/base:v1")
    text = product.cli("image", "advise", f"{name}/app:v1")
    told = json.loads(product.cli("image", "advise", f"{name}/app:v1", "--json").stdout)
    found = own.describe_image_efficiency(**which)

    assert (before["inventoryStatus"], "score" in before) == ("NOT_TAKEN", False)
    assert found["inventoryStatus"] == "COMPLETE"
    assert found["wastedBytes"] == 200_000 + len("_authToken=1")
    assert found["score"] == told["score"] == 1 - found["wastedBytes"] / found["storedBytes"]
    first, second = found["layers"]
    assert first["layerDigest"] == base_document.json()["layers"][0]["digest"]
    assert (first["createdBy"], first["imageCount"], first["wastedBytes"]) == (
        "RUN apt-get update",
        2,
        found["wastedBytes"],
    )
    assert (second["createdBy"], second["imageCount"]) == ("RUN rm -rf /var/lib/apt/lists", 1)
    assert found["sharedLayerBytes"] == first["layerSizeInBytes"]
    secret, waste = found["advice"][:2]
    assert (secret["kind"], secret["severity"], secret["paths"]) == ("SECRET_DELETED", "HIGH", ["root/.npmrc"])
    assert (waste["kind"], waste["sizeInBytes"], waste["hiddenByLayerDigest"]) == (
        "DELETED_LATER",
        200_000,
        document.json()["layers"][1]["digest"],
    )
    assert found["baseImage"]["imageDigest"] == base_document.digest
    assert (found["baseImage"]["repositoryName"], found["baseImage"]["imageTags"]) == (f"{name}/base", ["v1"])
    assert "! secrets that a later layer deletes in layer 1, hidden by layer 2" in text.stdout
    assert f"Its first layer is that of {name}/base:v1." in text.stdout
    assert "\x07" not in text.stdout


def test_an_image_without_an_inventory_says_why(product, own, name):  # noqa: F811
    document = product.registry(name).push_image("v1")

    asked = own.start_image_inventory(repositoryName=name, imageId={"imageTag": "v1"}, again=True)
    told = product.cli("image", "packages", f"{name}:v1")

    assert (asked["imageDigest"], asked["inventoryStatus"]) == (document.digest, "PENDING")
    assert told.returncode == 1
    assert "has no inventory (failed): The configuration tells of 0 layers" in told.stdout
    assert product.cli("image", "packages", name).returncode == 2


def test_an_sbom_is_downloaded_attached_and_imported(product, own, name, repository, image, tmp_path):  # noqa: F811
    which = {"repositoryName": name, "imageId": {"imageTag": "v1"}}
    told = product.cli("image", "sbom", f"{name}:v1", "--format", "spdx")
    product.cli("image", "sbom", f"{name}:v1", "--attach")

    document = own.get_image_sbom(**which, format="spdx")["document"]
    attached = own.attach_image_sbom(**which)
    listed = repository("GET", f"/referrers/{image.digest}").json()["manifests"]
    (tmp_path / "more.json").write_text('{"artifacts": [{"purl": "pkg:pypi/django@3.2"}]}')
    added = product.cli("image", "import-sbom", f"{name}:v1", str(tmp_path / "more.json"))
    imported = own.import_image_sbom(**which, sbomDigest=attached["sbomDigest"], mode="REPLACE")
    withdrawn = own.withdraw_image_sbom(**which)

    assert (told.returncode, told.stdout.strip()) == (0, document)
    assert [one["digest"] for one in listed] == [attached["sbomDigest"]]
    assert listed[0]["artifactType"] == "application/vnd.cyclonedx+json"
    assert added.stdout.endswith("4 packages in the image.\n"), added
    assert (imported["packageCount"], withdrawn["inventoryStatus"]) == (3, "PENDING")
