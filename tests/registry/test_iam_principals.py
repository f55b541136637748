"""What decides about users and roles, what an account may have of roles and policies, and when roles were used."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from holdfast import registry, store
from holdfast.model import iam_policies
from holdfast.model.errors import LimitExceeded
from holdfast.registry.iam import key_uses, sessions
from holdfast.registry.iam.principals import policies_of
from tests.registry.ground import HOME

iam = registry.iam
ACCOUNT = HOME.account_id
READ_ONLY = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly"
OWN = f"arn:aws:iam::{ACCOUNT}:policy/own"


def policy(action):
    return json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": action, "Resource": "*"}})


TRUST = json.dumps({
    "Version": "2012-10-17",
    "Statement": {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"},
})  # fmt: skip


class Counting:
    """A transaction that counts what it is asked."""

    def __init__(self, tx):
        self._tx = tx
        self.asked = 0

    def __getattr__(self, name):
        self.asked += name in {"all", "first"}
        return getattr(self._tx, name)


def found(on, kind, entity_id):
    with on.database.snapshot() as tx:
        return policies_of(tx, kind, entity_id)


def attach(on, kind, name, arn):
    iam.attachments.attach(on, kind, ACCOUNT, name, iam_policies.read_arn(arn))


def changes(on):
    with on.database.snapshot() as tx:
        return store.counters.get(tx, store.counters.ACCESS + ACCOUNT)


# ---- Policies


def test_a_user_has_its_own_policies_and_those_of_its_groups(on):
    iam.policies.create(on, ACCOUNT, "own", policy("ecr:Own"))
    alice = iam.users.create(on, ACCOUNT, "alice", path="/a/", boundary_arn=OWN, tags={"team": "red"})
    for name in ("all", "none"):
        iam.groups.create(on, ACCOUNT, name)
        iam.attachments.put_inline(on, "group", ACCOUNT, name, "shared", policy(f"ecr:{name}"))
    iam.groups.add_user(on, ACCOUNT, "all", "alice")
    iam.attachments.put_inline(on, "user", ACCOUNT, "alice", "mine", policy("ecr:Mine"))
    for kind, name in (("user", "alice"), ("group", "all")):
        attach(on, kind, name, READ_ONLY)
    attach(on, "group", "all", OWN)

    answer = found(on, "user", alice.id)

    assert (answer.arn, answer.name, answer.account_id) == (alice.arn, "alice", ACCOUNT)
    assert answer.tags == {"team": "red"}
    assert answer.boundary == (OWN, policy("ecr:Own"))
    assert sorted(answer.identity) == sorted([
        ("inline policy mine of user alice", policy("ecr:Mine")),
        ("inline policy shared of group all", policy("ecr:all")),
        (OWN, policy("ecr:Own")),
        (READ_ONLY, dict(answer.identity)[READ_ONLY]),
    ])  # fmt: skip


def test_a_role_and_a_group_have_their_own(on):
    role = iam.roles.create(on, ACCOUNT, "some", TRUST, tags={"a": "b"})
    group = iam.groups.create(on, ACCOUNT, "all")
    iam.attachments.put_inline(on, "role", ACCOUNT, "some", "own", policy("ecr:Role"))
    attach(on, "group", "all", READ_ONLY)

    of_role, of_group = found(on, "role", role.id), found(on, "group", group.id)

    assert of_role.identity == (("inline policy own of role some", policy("ecr:Role")),)
    assert (of_role.tags, of_role.boundary) == ({"a": "b"}, None)
    assert [source for source, _ in of_group.identity] == [READ_ONLY]


def test_the_default_version_counts(on):
    named = iam_policies.read_arn(iam.policies.create(on, ACCOUNT, "own", policy("ecr:First")).arn)
    alice = iam.users.create(on, ACCOUNT, "alice")
    attach(on, "user", "alice", OWN)
    iam.policies.create_version(on, named, policy("ecr:Second"), is_default=False)

    before = found(on, "user", alice.id).identity
    iam.policies.set_default_version(on, named, "v2")

    assert before == ((OWN, policy("ecr:First")),)
    assert found(on, "user", alice.id).identity == ((OWN, policy("ecr:Second")),)


@pytest.mark.parametrize("kind", ["user", "group", "role"])
def test_who_is_gone_is_nobody(on, kind):
    assert found(on, kind, "AIDAAAAAAAAAAAAAAAAAA") is None


def test_it_takes_three_questions(on):
    iam.policies.create(on, ACCOUNT, "own", policy("ecr:Own"))
    alice = iam.users.create(on, ACCOUNT, "alice", boundary_arn=OWN)
    attach(on, "user", "alice", OWN)
    attach(on, "user", "alice", READ_ONLY)

    with on.database.snapshot() as tx:
        counting = Counting(tx)
        policies_of(counting, "user", alice.id)

    assert counting.asked == 3


def test_a_boundary_that_is_not_there_lets_nothing_through(on):
    alice = iam.users.create(on, ACCOUNT, "alice")
    with on.database.transaction() as tx:
        store.iam_users.set_boundary(tx, alice, "arn:aws:iam::000000000000:policy/gone")

    arn, text = found(on, "user", alice.id).boundary

    assert arn.endswith("policy/gone")
    assert json.loads(text)["Statement"] == {"Effect": "Deny", "Action": "*", "Resource": "*"}


# ---- What is counted


def test_whatever_decides_is_counted_when_it_changes(on):
    named = iam_policies.read_arn(OWN)
    inline = (on, "role", ACCOUNT, "some", "own")
    deeds = [
        lambda: iam.policies.create(on, ACCOUNT, "own", policy("ecr:A")),
        lambda: iam.policies.create_version(on, named, policy("ecr:B"), is_default=True),
        lambda: iam.policies.set_default_version(on, named, "v1"),
        lambda: iam.roles.create(on, ACCOUNT, "some", TRUST),
        lambda: iam.roles.set_trust(on, ACCOUNT, "some", TRUST.replace("*", ACCOUNT)),
        lambda: iam.roles.update(on, ACCOUNT, "some", description="new"),
        lambda: iam.roles.tag(on, ACCOUNT, "some", {"a": "b"}),
        lambda: iam.roles.untag(on, ACCOUNT, "some", ["a"]),
        lambda: iam.roles.put_boundary(on, ACCOUNT, "some", OWN),
        lambda: iam.roles.delete_boundary(on, ACCOUNT, "some"),
        lambda: attach(on, "role", "some", OWN),
        lambda: iam.attachments.detach(on, "role", ACCOUNT, "some", named),
        lambda: iam.attachments.put_inline(*inline, policy("ecr:C")),
        lambda: iam.attachments.delete_inline(*inline),
        lambda: iam.roles.delete(on, ACCOUNT, "some"),
        lambda: iam.policies.delete_version(on, named, "v2"),
        lambda: iam.policies.tag(on, named, {"a": "b"}),
        lambda: iam.policies.untag(on, named, ["a"]),
        lambda: iam.policies.delete(on, named),
        lambda: iam.roles.create_for_service(on, ACCOUNT, "ecr.amazonaws.com"),
        lambda: iam.roles.delete_of_service(on, ACCOUNT, "AWSServiceRoleForECRTemplate"),
        lambda: iam.oidc_providers.create(on, ACCOUNT, "https://example.com"),
    ]

    for number, deed in enumerate(deeds):
        before = changes(on)
        deed()
        assert changes(on) > before, number


# ---- How much there may be


@pytest.mark.parametrize(
    ("limit", "name", "make"),
    [
        ("roles", "RolesPerAccount", lambda on, name: iam.roles.create(on, ACCOUNT, name, TRUST)),
        ("customer_policies", "PoliciesPerAccount",
         lambda on, name: iam.policies.create(on, ACCOUNT, name, policy("ecr:A"))),
        ("instance_profiles", "InstanceProfilesPerAccount",
         lambda on, name: iam.instance_profiles.create(on, ACCOUNT, name)),
        ("oidc_providers", "OpenIdConnectProvidersPerAccount",
         lambda on, name: iam.oidc_providers.create(on, ACCOUNT, f"https://{name}.example.com")),
    ],
)  # fmt: skip
def test_an_account_has_so_many_and_no_more(on, limit, name, make):
    on = replace(on, limits=replace(on.limits, **{limit: 2}))
    make(on, "first")
    make(on, "second")

    with pytest.raises(LimitExceeded, match=f"Cannot exceed quota for {name}: 2"):
        make(on, "third")

    with on.database.snapshot() as tx:
        kept = (store.iam_roles, store.iam_policies, store.iam_instance_profiles, store.iam_oidc_providers)
        assert sum(one.count(tx, ACCOUNT) for one in kept) == 2


def test_the_role_of_a_service_counts_like_any_other(on):
    on = replace(on, limits=replace(on.limits, roles=0))

    with pytest.raises(LimitExceeded, match="Cannot exceed quota for RolesPerAccount: 0"):
        iam.roles.create_for_service(on, ACCOUNT, "ecr.amazonaws.com")


# ---- When roles were used


def session_of(on, role):
    with on.database.transaction() as tx:
        made = sessions.begin(
            on, tx, account_id=ACCOUNT, kind="role", entity_id=role.id, name="s", lifetime=timedelta(hours=1)
        )
    return made.access_key_id


def test_a_role_was_used_when_one_of_its_sessions_was(on, clock):
    role, other = (iam.roles.create(on, ACCOUNT, name, TRUST) for name in ("some", "other"))
    session, later = session_of(on, role), session_of(on, role)
    now = clock()

    on.key_uses.note(later, "ecr", "eu-west-1", now)
    on.key_uses.note(session, "ecr", "us-east-1", now - timedelta(minutes=1))
    key_uses.record(on)

    used = iam.roles.get(on, ACCOUNT, "some")
    assert (used.used_at, used.used_in) == (now, "eu-west-1")
    assert iam.roles.get(on, ACCOUNT, "other") == other
