"""Signatures that are copied to a registry that keeps no list of them are found there by the tag that stands for it."""

from __future__ import annotations

import json
from ipaddress import ip_network

import pytest

from holdfast import registry
from holdfast.model.images import ImageId
from holdfast.model.remotes import Remote
from holdfast.model.replication import Configuration, Rule
from holdfast.model.verification import State
from holdfast.model.work import Lane
from holdfast.outbound.distribution import Puller, Pusher, Wire
from holdfast.worker import Crew
from holdfast.worker.crew import THREADS
from tests import builders
from tests.registry.ground import AT, HOME, push, put, work_off, work_off_patiently
from tests.registry.test_peer_faults import NAME, TO, Killed, calling, finish, hostile_peer, status

SIGNATURE = "application/vnd.dev.cosign.artifact.sig.v1+json"


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
    return push(on, AT, "image", "v1")


def tag_of(image):
    return image.digest.replace(":", "-")


def sign(on, image, seed, *tags, **members):
    return push(on, AT, seed, *tags, subject=image.descriptor, artifactType=SIGNATURE, **members)


def listed(server, image):
    """What the tag that stands for a list has."""
    media_type, body = server.manifests[NAME, tag_of(image)]
    assert media_type == builders.OCI_INDEX
    return json.loads(body)["manifests"]


def digests(server, image):
    return [one["digest"] for one in listed(server, image)]


def keeps_quiet(handler):
    """Take a manifest, and do not tell that it is listed."""
    document = builders.Document(handler.body(), handler.headers["content-type"])
    handler.server.registry.add(NAME, document, handler.path.rpartition("/")[2])
    handler.say(201, docker_content_digest=document.digest)


def test_a_registry_that_unlearns_to_list_is_noticed(on, server, image):
    server.has_referrers = True
    sign(on, image, "first")
    finish(on)
    server.has_referrers = False
    second = sign(on, image, "second")
    finish(on)

    assert digests(server, image) == [second.digest]
    assert verify(on).counts.missing_images == 1
    finish(on)
    assert len(digests(server, image)) == 2


def verify(on):
    return registry.verification.verify(on, AT, TO, repairs=True, everything=False)


def test_what_refers_to_an_image_is_found_there(on, server, image):
    first = sign(on, image, "first", annotations={"by": "somebody"})
    second = sign(on, image, "second", "signed")
    bare = push(on, AT, "bare", subject=image.descriptor)
    finish(on)
    first_entry = {**first.descriptor, "artifactType": SIGNATURE, "annotations": {"by": "somebody"}}
    bare_entry = {**bare.descriptor, "artifactType": builders.OCI_CONFIG}

    assert first_entry in listed(server, image)
    assert bare_entry in listed(server, image)
    assert sorted(digests(server, image)) == sorted(one.digest for one in (first, second, bare))
    wire = Wire([ip_network("127.0.0.0/8")])
    puller = Puller(Remote(server.address, is_plain=True), None, wire=wire)
    server.basic = ""
    found = puller.referrers(NAME, image.digest, SIGNATURE)
    wire.close()
    assert {one.digest for one in found} == {first.digest, second.digest}

    asked = len(server.asked)
    assert verify(on).state is State.IN_SYNC
    finish(on)
    assert not any(method == "PUT" for method, _ in server.asked[asked:])


@pytest.mark.parametrize("says_so", [True, False])
def test_a_registry_that_lists_by_itself_has_no_such_tag(on, server, image, says_so):
    server.has_referrers = True
    if not says_so:
        server.trick("PUT", "manifests", keeps_quiet)
    signature = sign(on, image, "signature")
    finish(on)

    assert status(on, signature) == ("COMPLETE", None)
    assert (NAME, tag_of(image)) not in server.manifests


def test_who_lists_at_the_same_time_takes_nothing_from_each_other(on, server, image, clock):
    finish(on)
    signatures = [sign(on, image, str(number)) for number in range(8)]
    work_off(on)
    for _ in range(9):
        crew = Crew(on, Lane.ABROAD)
        crew.tick()
        for _ in range(THREADS):
            assert crew._free.acquire(timeout=60)
        clock.pass_(seconds=2)

    assert sorted(digests(server, image)) == sorted(one.digest for one in signatures)
    assert {status(on, one) for one in signatures} == {("COMPLETE", None)}


def test_a_backfill_lists_all_that_refers_to_an_image(on, server):
    registry.replication.configure(on, HOME, Configuration())
    image = push(on, AT, "image", "v1")
    signatures = [sign(on, image, str(number)) for number in range(6)]
    registry.replication.configure(on, HOME, Configuration((Rule((TO,)),)))
    registry.backfills.start(on, HOME, TO)
    work_off_patiently(on)

    assert sorted(digests(server, image)) == sorted(one.digest for one in signatures)
    assert verify(on).state is State.IN_SYNC


@pytest.mark.parametrize("step", range(5))
def test_whoever_dies_in_between_leaves_it_to_the_next(on, server, image, clock, monkeypatch, step):
    finish(on)
    signature = sign(on, image, "signature")
    count = iter(range(100))

    def dying(method):
        def call(*arguments, **named):
            if next(count) == step:
                raise Killed
            return method(*arguments, **named)

        return call

    with monkeypatch.context() as patch:
        for name in ("lists_referrers", "manifest", "push_manifest"):
            patch.setattr(Pusher, name, dying(getattr(Pusher, name)))
        patch.setattr("holdfast.store.peer_uploads.let_go", lambda *_: None)
        if step < 4:
            with pytest.raises(Killed):
                finish(on)
        else:
            finish(on)
    clock.pass_(seconds=61)
    finish(on)

    assert digests(server, image) == [signature.digest]
    assert status(on, signature) == ("COMPLETE", None)


def test_what_others_listed_stays_and_what_is_gone_holds_nobody_up(on, server, image):
    finish(on)
    theirs = server.add_image(NAME, seed="theirs")
    gone = builders.descriptor(builders.OCI_MANIFEST, b"gone")
    members = {"manifests": [{**theirs.descriptor, "x": 1}], "annotations": {"kept": "yes"}}
    server.add(NAME, builders.document(builders.OCI_INDEX, **members), tag_of(image))
    first = sign(on, image, "first")
    finish(on)
    assert [one["digest"] for one in listed(server, image)] == [theirs.digest, first.digest]
    assert listed(server, image)[0]["x"] == 1

    members["manifests"].append(gone)
    server.add(NAME, builders.document(builders.OCI_INDEX, **members), tag_of(image))

    def judge(handler):
        body = handler.body()
        if any((NAME, one["digest"]) not in server.manifests for one in json.loads(body).get("manifests", ())):
            return handler.error(400, "MANIFEST_BLOB_UNKNOWN")
        server.add(NAME, builders.Document(body, handler.headers["content-type"]), handler.path.rpartition("/")[2])
        return handler.say(201)

    server.trick("PUT", "manifests", judge)
    second = sign(on, image, "second")
    finish(on)
    assert digests(server, image) == [theirs.digest, second.digest]
    assert verify(on).counts.repairs == 1  # somebody took the first one out
    finish(on)
    assert digests(server, image) == [theirs.digest, second.digest, first.digest]


@pytest.mark.parametrize("theirs", ["an image", "a list of docker's"])
def test_a_tag_of_somebody_that_looks_alike_stays_as_it_is(on, server, image, caplog, theirs):
    finish(on)
    one = server.add_image(NAME, seed="theirs")
    document = one if theirs == "an image" else builders.an_index(one, media_type=builders.DOCKER_LIST)
    server.add(NAME, document, tag_of(image))
    signature = sign(on, image, "signature")
    finish(on)

    assert server.manifests[NAME, tag_of(image)] == (document.media_type, document.body)
    assert status(on, signature) == ("COMPLETE", None)
    assert "is no list of referrers" in caplog.text
    assert verify(on).state is State.IN_SYNC


@pytest.mark.parametrize("may_delete", [True, False])
def test_a_signature_that_is_deleted_leaves_the_list_before_it_goes(on, server, image, may_delete):
    first, second = sign(on, image, "first"), sign(on, image, "second")
    finish(on)
    seen = []

    def watch(handler):
        reference = handler.path.rpartition("/")[2]
        if not may_delete and reference not in {first.digest, second.digest}:
            return handler.error(405, "UNSUPPORTED")
        seen.append(digests(server, image) if reference in {first.digest, second.digest} and tag() else "the list")
        return False

    def tag():
        return server.manifests.get((NAME, tag_of(image)))

    server.trick("DELETE", "manifests", watch)
    registry.images.delete(on, AT, [ImageId(first.digest)])
    finish(on)
    assert seen == [[second.digest]]
    registry.images.delete(on, AT, [ImageId(second.digest)])
    finish(on)

    assert seen[1:] == (["the list", "the list"] if may_delete else [[]])
    assert (tag() is None) == may_delete
    assert not {(NAME, first.digest), (NAME, second.digest)} & server.manifests.keys()


def test_a_list_that_is_kept_here_becomes_part_of_the_one_there(on, server, image):
    first, second = sign(on, image, "first"), sign(on, image, "second")
    index = builders.an_index(first)
    put(on, AT, index, tag_of(image))  # as clients push it to registries that they take for old
    finish(on)
    third = sign(on, image, "third")
    finish(on)

    assert sorted(digests(server, image)) == sorted(one.digest for one in (first, second, third))
    assert verify(on).state is State.IN_SYNC
    registry.images.delete_tag(on, AT, tag_of(image))
    finish(on)
    assert len(digests(server, image)) == 3


def test_what_was_copied_before_is_listed_when_copies_are_compared(on, server, image, clock):
    signature = sign(on, image, "signature")
    finish(on)
    del server.manifests[NAME, tag_of(image)]

    clock.pass_(hours=25)
    work_off_patiently(on)
    [check], _ = registry.verification.page(on, HOME, "", 10)
    assert (check.state, check.counts.missing_images) == (State.REPAIRING, 1)
    finish(on)

    assert digests(server, image) == [signature.digest]
    assert verify(on).state is State.IN_SYNC


def test_a_list_that_is_full_is_left_as_it_is(on, server, image, monkeypatch, caplog):
    first = sign(on, image, "first")
    finish(on)
    before = server.manifests[NAME, tag_of(image)]
    monkeypatch.setattr("holdfast.registry.peer_referrers.MAXIMUM_BYTES", len(before[1]) + 10)
    second = sign(on, image, "second")
    finish(on)

    assert server.manifests[NAME, tag_of(image)] == before
    assert status(on, second) == ("COMPLETE", None)
    assert digests(server, image) == [first.digest]
    assert "is full" in caplog.text
