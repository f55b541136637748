"""Scans are asked for where they are wanted, done once in a while, and never pretended. The clock is the test's."""

from __future__ import annotations

from dataclasses import replace

import pytest

from holdfast import registry, store
from holdfast.aws import ecr
from holdfast.aws.operations import Call
from holdfast.model.callers import Caller
from holdfast.model.errors import ImageArchived, LimitExceeded, ScanNotFound, UnsupportedImageType, Validation
from holdfast.model.image_findings import FIRST
from holdfast.model.images import ImageId
from holdfast.model.names import RepositoryRef
from holdfast.model.scanning import Configuration, Frequency, Rule, ScanType, Status
from tests import builders
from tests.registry import ground
from tests.registry.ground import AT, HOME, create, push, push_blob, put, told

SCANNED = RepositoryRef(HOME, "scanned/on-push")


@pytest.fixture
def scanned(on):
    """A repository whose images are scanned when they come."""
    create(on, SCANNED, scan_on_push=True)
    return SCANNED


@pytest.fixture
def engine(monkeypatch):
    """A scan engine; the digests that it looked at."""
    looked_at = []

    def look(_on, _job, _repository, image, asked):
        looked_at.append(image.digest)
        return seen(asked), None

    monkeypatch.setattr(registry.image_scans, "_look", look)
    return looked_at


def seen(asked):
    """A scan that looked and found nothing."""
    status = Status.COMPLETE if asked.type is ScanType.BASIC else Status.ACTIVE
    return replace(asked, status=status, description="The scan was completed successfully.", counts={})


def work_off(on):
    """Do what is due, scans too."""
    ground.work_off(on)
    ground.work_off_patiently(on)


def limited(on, **limits):
    return replace(on, limits=replace(on.limits, **limits))


def scan_of(on, at, document):
    """The status of an image's scan, or None."""
    try:
        return registry.scanning.report(on, at, ImageId(document.digest), FIRST, 100).scan.status
    except ScanNotFound:
        return None


def start(on, at, document):
    return registry.scanning.start(on, at, ImageId(document.digest))


def configure(on, *frequencies, scan_type="BASIC", pattern="*"):
    rules = tuple(Rule(Frequency(frequency), (pattern,)) for frequency in frequencies)
    registry.scanning.configure(on, HOME, Configuration(ScanType(scan_type), rules))


def set_storage_class(on, at, document, target):
    registry.archive.set_storage_class(on, at, ImageId(document.digest), target)
    work_off(on)


def waiting(on):
    return [item.kind for item in registry.work.page(on) if item.kind == "ScanImage"]


# ---- When images come


def test_an_image_of_a_repository_that_scans_on_push_waits_for_its_scan(on, scanned):
    image = push(on, scanned, "a", "v1")

    assert scan_of(on, scanned, image) == "PENDING"
    assert waiting(on) == ["ScanImage"]


def test_an_image_of_any_other_repository_is_not_scanned(on):
    image = push(on, AT, "a", "v1")

    assert scan_of(on, AT, image) is None
    assert waiting(on) == []


def test_another_tag_is_no_other_scan(on, scanned, engine):
    image = push(on, scanned, "a", "v1")
    work_off(on)

    put(on, scanned, image, "v2")
    work_off(on)

    assert engine == [image.digest]


def test_rules_of_the_registry_say_more_than_the_repository(on, scanned):
    configure(on, "SCAN_ON_PUSH", pattern="some/*")

    assert scan_of(on, AT, push(on, AT, "a")) == "PENDING"
    assert scan_of(on, scanned, push(on, scanned, "b")) is None


def test_what_cannot_be_scanned_says_so(on, scanned):
    image = push(on, scanned, "a")
    push_blob(on, scanned, b"{}")
    config = builders.descriptor(builders.EMPTY_CONFIG, b"{}")
    artifact = builders.document(builders.OCI_MANIFEST, artifactType="application/x-some", config=config, layers=[])
    index = builders.an_index(image)
    for document in (artifact, index):
        put(on, scanned, document)

    found = {scan_of(on, scanned, document) for document in (artifact, index)}

    assert found == {"UNSUPPORTED_IMAGE"}
    assert waiting(on) == ["ScanImage"]


def test_a_push_beyond_the_daily_quota_is_kept_but_not_scanned(on, clock, scanned):
    on = limited(on, scans_per_day=1)
    push(on, scanned, "a")

    second = scan_of(on, scanned, push(on, scanned, "b"))
    clock.pass_(hours=25)
    third = scan_of(on, scanned, push(on, scanned, "c"))

    assert second == "LIMIT_EXCEEDED"
    assert third == "PENDING"


def test_a_push_where_nothing_is_configured_costs_a_read_for_each_engine(on, monkeypatch):
    image = push(on, AT, "a")
    with on.database.transaction() as tx:
        repository = store.repositories.get(tx, AT)
        found = store.images.find(tx, repository, digest=image.digest)
        statements, worded = [], type(tx)._worded
        monkeypatch.setattr(type(tx), "_worded", lambda tx, one: statements.append(one) or worded(tx, one))

        for noun in (registry.scanning, registry.replication, registry.signing):
            noun.pushed(on, tx, repository, found, on.clock())

    assert len(statements) == 3


# ---- Scans


def test_a_scan_that_could_not_look_at_the_image_fails_and_says_why(on, clock, scanned):
    image = push(on, scanned, "a", "v1", "v2")
    clock.pass_(minutes=1)

    work_off(on)

    scan = registry.scanning.report(on, scanned, ImageId(tag="v1"), FIRST, 100).scan
    assert (scan.status, scan.completed_at, scan.has_findings) == (Status.FAILED, clock(), False)
    assert scan.description == (
        "The image was not scanned: The configuration tells of 0 layers, and the manifest of 1."
    )
    assert told(on, "ECR Image Scan") == [
        {
            "scan-status": "FAILED",
            "repository-name": scanned.name,
            "finding-severity-counts": {},
            "image-digest": image.digest,
            "image-tags": ["v1", "v2"],
        }
    ]
    assert registry.events.page(on)[-1].event.resources == (scanned.arn,)
    assert waiting(on) == []


def test_an_engine_completes_a_scan(on, scanned, engine):
    image = push(on, scanned, "a", "v1")

    work_off(on)

    scan = registry.scanning.report(on, scanned, ImageId(image.digest), FIRST, 100).scan
    assert (scan.status, scan.description) == ("COMPLETE", "The scan was completed successfully.")
    assert scan.has_findings
    assert [event["scan-status"] for event in told(on, "ECR Image Scan")] == ["COMPLETE"]


def test_enhanced_scans_stay_active(on, engine):
    configure(on, "SCAN_ON_PUSH", scan_type="ENHANCED")
    image = push(on, AT, "a", "v1")

    work_off(on)

    assert scan_of(on, AT, image) == "ACTIVE"


@pytest.mark.parametrize(
    ("scan_type", "status", "key"), [("BASIC", "COMPLETE", "findings"), ("ENHANCED", "ACTIVE", "enhancedFindings")]
)
def test_a_scan_that_looked_at_an_image_shows_what_it_found(on, clock, engine, scan_type, status, key):
    configure(on, "SCAN_ON_PUSH", scan_type=scan_type)
    image = push(on, AT, "a", "v1")
    work_off(on)
    call = Call(on, None, None, Caller(HOME.account_id, "some key"), HOME.region)
    at = {"repositoryName": AT.name}

    findings = ecr.scanning.describe_image_scan_findings(call, at | {"imageId": {"imageTag": "v1"}})
    [detail] = ecr.images.describe_images(call, at)["imageDetails"]

    text = {"status": status, "description": "The scan was completed successfully."}
    summary = {"imageScanCompletedAt": clock(), "vulnerabilitySourceUpdatedAt": None, "findingSeverityCounts": {}}
    assert findings == {
        "registryId": HOME.account_id,
        **at,
        "imageId": {"imageDigest": image.digest, "imageTag": "v1"},
        "imageScanStatus": text,
        "imageScanFindings": {**summary, key: []},
    }
    assert (detail["imageScanStatus"], detail["imageScanFindingsSummary"]) == (text, summary)


def test_a_scan_is_in_progress_while_the_engine_looks(on, scanned, monkeypatch):
    image = push(on, scanned, "a")
    during = []

    def look(on, _job, _repository, _image, asked):
        during.append(scan_of(on, scanned, image))
        return seen(asked), None

    monkeypatch.setattr(registry.image_scans, "_look", look)

    work_off(on)

    assert during == ["IN_PROGRESS"]


def test_a_scan_of_an_image_that_was_deleted_comes_to_nothing(on, scanned, engine):
    image = push(on, scanned, "a", "v1")
    registry.images.delete(on, scanned, [ImageId(image.digest)])

    work_off(on)

    assert engine == []
    assert told(on, "ECR Image Scan") == []
    assert waiting(on) == []


def test_an_image_that_is_deleted_while_it_is_scanned_is_not_told(on, scanned, monkeypatch):
    image = push(on, scanned, "a", "v1")

    def look(on, _job, _repository, _image, asked):
        registry.images.delete(on, scanned, [ImageId(image.digest)])
        return seen(asked), None

    monkeypatch.setattr(registry.image_scans, "_look", look)

    work_off(on)

    assert told(on, "ECR Image Scan") == []
    assert waiting(on) == []


# ---- Scans that somebody asks for


def test_an_image_is_scanned_once_in_24_hours(on, clock, engine):
    image = push(on, AT, "a", "v1")
    start(on, AT, image)
    with pytest.raises(LimitExceeded, match=r"The scan quota per image has been exceeded\. Wait and try again\."):
        start(on, AT, image)
    work_off(on)
    clock.pass_(hours=23)
    with pytest.raises(LimitExceeded):
        start(on, AT, image)

    clock.pass_(hours=1)
    start(on, AT, image)
    work_off(on)

    assert engine == [image.digest] * 2


def test_a_scan_on_push_counts(on, scanned):
    image = push(on, scanned, "a", "v1")

    with pytest.raises(LimitExceeded):
        start(on, scanned, image)


def test_a_registry_has_only_so_many_scans_a_day(on, clock):
    on = limited(on, scans_per_day=2)
    images = [push(on, AT, seed) for seed in "abc"]
    for image in images[:2]:
        start(on, AT, image)

    with pytest.raises(LimitExceeded, match="more than 2 images scanned in 24 hours"):
        start(on, AT, images[2])
    missing = scan_of(on, AT, images[2])
    clock.pass_(hours=24)
    start(on, AT, images[2])

    assert missing is None


def test_an_image_that_could_not_be_scanned_for_the_quota_can_be_scanned_later(on, clock, scanned):
    tight = limited(on, scans_per_day=1)
    push(tight, scanned, "a")
    image = push(tight, scanned, "b")

    start(on, scanned, image)

    assert scan_of(on, scanned, image) == "PENDING"


def test_lists_and_artifacts_cannot_be_scanned(on):
    index = builders.an_index(push(on, AT, "a"))
    put(on, AT, index)

    with pytest.raises(UnsupportedImageType):
        start(on, AT, index)


def test_enhanced_scans_are_not_asked_for(on):
    image = push(on, AT, "a")
    configure(on, scan_type="ENHANCED")

    with pytest.raises(Validation, match="not supported when enhanced scanning"):
        start(on, AT, image)


# ---- The archive


def test_an_archived_image_is_not_scanned(on, engine):
    image = push(on, AT, "a", "v1")
    set_storage_class(on, AT, image, "ARCHIVE")

    with pytest.raises(ImageArchived):
        start(on, AT, image)


def test_an_image_that_is_archived_before_its_scan_is_not_scanned(on, scanned, engine):
    image = push(on, scanned, "a", "v1")

    set_storage_class(on, scanned, image, "ARCHIVE")

    assert scan_of(on, scanned, image) == "IMAGE_ARCHIVED"
    assert engine == []
    assert told(on, "ECR Image Scan") == []


def test_a_restored_image_is_scanned_again(on, clock, scanned, engine):
    image = push(on, scanned, "a", "v1")
    work_off(on)
    set_storage_class(on, scanned, image, "ARCHIVE")
    clock.pass_(days=2)

    set_storage_class(on, scanned, image, "STANDARD")

    assert scan_of(on, scanned, image) == "COMPLETE"
    assert engine == [image.digest] * 2


def test_a_restored_image_whose_scan_was_put_off_is_scanned(on, scanned, engine):
    image = push(on, scanned, "a", "v1")
    set_storage_class(on, scanned, image, "ARCHIVE")

    set_storage_class(on, scanned, image, "STANDARD")

    assert engine == [image.digest]


def test_what_was_found_before_an_image_was_archived_is_gone(on, clock, engine):
    image = push(on, AT, "a", "v1")
    start(on, AT, image)
    work_off(on)
    set_storage_class(on, AT, image, "ARCHIVE")
    clock.pass_(days=2)

    set_storage_class(on, AT, image, "STANDARD")

    assert scan_of(on, AT, image) is None
