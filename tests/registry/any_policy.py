"""Any policies, by which people whom a ground has may or may not do some things; and any requests of theirs."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import strategies as st

from holdfast import registry
from holdfast.http import Request
from holdfast.model.callers import ANONYMOUS, Caller
from holdfast.model.iam_policies import read_arn
from holdfast.model.iam_sessions import FEDERATED, ROLE, USER
from holdfast.model.names import AllRepositories, Arn, Registry, RepositoryRef
from tests.grants import policy
from tests.registry.ground import AT, HOME, create

ACCOUNT, OTHER = HOME.account_id, "444455556666"
RED = RepositoryRef(HOME, "red/app")
ALICE, CI = f"arn:aws:iam::{ACCOUNT}:user/alice", f"arn:aws:iam::{ACCOUNT}:role/ci"
RUN = f"arn:aws:sts::{ACCOUNT}:assumed-role/ci/run"
TRUST = policy({"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"})
PLACES = [AT, AT, AT, AT, RED, AllRepositories(HOME), HOME, Registry(ACCOUNT, "eu-west-1"), Arn(ACCOUNT, ALICE)]
ACTIONS = ["ecr:BatchGetImage", "ecr:PutImage", "iam:GetUser"]

# What is asked for and what is said are mostly the same few things, or hardly a policy would make a difference.
PATTERNS = ["*", "ecr:*", "ecr:Batch*", "ecr:?utImage", *ACTIONS]
RESOURCES = ["*", "*", AT.arn, AT.arn, "arn:aws:ecr:*:*:repository/red/*", ALICE,
             "arn:aws:ecr:*:*:repository/${aws:PrincipalTag/team}/*"]  # fmt: skip
CONDITIONS = [
    {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}},
    {"NotIpAddress": {"aws:SourceIp": ["10.1.0.0/16", "192.0.2.1"]}},
    {"Bool": {"aws:SecureTransport": "true"}},
    {"StringLike": {"aws:UserAgent": "docker/*"}},
    {"StringNotLike": {"aws:Referer": "*"}},
    {"StringEquals": {"aws:RequestTag/team": "${aws:PrincipalTag/team}"}},
    {"ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}},
    {"ForAnyValue:StringNotEquals": {"aws:TagKeys": ["team"]}},
    {"StringLike": {"ecr:ImageTag": "prod-*"}},
    {"StringNotLikeIfExists": {"ecr:ImageTag": ["prod-*", "${aws:username}"]}},
    {"StringEquals": {"aws:PrincipalTag/team": "red"}},
    {"StringEquals": {"aws:ResourceTag/stage": "test"}},
    {"StringNotEquals": {"ecr:ResourceTag/stage": "prod"}},
    {"Null": {"aws:TokenIssueTime": "true"}},
    {"DateLessThan": {"aws:CurrentTime": "2030-01-01T12:00:00Z"}},
    {"StringEquals": {"aws:RequestedRegion": "us-east-1"}},
    {"ArnLike": {"aws:PrincipalArn": [CI, f"arn:aws:iam::{OTHER}:*"]}},
    {"StringLike": {"aws:userid": ["AIDA*", "*:run"]}},
]
PRINCIPALS = ["*", ACCOUNT, OTHER, ALICE, CI, RUN, f"arn:aws:sts::{ACCOUNT}:federated-user/guest"]


def some(values, most=2):
    return st.lists(st.sampled_from(values), min_size=1, max_size=most, unique=True)


@st.composite
def statements(draw, conditions=CONDITIONS, *, effect=None, of_resource=False):
    """Any statement that may stand in a user's policy, or in that of a repository."""
    made = {
        "Effect": effect or draw(st.sampled_from(["Allow", "Allow", "Allow", "Deny"])),
        draw(st.sampled_from(["Action", "Action", "Action", "NotAction"])): draw(some(PATTERNS)),
    }
    for condition in draw(st.lists(st.sampled_from(conditions), max_size=1)):
        made.setdefault("Condition", {}).update(condition)
    if of_resource:
        principals = draw(some(PRINCIPALS))
        name = "Principal" if made["Effect"] == "Allow" else draw(st.sampled_from(["Principal", "NotPrincipal"]))
        made[name] = {"AWS": principals}
        made["Action"] = [one for one in made.pop("NotAction", made.get("Action")) if one.startswith("ecr:")] or "ecr:*"
    return made | ({} if of_resource else {"Resource": draw(some(RESOURCES))})


MANAGED = {name: read_arn(f"arn:aws:iam::{ACCOUNT}:policy/{name}") for name in ("bounds", "extra")}
INLINE = {"alice": "user", "crew": "group", "ci": "role"}
OF_RESOURCES = ("repository", "registry")
WHERE = [*INLINE, *MANAGED, *OF_RESOURCES]
NOTHING = policy({"Effect": "Allow", "Action": "x:nothing", "Resource": "*"})


def policies_at(place, conditions=CONDITIONS):
    """Any statements that a place may have, with some conditions."""
    return st.lists(statements(conditions, of_resource=place in OF_RESOURCES), min_size=1, max_size=2)


REQUESTS = st.builds(
    lambda peer, headers, is_secure: Request("GET", "/", "", headers, peer=peer, is_secure=is_secure),
    st.sampled_from(["10.1.2.3", "10.2.0.1", "192.0.2.1", "::ffff:10.1.2.3", "local"]),
    st.lists(st.sampled_from([("user-agent", "docker/28"), ("user-agent", "x"), ("referer", "y")]), max_size=2),
    st.booleans(),
)
FACTS = st.sampled_from(
    [
        {},
        {},
        {"ecr:imagetag": "prod-1"},
        {"ecr:imagetag": "alice"},
        {"aws:requesttag/team": "red", "aws:tagkeys": ("team",)},
        {"aws:requesttag/team": "blue", "aws:tagkeys": ("team", "other")},
        {"aws:requesttag/team": ("blue", "red"), "aws:tagkeys": ("team", "Team")},
    ]
)


class People:
    """A user with a group, a role, sessions of either kind, a stranger with rights, a root and nobody."""

    def __init__(self, on):
        self.on = on
        for name in MANAGED:
            registry.iam.policies.create(on, ACCOUNT, name, NOTHING)
        create(on, RED)
        registry.accounts.create(on, OTHER)
        alice = registry.iam.users.create(on, ACCOUNT, "alice", tags={"team": "red"})
        bob = registry.iam.users.create(on, OTHER, "bob")
        registry.iam.groups.create(on, ACCOUNT, "crew")
        registry.iam.groups.add_user(on, ACCOUNT, "crew", "alice")
        self.role = registry.iam.roles.create(on, ACCOUNT, "ci", TRUST)
        narrowed = (policy({"Effect": "Allow", "Action": "ecr:Batch*", "Resource": "*"}),)
        self.callers = {
            "root": Caller(ACCOUNT, "AKIAROOT"),
            "alice": Caller(ACCOUNT, "AKIAALICE", "user", alice.id, ALICE),
            "alice for a while": self.begin(USER, alice, "alice"),
            "run": self.begin(ROLE, self.role, "run"),
            "narrowed run": self.begin(ROLE, self.role, "run", policies=narrowed, tags={"Team": "blue"}),
            "guest": self.begin(FEDERATED, alice, "guest", policies=narrowed),
            "bob": Caller(OTHER, "AKIABOB", "user", bob.id, bob.arn),
            "nobody": ANONYMOUS,
        }
        registry.iam.attachments.put_inline(on, "user", OTHER, "bob", "own", policy(
            {"Effect": "Allow", "Action": "*", "Resource": "*"}))  # fmt: skip

    def begin(self, kind, entity, name, **members):
        """Begin a session; the caller that it stands for."""
        with self.on.database.transaction() as tx:
            credentials = registry.iam.sessions.begin(
                self.on, tx, account_id=ACCOUNT, kind=kind, entity_id=entity.id, name=name,
                lifetime=timedelta(hours=1), **members,
            )  # fmt: skip
        return registry.iam.sessions.find(self.on, credentials.access_key_id).caller

    def say(self, place, listed):
        """Let a policy say something: whose it is, or where it is."""
        on, text = self.on, policy(*listed)
        if place == "repository":
            head = Request("POST", "/", "", [], peer="127.0.0.1", is_secure=False)
            registry.policies.set_on_repository(on, self.callers["root"], AT, text, head, force=True)
        elif place == "registry":
            registry.policies.put_on_registry(on, HOME, policy(*({**one, "Resource": "*"} for one in listed)))
        elif place in MANAGED:
            made = registry.iam.policies.create_version(on, MANAGED[place], text, is_default=True)
            registry.iam.policies.delete_version(on, MANAGED[place], f"v{made.number - 1}")
        else:
            registry.iam.attachments.put_inline(on, INLINE[place], ACCOUNT, place, "own", text)

    def bound(self, *, is_bound):
        """Let the user and the role be bounded, or not."""
        for module, name in ((registry.iam.users, "alice"), (registry.iam.roles, "ci")):
            if is_bound:
                module.put_boundary(self.on, ACCOUNT, name, MANAGED["bounds"].text)
            else:
                module.delete_boundary(self.on, ACCOUNT, name)
