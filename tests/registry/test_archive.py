"""Into the archive and back, and what goes with an image. The clock is the test's."""

from __future__ import annotations

import pytest

from holdfast import registry
from holdfast.model.errors import ImageNotFound, ImageStorageClassUpdateNotSupported, ReferencedImagesNotFound
from holdfast.model.images import ImageId
from tests import builders
from tests.registry.ground import AT, described, push, put, told, work_off


def archive(on, document):
    return registry.archive.set_storage_class(on, AT, ImageId(document.digest), "ARCHIVE")


def restore(on, document):
    return registry.archive.set_storage_class(on, AT, ImageId(document.digest), "STANDARD")


def a_referrer(on, subject, seed="signature"):
    return push(on, AT, seed, subject=subject.descriptor, artifactType="application/x-signature")


def statuses(on):
    return {digest: image.status for digest, image in described(on).items()}


def test_an_archived_image_is_stamped_and_told(on, clock):
    image = push(on, AT, "a", "v1", "v2")
    clock.pass_(days=1)

    archived = archive(on, image)

    assert archived.status == "ARCHIVED"
    assert described(on)[image.digest].archived_at == clock()
    assert [
        (event["image-tag"], event["target-storage-class"], event["manifest-media-type"])
        for event in told(on, "ECR Image Action")
        if event["action-type"] == "UPDATE_STORAGE_CLASS"
    ] == [("v1", "ARCHIVE", image.media_type), ("v2", "ARCHIVE", image.media_type)]


def test_a_restored_image_is_activating_until_the_work_is_done(on, clock):
    image = push(on, AT, "a", "v1")
    archive(on, image)
    clock.pass_(days=1)

    assert restore(on, image).status == "ACTIVATING"
    assert statuses(on) == {image.digest: "ACTIVATING"}
    work_off(on)

    [now] = described(on).values()
    assert (now.status, now.activated_at) == ("ACTIVE", clock())
    restored = told(on, "ECR Image Action")[-1]
    assert restored["target-storage-class"] == "STANDARD"
    assert restored["last-activated-at"] == "2030-01-02T00:00:00Z"


def test_changing_to_the_class_it_has_changes_nothing(on):
    image = push(on, AT, "a", "v1")
    before = len(told(on))

    assert restore(on, image).status == "ACTIVE"
    archive(on, image)
    assert archive(on, image).status == "ARCHIVED"

    assert len(told(on)) == before + 1


def test_an_image_that_is_being_restored_cannot_be_archived(on):
    image = push(on, AT, "a", "v1")
    archive(on, image)
    restore(on, image)

    with pytest.raises(ImageStorageClassUpdateNotSupported):
        archive(on, image)


def test_a_member_of_a_list_cannot_be_archived(on):
    member = push(on, AT, "a")
    put(on, AT, builders.an_index(member), "v1")

    with pytest.raises(ImageStorageClassUpdateNotSupported):
        archive(on, member)


def test_a_referrer_cannot_be_archived_without_its_subject(on):
    referrer = a_referrer(on, push(on, AT, "a", "v1"))

    with pytest.raises(ImageStorageClassUpdateNotSupported):
        archive(on, referrer)


def test_an_image_that_is_not_there_cannot_be_archived(on):
    with pytest.raises(ImageNotFound):
        registry.archive.set_storage_class(on, AT, ImageId(tag="none"), "ARCHIVE")


def test_pushing_an_archived_image_again_restores_it_at_once(on, clock):
    image = push(on, AT, "a", "v1")
    archive(on, image)
    clock.pass_(days=1)

    again = put(on, AT, image, "v1")

    [now] = described(on, status="ACTIVE").values()
    assert again.is_new
    assert (now.status, now.activated_at, now.tags) == ("ACTIVE", clock(), ("v1",))
    storage, pushed = told(on)[-2:]
    assert (storage["action-type"], storage["target-storage-class"]) == ("UPDATE_STORAGE_CLASS", "STANDARD")
    assert (pushed["action-type"], pushed["image-tag"]) == ("PUSH", "v1")


def test_a_restoration_of_an_image_that_was_deleted_meanwhile_comes_to_nothing(on):
    image = push(on, AT, "a", "v1")
    archive(on, image)
    restore(on, image)
    registry.images.delete(on, AT, [ImageId(image.digest)])

    work_off(on)

    assert described(on) == {}
    assert registry.work.page(on)[-1].kind != "ActivateImage"


def test_a_restoration_whose_work_is_gone_can_be_asked_for_again(on):
    image = push(on, AT, "a", "v1")
    archive(on, image)
    restore(on, image)
    [item] = [item for item in registry.work.page(on) if item.kind == "ActivateImage"]
    registry.work.cancel(on, item.id)
    work_off(on)
    stuck = statuses(on)

    restore(on, image)
    work_off(on)

    assert stuck == {image.digest: "ACTIVATING"}
    assert statuses(on) == {image.digest: "ACTIVE"}


def test_a_list_cannot_be_pushed_over_an_archived_member(on):
    member = push(on, AT, "a", "v1")
    archive(on, member)

    with pytest.raises(ReferencedImagesNotFound):
        put(on, AT, builders.an_index(member), "list")
    put(on, AT, member)
    put(on, AT, builders.an_index(member), "list")

    assert statuses(on)[member.digest] == "ACTIVE"


# ---- Referrers


def test_referrers_follow_their_subject_into_the_archive_and_back(on):
    subject = push(on, AT, "a", "v1")
    referrer = a_referrer(on, subject)
    of_referrer = a_referrer(on, referrer, "of the signature")

    archive(on, subject)
    work_off(on)
    archived = statuses(on)
    restore(on, subject)
    work_off(on)

    assert archived == dict.fromkeys((subject.digest, referrer.digest, of_referrer.digest), "ARCHIVED")
    assert statuses(on) == dict.fromkeys((subject.digest, referrer.digest, of_referrer.digest), "ACTIVE")
    assert {event["action-type"] for event in told(on, "ECR Referrer Action")} == {"PUSH", "UPDATE_STORAGE_CLASS"}


def test_referrers_go_after_their_subject_but_not_at_once(on, clock):
    subject = push(on, AT, "a", "v1")
    referrer = a_referrer(on, subject)
    a_referrer(on, referrer, "of the signature")
    registry.images.delete(on, AT, [ImageId(subject.digest)])

    clock.pass_(minutes=59)
    work_off(on)
    soon = len(described(on))
    clock.pass_(minutes=2)
    work_off(on)
    later = set(described(on))
    clock.pass_(minutes=61)
    work_off(on)

    assert soon == 2
    assert referrer.digest not in later
    assert described(on) == {}
    deleted = [event for event in told(on, "ECR Referrer Action") if event["action-type"] == "DELETE"]
    assert len(deleted) == 2


def test_referrers_stay_if_their_subject_came_back(on, clock):
    subject = push(on, AT, "a", "v1")
    referrer = a_referrer(on, subject)
    registry.images.delete(on, AT, [ImageId(subject.digest)])

    put(on, AT, subject, "v1")
    clock.pass_(hours=2)
    work_off(on)

    assert referrer.digest in described(on)


def test_a_referrer_that_a_list_names_stays(on, clock):
    subject = push(on, AT, "a", "v1")
    referrer = a_referrer(on, subject)
    put(on, AT, builders.an_index(referrer), "list")
    registry.images.delete(on, AT, [ImageId(subject.digest)])

    clock.pass_(hours=2)
    work_off(on)

    assert referrer.digest in described(on)


def test_more_referrers_than_one_step_removes_all_go(on, clock):
    subject = push(on, AT, "a", "v1")
    for number in range(registry.referrers.AT_ONCE + 7):
        a_referrer(on, subject, f"signature {number}")
    registry.images.delete(on, AT, [ImageId(subject.digest)])

    clock.pass_(hours=2)
    work_off(on)

    assert described(on) == {}


def test_following_a_subject_of_a_repository_that_is_gone_comes_to_nothing(on, clock):
    subject = push(on, AT, "a", "v1")
    a_referrer(on, subject)
    registry.images.delete(on, AT, [ImageId(subject.digest)])
    registry.repositories.delete(on, AT, force=True)

    for _ in range(2):  # it waits for as long as the repository may be restored
        clock.pass_(days=8)
        work_off(on)

    assert [item for item in registry.work.page(on) if item.kind == "FollowSubject"] == []


def test_a_referrer_that_a_list_names_is_not_archived_with_its_subject(on):
    subject = push(on, AT, "a", "v1")
    referrer = a_referrer(on, subject)
    put(on, AT, builders.an_index(referrer), "list")

    archive(on, subject)
    work_off(on)

    assert statuses(on)[referrer.digest] == "ACTIVE"


def test_referrers_have_their_hour_after_each_deletion_of_their_subject(on, clock):
    subject = push(on, AT, "a", "v1")
    referrer = a_referrer(on, subject)
    registry.images.delete(on, AT, [ImageId(subject.digest)])
    clock.pass_(minutes=30)
    put(on, AT, subject, "v1")
    clock.pass_(minutes=29)
    registry.images.delete(on, AT, [ImageId(subject.digest)])

    clock.pass_(minutes=2)
    work_off(on)
    still = set(described(on))
    clock.pass_(minutes=60)
    work_off(on)

    assert still == {referrer.digest}
    assert described(on) == {}


def test_a_referrer_that_came_before_its_subject_has_an_hour_of_its_own(on, clock):
    subject = push(on, AT, "a", "v1")
    a_referrer(on, subject)
    registry.images.delete(on, AT, [ImageId(subject.digest)])
    clock.pass_(minutes=59)
    fresh = a_referrer(on, subject, "fresh")

    clock.pass_(minutes=2)
    work_off(on)
    still = set(described(on))
    clock.pass_(minutes=60)
    work_off(on)

    assert still == {fresh.digest}
    assert described(on) == {}


def test_a_referrer_that_is_a_list_goes_with_its_members(on, clock):
    subject = push(on, AT, "a", "v1")
    member = a_referrer(on, subject)
    index = builders.an_index(member, subject=subject.descriptor)
    put(on, AT, index)
    registry.images.delete(on, AT, [ImageId(subject.digest)])

    clock.pass_(hours=2)
    work_off(on)

    assert described(on) == {}
