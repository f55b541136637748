"""A registry elsewhere has a bad day: nothing is lost, the status says what it is, and the copy completes later."""

from __future__ import annotations

import json
import os
import threading
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import ip_network

import pytest
from sqlalchemy import select

from holdfast import registry, store
from holdfast.model.images import ImageId
from holdfast.model.names import Registry, RepositoryRef
from holdfast.model.peers import Kind, Peer
from holdfast.model.replication import Configuration, Rule
from holdfast.model.secrets import Value
from holdfast.model.verification import State
from holdfast.model.work import Lane
from holdfast.outbound.distribution import Pusher
from holdfast.registry.peer_sessions import PeerSessions
from holdfast.store.statements import Statement
from holdfast.store.tables import peer_uploads
from holdfast.worker import Crew
from holdfast.worker.crew import THREADS
from tests import builders
from tests.hostile import Hostile
from tests.registry.ground import AT, HOME, create, push, push_blob, put, work_off, work_off_patiently

TO = Registry("111122223333", "eu-central-1")
NAME = f"team/{AT.name}"
LARGE = os.urandom(1_200_000)
CHUNK = 400_000


@contextmanager
def calling(on, clock):
    """A registry that may call this machine, and for which only the clock of the test passes."""
    peers = PeerSessions([ip_network("127.0.0.0/8")])
    yield replace(on, peers=peers, sleep=lambda _: None, monotonic=lambda: clock().timestamp())
    peers.close()


@pytest.fixture
def on(on, clock, monkeypatch):
    monkeypatch.setattr("holdfast.outbound.distribution.pushing.CHUNK_BYTES", CHUNK)
    with calling(on, clock) as backends:
        yield backends


@pytest.fixture
def server(on):
    with hostile_peer(on) as running:
        yield running


@contextmanager
def hostile_peer(on, **rule):
    """A registry behind a destination of a rule, which can be told to misbehave."""
    with Hostile() as running:
        running.basic = "name:password"
        secret = Value(text=json.dumps({"username": "name", "accessToken": "password"}))
        arn = registry.secrets.create(on, HOME, "ecr-replication/peer", secret, "1", tags={})[0].arn
        registry.peers.put(on, HOME, Peer(TO, Kind.OCI, running.url, "team/", arn))
        registry.replication.configure(on, HOME, Configuration((Rule((TO,), **rule),)))
        yield running


@pytest.fixture
def image(on, server):
    """An image of two small blobs and a large one, which waits to be copied."""
    small = builders.an_image(lambda data: push_blob(on, AT, data))
    push_blob(on, AT, LARGE)
    document = json.loads(small.body)
    document["layers"].append(builders.descriptor(builders.OCI_LAYER, LARGE))
    found = builders.Document(json.dumps(document).encode(), small.media_type)
    put(on, AT, found, "v1")
    return found


def finish(on):
    for _ in range(3):
        work_off(on)
        work_off_patiently(on)


def status(on, image):
    _, [found] = registry.replication.of_image(on, AT, ImageId(image.digest))
    return found.status, found.failure_code


def is_whole(server, image):
    """Whether all of an image is there."""
    layers = [one["digest"] for one in json.loads(image.body)["layers"]]
    return server.manifests.get((NAME, "v1")) == (image.media_type, image.body) and set(layers) <= set(server.blobs)


def says(status, code, **headers):
    return lambda handler: (handler.body(), handler.error(status, code, **headers))[1]


def points(where):
    return lambda handler: (handler.body(), handler.say(202, location=where))[1]


def drips(handler):
    """Answer a byte now and then, until the client hangs up."""
    handler.body()
    while True:
        handler.wfile.write(b"X")
        handler.wfile.flush()
        threading.Event().wait(0.05)


def dawdles(handler):
    """Take everything, and never answer."""
    handler.body()
    handler.rfile.read(1)  # until the client hangs up


def cuts(handler):
    """Break off in the middle of a body."""
    handler.rfile.read(1000)
    handler.close_connection = True


UNAVAILABLE = ("FAILED", "PeerUnavailableException")


@pytest.mark.parametrize(
    ("method", "path", "does", "first", "last"),
    [
        ("PATCH", "uploads", says(500, "UNKNOWN"), "IN_PROGRESS", UNAVAILABLE),
        ("PATCH", "uploads", says(507, "UNAVAILABLE"), "IN_PROGRESS", ("FAILED", "PeerFullException")),
        ("PATCH", "uploads", says(413, ""), "IN_PROGRESS", ("FAILED", "PeerFullException")),
        ("PATCH", "uploads", says(429, "TOOMANYREQUESTS", retry_after="20"), "IN_PROGRESS", UNAVAILABLE),
        ("PATCH", "uploads", cuts, "IN_PROGRESS", UNAVAILABLE),
        ("PATCH", "uploads", dawdles, "IN_PROGRESS", UNAVAILABLE),
        ("HEAD", "blobs", drips, "IN_PROGRESS", UNAVAILABLE),
        ("POST", "uploads", says(403, "DENIED"), "FAILED", ("FAILED", "PeerAccessDenied")),
        ("POST", "uploads", says(404, "NAME_UNKNOWN"), "FAILED", ("FAILED", "PeerRepositoryNotFound")),
        ("POST", "uploads", points("http://10.0.0.1/upload"), "FAILED", ("FAILED", "PeerAddressNotAllowed")),
        ("POST", "uploads", points("https://169.254.169.254/up"), "FAILED", ("FAILED", "PeerAddressNotAllowed")),
        ("POST", "uploads", points(""), "FAILED", ("FAILED", "PeerMisbehaved")),
        ("PUT", "manifests", says(400, "MANIFEST_INVALID"), "FAILED", ("FAILED", "PeerRejected")),
        ("PUT", "manifests", says(404, "MANIFEST_BLOB_UNKNOWN"), "FAILED", ("FAILED", "PeerMisbehaved")),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_a_bad_day_is_told_and_the_copy_completes_afterwards(
    on, server, image, clock, monkeypatch, method, path, does, first, last
):
    server.trick(method, path, does)
    with monkeypatch.context() as impatient:
        impatient.setattr("holdfast.registry.work.ATTEMPTS", 2)
        impatient.setattr("holdfast.registry.replicas.ATTEMPTS", 2)
        if does in {drips, dawdles}:
            impatient.setattr("holdfast.outbound.distribution.session.SECONDS", 0.2)
            impatient.setattr("holdfast.outbound.distribution.wire.READ_SECONDS", 0.2)
        finish(on)
        assert status(on, image)[0] == first
        clock.pass_(minutes=5)
        finish(on)
        assert status(on, image) == last
    assert not is_whole(server, image)

    server.behave()
    clock.pass_(hours=1)  # until copies are compared
    finish(on)

    assert status(on, image) == ("COMPLETE", None)
    assert is_whole(server, image)


def lacks(server):
    """Let a server refuse manifests whose blobs it does not have, as registries do."""

    def judge(handler):
        body = handler.body()
        document = json.loads(body)
        blobs = [one["digest"] for one in (*document.get("layers", ()), *filter(None, [document.get("config")]))]
        if all(digest in server.blobs for digest in blobs):
            server.add(NAME, builders.Document(body, handler.headers["content-type"]), handler.path.rpartition("/")[2])
            return handler.say(201)
        return handler.error(404, "MANIFEST_BLOB_UNKNOWN")

    server.trick("PUT", "manifests", judge)


@pytest.mark.parametrize(
    "claims",
    [
        lambda handler: handler.say(200, content_length=str(len(LARGE))),
        lambda handler: handler.say(200, content_length="7"),
        lambda handler: handler.say(200, content_length="", docker_content_digest=builders.digest(b"another")),
    ],
    ids=["has it not", "wrong length", "wrong digest"],
)
def test_a_blob_that_a_peer_says_it_has_and_has_not_is_sent(on, server, image, claims):
    lacks(server)
    server.trick("HEAD", f"blobs/{builders.digest(LARGE)}", claims)

    finish(on)

    assert status(on, image) == ("COMPLETE", None)
    assert is_whole(server, image)


def test_a_token_that_ends_in_the_middle_of_an_upload_is_fetched_once_more(on, server, image):
    server.token = "first"

    def ends(handler):
        if not handler.headers["content-range"].startswith(f"{CHUNK}-"):
            return False
        server.token = "second"
        return False

    server.trick("PATCH", "uploads", ends, times=2)

    finish(on)

    assert status(on, image) == ("COMPLETE", None)
    assert is_whole(server, image)
    assert server.count("PATCH", "uploads") == 4  # the second was answered with 401, and sent once more
    assert server.count("POST", "uploads") == 3


def test_after_a_manifest_was_refused_layers_are_not_sent_again(on, server, image, clock):
    server.trick("PUT", "manifests", says(400, "MANIFEST_INVALID"))
    finish(on)
    sent = server.count("POST", "uploads")
    server.behave()
    clock.pass_(hours=1)
    finish(on)

    assert status(on, image) == ("COMPLETE", None)
    assert server.count("POST", "uploads") == sent


@pytest.mark.parametrize("more", [-1, 1])
def test_a_manifest_that_tells_wrong_sizes_of_its_layers_is_copied_as_it_is(on, server, more):
    image = builders.an_image(lambda data: push_blob(on, AT, data))
    document = json.loads(image.body)
    document["layers"][0]["size"] += more
    image = builders.Document(json.dumps(document).encode(), image.media_type)
    put(on, AT, image, "v1")

    finish(on)

    assert status(on, image) == ("COMPLETE", None)
    assert is_whole(server, image)


def test_a_url_that_cannot_be_called_is_told_without_its_signature(on, server, image, caplog):
    server.trick("POST", "uploads", points("https://there/?signature=secret#1"))

    finish(on)

    [error] = [one.error for one in registry.work.page(on) if one.kind == "PushImage"]
    assert "points to what is not called" in error
    assert "secret" not in caplog.text + error


def test_a_copy_whose_work_is_lost_is_made_when_copies_are_compared(on, server, image, clock):
    server.trick("PUT", "manifests", says(503, "UNAVAILABLE"))
    finish(on)
    server.behave()
    for one in registry.work.page(on):
        if one.kind == "PushImage":
            with on.database.transaction() as tx:
                store.work.drop(tx, one.kind, [one.key])
    assert status(on, image)[0] == "IN_PROGRESS"

    clock.pass_(hours=1)
    finish(on)

    assert status(on, image) == ("COMPLETE", None)


# ---- Comparisons


def test_a_comparison_that_nobody_wants_any_more_asks_no_further(on, server, monkeypatch):
    monkeypatch.setattr("holdfast.registry.remote_contents.ASKED_BETWEEN", 2)
    monkeypatch.setattr("holdfast.registry.work.LOOK_SECONDS", -1.0)
    for number in range(5):
        push(on, AT, str(number))
    finish(on)
    registry.verification.ask(on, AT, TO, repairs=True, everything=False)
    [item] = [one for one in registry.work.page(on) if one.kind == "VerifyReplica"]
    server.asked.clear()

    def cancels(_):
        registry.work.cancel(on, item.id)
        return False

    server.trick("HEAD", "manifests", cancels, times=1)

    work_off_patiently(on)

    assert server.count("HEAD", "manifests") == 2
    assert "VerifyReplica" not in [one.kind for one in registry.work.page(on)]


def api(**answers):
    """A Holdfast that answers its API with these members, by operation."""

    def answer(handler):
        operation = handler.headers["x-amz-target"].rpartition(".")[2]
        handler.body()
        handler.say(200, json.dumps(answers[operation]).encode())

    return answer


TREE = {"bucketDigests": ["another"] * 512}


@pytest.mark.parametrize(
    "told",
    [{"content": 5}, {"content": {"a": 1}}, {"content": [{"imageDigest": "x"}]},
     {"content": [{"imageDigest": builders.digest(b""), "imageTag": "x" * 1000}]}],
)  # fmt: skip
def test_a_peer_that_lists_nonsense_is_not_compared_and_holds_up_no_other(on, server, image, clock, told):
    peer = registry.peers.find(on, HOME, TO)
    registry.peers.put(on, HOME, replace(peer, kind=Kind.HOLDFAST))
    server.trick("POST", "^/$", api(GetRepositoryContentDigest=TREE, ListRepositoryContent=told))
    clock.pass_(hours=1)

    work_off_patiently(on)

    [check], _ = registry.verification.page(on, HOME, "", 10)
    assert (check.state, check.failure) == (State.FAILED, check.failure)
    assert check.failure.startswith("PeerUnavailableException")


def test_a_comparison_that_breaks_holds_up_no_other(on, server, image, clock, monkeypatch, caplog):
    other = RepositoryRef(HOME, "zoo/last")
    create(on, other)
    compared = registry.verification._compared

    def breaks(on, repository, *rest):
        if repository.ref == AT:
            raise ZeroDivisionError
        return compared(on, repository, *rest)

    monkeypatch.setattr("holdfast.registry.verification._compared", breaks)
    clock.pass_(hours=1)
    work_off_patiently(on)

    checks, _ = registry.verification.page(on, HOME, "", 10)
    assert [check.at for check in checks] == [other]
    assert f"{AT.name} could not be compared" in caplog.text


# ---- Uploads that somebody else goes on with, or sends


class Killed(BaseException):
    """The end of a process, in which nothing more is written."""


@pytest.fixture
def killed(on, server, image, clock, monkeypatch):
    """A process died when two chunks of three were sent; what another one finds."""
    with monkeypatch.context() as dying:

        def send(self, upload, wanted, send=Pusher._send):
            if upload.received_bytes == 2 * CHUNK:
                raise Killed
            return send(self, upload, wanted)

        dying.setattr(Pusher, "_send", send)
        dying.setattr(store.peer_uploads, "let_go", lambda *_: None)
        with pytest.raises(Killed):
            finish(on)
    server.asked.clear()
    clock.pass_(seconds=61)  # until its work is somebody else's
    peers = PeerSessions([ip_network("127.0.0.0/8")])
    yield replace(on, peers=peers)
    peers.close()


def test_another_process_goes_on_in_the_middle_of_a_blob(killed, server, image, caplog):
    with killed.database.snapshot() as tx:
        [kept] = tx.all(Statement(select(peer_uploads)))
    finish(killed)

    assert status(killed, image) == ("COMPLETE", None)
    assert is_whole(server, image)
    assert server.count("PATCH", "uploads") == 1
    assert kept["received_bytes"] == 2 * CHUNK
    assert b"uploads" not in kept["sealed"]
    with killed.database.snapshot() as tx:
        assert tx.all(Statement(select(peer_uploads))) == []


def test_an_upload_that_the_peer_forgot_begins_anew(killed, server, image):
    server.uploads.clear()

    finish(killed)

    assert is_whole(server, image)
    assert server.count("PATCH", "uploads") == 3


@pytest.mark.parametrize("changed", ["url", "username"])
def test_an_upload_is_of_no_use_to_another_peer_or_user(killed, server, image, changed):
    with Hostile() as another:
        peer = registry.peers.find(killed, HOME, TO)
        if changed == "url":
            registry.peers.put(killed, HOME, replace(peer, url=another.url))
        else:
            server.basic = "other:password"
            value = Value(text=json.dumps({"username": "other", "accessToken": "password"}))
            registry.secrets.put_value(killed, HOME, peer.credential_arn, value, "2", [])
        finish(killed)

        assert is_whole(another if changed == "url" else server, image)
        assert (another.count("GET", "uploads"), server.count("GET", "uploads")) == (0, 0)


def test_where_an_upload_leads_is_judged_once_more(killed, server, image):
    server.trick("PATCH", "uploads", points("http://10.0.0.1/upload"), times=1)
    finish(killed)
    assert status(killed, image) == ("FAILED", "PeerAddressNotAllowed")


def test_a_layer_that_somebody_sends_is_sent_once_and_others_do_not_wait(on, server, image, clock):
    is_sending, may_go_on = threading.Event(), threading.Event()

    def dallies(_):
        is_sending.set()
        may_go_on.wait(60)
        return False

    server.trick("PATCH", "uploads", dallies, times=1)
    second = json.loads(image.body) | {"annotations": {"a": "second"}}
    second = builders.Document(json.dumps(second).encode(), image.media_type)
    put(on, AT, second, "v2")
    work_off(on)
    crew = Crew(on, Lane.ABROAD)
    crew.tick()
    assert is_sending.wait(60)
    for _ in range(THREADS - 1):  # the other one is done for now
        assert crew._free.acquire(timeout=60)
    states = sorted(one.state for one in registry.work.page(on) if one.kind == "PushImage")
    may_go_on.set()
    assert crew._free.acquire(timeout=60)
    for _ in range(THREADS):
        crew._free.release()
    clock.pass_(seconds=31)
    finish(on)

    assert states == ["running", "waiting"]
    assert (status(on, image), status(on, second)) == (("COMPLETE", None), ("COMPLETE", None))
    assert server.count("PATCH", "uploads") == 3


def test_images_that_go_at_the_same_time_never_show_a_reference_that_leads_nowhere(on, server, clock):
    dangling = []

    def judge(handler):
        body = handler.body()
        told = json.loads(body)
        needed = [one["digest"] for one in (*told.get("manifests", ()), *filter(None, [told.get("subject")]))]
        dangling.extend(digest for digest in needed if (NAME, digest) not in server.manifests)
        server.add(NAME, builders.Document(body, handler.headers["content-type"]), handler.path.rpartition("/")[2])
        return handler.say(201)

    server.trick("PUT", "manifests", judge)
    members = [push(on, AT, str(number)) for number in range(6)]
    indexes = [builders.an_index(*members[:4]), builders.an_index(*members[2:])]
    signatures = []
    for number, index in enumerate(indexes):
        put(on, AT, index, f"v{number}")
        signatures.append(push(on, AT, f"s{number}", subject=index.descriptor, artifactType="application/sig"))
    work_off(on)
    crew = Crew(on, Lane.ABROAD)
    crew.tick()
    for _ in range(THREADS):
        assert crew._free.acquire(timeout=60)
    clock.pass_(seconds=31)
    finish(on)

    assert dangling == []
    assert {(NAME, one.digest) for one in (*members, *indexes, *signatures)} <= server.manifests.keys()
