"""Settings of repositories that go where images go: here, to other accounts, and to a served Holdfast."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import ip_network
from itertools import pairwise

import pytest

from holdfast import registry
from holdfast.model.errors import (
    InvalidParameter,
    LifecyclePolicyNotFound,
    ReplicatedSettingsCircle,
    RepositoryPolicyNotFound,
)
from holdfast.model.names import Registry, RepositoryRef
from holdfast.model.peers import Kind, Peer
from holdfast.model.replicated_settings import Setting
from holdfast.model.replication import Configuration, Rule
from holdfast.model.repositories import Mutability, TagMutability
from holdfast.model.verification import Counts, State
from holdfast.model.work import Lane
from holdfast.registry.peer_sessions import PeerSessions
from holdfast.worker import Runner
from tests.aws.regions import Region
from tests.registry.ground import AT, HOME, create, push, work_off, work_off_patiently
from tests.registry.test_peers import secret

WEST = Registry(HOME.account_id, "eu-west-1")
THERE = RepositoryRef(WEST, AT.name)
FROZEN = TagMutability(Mutability.IMMUTABLE_WITH_EXCLUSION, ("dev-*",))
SELECTION = {"tagStatus": "untagged", "countType": "imageCountMoreThan", "countNumber": 9}
LIFECYCLE = json.dumps({"rules": [{"rulePriority": 1, "selection": SELECTION, "action": {"type": "expire"}}]})
POLICY = json.dumps({"Version": "2012-10-17", "Statement": [{
    "Sid": "pull", "Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:root"},
    "Action": "ecr:BatchGetImage"}]})  # fmt: skip


@pytest.fixture
def on(on):
    return replace(on, peers=PeerSessions([ip_network("127.0.0.0/8")]), sleep=lambda _: None)


def finish(on):
    for _ in range(2):
        work_off(on)
        work_off_patiently(on)
        Runner(on, lane=Lane.DELIVERY).tick()


def replicated(on, source, to, settings=tuple(Setting)):
    registry.replication.configure(on, source, Configuration((Rule((to,)),)))
    registry.replicated_settings.choose(on, source, to, settings)


def change(on, at=AT):
    registry.repositories.set_mutability(on, at, FROZEN)
    registry.repositories.set_scan_on_push(on, at, True)
    registry.repositories.tag(on, at, {"team": "red", "holdfast:delete-protection": "true"})
    registry.policies.bring_to_repository(on, at, POLICY)
    registry.lifecycle.put(on, at, LIFECYCLE)


def found(on, at=THERE):
    """How a repository is set, in the order of `Setting`."""
    repository = registry.repositories.get(on, at)
    try:
        lifecycle = json.loads(registry.lifecycle.get(on, at).text)
    except LifecyclePolicyNotFound:
        lifecycle = None
    try:
        policy = json.loads(registry.policies.of_repository(on, at))
    except RepositoryPolicyNotFound:
        policy = None
    return [repository.mutability, repository.scan_on_push, lifecycle, policy, registry.repositories.tags(on, at)]


PLAIN = [TagMutability(), False, None, None, {}]
CHANGED = [FROZEN, True, json.loads(LIFECYCLE), json.loads(POLICY), {"team": "red"}]


def test_nothing_but_images_goes_unless_it_is_wanted(on):
    registry.replication.configure(on, HOME, Configuration((Rule((WEST,)),)))
    create(on, THERE)
    change(on)
    finish(on)
    assert found(on) == PLAIN

    registry.replicated_settings.choose(on, HOME, WEST, [Setting.SCAN_ON_PUSH])
    finish(on)
    assert found(on) == [TagMutability(), True, None, None, {}]


def test_a_repository_is_set_when_it_is_made_there_and_whenever_it_changes_here(on):
    replicated(on, HOME, WEST)
    change(on)
    finish(on)
    assert registry.repositories.names(on, WEST, "", 10)[0] == []  # without an image there is no copy

    push(on, AT, "image", "v1")
    finish(on)
    assert found(on) == CHANGED

    registry.repositories.untag(on, AT, ["holdfast:delete-protection"])
    registry.repositories.delete(on, AT, force=True)  # one of the same name is another one, and its copy is the old one
    create(on, AT, mutability=FROZEN, tags={"team": "blue"})
    finish(on)
    assert found(on) == [FROZEN, False, None, None, {"team": "blue"}]
    change(on)
    finish(on)

    registry.repositories.set_mutability(on, AT, TagMutability())
    registry.repositories.untag(on, AT, ["team"])
    registry.policies.delete_from_repository(on, AT)
    registry.lifecycle.delete(on, AT)
    registry.repositories.tag(on, THERE, {"holdfast:delete-protection": "true"})
    finish(on)
    assert found(on) == [TagMutability(), True, None, None, {"holdfast:delete-protection": "true"}]


def test_what_was_changed_there_is_found_and_set_again(on):
    replicated(on, HOME, WEST)
    change(on)
    push(on, AT, "image", "v1")
    finish(on)
    registry.lifecycle.delete(on, THERE)
    registry.repositories.set_scan_on_push(on, THERE, False)

    def verify(*, repairs=True):
        return registry.verification.verify(on, AT, WEST, repairs=repairs, everything=False)

    check = verify(repairs=False)
    assert (check.state, check.counts) == (State.DRIFTED, Counts(agreeing=2, differing_settings=2))
    assert verify().counts.repairs == 2
    finish(on)

    assert found(on) == CHANGED
    [kept], _ = registry.verification.page(on, HOME, "", 10)
    assert (kept.state, verify().state) == (State.REPAIRING, State.IN_SYNC)


def test_of_registries_that_copy_to_each_other_one_leads(on):
    east = Registry(HOME.account_id, "eu-east-1")
    replicated(on, HOME, WEST)
    replicated(on, WEST, east)
    registry.replication.configure(on, east, Configuration((Rule((HOME, WEST)),)))
    for follower in (HOME, WEST):
        with pytest.raises(InvalidParameter, match="one of the two must lead"):
            registry.replicated_settings.choose(on, east, follower, [Setting.SCAN_ON_PUSH])
        registry.replicated_settings.choose(on, east, follower, [])

    registry.replicated_settings.choose(on, HOME, WEST, [])
    registry.replicated_settings.choose(on, east, HOME, [Setting.SCAN_ON_PUSH])
    assert registry.replicated_settings.chosen(on, east) == {HOME: (Setting.SCAN_ON_PUSH,)}


def test_who_begins_at_the_same_moment_is_refused_until_one_of_them_is_silent(on, clock):
    create(on, THERE)
    here, there = registry.repositories.get(on, AT), registry.repositories.get(on, THERE)

    def says(one, other):
        registry.setting_leaders.put(on, other.ref, registry.setting_leaders.find(on, one))

    first, second = registry.setting_leaders.find(on, here), registry.setting_leaders.find(on, there)
    registry.setting_leaders.put(on, THERE, first)
    registry.setting_leaders.put(on, AT, second)
    for one, other in ((here, there), (there, here)):
        with pytest.raises(ReplicatedSettingsCircle):
            says(one, other)

    clock.pass_(hours=4)
    says(here, there)
    with pytest.raises(ReplicatedSettingsCircle):
        says(there, here)


def test_a_circle_of_three_is_seen_too(on):
    third = RepositoryRef(WEST, "third")
    places = [registry.repositories.get(on, AT), *(create_and_get(on, at) for at in (THERE, third))]
    for one, other in pairwise(places):
        registry.setting_leaders.put(on, other.ref, registry.setting_leaders.find(on, one))

    with pytest.raises(ReplicatedSettingsCircle):
        registry.setting_leaders.put(on, AT, registry.setting_leaders.find(on, places[-1]))


def create_and_get(on, at):
    create(on, at)
    return registry.repositories.get(on, at)


OTHER = Registry("111122223333", "eu-west-1")


@pytest.mark.parametrize("actions", [["ecr:ReplicateImage"], ["ecr:ReplicateImage", "ecr:PutImageTagMutability"]])
def test_another_account_says_which_of_its_settings_may_be_set(on, actions):
    registry.accounts.create(on, OTHER.account_id)
    at = RepositoryRef(OTHER, AT.name)
    create(on, at)
    allowed = {"Sid": "copies", "Effect": "Allow", "Action": actions, "Resource": "*",
               "Principal": {"AWS": f"arn:aws:iam::{HOME.account_id}:root"}}  # fmt: skip
    text = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    registry.policies.put_on_registry(on, OTHER, text)
    replicated(on, HOME, OTHER, [Setting.TAG_MUTABILITY])

    registry.repositories.set_mutability(on, AT, FROZEN)
    finish(on)

    assert registry.repositories.get(on, at).mutability == (FROZEN if len(actions) > 1 else TagMutability())


@pytest.mark.parametrize("kind", [Kind.HOLDFAST, Kind.OCI])
def test_a_peer_with_an_api_is_set_too(on, product, request, kind):
    there = Region(product, request.node.nodeid)
    to = Registry("111122223333", there.name)
    arn = secret(on, "ecr-replication/peer", *product.credentials())
    registry.peers.put(on, HOME, Peer(to, kind, product.url, "team/", arn))
    if kind is Kind.OCI:
        with pytest.raises(InvalidParameter, match="ECR's API"):
            replicated(on, HOME, to)
        return
    replicated(on, HOME, to)
    change(on)
    push(on, AT, "image", "v1")
    finish(on)
    name = f"team/{AT.name}"

    [made] = there.ecr.describe_repositories(repositoryNames=[name])["repositories"]
    assert made["imageTagMutability"] == "IMMUTABLE_WITH_EXCLUSION"
    assert made["imageScanningConfiguration"] == {"scanOnPush": True}
    assert there.ecr.list_tags_for_resource(resourceArn=made["repositoryArn"])["tags"] == [
        {"Key": "team", "Value": "red"}
    ]
    assert json.loads(there.ecr.get_repository_policy(repositoryName=name)["policyText"]) == json.loads(POLICY)
    there.ecr.delete_lifecycle_policy(repositoryName=name)
    check = registry.verification.verify(on, AT, to, repairs=True, everything=False)
    assert check.counts == Counts(agreeing=2, differing_settings=1, repairs=1)
    registry.repositories.untag(on, AT, ["team"])
    finish(on)
    assert registry.verification.verify(on, AT, to, repairs=True, everything=False).state is State.IN_SYNC
    assert there.ecr.list_tags_for_resource(resourceArn=made["repositoryArn"])["tags"] == []


def test_only_what_is_copied_there_can_be_set_there(on):
    with pytest.raises(InvalidParameter, match="replication configuration"):
        registry.replicated_settings.choose(on, HOME, WEST, [Setting.SCAN_ON_PUSH])
