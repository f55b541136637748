"""What was deleted can be restored for a while, as it was; then it is gone. The clock is the test's."""

from __future__ import annotations

import pytest
from sqlalchemy import text

from holdfast import registry
from holdfast.model.errors import (
    DeletedImageNotFound,
    DeletedRepositoryNotFound,
    ImageDamaged,
    ImageNotFound,
    RepositoryAlreadyExists,
    RepositoryDeletionProtected,
    RepositoryNotFound,
)
from holdfast.model.images import ImageId
from holdfast.model.names import RepositoryRef
from tests import builders
from tests.registry.ground import AT, HOME, create, described, push, put, told, work_off, work_off_patiently

EXPIRING = (
    '{"rules":[{"rulePriority":1,"selection":{"tagStatus":"any","countType":"sinceImagePushed","countUnit":"days",'
    '"countNumber":3},"action":{"type":"expire"}}]}'
)
OTHER = RepositoryRef(HOME, "another/repository")


def pulled(on, reference, at=AT):
    """The digest that a pull gets."""
    return registry.images.find_stored(on, at, reference, by_tag=":" not in reference).digest


def rows(on, *tables):
    """How many rows some tables have together."""
    from sqlalchemy import text

    with on.database.migration() as tx:
        return sum(tx.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() for table in tables)


def an_index(on, *children, seed=0):
    """Push an index of some images."""
    document = builders.document(
        builders.OCI_INDEX,
        manifests=[builders.descriptor(child.media_type, child.body) for child in children],
        annotations={"seed": str(seed)},
    )
    put(on, AT, document)
    return document


# ---- Repositories


def test_a_deleted_repository_comes_back_as_it_was(on, clock):
    document = push(on, AT, 1, "latest")
    before = described(on)
    registry.repositories.delete(on, AT, force=True)
    with pytest.raises(RepositoryNotFound):
        pulled(on, "latest")

    clock.pass_(days=6)
    registry.undelete.restore_repository(on, AT)

    assert described(on) == before
    assert pulled(on, "latest") == document.digest


def test_a_deleted_repository_is_in_no_list_and_frees_its_name(on):
    push(on, AT, 1)
    registry.repositories.delete(on, AT, force=True)

    create(on, AT)

    assert described(on) == {}
    assert registry.repositories.names(on, HOME, "", 10) == ([AT.name], False)
    [deleted], more = registry.undelete.repositories(on, HOME, 0, 10)
    assert (deleted.ref, deleted.image_count, more) == (AT, 1, False)


def test_a_name_that_is_taken_is_not_taken_away(on):
    document = push(on, AT, 1, "old")
    registry.repositories.delete(on, AT, force=True)
    create(on, AT)

    with pytest.raises(RepositoryAlreadyExists):
        registry.undelete.restore_repository(on, AT)
    registry.undelete.restore_repository(on, AT, under=OTHER)

    assert pulled(on, "old", OTHER) == document.digest
    assert described(on) == {}


def test_an_older_one_of_several_deleted_ones_can_be_chosen(on):
    first = push(on, AT, 1, "it")
    registry.repositories.delete(on, AT, force=True)
    create(on, AT)
    push(on, AT, 2, "it")
    registry.repositories.delete(on, AT, force=True)
    oldest = registry.undelete.repositories(on, HOME, 0, 10)[0][0]

    registry.undelete.restore_repository(on, AT, repository_id=oldest.id)

    assert pulled(on, "it") == first.digest


def test_a_repository_is_purged_in_time_and_leaves_no_row(on, clock):
    push(on, AT, 1, "a")
    push(on, AT, 2, "a")
    registry.images.delete_tag(on, AT, "a")
    registry.uploads.begin(on, AT)
    registry.repositories.delete(on, AT, force=True)

    clock.pass_(days=7)
    with pytest.raises(DeletedRepositoryNotFound):
        registry.undelete.restore_repository(on, AT)
    work_off(on)

    assert rows(on, "repositories", "manifests", "manifest_references", "tags", "tag_history", "uploads",
                "repository_blobs", "deleted_repositories", "deleted_images") == 0  # fmt: skip


def test_a_purge_that_somebody_wants_takes_place_at_once(on):
    push(on, AT, 1)
    registry.repositories.delete(on, AT, force=True)

    registry.undelete.purge_repository(on, AT)
    with pytest.raises(DeletedRepositoryNotFound):
        registry.undelete.restore_repository(on, AT)
    work_off(on)

    assert rows(on, "repositories", "manifests") == 0


def test_the_work_of_a_deleted_repository_goes_on_when_it_is_restored(on, clock):
    push(on, AT, 1)
    registry.lifecycle.put(on, AT, EXPIRING)
    work_off(on)
    registry.repositories.delete(on, AT, force=True)
    clock.pass_(days=5)
    work_off(on)

    registry.undelete.restore_repository(on, AT)
    assert len(described(on)) == 1
    work_off(on)

    assert described(on) == {}


def test_a_protected_repository_is_not_deleted_by_force(on):
    registry.repositories.tag(on, AT, {"holdfast:delete-protection": "true"})
    with pytest.raises(RepositoryDeletionProtected):
        registry.repositories.delete(on, AT, force=True)

    registry.repositories.tag(on, AT, {"holdfast:delete-protection": "false"})

    registry.repositories.delete(on, AT, force=True)


# ---- Images


def test_a_deleted_image_comes_back_with_its_tags_and_times(on, clock):
    document = push(on, AT, 1, "latest", "v1")
    before = described(on)
    clock.pass_(hours=1)
    registry.images.delete(on, AT, [ImageId(document.digest)])
    with pytest.raises(ImageNotFound):
        pulled(on, document.digest)

    clock.pass_(days=6)
    registry.undelete.restore_image(on, AT, document.digest)

    assert described(on) == before
    assert pulled(on, "v1") == document.digest


def test_a_tag_that_moved_on_stays_where_it_is(on):
    old = push(on, AT, 1, "latest", "v1")
    registry.images.delete(on, AT, [ImageId(old.digest)])
    new = push(on, AT, 2, "latest")

    [image] = registry.undelete.restore_image(on, AT, old.digest)

    assert image.tags == ("v1",)
    assert pulled(on, "latest") == new.digest


def test_an_image_is_purged_in_time_and_leaves_no_row(on, clock):
    document = push(on, AT, 1, "latest")
    registry.images.delete(on, AT, [ImageId(document.digest)])

    clock.pass_(days=7)
    with pytest.raises(DeletedImageNotFound):
        registry.undelete.restore_image(on, AT, document.digest)
    work_off(on)

    assert rows(on, "deleted_images", "deleted_references", "tag_history") == 0


def test_what_an_index_lists_comes_back_with_it(on):
    children = [push(on, AT, seed) for seed in (1, 2)]
    inner = an_index(on, *children)
    outer = an_index(on, inner, children[0])
    registry.images.delete(on, AT, [ImageId(one.digest) for one in (outer, inner, *children)])
    assert described(on) == {}

    registry.undelete.restore_image(on, AT, outer.digest)

    assert set(described(on)) == {one.digest for one in (outer, inner, *children)}


def test_referrers_come_back_if_that_is_wanted(on, clock):
    subject = push(on, AT, 1)
    pointer = builders.descriptor(subject.media_type, subject.body)
    signature = push(on, AT, 2, subject=pointer)
    registry.images.delete(on, AT, [ImageId(subject.digest)])
    clock.pass_(hours=2)
    work_off(on)
    assert described(on) == {}

    registry.undelete.restore_image(on, AT, subject.digest)
    assert set(described(on)) == {subject.digest}
    registry.images.delete(on, AT, [ImageId(subject.digest)])
    registry.undelete.restore_image(on, AT, subject.digest, with_referrers=True)

    assert set(described(on)) == {subject.digest, signature.digest}


def test_a_body_that_was_damaged_while_its_image_was_deleted_is_not_served(on):
    document = push(on, AT, 1, "v1")
    registry.images.delete(on, AT, [ImageId(document.digest)])
    with on.database.migration() as tx:
        tx.execute(text("UPDATE deleted_images SET body = :other"), {"other": b"not what was pushed"})

    registry.undelete.restore_image(on, AT, document.digest)

    with pytest.raises(ImageDamaged):
        registry.images.find_stored(on, AT, "v1", by_tag=True)
    assert [one.digest for one in registry.scrub.damaged_manifests(on)] == [document.digest]
    create(on, other := RepositoryRef(HOME, "another/repository"))
    push(on, other, 1)
    work_off_patiently(on)
    assert registry.images.find_stored(on, AT, "v1", by_tag=True).body == document.body


def test_an_image_that_a_policy_expired_comes_back(on, clock):
    document = push(on, AT, 1)
    registry.lifecycle.put(on, AT, EXPIRING)
    clock.pass_(days=4)
    work_off(on)
    assert described(on) == {}

    registry.undelete.restore_image(on, AT, document.digest)

    assert set(described(on)) == {document.digest}


def test_whoever_listens_hears_of_an_image_that_came_back(on):
    document = push(on, AT, 1, "latest")
    registry.images.delete(on, AT, [ImageId(document.digest)])

    registry.undelete.restore_image(on, AT, document.digest)

    assert [one["action-type"] for one in told(on)] == ["PUSH", "DELETE", "PUSH"]


def test_a_deleted_image_does_not_count_against_the_quota(on):
    document = push(on, AT, 1)
    registry.images.delete(on, AT, [ImageId(document.digest)])
    registry.repositories.delete(on, AT)
    registry.undelete.restore_repository(on, AT)

    registry.undelete.restore_image(on, AT, document.digest)

    registry.repositories.delete(on, AT, force=True)
    assert registry.undelete.repositories(on, HOME, 0, 10)[0][0].image_count == 1


# ---- Tags


def test_what_a_tag_named_at_a_time_is_known(on, clock):
    digests, times = [], []
    for seed in (1, 2, 3):
        digests.append(push(on, AT, seed, "latest").digest)
        clock.pass_(hours=1)
        times.append(clock())
        clock.pass_(hours=1)
    registry.images.delete_tag(on, AT, "latest")

    assert [registry.undelete.digest_at(on, AT, "latest", then) for then in times] == digests


def test_a_tag_that_was_moved_or_removed_comes_back(on, clock):
    first, second = push(on, AT, 1, "latest"), push(on, AT, 2, "latest")

    registry.undelete.restore_tag(on, AT, "latest")
    assert pulled(on, "latest") == first.digest
    registry.images.delete_tag(on, AT, "latest")
    registry.undelete.restore_tag(on, AT, "latest")

    assert pulled(on, "latest") == first.digest
    assert [one.digest for one in registry.undelete.taggings(on, AT, "latest", 0, 10)[0]] == [
        first.digest, second.digest, first.digest
    ]  # fmt: skip
