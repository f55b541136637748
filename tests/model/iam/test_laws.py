"""Laws that hold for all policies and requests."""

import json
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.model import iam
from holdfast.model.errors import InvalidParameter, MalformedPolicyDocument
from holdfast.model.iam.evaluate import _decide
from tests.model.iam.builders import FEDERATED, HOME, OTHER, REPOSITORY, ROLE, ROOT, SESSION, USER, principal_of
from tests.model.iam.test_documents import VALUES

ABROAD = f"arn:aws:iam::{OTHER}:user/bob"
DEPLOY = f"arn:aws:iam::{HOME}:role/deploy"
ACTIONS = ["ecr:BatchGetImage", "ecr:PutImage", "ecr:SetRepositoryPolicy", "sts:AssumeRole"]
PATTERNS = [*ACTIONS, "*", "ecr:*", "ecr:Batch*", "ecr:?utImage", "sts:*"]
RESOURCES = [
    "*",
    REPOSITORY,
    "arn:aws:ecr:*:*:repository/app/*",
    "arn:aws:ecr:*:*:repository/${aws:username}/*",
    DEPLOY,
]
PRINCIPALS = ["*", USER, ROLE, SESSION, ROOT, OTHER, FEDERATED, ABROAD]
CONDITIONS = {
    "StringEquals": ("aws:username", ["app", "alice", "${aws:principaltag/team}"]),
    "StringNotLike": ("aws:username", ["a*", "${aws:absent}"]),
    "Bool": ("aws:securetransport", ["true", "false"]),
    "NotIpAddress": ("aws:sourceip", ["10.0.0.0/8", "10.1.0.0/16"]),
    "NumericNotEquals": ("aws:multifactorauthage", ["1"]),
    "ForAllValues:StringEquals": ("aws:tagkeys", ["a", "b"]),
    "ForAnyValue:StringNotEquals": ("aws:tagkeys", ["a", "b"]),
    "Null": ("aws:tokenissuetime", ["true", "false"]),
    "BoolIfExists": ("aws:multifactorauthpresent", ["false"]),
}


def some(values):
    return st.lists(st.sampled_from(values), min_size=1, max_size=3, unique=True)


@st.composite
def conditions(draw):
    operators = draw(st.just([]) | st.lists(st.sampled_from(sorted(CONDITIONS)), max_size=2, unique=True))
    return {name: {CONDITIONS[name][0]: draw(some(CONDITIONS[name][1]))} for name in operators}


def element(draw, name, values):
    return {draw(st.sampled_from([name, name, name, f"Not{name}"])): draw(some(values))}


@st.composite
def statements(draw, effect=None, *, names_principals=False):
    made = {
        "Effect": effect or draw(st.sampled_from(["Allow", "Allow", "Allow", "Deny"])),
        "Condition": draw(conditions()),
    }
    made |= element(draw, "Action", PATTERNS) | element(draw, "Resource", RESOURCES)
    if names_principals:
        [(name, listed)] = element(draw, "Principal", PRINCIPALS).items()
        made[name] = {"AWS": listed}
    return made


def documents(*, names_principals=False):
    return st.lists(statements(names_principals=names_principals), max_size=3)


def seldom(values):
    """Most requests must pass few gates, or hardly one would pass them all."""
    return st.none() | st.none() | st.none() | values


OWN, NAMING = documents(), documents(names_principals=True)
# One policy of each type by its name, as lists of statements; None is a type that is not in force.
SETS = st.fixed_dictionaries(
    {
        "identity": st.lists(OWN, max_size=2),
        "session": seldom(st.lists(OWN, min_size=1, max_size=2)),
        "guardrails": seldom(st.lists(OWN, min_size=1, max_size=2)),
        "boundary": seldom(OWN),
        "resource": st.none() | NAMING,
        "registry": seldom(NAMING),
        "endpoint": seldom(NAMING),
    }
)
CONTEXTS = st.fixed_dictionaries(
    {},
    optional={
        "aws:username": st.sampled_from(["alice", "app", "b"]),
        "aws:principaltag/team": st.sampled_from(["alice", "*"]),
        "aws:securetransport": st.sampled_from(["true", "false", "?"]),
        "aws:sourceip": st.sampled_from(["10.1.2.3", "192.0.2.1", "::1", "nowhere"]),
        "aws:multifactorauthage": st.sampled_from(["1", "2", "old"]),
        "aws:multifactorauthpresent": st.sampled_from(["true", "false"]),
        "aws:tokenissuetime": st.just("2026-01-01T00:00:00Z"),
        "aws:tagkeys": st.lists(st.sampled_from("abc"), max_size=2).map(tuple),
    },
)


@st.composite
def requests(draw):
    arn = draw(st.sampled_from([USER, SESSION, ROOT, FEDERATED, ABROAD, "codebuild.amazonaws.com", ""]))
    account = None if not arn.startswith("arn:") else OTHER if arn == ABROAD else HOME
    resource = draw(st.sampled_from([REPOSITORY, DEPLOY, "*"]))
    return iam.Request(principal_of(arn, account), draw(st.sampled_from(ACTIONS)), resource, HOME, draw(CONTEXTS))


def compiled(listed):
    text = json.dumps({"Version": "2012-10-17", "Statement": listed or [NOTHING]})
    return iam.compile_policy(iam.read(text), "x")


NOTHING = {"Effect": "Allow", "Action": "x:nothing", "Resource": "*", "Principal": "*"}


def decide(request, given):
    """Without the net of `evaluate`: nothing may go wrong."""
    policies = iam.Policies(
        identity=tuple(map(compiled, given["identity"])),
        session=None if given["session"] is None else tuple(map(compiled, given["session"])),
        guardrails=None if given["guardrails"] is None else tuple((compiled(one),) for one in given["guardrails"]),
        **{
            name: None if given[name] is None else compiled(given[name])
            for name in ("boundary", "resource", "registry", "endpoint")
        },
    )
    return _decide(request, policies, public=False)


def places(given):
    """Every policy that is in force: its name, and its number where there are several."""
    for name, value in given.items():
        if name in {"identity", "session", "guardrails"}:
            yield from ((name, number) for number in range(len(value or [])))
        elif value is not None:
            yield name, None


def changed(given, place, change):
    name, number = place
    if number is None:
        return given | {name: change(given[name])}
    return given | {name: [change(one) if at == number else one for at, one in enumerate(given[name])]}


@given(requests(), SETS, st.data())
def test_one_more_deny_never_allows(request_, sets, data):
    place = data.draw(st.sampled_from([*places(sets), None]))
    added = data.draw(statements("Deny", names_principals=place is not None and place[0] in {"resource", "registry"}))

    if place is None:
        more = sets | {"identity": [*sets["identity"], [added]]}
    else:
        more = changed(sets, place, lambda listed: [*listed, added])

    before, after = decide(request_, sets), decide(request_, more)
    assert before.is_allowed or not after.is_allowed
    assert before.outcome != "explicit_deny" or after.outcome == "explicit_deny"


@given(requests(), SETS, st.data())
def test_one_more_allow_never_refuses(request_, sets, data):
    place = data.draw(st.sampled_from([*places(sets), None]))
    added = data.draw(statements("Allow", names_principals=place is not None and place[0] in {"resource", "registry"}))

    if place is None:
        more = sets | {"identity": [*sets["identity"], [added]]}
    else:
        more = changed(sets, place, lambda listed: [*listed, added])

    before, after = decide(request_, sets), decide(request_, more)
    assert after.is_allowed or not before.is_allowed
    assert (before.outcome == "explicit_deny") is (after.outcome == "explicit_deny")


@given(requests(), SETS)
def test_the_order_of_policies_and_statements_does_not_matter(request_, sets):
    turned = dict(sets)
    for place in places(sets):
        turned = changed(turned, place, lambda listed: listed[::-1])
    turned |= {name: sets[name] and turned[name][::-1] for name in ("identity", "session", "guardrails")}

    assert decide(request_, sets).outcome == decide(request_, turned).outcome
    assert decide(request_, sets).missing == decide(request_, turned).missing


@given(requests(), SETS)
def test_a_statement_may_be_split_by_its_actions(request_, sets):
    def split(listed):
        return [
            one | {"Action": [action]} if "Action" in one else one
            for one in listed
            for action in one.get("Action", [None])
        ]

    apart = dict(sets)
    for place in places(sets):
        apart = changed(apart, place, split)

    assert decide(request_, sets).outcome == decide(request_, apart).outcome


@given(requests(), SETS)
def test_requests_that_agree_in_what_is_read_are_decided_alike(request_, sets):
    used = set()
    for name, number in places(sets):
        used |= compiled(sets[name] if number is None else sets[name][number]).keys_used
    bare = replace(request_, context={key: value for key, value in request_.context.items() if key in used})

    assert decide(request_, sets).outcome == decide(bare, sets).outcome


@given(requests(), SETS)
def test_every_refusal_has_a_reason_and_no_allow_has(request_, sets):
    decision = decide(request_, sets)

    assert bool(decision.reason) is not decision.is_allowed
    assert bool(decision.missing) is (decision.outcome == "implicit_deny")
    assert all(one.effect == "Deny" for one in decision.statements) or decision.is_allowed


@settings(max_examples=300)
@given(requests(), VALUES, VALUES, st.dictionaries(st.sampled_from(["a:b", "aws:username"]), st.text(max_size=4)))
def test_any_document_that_passed_is_decided_without_a_fault(request_, condition, principal, context):
    asked = replace(request_, context=context)
    bodies = [{"Condition": condition}, {"Condition": {"StringLike": {"a:b": condition}}}, {"Resource": condition},
              {"Action": condition}, {"Principal": principal}, {"NotPrincipal": principal}]  # fmt: skip
    for body in bodies:
        text = json.dumps(
            {"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "ecr:*", "Resource": "*"} | body}
        )
        for kind in iam.Kind:
            try:
                policy = iam.compile_policy(iam.parse(text, kind), "x")
            except (MalformedPolicyDocument, InvalidParameter):
                continue
            policies = iam.Policies(identity=(policy,), resource=policy)
            assert _decide(asked, policies, public=True).outcome
