"""Images that are copied to registries elsewhere: this process copies to a served Holdfast, and finds what drifted."""

from __future__ import annotations

import base64
import json
import socket
from dataclasses import replace
from ipaddress import ip_network

import pytest

from holdfast import registry, store
from holdfast.model.errors import InvalidParameter, LayerDamaged
from holdfast.model.images import ImageId
from holdfast.model.names import Registry
from holdfast.model.peers import Kind, Peer
from holdfast.model.replication import Configuration, Filter, FilterType, Rule
from holdfast.model.secrets import Value
from holdfast.model.verification import Counts, State
from holdfast.outbound.distribution import Pusher
from holdfast.registry.peer_sessions import PeerSessions
from tests import builders
from tests.aws.regions import Region, eventually
from tests.registry.ground import AT, HOME, push, push_blob, put, work_off, work_off_patiently

SECRET = "arn:aws:secretsmanager:{}:000000000000:secret:{}-aaaaaa"
LARGE = b"a layer that is larger than what is kept in the database" * 2000


@pytest.fixture
def on(on):
    peers = PeerSessions([ip_network("127.0.0.0/8")])
    yield replace(on, peers=peers, sleep=lambda _: None)
    peers.close()


@pytest.fixture
def there(product, request):
    """The registry elsewhere: a region of its own of the served Holdfast."""
    return Region(product, request.node.nodeid)


@pytest.fixture
def to(there):
    return Registry("111122223333", there.name)


def secret(on, name, username, token):
    value = Value(text=json.dumps({"username": username, "accessToken": token}))
    return registry.secrets.create(on, HOME, name, value, "1", tags={})[0].arn


@pytest.fixture(params=[Kind.HOLDFAST, Kind.ECR, Kind.OCI])
def peer(on, to, there, product, request):
    """The same registry, taken for each kind."""
    if request.param.has_api:
        arn = secret(on, "ecr-replication/peer", *product.credentials())
    else:
        there.existing("x")  # to log in
        there.ecr.create_repository(repositoryName=f"team/{AT.name}")
        password = there.ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
        user, _, token = base64.b64decode(password).decode().partition(":")
        arn = secret(on, "ecr-replication/peer", user, token)
    found = Peer(to, request.param, product.url, "team/", arn)
    registry.peers.put(on, HOME, found)
    registry.replication.configure(on, HOME, Configuration((Rule((to,), deletes=True),)))
    return found


def finish(on):
    for _ in range(3):
        work_off(on)
        work_off_patiently(on)


def status(on, digest):
    _, [found] = registry.replication.of_image(on, AT, ImageId(digest))
    return found.status, found.failure_code


def images_of(there):
    pages = there.ecr.get_paginator("describe_images").paginate(repositoryName=f"team/{AT.name}")
    return {one["imageDigest"]: set(one.get("imageTags", ())) for page in pages for one in page["imageDetails"]}


def test_an_image_goes_there_with_all_that_belongs_to_it_and_drift_is_mended(on, peer, to, there):
    member = push(on, AT, "member")
    push_blob(on, AT, LARGE)
    index = builders.an_index(member)
    put(on, AT, index, "v1")
    signature = push(on, AT, "signature", subject=index.descriptor, artifactType="application/sig")
    finish(on)

    assert {status(on, one.digest) for one in (member, index, signature)} == {("COMPLETE", None)}
    assert images_of(there) == {member.digest: set(), index.digest: {"v1"}, signature.digest: set()}
    check = registry.verification.verify(on, AT, to, repairs=True, everything=False)
    assert (check.state, check.counts.agreeing) == (State.IN_SYNC, 4)

    there.ecr.batch_delete_image(repositoryName=f"team/{AT.name}", imageIds=[{"imageDigest": signature.digest}])
    there.ecr.batch_delete_image(repositoryName=f"team/{AT.name}", imageIds=[{"imageTag": "v1"}])
    check = registry.verification.verify(on, AT, to, repairs=True, everything=False)
    assert check.counts == Counts(agreeing=1, missing_images=2, missing_tags=1, repairs=2)
    finish(on)
    assert images_of(there) == {member.digest: set(), index.digest: {"v1"}, signature.digest: set()}

    put(on, AT, signature, "sig", "old")
    finish(on)
    registry.images.delete_tag(on, AT, "sig")
    registry.images.delete_tag(on, AT, "old")
    registry.images.delete(on, AT, [ImageId(tag="v1")])
    finish(on)
    assert images_of(there) == {member.digest: set(), signature.digest: set()}


def test_tags_that_may_not_be_moved_there_stay_and_repositories_are_shared_layers(on, peer, there):
    repository = there.existing(f"team/{AT.name}")
    if peer.kind.has_api:
        there.ecr.create_repository(repositoryName=f"team/{AT.name}")
    theirs = repository.push_image("v1", seed="theirs")
    there.ecr.put_image_tag_mutability(repositoryName=f"team/{AT.name}", imageTagMutability="IMMUTABLE")

    ours = push(on, AT, "ours", "v1", "v2")
    finish(on)

    assert status(on, ours.digest) == ("COMPLETE", None)
    assert images_of(there) == {theirs.digest: {"v1"}, ours.digest: {"v2"}}


@pytest.mark.parametrize("peer", [Kind.HOLDFAST], indirect=True)
def test_a_repository_that_went_there_is_made_once_more(on, peer, there):
    push(on, AT, "first", "v1")
    finish(on)
    there.ecr.delete_repository(repositoryName=f"team/{AT.name}", force=True)
    second = push(on, AT, "second", "v2")
    finish(on)

    assert status(on, second.digest) == ("COMPLETE", None)
    assert images_of(there) == {second.digest: {"v2"}}


@pytest.mark.parametrize("peer", [Kind.HOLDFAST], indirect=True)
def test_a_peer_that_refuses_us_is_told_and_a_new_secret_lets_us_in(on, peer, product, clock):
    wrong = Value(text=json.dumps({"username": product.credentials()[0], "accessToken": "wrong"}))
    registry.secrets.put_value(on, HOME, peer.credential_arn, wrong, "2", [])
    image = push(on, AT, "image", "v1")
    finish(on)
    assert status(on, image.digest) == ("FAILED", "PeerAccessDenied")

    username, token = product.credentials()
    right = Value(text=json.dumps({"username": username, "accessToken": token}))
    registry.secrets.put_value(on, HOME, peer.credential_arn, right, "3", [])
    clock.pass_(hours=1)  # until copies are compared
    finish(on)
    assert status(on, image.digest) == ("COMPLETE", None)


def test_a_peer_that_is_down_holds_nobody_up_and_gets_everything_later(on, clock, to, product, there):
    with socket.create_server(("127.0.0.1", 0)) as server:
        nobody = f"http://127.0.0.1:{server.getsockname()[1]}"
    arn = secret(on, "ecr-replication/peer", *product.credentials())
    registry.peers.put(on, HOME, Peer(to, Kind.HOLDFAST, nobody, "team/", arn))
    west = Registry(HOME.account_id, "eu-west-1")
    registry.replication.configure(on, HOME, Configuration((Rule((to, west)),)))
    images = [push(on, AT, str(number), str(number)) for number in range(3)]
    finish(on)

    def statuses():
        found = [registry.replication.of_image(on, AT, ImageId(image.digest))[1] for image in images]
        return {one.destination: one.status for statuses in found for one in statuses}

    assert statuses() == {to: "IN_PROGRESS", west: "COMPLETE"}
    for _ in range(10):
        clock.pass_(hours=1)
        finish(on)
    assert statuses() == {to: "FAILED", west: "COMPLETE"}
    registry.peers.put(on, HOME, Peer(to, Kind.HOLDFAST, product.url, "team/", arn))
    clock.pass_(hours=2)
    finish(on)
    assert statuses() == {to: "COMPLETE", west: "COMPLETE"}
    assert set(images_of(there)) == {image.digest for image in images}


@pytest.mark.parametrize("peer", [Kind.HOLDFAST], indirect=True)
def test_what_is_damaged_here_is_healed_from_there(on, peer, tmp_path, clock):
    digest = push_blob_in_image(on, LARGE)
    finish(on)
    [path] = [path for path in (tmp_path / "objects").rglob("*") if path.is_file()]
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    with pytest.raises(LayerDamaged):
        b"".join(registry.layers.pieces(on, AT, digest))

    clock.pass_(hours=1)
    finish(on)

    assert b"".join(registry.layers.pieces(on, AT, digest)) == LARGE


def push_blob_in_image(on, data):
    """Push an image with this layer; the layer's digest."""
    image = builders.an_image(lambda body: push_blob(on, AT, body))
    push_blob(on, AT, data)
    document = json.loads(image.body)
    document["layers"].append(builders.descriptor(builders.OCI_LAYER, data))
    put(on, AT, builders.Document(json.dumps(document).encode(), image.media_type), "v1")
    return builders.digest(data)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"url": "ftp://there"}, "must be https://host"),
        ({"url": "https://user@there"}, "must be https://host"),
        ({"prefix": "Team/"}, "must be names in lower case"),
        ({"credential_arn": None}, "must not be null"),
        (
            {"credential_arn": "arn:aws:secretsmanager:eu-west-1:000000000000:secret:ecr-replication/x-aaaaaa"},
            "same account",
        ),
        ({"credential_arn": "arn:aws:secretsmanager:us-east-1:000000000000:secret:mine-aaaaaa"}, "must begin with"),
        ({"ca_pem": "none"}, "certificates in PEM"),
        ({"destination": HOME}, "cannot be the same"),
    ],
)
def test_a_peer_that_cannot_be_is_refused(on, changed, said):
    arn = secret(on, "ecr-replication/peer", "name", "token")
    right = {"destination": Registry("111122223333", "eu-west-1"), "kind": Kind.ECR, "url": "https://there"}

    with pytest.raises(InvalidParameter, match=said):
        registry.peers.put(on, HOME, Peer(**{**right, "credential_arn": arn, **changed}))


@pytest.mark.parametrize("peer", [Kind.HOLDFAST, Kind.OCI], indirect=True)
def test_only_tags_that_a_rule_takes_go_there_with_what_hangs_on_their_images(on, peer, to, there):
    rule = Rule((to,), deletes=True, filters=(Filter(FilterType.TAG_MATCH, "v*"),))
    registry.replication.configure(on, HOME, Configuration((rule,)))
    member = push(on, AT, "member")
    signature = push(on, AT, "signature", f"{member.digest.replace(':', '-')}.sig")
    index = builders.an_index(member)
    push(on, AT, "other", "dev2")
    put(on, AT, index, "dev")
    finish(on)
    put(on, AT, index, "v1")
    finish(on)
    finish(on)

    signed = {f"{member.digest.replace(':', '-')}.sig"}
    assert images_of(there) == {member.digest: set(), index.digest: {"v1"}, signature.digest: signed}
    check = registry.verification.verify(on, AT, to, repairs=True, everything=True)
    assert check.counts == Counts(agreeing=5)


@pytest.mark.parametrize("peer", [Kind.HOLDFAST], indirect=True)
def test_what_was_copied_to_another_holdfast_is_neither_copied_nor_deleted_any_further(
    on, peer, there, product, request
):
    name = f"team/{AT.name}"
    third = Region(product, f"{request.node.nodeid} third")
    for region in (there, third):
        region.ecr.create_repository(repositoryName=name)
    place = {"region": third.name, "registryId": "000000000000"}
    rule = {"destinations": [place], "deleteReplication": {"enabled": True}}
    there.ecr.put_replication_configuration(replicationConfiguration={"rules": [rule]})
    own = there.existing(name).push_image("v1", seed="own")
    eventually(lambda: images_of(third), lambda seen: seen == {own.digest: {"v1"}})

    assert push(on, AT, "own", "v1").digest == own.digest
    image = push(on, AT, "image", "v2")
    finish(on)
    registry.images.delete(on, AT, [ImageId(own.digest)])
    finish(on)
    assert images_of(there) == {image.digest: {"v2"}}
    status = there.ecr.describe_image_replication_status(repositoryName=name, imageId={"imageTag": "v2"})
    assert status["replicationStatuses"] == []

    last = there.existing(name).push_image("v3", seed="last")  # what came before it is done before it
    found = eventually(lambda: images_of(third), lambda seen: last.digest in seen)
    assert found == {own.digest: {"v1"}, last.digest: {"v3"}}


class Killed(BaseException):
    """The end of a process."""


@pytest.mark.parametrize("peer", [Kind.HOLDFAST], indirect=True)
@pytest.mark.parametrize("step", range(6))
def test_a_process_may_die_at_any_step(on, peer, there, clock, monkeypatch, step):
    member = push(on, AT, "member")
    index = builders.an_index(member)
    put(on, AT, index, "v1")
    count = iter(range(100))

    def dying(method):
        def call(*arguments, **named):
            if next(count) == step:
                raise Killed
            return method(*arguments, **named)

        return call

    for name in ("push_blob", "push_manifest", "stat_manifest"):
        monkeypatch.setattr(Pusher, name, dying(getattr(Pusher, name)))
    with pytest.raises(Killed):
        finish(on)
    clock.pass_(seconds=61)  # until its work is somebody else's

    finish(on)
    finish(on)

    assert status(on, index.digest) == ("COMPLETE", None)
    assert images_of(there) == {member.digest: set(), index.digest: {"v1"}}


@pytest.mark.parametrize("peer", [Kind.HOLDFAST], indirect=True)
def test_a_manifest_that_rotted_is_not_sent_under_any_tag(on, peer, there):
    image = push(on, AT, "image", "v1")
    finish(on)
    with on.database.transaction() as tx:
        kept = store.images.find(tx, store.repositories.get(tx, AT), digest=image.digest)
        store.damage.replace_body(tx, kept.id, image.body + b"\n", on.clock())
    registry.images.delete_tag(on, AT, "v1")
    finish(on)
    registry.undelete.restore_tag(on, AT, "v1", None)
    finish(on)

    assert status(on, image.digest) == ("FAILED", "ManifestDamaged")
    assert images_of(there) == {image.digest: set()}


@pytest.mark.parametrize("peer", [Kind.HOLDFAST], indirect=True)
def test_copies_that_wait_for_a_rule_that_is_gone_end(on, peer, there):
    images = [push(on, AT, str(number)) for number in range(3)]
    work_off(on)
    registry.replication.configure(on, HOME, Configuration())

    finish(on)

    assert {status(on, image.digest) for image in images} == {("FAILED", "ReplicationRuleRemoved")}
