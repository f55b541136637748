"""The decision: how the types of policies work together, special callers, and the words of a refusal."""

import pytest

from holdfast.model import iam
from tests.model.iam.builders import (
    FEDERATED,
    HOME,
    OTHER,
    PULL,
    REPOSITORY,
    ROLE,
    ROOT,
    SESSION,
    USER,
    a_request,
    allow,
    decide,
    document,
    grant,
    outcome,
    policy,
    statement,
)

OTHER_USER = f"arn:aws:iam::{OTHER}:user/bob"
OTHER_ROOT = f"arn:aws:iam::{OTHER}:root"
DEPLOY = f"arn:aws:iam::{HOME}:role/deploy"
PROVIDER = f"arn:aws:iam::{HOME}:oidc-provider/gitlab.example"
OURS = allow("s3:*")  # a policy that allows something else
DENY = policy(statement("Deny"))
REASON = f"because no {{}} allows the {PULL} action"


def from_abroad(principal=OTHER_USER, **members):
    return a_request(principal, account=OTHER, **members)


# ---- The documented table: a grant of the resource's own policy, everything else silent


@pytest.mark.parametrize(
    ("principal", "granted", "limits", "expected"),
    [
        (USER, USER, {}, "allow"),
        (USER, USER, {"boundary": OURS}, "allow"),
        (USER, "*", {"boundary": OURS}, "allow"),
        (USER, HOME, {}, "implicit_deny"),
        (SESSION, ROLE, {}, "allow"),
        (SESSION, ROLE, {"boundary": OURS}, "implicit_deny"),
        (SESSION, ROLE, {"session": OURS}, "implicit_deny"),
        (SESSION, ROLE, {"boundary": allow(), "session": allow()}, "allow"),
        (SESSION, SESSION, {"boundary": OURS, "session": OURS}, "allow"),
        (SESSION, "*", {"boundary": OURS, "session": OURS}, "allow"),
        (SESSION, HOME, {}, "implicit_deny"),
        (FEDERATED, USER, {}, "allow"),
        (FEDERATED, USER, {"boundary": OURS}, "implicit_deny"),
        (FEDERATED, USER, {"session": OURS}, "implicit_deny"),
        (FEDERATED, FEDERATED, {"boundary": OURS, "session": OURS}, "allow"),
        (ROOT, ROOT, {}, "allow"),
        (ROOT, OTHER, {}, "allow"),
    ],
)
def test_a_grant_in_the_same_account_is_enough_as_documented(principal, granted, limits, expected):
    assert outcome(a_request(principal), resource=grant(granted), **limits) == expected
    assert outcome(a_request(principal), registry=grant(granted, resource="*"), **limits) == expected


@pytest.mark.parametrize(
    "denied", ["identity", "boundary", "session", "resource", "registry", "endpoint", "guardrails"]
)
def test_a_deny_anywhere_wins(denied):
    everything = {
        "identity": (allow(),),
        "boundary": allow(),
        "session": (allow(),),
        "resource": grant("*"),
        "registry": grant("*", resource="*"),
        "endpoint": grant("*", resource="*"),
        "guardrails": ((allow(),), (allow(),)),
    }
    deny = {
        "identity": (allow(), DENY),
        "boundary": policy(statement(), statement("Deny")),
        "session": (DENY, allow()),
        "guardrails": ((allow(),), (allow(), DENY)),
    }.get(denied, grant("*", effect="Deny", resource="*"))

    assert outcome(**everything) == "allow"
    assert outcome(**(everything | {denied: deny})) == "explicit_deny"


@pytest.mark.parametrize(
    ("lacking", "given"),
    [
        ("identity", {"identity": OURS}),
        ("identity", {"identity": ()}),
        ("boundary", {"boundary": OURS}),
        ("session", {"session": OURS}),
        ("session", {"session": ()}),
        ("guardrail", {"guardrails": ((allow(),), (OURS,))}),
        ("guardrail", {"guardrails": ((),)}),
        ("endpoint", {"endpoint": grant(OTHER, resource="*")}),
    ],
)
def test_each_type_in_force_must_allow(lacking, given):
    decision = decide(**({"identity": allow()} | given))

    assert (decision.outcome, decision.missing) == ("implicit_deny", (lacking,))


def test_policies_of_one_type_add_up_and_levels_do_not():
    pull, push = allow(PULL), allow("ecr:PutImage")

    assert outcome(identity=(push, pull)) == "allow"
    assert outcome(identity=allow(), session=(push, pull)) == "allow"
    assert outcome(identity=allow(), guardrails=((push, pull),)) == "allow"
    assert outcome(identity=allow(), guardrails=((push,), (pull,))) == "implicit_deny"
    assert outcome(identity=allow(), guardrails=()) == "allow"


# ---- Other accounts


@pytest.mark.parametrize("granted", [OTHER_USER, OTHER, OTHER_ROOT, "*"])
def test_another_account_needs_both_sides(granted):
    given = {"resource": grant(granted), "identity": allow()}

    assert outcome(from_abroad(), **given) == "allow"
    assert decide(from_abroad(), resource=given["resource"]).missing == ("identity",)
    assert decide(from_abroad(), identity=allow()).missing == ("resource",)
    assert decide(from_abroad()).missing == ("resource", "identity")
    assert decide(from_abroad(), **given, boundary=OURS).missing == ("boundary",)
    assert decide(from_abroad(), **given, session=OURS).missing == ("session",)


def test_the_root_of_another_account_needs_the_owners_side_only():
    assert outcome(from_abroad(OTHER_ROOT), resource=grant(OTHER)) == "allow"
    assert outcome(from_abroad(OTHER_ROOT), registry=grant("*", resource="*")) == "allow"
    assert outcome(from_abroad(OTHER_ROOT), resource=grant(OTHER_USER)) == "implicit_deny"
    assert outcome(from_abroad(OTHER_ROOT)) == "implicit_deny"


# ---- Root


def test_root_is_limited_by_guardrails_endpoints_and_the_owners_denies_only():
    root = a_request(ROOT)

    assert outcome(root) == "allow"
    assert outcome(root, guardrails=((OURS,),)) == "implicit_deny"
    assert outcome(root, endpoint=grant(OTHER, resource="*")) == "implicit_deny"
    assert outcome(root, resource=grant(HOME, effect="Deny")) == "explicit_deny"


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("ecr:GetRepositoryPolicy", REPOSITORY),
        ("ecr:SetRepositoryPolicy", REPOSITORY),
        ("ecr:DeleteRepositoryPolicy", REPOSITORY),
        ("ecr:GetRegistryPolicy", "*"),
        ("ecr:PutRegistryPolicy", "*"),
        ("ecr:DeleteRegistryPolicy", "*"),
    ],
)
def test_the_owning_root_may_always_mend_a_policy_that_locks_everybody_out(action, resource):
    locked = {"registry": grant("*", effect="Deny", resource="*"), "resource": grant("*", effect="Deny")}

    assert outcome(a_request(ROOT, action, resource), **locked) == "allow"
    assert outcome(a_request(ROOT, action, resource), **locked, guardrails=((DENY,),)) == "explicit_deny"
    assert outcome(a_request(USER, action, resource), **locked, identity=allow()) == "explicit_deny"
    assert outcome(from_abroad(OTHER_ROOT, action=action, resource=resource), **locked) == "explicit_deny"


# ---- Actions of their own


@pytest.mark.parametrize("action", ["sts:GetCallerIdentity", "STS:getcalleridentity", "sts:GetSessionToken"])
def test_what_cannot_be_denied(action):
    denied = {"identity": policy(statement("Deny", "*")), "guardrails": ((policy(statement("Deny", "*")),),)}

    assert outcome(a_request(action=action, resource="*"), **denied) == "allow"


def test_a_login_token_is_asked_of_the_callers_side_only():
    request = a_request(action="ecr:GetAuthorizationToken", resource="*")
    owner = {"registry": grant("*", effect="Deny", resource="*"), "resource": grant("*", effect="Deny")}

    assert outcome(request, identity=allow(), **owner) == "allow"
    assert outcome(request, registry=grant("*", resource="*")) == "implicit_deny"


@pytest.mark.parametrize(
    ("resource", "is_named"),
    [("*", True), ("arn:aws:ecr:*:*:*", False), ("arn:aws:ecr:*:*:repository/*", False), ("arn:*:*:*:*:*", False)],
)
def test_an_action_on_the_whole_registry_is_named_by_a_star_only(resource, is_named):
    request = a_request(action="ecr:DescribeRegistry", resource="*")
    others = policy(statement("Deny", resource=None, NotResource=resource))

    assert outcome(request, identity=policy(statement(resource=resource))) == ("allow" if is_named else "implicit_deny")
    assert outcome(request, identity=(allow(), others)) == ("allow" if is_named else "explicit_deny")
    assert outcome(request, resource=grant(USER)) == "implicit_deny"


@pytest.mark.parametrize(
    ("principal", "granted", "identity", "expected"),
    [
        (USER, USER, (), "allow"),
        (USER, "*", (), "allow"),
        (USER, HOME, (), "implicit_deny"),
        (USER, HOME, (allow("sts:AssumeRole"),), "allow"),
        (USER, OTHER, (allow("sts:AssumeRole"),), "implicit_deny"),
        (SESSION, ROLE, (), "allow"),
        (SESSION, HOME, (), "implicit_deny"),
        (SESSION, HOME, (allow("sts:*"),), "allow"),
    ],
)
@pytest.mark.parametrize("action", ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"])
def test_a_role_is_assumed_only_by_whom_its_trust_policy_names(action, principal, granted, identity, expected):
    request = a_request(principal, action, DEPLOY)
    identity = tuple(allow("sts:*") for _ in identity)

    assert outcome(request, identity=identity, resource=grant(granted, "sts:*")) == expected
    assert outcome(request, identity=identity) == "implicit_deny"


def test_a_federated_user_has_no_trust_policy_to_be_asked_for_its_tags():
    request = a_request(action="sts:TagSession", resource=FEDERATED)

    assert outcome(request, identity=allow("sts:TagSession")) == "allow"
    assert decide(request).reason == "because no identity-based policy allows the sts:TagSession action"


def test_a_web_identity_is_let_in_by_the_trust_policy_alone():
    request = a_request(PROVIDER, "sts:AssumeRoleWithWebIdentity", DEPLOY, context={"gitlab.example:sub": "x"})
    trust = grant(
        {"Federated": PROVIDER},
        "sts:AssumeRoleWithWebIdentity",
        Condition={"StringEquals": {"gitlab.example:sub": "x"}},
    )

    assert outcome(request, resource=trust) == "allow"
    assert outcome(request, resource=grant("*", "sts:AssumeRoleWithWebIdentity")) == "allow"
    assert outcome(request, resource=grant(HOME, "sts:AssumeRoleWithWebIdentity")) == "implicit_deny"
    assert outcome(request, identity=allow("*")) == "implicit_deny"


# ---- Who has no policies of his own


def test_a_service_is_let_in_by_the_resource_alone():
    request = a_request("codebuild.amazonaws.com", account=None)

    assert outcome(request, resource=grant({"Service": "codebuild.amazonaws.com"})) == "allow"
    assert outcome(request, resource=grant("*")) == "allow"
    assert outcome(request, resource=grant({"Service": "lambda.amazonaws.com"})) == "implicit_deny"
    assert outcome(request, resource=grant(HOME), identity=allow()) == "implicit_deny"
    assert decide(request).missing == ("resource",)


def test_a_stranger_is_let_in_by_everybody_if_the_product_has_public_repositories():
    request = a_request("", account=None)

    assert outcome(request, resource=grant("*")) == "implicit_deny"
    assert outcome(request, resource=grant("*"), public=True) == "allow"
    assert outcome(request, resource=grant(HOME), public=True) == "implicit_deny"
    assert outcome(request, identity=allow(), public=True) == "implicit_deny"
    assert outcome(request, resource=grant("*", effect="Deny"), public=True) == "explicit_deny"


def test_a_federated_user_has_what_a_session_policy_hands_down():
    request = a_request(FEDERATED)

    assert decide(request, identity=allow()).missing == ("session",)
    assert outcome(request, identity=allow(), session=allow(PULL)) == "allow"
    assert outcome(request, session=allow()) == "implicit_deny"
    assert outcome(request, resource=grant(USER)) == "allow"
    assert (
        outcome(from_abroad(FEDERATED.replace(HOME, OTHER)), identity=allow(), resource=grant(OTHER)) == "implicit_deny"
    )


# ---- NotPrincipal


def test_deny_and_not_principal_always_reach_who_has_a_boundary():
    spared = policy({"Effect": "Deny", "NotPrincipal": {"AWS": [USER, HOME]}, "Action": "ecr:PutImage"})
    push = a_request(action="ecr:PutImage")

    assert outcome(push, identity=allow(), resource=spared) == "allow"
    assert outcome(push, identity=allow(), resource=spared, boundary=allow()) == "explicit_deny"
    assert outcome(identity=allow(), resource=spared, boundary=allow()) == "allow"


def test_allow_and_not_principal_grant_to_everybody_else():
    others = policy({"Effect": "Allow", "NotPrincipal": {"AWS": OTHER}, "Action": "ecr:*"})

    assert outcome(resource=others) == "allow"
    assert outcome(from_abroad(), identity=allow(), resource=others) == "implicit_deny"


# ---- What is told


def test_an_allow_tells_which_statements_allowed():
    identity = policy(statement(action="s3:*"), statement(Sid="Pull"), source="inline policy x of user alice")
    boundary = policy(statement(), source="arn:aws:iam::111122223333:policy/limit")

    decision = decide(identity=identity, boundary=boundary, resource=grant(OTHER))

    assert decision.is_allowed
    assert decision.reason == ""
    assert decision.missing == ()
    assert decision.statements == (
        iam.MatchedStatement("identity", "inline policy x of user alice", "Pull", "Allow"),
        iam.MatchedStatement("boundary", "arn:aws:iam::111122223333:policy/limit", "0", "Allow"),
    )


def test_a_grant_that_is_enough_alone_is_told_alone():
    decision = decide(identity=allow(), resource=grant(USER))

    assert [one.type for one in decision.statements] == ["resource"]


def test_a_refusal_tells_every_deny():
    decision = decide(identity=(allow(), DENY), resource=grant("*", effect="Deny"))

    assert [(one.type, one.effect) for one in decision.statements] == [("identity", "Deny"), ("resource", "Deny")]


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"identity": ()}, REASON.format("identity-based policy")),
        ({"boundary": OURS}, REASON.format("permissions boundary")),
        ({"session": OURS}, REASON.format("session policy")),
        ({"guardrails": ((OURS,),)}, REASON.format("service control policy")),
        ({"endpoint": grant(OTHER)}, REASON.format("VPC endpoint policy")),
        ({"identity": DENY}, "with an explicit deny in an identity-based policy"),
        ({"resource": grant("*", effect="Deny")}, "with an explicit deny in a resource-based policy"),
        ({"registry": grant("*", effect="Deny", resource="*")}, "with an explicit deny in a resource-based policy"),
        ({"boundary": DENY}, "with an explicit deny in a permissions boundary"),
        ({"session": DENY}, "with an explicit deny in a session policy"),
        ({"guardrails": ((DENY,),)}, "with an explicit deny in a service control policy"),
        ({"endpoint": grant("*", effect="Deny")}, "with an explicit deny in a VPC endpoint policy"),
    ],
)
def test_a_refusal_gives_its_reason_in_the_words_of_aws(given, reason):
    assert decide(**({"identity": allow()} | given)).reason == reason


def test_the_reason_for_another_account_names_the_owners_side_first():
    assert decide(from_abroad()).reason == REASON.format("resource-based policy")
    assert decide(from_abroad(), resource=grant("*")).reason == REASON.format("identity-based policy")


def test_the_reason_of_a_trust_policy_has_its_name():
    assume = a_request(action="sts:AssumeRole", resource=DEPLOY)
    from_other = from_abroad(action="sts:AssumeRole", resource=DEPLOY)
    deny = grant("*", "sts:AssumeRole", effect="Deny")
    no_trust = "because no role trust policy allows the sts:AssumeRole action"

    assert decide(assume, identity=allow("sts:*")).reason == no_trust
    assert decide(from_other, identity=allow("sts:*")).reason == no_trust
    assert decide(assume, resource=deny).reason == "with an explicit deny in the role trust policy"
    assert decide(assume, resource=grant(HOME, "sts:AssumeRole")).reason == (
        "because no identity-based policy allows the sts:AssumeRole action"
    )


def test_of_several_reasons_the_first_in_order_is_told():
    limits = {"guardrails": ((OURS,),), "endpoint": OURS, "identity": OURS, "boundary": OURS, "session": OURS}
    deny = grant("*", effect="Deny")
    denies = {"guardrails": ((DENY,),), "endpoint": deny, "identity": DENY, "resource": deny, "boundary": DENY,
              "session": DENY}  # fmt: skip

    silent, denied = decide(from_abroad(), **limits), decide(from_abroad(), **denies)

    assert silent.missing == ("guardrail", "endpoint", "resource", "identity", "boundary", "session")
    assert silent.reason == REASON.format("service control policy")
    assert [one.type for one in denied.statements] == [
        "guardrail", "endpoint", "identity", "resource", "boundary", "session"
    ]  # fmt: skip
    assert denied.reason == "with an explicit deny in a service control policy"


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (f"arn:aws:iam::{HOME}:policy/limit", f": arn:aws:iam::{HOME}:policy/limit"),
        (f"arn:aws:organizations::{HOME}:policy/o-1/p-1", f": arn:aws:organizations::{HOME}:policy/o-1/p-1"),
        (f"arn:aws:iam::{OTHER}:policy/limit", ""),
        ("arn:aws:iam::aws:policy/Limit", ""),
        ("inline policy x of user alice", ""),
    ],
)
def test_a_managed_policy_of_the_callers_account_that_denies_is_named(source, told):
    deny = policy(statement("Deny"), source=source)

    assert decide(identity=deny).reason == f"with an explicit deny in an identity-based policy{told}"
    assert decide(identity=allow(), guardrails=((deny,),)).reason == (
        f"with an explicit deny in a service control policy{told}"
    )
    assert decide(identity=allow(), resource=deny).reason == "with an explicit deny in a resource-based policy"


def test_what_goes_wrong_in_a_decision_is_never_an_allow(caplog):
    class Broken(dict):
        def get(self, *_):
            raise RuntimeError

    asked = policy(statement(), statement("Deny", Condition={"Bool": {"aws:x": "true"}}))

    decision = iam.evaluate(
        iam.Request(a_request().principal, PULL, REPOSITORY, HOME, Broken()), iam.Policies(identity=(asked,))
    )

    assert decision.outcome == "implicit_deny"
    assert decision.reason == REASON.format("identity-based policy")
    assert "A decision failed" in caplog.text


def test_a_document_that_passed_and_one_that_is_stored_are_decided_alike():
    text = document(statement(action=PULL))

    checked = iam.compile_policy(iam.parse(text, iam.Kind.IDENTITY), "x")

    assert outcome(identity=checked) == outcome(identity=iam.stored(text, "x")) == "allow"
