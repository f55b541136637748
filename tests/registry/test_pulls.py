"""Pulls by people and workloads are recorded; others are not. The clock is the test's."""

from __future__ import annotations

import pytest

from holdfast import registry, store
from holdfast.model.images import ImageId
from tests.registry.ground import AT, HOME, described, push

USER = "arn:aws:iam::000000000000:user/alice"
ROLE = "arn:aws:iam::000000000000:role/service/scanner"
SESSION = "arn:aws:sts::000000000000:assumed-role/scanner/nightly"
OTHER_ACCOUNTS_SESSION = "arn:aws:sts::111122223333:assumed-role/scanner/nightly"


def pull(on, document, puller=USER):
    registry.images.find_stored(on, AT, document.digest, by_tag=False, puller=puller)
    registry.pulls.record(on)


def pulled_at(on, document):
    return described(on)[document.digest].pulled_at


def test_an_image_that_nobody_pulled_has_no_time(on):
    assert pulled_at(on, push(on, AT, "a")) is None


def test_a_pull_is_recorded(on, clock):
    image = push(on, AT, "a", "v1")
    clock.pass_(days=3)

    pull(on, image)

    assert pulled_at(on, image) == clock()


def test_a_batch_get_is_a_pull_of_what_it_got(on, clock):
    image, other = push(on, AT, "a", "v1"), push(on, AT, "b", "v2")

    registry.images.get(on, AT, [ImageId(tag="v1")], puller=USER)
    registry.pulls.record(on)

    assert pulled_at(on, image) == clock()
    assert pulled_at(on, other) is None


def test_a_look_that_is_no_pull_is_not_recorded(on):
    image = push(on, AT, "a", "v1")

    registry.images.find_stored(on, AT, "v1", by_tag=True)
    registry.pulls.record(on)

    assert pulled_at(on, image) is None


def test_the_time_moves_on_with_later_pulls(on, clock):
    image = push(on, AT, "a")
    pull(on, image)
    clock.pass_(hours=23)

    pull(on, image)

    assert pulled_at(on, image) == clock()


@pytest.mark.parametrize(
    ("excluded", "puller", "counts"),
    [
        (USER, USER, False),
        (USER, USER + "s", True),
        (ROLE, ROLE, False),
        (ROLE, SESSION, False),
        (ROLE, OTHER_ACCOUNTS_SESSION, True),
        (ROLE, USER, True),
        (USER, "arn:aws:iam::000000000000:root", True),
    ],
)
def test_pulls_of_excluded_principals_do_not_count(on, excluded, puller, counts):
    image = push(on, AT, "a")
    registry.pull_exclusions.register(on, HOME, excluded)

    pull(on, image, puller)

    assert (pulled_at(on, image) is not None) == counts


def test_who_pulled_is_recorded_by_role_and_whether_or_not_it_counts(on, clock):
    image = push(on, AT, "a")
    registry.pull_exclusions.register(on, HOME, ROLE)
    begun_at = clock()
    for puller in (USER, SESSION, f"{SESSION}-2"):
        pull(on, image, puller)
    clock.pass_(days=1)
    pull(on, image)

    with on.database.snapshot() as tx:
        found = store.images.get(tx, store.repositories.get(tx, AT), ImageId(image.digest))
        [pullers] = store.image_pullers.of_images(tx, [found.id], begun_at).values()
        late = store.image_pullers.of_images(tx, [found.id], clock())

    assert [(one.principal, one.first_pulled_at, one.last_pulled_at) for one in pullers] == [
        (USER, begun_at, clock()),
        ("arn:aws:sts::000000000000:assumed-role/scanner", begun_at, begun_at),
    ]
    assert [one.principal for one in late[found.id]] == [USER]


def test_an_image_that_was_deleted_meanwhile_is_no_fault(on):
    image = push(on, AT, "a")
    registry.images.find_stored(on, AT, image.digest, by_tag=False, puller=USER)
    registry.images.delete(on, AT, [ImageId(image.digest)])

    registry.pulls.record(on)

    assert described(on) == {}


def test_a_pull_that_could_not_be_written_down_is_kept(on, clock, monkeypatch):
    image = push(on, AT, "a")
    registry.images.find_stored(on, AT, image.digest, by_tag=False, puller=USER)
    with monkeypatch.context() as broken:
        broken.setattr(store.images, "pulled", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            registry.pulls.record(on)

    registry.pulls.record(on)

    assert pulled_at(on, image) == clock()
