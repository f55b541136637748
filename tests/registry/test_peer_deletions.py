"""What is deleted here is deleted at a registry elsewhere in the end, whatever happens there meanwhile."""

from __future__ import annotations

import pytest

from holdfast import registry, store
from holdfast.model.images import ImageId
from holdfast.model.names import Registry
from holdfast.model.peers import Kind, Peer
from holdfast.model.replication import Configuration, Rule
from holdfast.model.verification import State
from tests import builders
from tests.aws.regions import Region
from tests.registry.ground import AT, HOME, push, put, work_off, work_off_patiently
from tests.registry.test_peer_faults import NAME, TO, Killed, calling, finish, hostile_peer, says
from tests.registry.test_peers import secret


@pytest.fixture
def on(on, clock):
    with calling(on, clock) as backends:
        yield backends


@pytest.fixture
def server(on):
    with hostile_peer(on, deletes=True) as running:
        yield running


@pytest.fixture
def image(on, server):
    """An image that is here and there."""
    found = push(on, AT, "image", "v1")
    finish(on)
    assert has(server, found.digest)
    return found


def has(server, reference):
    return (NAME, reference) in server.manifests


def delete(on, **id_):
    _, failures = registry.images.delete(on, AT, [ImageId(**id_)])
    assert failures == []


def verify(on, *, repairs=True):
    return registry.verification.verify(on, AT, TO, repairs=repairs, everything=False)


@pytest.mark.parametrize("answer", [says(503, "UNAVAILABLE"), says(403, "DENIED"), says(409, "DENIED")])
def test_a_peer_may_be_down_or_refuse_for_days(on, server, image, clock, answer):
    server.trick("DELETE", "manifests", answer)
    delete(on, digest=image.digest)
    for _ in range(30):
        finish(on)
        clock.pass_(hours=2)
    assert has(server, image.digest)
    check = verify(on, repairs=False)
    assert (check.state, check.counts.deletions) == (State.COPYING, 1)
    assert registry.replication.figures(on)["replication_deletions_waiting"] == 1

    server.behave()
    clock.pass_(hours=2)
    finish(on)

    assert not has(server, image.digest)
    assert verify(on).state is State.IN_SYNC


def test_a_comparison_makes_deletions_at_once_that_wait_and_removes_nothing_else(on, server, image, clock):
    server.add_image(NAME, "stranger", seed="stranger")
    server.trick("DELETE", "manifests", says(503, "UNAVAILABLE"))
    put(on, AT, image, "v2")
    delete(on, tag="v1")
    for _ in range(12):
        finish(on)
        clock.pass_(minutes=30)
    server.behave()
    assert has(server, "v1")

    assert verify(on).counts.deletions == 1
    finish(on)

    assert not has(server, "v1")
    assert has(server, "v2")
    assert has(server, "stranger")


def test_a_deletion_that_was_given_up_once_is_made_when_copies_are_compared(on, server, image, clock, monkeypatch):
    server.trick("DELETE", "manifests", says(503, "UNAVAILABLE"))
    with monkeypatch.context() as patch:  # as it was in versions before
        patch.setattr("holdfast.model.work.PushDeletion.is_persistent", False)
        patch.setattr("holdfast.registry.work.ATTEMPTS", 1)
        delete(on, digest=image.digest)
        finish(on)
    assert [one.state for one in registry.work.page(on) if one.kind == "PushDeletion"] == ["given up"]
    server.behave()
    clock.pass_(minutes=1)
    assert verify(on).counts.deletions == 1
    finish(on)

    assert not has(server, image.digest)


def test_a_registry_that_deletes_nothing_is_not_asked_for_ever(on, server, image, clock):
    server.trick("DELETE", "manifests", says(405, "UNSUPPORTED"))
    delete(on, digest=image.digest)
    finish(on)

    assert verify(on).counts.deletions == 0
    assert server.count("DELETE", "manifests") == 1


def test_what_was_cancelled_is_not_deleted_there(on, server, image, clock):
    server.trick("DELETE", "manifests", says(503, "UNAVAILABLE"))
    delete(on, digest=image.digest)
    finish(on)
    server.behave()
    registry.replication_queues.cancel(on, HOME, TO)
    clock.pass_(hours=2)
    finish(on)

    assert has(server, image.digest)
    assert verify(on).state is State.IN_SYNC


def test_a_tag_that_is_set_anew_while_it_is_removed_is_there(on, server, image):
    second = push(on, AT, "second", "other")
    finish(on)

    def moves(handler):
        put(on, AT, second, "v1")
        work_off(on)
        work_off_patiently(on)
        return False

    server.trick("DELETE", "manifests/v1", moves, times=1)
    registry.images.delete_tag(on, AT, "v1")
    finish(on)

    assert server.manifests[NAME, "v1"][1] == second.body


@pytest.mark.parametrize("what", ["image", "tag"])
def test_a_tag_that_moved_on_before_it_was_deleted_goes_from_what_it_names_there_still(on, server, image, what):
    second = push(on, AT, "second", "v1")
    if what == "tag":
        registry.images.delete_tag(on, AT, "v1")
    else:
        delete(on, digest=second.digest)
    finish(on)

    assert not has(server, "v1")
    assert has(server, image.digest)


def test_an_image_that_is_pushed_again_with_another_tag_keeps_no_old_one_there(on, server, image):
    delete(on, digest=image.digest)
    put(on, AT, image, "v2")
    finish(on)

    assert has(server, "v2")
    assert not has(server, "v1")


@pytest.mark.parametrize("what", ["image", "tag"])
def test_what_is_deleted_while_it_is_copied_goes_there_too(on, server, what):
    image = push(on, AT, "image", "v1")

    def goes(handler):
        if what == "image":
            delete(on, digest=image.digest)
        else:
            registry.images.delete_tag(on, AT, "v1")
        work_off(on)
        work_off_patiently(on)  # it is not there yet
        return False

    server.trick("PUT", "manifests", goes, times=1)
    finish(on)

    assert not has(server, "v1")
    assert has(server, image.digest) == (what == "tag")


def test_who_dies_after_the_copy_of_an_image_that_went_leaves_nothing_behind(on, server):
    image = push(on, AT, "image", "v1")
    work_off(on)
    server.add(NAME, image, "v1")  # as far as the other one came
    delete(on, digest=image.digest)
    [deletion] = [one for one in registry.work.page(on) if one.kind == "ReplicateDeletion"]
    with on.database.transaction() as tx:
        store.work.drop(tx, deletion.kind, [deletion.key])  # it was done before that
    finish(on)

    assert not has(server, image.digest)


def test_an_image_that_goes_there_with_its_last_tag_comes_back_whoever_dies(on, product, request, monkeypatch, clock):
    there = Region(product, request.node.nodeid)
    to = Registry("111122223333", there.name)
    arn = secret(on, "ecr-replication/peer", *product.credentials())
    registry.peers.put(on, HOME, Peer(to, Kind.ECR, product.url, "team/", arn))
    registry.replication.configure(on, HOME, Configuration((Rule((to,), deletes=True),)))
    image = push(on, AT, "image", "v1")
    finish(on)

    def dies(*_):
        raise Killed

    registry.images.delete_tag(on, AT, "v1")
    with monkeypatch.context() as patch:
        patch.setattr("holdfast.registry.remote_replicas.copy", dies)
        with pytest.raises(Killed):
            finish(on)
    assert there.ecr.list_images(repositoryName=NAME)["imageIds"] == []
    clock.pass_(seconds=61)
    finish(on)

    assert there.ecr.list_images(repositoryName=NAME)["imageIds"] == [{"imageDigest": image.digest}]


@pytest.mark.parametrize("kind", [Kind.HOLDFAST, Kind.ECR])
def test_what_an_index_there_lists_goes_when_that_does(on, product, request, clock, kind):
    there = Region(product, request.node.nodeid)
    to = Registry("111122223333", there.name)
    arn = secret(on, "ecr-replication/peer", *product.credentials())
    registry.peers.put(on, HOME, Peer(to, kind, product.url, "team/", arn))
    registry.replication.configure(on, HOME, Configuration((Rule((to,), deletes=True),)))
    member = push(on, AT, "member")
    finish(on)
    index = builders.an_index(member, annotations={"by": "them"})
    there.ecr.put_image(repositoryName=NAME, imageManifest=index.body.decode(), imageTag="theirs",
                        imageManifestMediaType=index.media_type)  # fmt: skip
    delete(on, digest=member.digest)
    finish(on)
    digests = {one["imageDigest"] for one in there.ecr.list_images(repositoryName=NAME)["imageIds"]}
    assert digests == {member.digest, index.digest}

    there.ecr.batch_delete_image(repositoryName=NAME, imageIds=[{"imageDigest": index.digest}])
    clock.pass_(minutes=1)
    finish(on)

    assert there.ecr.list_images(repositoryName=NAME)["imageIds"] == []
