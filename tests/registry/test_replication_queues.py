"""All that waits for one destination is cancelled at once, and its rule stays. The clock is the test's."""

from __future__ import annotations

import pytest

from holdfast import registry
from holdfast.model.images import ImageId
from holdfast.model.names import Registry, RepositoryRef
from holdfast.model.peers import Kind, Peer
from holdfast.model.replicated_settings import Setting
from holdfast.model.replication import BackfillStatus, Configuration, Rule
from holdfast.model.verification import Counts
from holdfast.model.work import Lane
from holdfast.registry import replication_queues
from holdfast.registry.peer_sessions import PeerUnavailable
from tests.registry.ground import AT, HOME, described, push, work_off, work_off_patiently

WEST, EAST = Registry(HOME.account_id, "eu-west-1"), Registry(HOME.account_id, "eu-east-1")


def statuses(on, image):
    found = registry.replication.of_image(on, AT, ImageId(image.digest))[1]
    return {one.destination: (one.status, one.failure_code) for one in found}


def there(on, destination):
    return set(described(on, RepositoryRef(destination, AT.name)))


def waiting(on):
    return {one.kind for one in registry.work.page(on)} & {
        "ReplicateImage", "PushImage", "ReplicateDeletion", "ReplicateSettings"
    }  # fmt: skip


@pytest.fixture
def images(on):
    """An image that is here and there, and three that wait."""
    registry.replication.configure(on, HOME, Configuration((Rule((WEST, EAST), deletes=True),)))
    first = push(on, AT, "first", "first")
    work_off(on)
    return [first, *(push(on, AT, str(number)) for number in range(3))]


def test_what_waits_for_one_destination_ends_and_the_others_go_on(on, clock, images, monkeypatch):
    monkeypatch.setattr(replication_queues, "AT_ONCE", 2)
    registry.replicated_settings.choose(on, HOME, WEST, [Setting.SCAN_ON_PUSH])
    registry.repositories.set_scan_on_push(on, AT, True)
    registry.images.delete_tag(on, AT, "first")

    assert replication_queues.cancel(on, HOME, WEST) == (3, False)
    work_off(on)

    assert waiting(on) == set()
    assert [statuses(on, one)[WEST] for one in images] == [
        ("COMPLETE", None), *[("FAILED", "ReplicationCancelled")] * 3
    ]  # fmt: skip
    assert {statuses(on, one)[EAST] for one in images} == {("COMPLETE", None)}
    assert there(on, WEST) == {images[0].digest}
    assert described(on, RepositoryRef(WEST, AT.name))[images[0].digest].tags == ("first",)
    west = next(one for one in registry.replication_status.destinations(on, HOME) if one.registry == WEST)
    assert (west.waiting, west.failed, west.completed, west.cancelled) == (0, 0, 1, 3)
    assert registry.replication_status.figures(on)["replication_failed"] == 0


def test_each_destination_tells_why_copies_failed_or_still_wait(on, clock):
    nobody = Registry("999999999999", "eu-west-1")
    registry.replication.configure(on, HOME, Configuration((Rule((nobody, WEST)),)))
    registry.peers.put(on, HOME, Peer(WEST, Kind.OCI, "https://peer.example"))
    push(on, AT, "image", "v1")
    work_off(on)
    job = registry.work.claim(on, "test", lane=Lane.ABROAD)
    registry.work.fail(job, PeerUnavailable("peer.example: Connection refused"))

    west, failed = sorted(registry.replication_status.destinations(on, HOME), key=lambda one: one.registry.account_id)

    assert (west.waiting, west.trouble) == (1, "PeerUnavailable: peer.example: Connection refused")
    assert west.again_at > clock()
    assert (failed.failures, failed.trouble) == ({"DestinationAccountNotFound": 1}, None)


def test_comparisons_leave_what_was_cancelled_until_everything_is_asked_for(on, images):
    replication_queues.cancel(on, HOME, WEST)
    later = push(on, AT, "later")
    work_off(on)

    def verify(*, everything):
        return registry.verification.verify(on, AT, WEST, repairs=True, everything=everything).counts

    assert there(on, WEST) == {images[0].digest, later.digest}
    assert verify(everything=False) == Counts(agreeing=3, unreplicated=3)
    verify(everything=True)
    work_off(on)
    assert there(on, WEST) == {later.digest, *(one.digest for one in images)}


def test_backfills_to_it_are_stopped(on, images):
    backfills = [registry.backfills.start(on, HOME, to) for to in (WEST, EAST)]

    replication_queues.cancel(on, HOME, WEST)
    work_off_patiently(on)

    ended = [registry.backfills.get(on, HOME, one.id, 0, 1)[0].status for one in backfills]
    assert ended == [BackfillStatus.STOPPED, BackfillStatus.COMPLETE]


def test_a_queue_for_a_peer_is_cancelled_as_well(on, images):
    registry.peers.put(on, HOME, Peer(WEST, Kind.OCI, "https://there.example"))
    work_off(on)
    assert waiting(on) == {"PushImage"}

    assert replication_queues.cancel(on, HOME, WEST)[0] == 3

    assert waiting(on) == set()
    assert {statuses(on, one)[WEST] for one in images[1:]} == {("FAILED", "ReplicationCancelled")}


def test_a_call_that_takes_too_long_says_that_there_is_more(on, images, monkeypatch):
    monkeypatch.setattr(replication_queues, "MOST_SECONDS", 0)

    assert replication_queues.cancel(on, HOME, WEST) == (0, True)
