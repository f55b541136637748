"""Storage classes, referrers and times of pulls through the front door."""

import time
from datetime import UTC, datetime

import pytest

from tests import builders
from tests.callers import refusal

ABSENT = "sha256:" + "0" * 64
PATIENCE_SECONDS = 60


def until(condition, what):
    """Ask again and again until it is so; what was answered then."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if found := condition():
            return found
    raise AssertionError(f"after {PATIENCE_SECONDS} s still not: {what}")


def archive(ecr, name, tag="v1", target="ARCHIVE"):
    return ecr.update_image_storage_class(repositoryName=name, imageId={"imageTag": tag}, targetStorageClass=target)


def tagged(product, name, tag="v1", **members):
    """A repository with one tagged image."""
    repository = product.registry(name)
    manifest = repository.push_image(seed=name, **members)
    assert repository.push_manifest(manifest, tag).status == 201
    return repository, manifest


def detail(ecr, name, digest):
    [found] = ecr.describe_images(repositoryName=name, imageIds=[{"imageDigest": digest}])["imageDetails"]
    return found


# ---- The archive


def test_an_image_goes_into_the_archive(product, name):
    ecr, (_, image) = product.ecr(), tagged(product, name)
    before = datetime.now(UTC)

    answer = archive(ecr, name)

    assert answer["imageStatus"] == "ARCHIVED"
    assert answer["imageId"] == {"imageDigest": image.digest, "imageTag": "v1"}
    assert (answer["registryId"], answer["repositoryName"]) == ("000000000000", name)
    found = detail(ecr, name, image.digest)
    assert found["imageStatus"] == "ARCHIVED"
    assert abs((found["lastArchivedAt"] - before).total_seconds()) < 60
    assert found["imageTags"] == ["v1"]


def test_an_archived_image_is_listed_only_for_who_asks_for_it(product, name):
    ecr, (repository, image) = product.ecr(), tagged(product, name)
    archive(ecr, name)

    def listed(**filter_):
        images = ecr.list_images(repositoryName=name, **filter_)["imageIds"]
        details = ecr.describe_images(repositoryName=name, **filter_)["imageDetails"]
        assert {one["imageDigest"] for one in images} == {one["imageDigest"] for one in details}
        return [one["imageDigest"] for one in details]

    assert listed() == []
    assert listed(filter={"imageStatus": "ACTIVE"}) == []
    assert listed(filter={"imageStatus": "ARCHIVED"}) == [image.digest]
    assert listed(filter={"imageStatus": "ANY"}) == [image.digest]
    assert listed(filter={"imageStatus": "ANY", "tagStatus": "UNTAGGED"}) == []
    assert repository("GET", "/tags/list").json()["tags"] == []


@pytest.mark.parametrize("reference", ["tag", "digest"])
def test_an_archived_image_cannot_be_pulled(product, name, reference):
    ecr, (repository, image) = product.ecr(), tagged(product, name)
    archive(ecr, name)
    asked = {"tag": "v1", "digest": image.digest}[reference]

    answer = repository("GET", f"/manifests/{asked}")
    batch = ecr.batch_get_image(repositoryName=name, imageIds=[{f"image{reference.capitalize()}": asked}])

    assert (answer.status, answer.code) == (404, "MANIFEST_UNKNOWN")
    assert batch["images"] == []
    assert batch["failures"][0]["failureCode"] == "ImageInaccessible"


def test_layers_of_archived_images_only_are_archived(product, name):
    ecr, (repository, image) = product.ecr(), tagged(product, name)
    layer = image.json()["layers"][0]["digest"]
    ecr.get_download_url_for_layer(repositoryName=name, layerDigest=layer)

    archive(ecr, name)
    archived = ecr.batch_check_layer_availability(repositoryName=name, layerDigests=[layer])["layers"][0]
    code, _ = refusal(ecr.get_download_url_for_layer, repositoryName=name, layerDigest=layer)
    repository.push_manifest(image, "v1")
    back = ecr.batch_check_layer_availability(repositoryName=name, layerDigests=[layer])["layers"][0]

    assert (archived["layerAvailability"], back["layerAvailability"]) == ("ARCHIVED", "AVAILABLE")
    assert code == "LayerInaccessibleException"


def test_a_restored_image_is_back_after_a_while(product, name):
    ecr, (repository, image) = product.ecr(), tagged(product, name)
    archive(ecr, name)

    answer = archive(ecr, name, target="STANDARD")
    until(lambda: detail(ecr, name, image.digest)["imageStatus"] == "ACTIVE", "the image is active")

    assert answer["imageStatus"] == "ACTIVATING"
    assert "lastActivatedAt" in detail(ecr, name, image.digest)
    assert repository("GET", "/manifests/v1").body == image.body
    assert repository("GET", "/tags/list").json()["tags"] == ["v1"]


@pytest.mark.parametrize("way", ["docker", "api"])
def test_pushing_an_archived_image_again_restores_it(product, name, way):
    ecr, (repository, image) = product.ecr(), tagged(product, name)
    archive(ecr, name)

    if way == "docker":
        assert repository.push_manifest(image, "v1").status == 201
    else:
        ecr.put_image(repositoryName=name, imageManifest=image.body.decode(), imageTag="v1")

    assert detail(ecr, name, image.digest)["imageStatus"] == "ACTIVE"
    assert repository("GET", "/manifests/v1").status == 200


def test_an_archived_image_can_be_deleted(product, name):
    ecr, _ = product.ecr(), tagged(product, name)
    archive(ecr, name)

    assert refusal(ecr.delete_repository, repositoryName=name)[0] == "RepositoryNotEmptyException"
    deleted = ecr.batch_delete_image(repositoryName=name, imageIds=[{"imageTag": "v1"}])

    assert len(deleted["imageIds"]) == 1
    assert ecr.list_images(repositoryName=name, filter={"imageStatus": "ANY"})["imageIds"] == []


def test_the_storage_class_of_an_absent_image_cannot_be_changed(product, name):
    ecr = product.ecr()

    assert refusal(archive, ecr=ecr, name=name)[0] == "RepositoryNotFoundException"
    ecr.create_repository(repositoryName=name)
    code, message = refusal(archive, ecr=ecr, name=name)

    assert code == "ImageNotFoundException"
    assert "imageTag:'v1'" in message


def test_a_member_of_a_list_cannot_be_archived(product, name):
    ecr, (repository, image) = product.ecr(), tagged(product, name)
    repository.push_manifest(builders.an_index(image), "list")

    code, message = refusal(archive, ecr=ecr, name=name)

    assert code == "ImageStorageClassUpdateNotSupportedException"
    assert image.digest in message
    assert detail(ecr, name, image.digest)["imageStatus"] == "ACTIVE"


@pytest.mark.parametrize(
    "members",
    [
        {"imageId": {}, "targetStorageClass": "ARCHIVE"},
        {"imageId": {"imageTag": "v1"}, "targetStorageClass": "GLACIER"},
        {"imageId": {"imageTag": "v1"}},
        {"targetStorageClass": "ARCHIVE"},
    ],
)
def test_a_storage_class_cannot_be_asked_for_so(product, name, members):
    product.ecr().create_repository(repositoryName=name)

    answer = product.aws()("UpdateImageStorageClass", {"repositoryName": name, **members})

    assert answer.status == 400
    assert answer.json()["__type"] in {"InvalidParameterException", "ValidationException"}


# ---- Referrers


def with_referrers(product, name, kinds):
    """A subject with referrers of these artifact types."""
    repository, subject = tagged(product, name)
    made = []
    for number, kind in enumerate(kinds):
        document = builders.an_image(
            repository.push_blob, seed=f"{name} {number}", subject=subject.descriptor, artifactType=kind,
            annotations={"number": str(number)},
        )  # fmt: skip
        assert repository.push_manifest(document).status == 201
        made.append(document)
    return repository, subject, made


def listed(ecr, name, subject, **members):
    return ecr.list_image_referrers(repositoryName=name, subjectId={"imageDigest": subject}, **members)


def test_referrers_are_listed_with_what_they_say(product, name):
    ecr, (_, subject, [one]) = product.ecr(), with_referrers(product, name, ["application/x-sbom"])

    [found] = listed(ecr, name, subject.digest)["referrers"]

    assert found == {
        "digest": one.digest,
        "mediaType": one.media_type,
        "artifactType": "application/x-sbom",
        "size": len(one.body),
        "annotations": {"number": "0"},
        "artifactStatus": "ACTIVE",
    }


def test_referrers_are_paged(product, name):
    ecr, (_, subject, made) = product.ecr(), with_referrers(product, name, ["application/x-sbom"] * 5)
    pages, token = [], {}

    while not pages or token:
        answer = listed(ecr, name, subject.digest, maxResults=2, **token)
        pages.append([one["digest"] for one in answer["referrers"]])
        token = {"nextToken": answer["nextToken"]} if "nextToken" in answer else {}

    assert pages == [[one.digest for one in made[start : start + 2]] for start in (0, 2, 4)]


@pytest.mark.parametrize("status", [{}, {"artifactStatus": "ACTIVE"}, {"artifactStatus": "ANY"}])
def test_referrers_are_chosen_by_their_types(product, name, status):
    kinds = ["application/x-sbom", "application/x-signature", "application/x-sbom", "application/x-other"]
    ecr, (_, subject, made) = product.ecr(), with_referrers(product, name, kinds)
    wanted = {"artifactTypes": ["application/x-signature", "application/x-other"], **status}

    chosen = listed(ecr, name, subject.digest, filter=wanted)

    assert [one["digest"] for one in chosen["referrers"]] == [made[1].digest, made[3].digest]


def test_referrers_are_chosen_by_their_status(product, name):
    ecr, (repository, subject, _) = product.ecr(), with_referrers(product, name, ["application/x-sbom"])
    archive(ecr, name)

    until(
        lambda: listed(ecr, name, subject.digest, filter={"artifactStatus": "ARCHIVED"})["referrers"],
        "the referrer is archived",
    )

    assert listed(ecr, name, subject.digest)["referrers"] == []
    [found] = listed(ecr, name, subject.digest, filter={"artifactStatus": "ANY"})["referrers"]
    assert found["artifactStatus"] == "ARCHIVED"
    assert repository("GET", f"/referrers/{subject.digest}").json()["manifests"] == []


def test_an_absent_subject_has_no_referrers(product, name):
    ecr = product.ecr()

    assert refusal(listed, ecr=ecr, name=name, subject=ABSENT)[0] == "RepositoryNotFoundException"
    ecr.create_repository(repositoryName=name)

    assert listed(ecr, name, ABSENT)["referrers"] == []


@pytest.mark.parametrize(
    "members",
    [
        {"subjectId": {"imageDigest": "nonsense"}},
        {"subjectId": {}},
        {"subjectId": {"imageDigest": ABSENT}, "maxResults": 51},
        {"subjectId": {"imageDigest": ABSENT}, "nextToken": "nonsense"},
        {"subjectId": {"imageDigest": ABSENT}, "filter": {"artifactTypes": ["a"] * 6}},
        {"subjectId": {"imageDigest": ABSENT}, "filter": {"artifactStatus": "GONE"}},
    ],
)
def test_referrers_cannot_be_asked_for_so(product, name, members):
    product.ecr().create_repository(repositoryName=name)

    answer = product.aws()("ListImageReferrers", {"repositoryName": name, **members})

    assert answer.status == 400
    assert answer.json()["__type"] in {"InvalidParameterException", "ValidationException"}


# ---- Pulls


@pytest.mark.parametrize("way", ["docker", "api"])
def test_a_pull_is_recorded(product, name, way):
    ecr, (repository, image) = product.ecr(), tagged(product, name)
    before = datetime.now(UTC)
    assert "lastRecordedPullTime" not in detail(ecr, name, image.digest)

    if way == "docker":
        repository("GET", "/manifests/v1")
    else:
        ecr.batch_get_image(repositoryName=name, imageIds=[{"imageTag": "v1"}])

    at = until(lambda: detail(ecr, name, image.digest).get("lastRecordedPullTime"), "the pull is recorded")
    assert abs((at - before).total_seconds()) < PATIENCE_SECONDS


def test_an_image_that_is_only_looked_at_was_not_pulled(product, name):
    ecr, (repository, image) = product.ecr(), tagged(product, name)
    other = repository.push_image(seed="pulled after the others were looked at")
    repository.push_manifest(other, "v2")

    repository("HEAD", "/manifests/v1")
    ecr.list_images(repositoryName=name)
    ecr.describe_images(repositoryName=name)
    repository("GET", "/manifests/v2")
    until(lambda: detail(ecr, name, other.digest).get("lastRecordedPullTime"), "the pull of the other is recorded")

    assert "lastRecordedPullTime" not in detail(ecr, name, image.digest)
