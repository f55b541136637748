"""Simulations of policies, as AWS's own client sees them."""

import json

import pytest

from holdfast.aws.ecr import OPERATIONS
from holdfast.model.iam_simulation import ON_THE_REGISTRY
from tests.callers import refusal

READ_ONLY = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly"
TRUST = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
FOREIGN = "999999999999"
TEMPLATE = "arn:${Partition}:ecr:${Region}:${Account}:repository/${RepositoryName}"


def policy(*statements, **members):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)} | members)


def allow(action="ecr:*", resource="*", **members):
    return {"Effect": "Allow", "Action": action, "Resource": resource} | members


def deny(action="ecr:*", resource="*", **members):
    return allow(action, resource, Effect="Deny", **members)


def repository(account, name="app"):
    return f"arn:aws:ecr:us-east-1:{account.id}:repository/{name}"


def entry(key, *values, type_="string"):
    return {"ContextKeyName": key, "ContextKeyValues": list(values), "ContextKeyType": type_}


def custom(account, *policies, actions=("ecr:PutImage",), **members):
    return account.iam.simulate_custom_policy(
        PolicyInputList=list(policies), ActionNames=list(actions), **members
    )["EvaluationResults"]  # fmt: skip


def decision(account, *policies, **members):
    [result] = custom(account, *policies, **members)
    return result["EvalDecision"]


def sources(result):
    return [one["SourcePolicyId"] for one in result["MatchedStatements"]]


# ---- Policies that are given


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ([], None),
        ([allow()], "allowed"),
        ([allow("ecr:Get*")], "implicitDeny"),
        ([allow(), deny("ecr:PutImage")], "explicitDeny"),
    ],
)
def test_a_decision_is_what_the_policies_say(account, statements, expected):
    texts = [policy(one) for one in statements] or [policy(allow("s3:*"))]

    assert decision(account, *texts) == (expected or "implicitDeny")


def test_an_answer_has_the_form_that_amazons_has(account):
    statement = '{"Sid": "", "Effect": "Allow", "Action": "s3:PutObject", "Resource": "*"}'
    text = '{"Version": "2012-10-17", "Statement": ' + statement + "}"

    answers = custom(
        account, text, actions=["s3:PutObject", "s3:GetObjectVersion"], ResourceArns=["arn:aws:s3:::bucket"]
    )  # fmt: skip

    matched = [{
        "SourcePolicyId": "PolicyInputList.1",
        "SourcePolicyType": "IAM Policy",
        "StartPosition": {"Line": 1, "Column": 41},
        "EndPosition": {"Line": 1, "Column": 113},
    }]  # fmt: skip
    assert answers == [
        {
            "EvalActionName": action,
            "EvalResourceName": "*",
            "EvalDecision": decided,
            "MatchedStatements": statements,
            "MissingContextValues": [],
            "EvalDecisionDetails": {},
            "ResourceSpecificResults": [
                {
                    "EvalResourceName": "arn:aws:s3:::bucket",
                    "EvalResourceDecision": decided,
                    "MatchedStatements": statements,
                    "MissingContextValues": [],
                    "EvalDecisionDetails": {},
                }
            ],
        }
        for action, decided, statements in [
            ("s3:PutObject", "allowed", matched),
            ("s3:GetObjectVersion", "implicitDeny", []),
        ]
    ]


def test_a_statement_is_found_where_it_stands(account):
    statements = [allow("s3:*"), allow(Condition={"Bool": {"aws:SecureTransport": "true"}}), allow(Sid="1")]
    text = json.dumps({"Statement": statements, "Version": "2012-10-17"}, indent=2)

    [result] = custom(account, text)

    [one] = result["MatchedStatements"]
    lines = text.splitlines()
    start, end = one["StartPosition"], one["EndPosition"]
    assert lines[start["Line"] - 1][: start["Column"] - 1].strip() == "{"
    assert '"Sid": "1"' in "".join(lines[start["Line"] : end["Line"]])
    assert lines[end["Line"] - 1][: end["Column"] - 1].strip() == "}"


def test_without_a_resource_every_one_is_meant_and_none_is_told(account):
    [everything] = custom(account, policy(allow()))
    [some] = custom(account, policy(allow(resource=repository(account))))

    assert (everything["EvalDecision"], everything["EvalResourceName"]) == ("allowed", "*")
    assert some["EvalDecision"] == "implicitDeny"
    assert "ResourceSpecificResults" not in everything
    assert "EvalDecisionDetails" not in everything


def test_resources_are_asked_one_by_one_and_the_hardest_answer_is_that_of_all(account):
    one, other, secret = (repository(account, name) for name in ("one", "other", "secret"))
    text = policy(allow(resource=one), deny(resource=secret))

    [result] = custom(account, text, ResourceArns=[one, other, secret])

    assert result["EvalResourceName"] == TEMPLATE
    assert result["EvalDecision"] == "explicitDeny"
    assert len(result["MatchedStatements"]) == 1
    told = {each["EvalResourceName"]: each["EvalResourceDecision"] for each in result["ResourceSpecificResults"]}
    assert told == {one: "allowed", other: "implicitDeny", secret: "explicitDeny"}


def test_an_action_on_the_registry_is_on_every_resource(account):
    here = repository(account)

    [some] = custom(account, policy(allow(resource=here)), actions=["ecr:GetAuthorizationToken"], ResourceArns=[here])
    [every] = custom(account, policy(allow()), actions=["ecr:GetAuthorizationToken"], ResourceArns=[here])

    assert (some["EvalDecision"], every["EvalDecision"]) == ("implicitDeny", "allowed")
    assert every["EvalResourceName"] == "*"


def test_it_is_known_which_actions_are_on_the_registry():
    named = {
        f"ecr:{operation.action}".lower()
        for operation in OPERATIONS.values()
        if operation.resource.__name__ in {"the_registry", "_own_registry"}
    }

    assert named == ON_THE_REGISTRY


def test_pages_of_answers_are_walked(account):
    actions = [f"ecr:Action{number}" for number in range(5)]
    paginator = account.iam.get_paginator("simulate_custom_policy")

    pages = list(
        paginator.paginate(
            PolicyInputList=[policy(allow())], ActionNames=actions, PaginationConfig={"PageSize": 2}
        )
    )  # fmt: skip

    told = [[result["EvalActionName"] for result in page["EvaluationResults"]] for page in pages]
    assert told == [actions[:2], actions[2:4], actions[4:]]


def test_with_many_resources_pages_are_short(account):
    resources = [repository(account, f"app{number}") for number in range(600)]
    actions = [f"ecr:Action{number}" for number in range(5)]
    paginator = account.iam.get_paginator("simulate_custom_policy")

    pages = list(
        paginator.paginate(PolicyInputList=[policy(allow())], ActionNames=actions, ResourceArns=resources)
    )  # fmt: skip

    told = [[result["EvalActionName"] for result in page["EvaluationResults"]] for page in pages]
    assert told == [actions[:3], actions[3:]]
    assert all(len(result["ResourceSpecificResults"]) == 600 for page in pages for result in page["EvaluationResults"])


def test_what_would_take_too_long_is_refused(account):
    resources = [repository(account, f"app{number}") for number in range(600)]
    text = policy(*[allow("ecr:PutImage")] * 1000)

    answer = refusal(
        account.iam.simulate_custom_policy, PolicyInputList=[text], ActionNames=["ecr:Get"], ResourceArns=resources
    )

    assert answer[0] == "InvalidInput"
    assert decision(account, text, ResourceArns=resources[:100]) == "allowed"


# ---- Context


@pytest.mark.parametrize(
    ("test", "given", "expected"),
    [
        ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, entry("aws:sourceip", "10.1.2.3", type_="ip"), "allowed"),
        ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, entry("aws:SourceIp", "11.1.2.3", type_="ip"), "implicitDeny"),
        ({"Bool": {"aws:SecureTransport": True}}, entry("aws:SecureTransport", "true", type_="boolean"), "allowed"),
        ({"NumericLessThan": {"aws:MultiFactorAuthAge": 5}},
         entry("aws:MultiFactorAuthAge", "4", type_="numeric"), "allowed"),
        ({"DateLessThan": {"aws:CurrentTime": "2020-01-01"}},
         entry("aws:CurrentTime", "2019-06-01T00:00:00Z", type_="date"), "allowed"),
        ({"BinaryEquals": {"some:key": "AAEC"}}, entry("some:key", "AAEC", type_="binary"), "allowed"),
        ({"ForAllValues:StringEquals": {"aws:TagKeys": ["a", "b"]}},
         entry("aws:TagKeys", "a", "b", type_="stringList"), "allowed"),
        ({"ForAnyValue:StringEquals": {"aws:TagKeys": ["c"]}},
         entry("aws:TagKeys", "a", "b", type_="stringList"), "implicitDeny"),
    ],
)  # fmt: skip
def test_the_context_is_what_is_given(account, test, given, expected):
    assert decision(account, policy(allow(Condition=test)), ContextEntries=[given]) == expected


def test_the_time_is_now_if_nothing_else_is_said(account):
    account.iam.create_user(UserName="alice")
    test = {"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}}

    caller = f"arn:aws:iam::{account.id}:user/alice"

    assert decision(account, policy(allow(Condition=test)), CallerArn=caller) == "allowed"


def test_context_keys_that_are_missing_are_named_as_the_policies_spell_them(account):
    tests = {"StringEquals": {"aws:PrincipalTag/Team": "red"}, "IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
    mine = allow(resource="arn:aws:ecr:*:*:repository/${aws:username}/*", Condition=tests)
    elsewhere = allow("s3:*", Condition={"Bool": {"aws:SecureTransport": "true"}})
    here = repository(account)

    [result] = custom(
        account, policy(mine, elsewhere), ResourceArns=[here], ContextEntries=[entry("AWS:sourceip", "10.0.0.1")]
    )

    assert sorted(result["MissingContextValues"]) == ["aws:PrincipalTag/Team", "aws:username"]
    [one] = result["ResourceSpecificResults"]
    assert one["MissingContextValues"] == result["MissingContextValues"]


@pytest.mark.parametrize(
    "given",
    [
        entry("aws:SourceIp", "nowhere", type_="ip"),
        entry("some:number", "many", type_="numeric"),
        entry("some:truth", "perhaps", type_="boolean"),
        entry("some:bytes", "?", type_="binary"),
        entry("some:time", "soon", type_="date"),
        entry("some:text", "a", "b"),
        entry("some:text"),
    ],
)
def test_a_value_that_is_not_of_its_type_is_refused(account, given):
    answer = refusal(
        account.iam.simulate_custom_policy,
        PolicyInputList=[policy(allow())],
        ActionNames=["ecr:PutImage"],
        ContextEntries=[given],
    )

    assert answer[0] == "InvalidInput"
    assert given["ContextKeyName"] in answer[1]


def test_the_keys_that_policies_ask_for_are_listed(account):
    tests = {
        "StringEquals": {"aws:PrincipalTag/Team": "${aws:RequestTag/Team, 'none'}"},
        "Null": {"aws:SourceIp": "true"},
    }
    texts = [policy(allow(Condition=tests)), policy(allow(resource="arn:aws:ecr:*:*:repository/${aws:username}"))]
    account.iam.create_user(UserName="alice")
    account.iam.put_user_policy(UserName="alice", PolicyName="own", PolicyDocument=texts[0])
    source = f"arn:aws:iam::{account.id}:user/alice"

    given = account.iam.get_context_keys_for_custom_policy(PolicyInputList=texts)["ContextKeyNames"]
    own = account.iam.get_context_keys_for_principal_policy(PolicySourceArn=source, PolicyInputList=texts[1:])
    malformed = refusal(account.iam.get_context_keys_for_custom_policy, PolicyInputList=["{"])

    assert sorted(given) == ["aws:PrincipalTag/Team", "aws:RequestTag/Team", "aws:SourceIp", "aws:username"]
    assert sorted(own["ContextKeyNames"]) == sorted(given)
    assert malformed[0] == "InvalidInput"


# ---- Bounds


def test_a_boundary_must_allow_too(account):
    narrow = policy(allow("ecr:Get*"))

    [result] = custom(account, policy(allow()), PermissionsBoundaryPolicyInputList=[narrow])
    [within] = custom(
        account, policy(allow()), actions=["ecr:GetRepositoryPolicy"], PermissionsBoundaryPolicyInputList=[narrow]
    )

    assert result["EvalDecision"] == "implicitDeny"
    assert result["PermissionsBoundaryDecisionDetail"] == {"AllowedByPermissionsBoundary": False}
    assert within["EvalDecision"] == "allowed"
    assert within["PermissionsBoundaryDecisionDetail"] == {"AllowedByPermissionsBoundary": True}


def test_every_level_of_an_organisation_must_allow(account):
    levels = [{"ServiceControlPolicyInputList": [policy(allow("*"))]}, {"ServiceControlPolicyInputList": []}]

    [refused] = custom(account, policy(allow()), OrderedOrganizationPolicyInputList=levels)
    [allowed] = custom(account, policy(allow()), OrderedOrganizationPolicyInputList=levels[:1])

    assert refused["EvalDecision"] == "implicitDeny"
    assert refused["OrganizationsDecisionDetail"] == {"AllowedByOrganizations": False}
    assert allowed["EvalDecision"] == "allowed"
    assert allowed["OrganizationsDecisionDetail"] == {"AllowedByOrganizations": True}
    assert sources(allowed) == ["PolicyInputList.1"]


# ---- Resource policies and callers


def resource_policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def test_a_resource_policy_may_allow_on_its_own(account):
    caller = f"arn:aws:iam::{account.id}:user/alice"
    grant = {"Effect": "Allow", "Principal": {"AWS": caller}, "Action": "ecr:PutImage"}
    members = {"CallerArn": caller, "ResourceArns": [repository(account)], "ResourcePolicy": resource_policy(grant)}

    [alice] = custom(account, policy(allow("s3:*")), **members)
    [bob] = custom(account, policy(allow("s3:*")), **members | {"CallerArn": caller.replace("alice", "bob")})

    assert (alice["EvalDecision"], bob["EvalDecision"]) == ("allowed", "implicitDeny")
    assert sources(alice) == ["ResourcePolicy"]
    assert alice["EvalDecisionDetails"] == {}


@pytest.mark.parametrize(
    ("own", "owners", "expected"),
    [
        (True, True, "allowed"),
        (True, False, "implicitDeny"),
        (False, True, "implicitDeny"),
        (False, False, "implicitDeny"),
    ],
)
def test_where_accounts_meet_both_must_allow_and_are_told_apart(account, own, owners, expected):
    principal = {"AWS": f"arn:aws:iam::{account.id}:root" if owners else f"arn:aws:iam::{FOREIGN}:root"}
    members = {
        "CallerArn": f"arn:aws:iam::{account.id}:user/alice",
        "ResourceArns": [f"arn:aws:ecr:us-east-1:{FOREIGN}:repository/app"],
        "ResourcePolicy": resource_policy({"Effect": "Allow", "Principal": principal, "Action": "ecr:*"}),
        "PermissionsBoundaryPolicyInputList": [policy(allow("*"))],
    }

    [result] = custom(account, policy(allow("ecr:*" if own else "s3:*")), **members)

    assert result["EvalDecision"] == expected
    assert result["EvalDecisionDetails"] == {
        "IAM Policy": "allowed" if own else "implicitDeny",
        "Resource Policy": "allowed" if owners else "implicitDeny",
        "Permissions Boundary Policy": "allowed",
    }


def test_the_owner_of_a_resource_may_be_told(account):
    members = {
        "CallerArn": f"arn:aws:iam::{account.id}:user/alice",
        "ResourceArns": ["arn:aws:s3:::bucket"],
        "actions": ["s3:GetObject"],
    }

    own = decision(account, policy(allow("s3:*")), **members)
    foreign = [
        decision(account, policy(allow("s3:*")), **members, ResourceOwner=owner)
        for owner in (FOREIGN, f"arn:aws:iam::{FOREIGN}:root")
    ]  # fmt: skip

    assert (own, foreign) == ("allowed", ["implicitDeny"] * 2)


def test_a_role_may_be_the_caller(account):
    role = account.iam.create_role(RoleName="some", AssumeRolePolicyDocument=policy(TRUST), Path="/a/")["Role"]
    grant = {"Effect": "Allow", "Principal": {"AWS": role["Arn"]}, "Action": "ecr:PutImage"}
    members = {"ResourceArns": [repository(account)], "ResourcePolicy": resource_policy(grant)}

    assert decision(account, policy(allow("s3:*")), CallerArn=role["Arn"], **members) == "allowed"
    assert decision(account, policy(allow("s3:*")), CallerArn=f"{role['Arn']}-not", **members) == "implicitDeny"


# ---- Policies that somebody has


@pytest.fixture
def alice(account):
    """A user with policies of every kind, in a group."""
    iam = account.iam
    own = iam.create_policy(PolicyName="managed", PolicyDocument=policy(allow("ecr:Put*")))["Policy"]["Arn"]
    iam.create_user(UserName="alice", Path="/a/", Tags=[{"Key": "Team", "Value": "red"}])
    iam.put_user_policy(UserName="alice", PolicyName="own", PolicyDocument=policy(allow("ecr:Tag*")))
    iam.attach_user_policy(UserName="alice", PolicyArn=own)
    iam.create_group(GroupName="all")
    iam.add_user_to_group(GroupName="all", UserName="alice")
    iam.put_group_policy(GroupName="all", PolicyName="shared", PolicyDocument=policy(deny("ecr:Delete*")))
    iam.attach_group_policy(GroupName="all", PolicyArn=READ_ONLY)
    return f"arn:aws:iam::{account.id}:user/a/alice"


def principal(account, source, *actions, **members):
    results = account.iam.simulate_principal_policy(
        PolicySourceArn=source, ActionNames=list(actions), **members
    )["EvaluationResults"]  # fmt: skip
    return {result["EvalActionName"]: (result["EvalDecision"], sources(result)) for result in results}


def test_a_user_has_the_policies_of_its_groups_too(account, alice):
    told = principal(
        account, alice, "ecr:PutImage", "ecr:TagResource", "ecr:DeleteRepository", "ecr:ListImages", "s3:Get"
    )

    assert told == {
        "ecr:PutImage": ("allowed", ["managed"]),
        "ecr:TagResource": ("allowed", ["user_alice_own"]),
        "ecr:DeleteRepository": ("explicitDeny", ["group_all_shared"]),
        "ecr:ListImages": ("allowed", ["AmazonEC2ContainerRegistryReadOnly"]),
        "s3:Get": ("implicitDeny", []),
    }


def test_a_group_and_a_role_have_their_own(account, alice):
    account.iam.create_role(RoleName="some", AssumeRolePolicyDocument=policy(TRUST))
    account.iam.put_role_policy(RoleName="some", PolicyName="own", PolicyDocument=policy(allow("ecr:Put*")))

    group = principal(account, f"arn:aws:iam::{account.id}:group/all", "ecr:PutImage", "ecr:ListImages")
    role = principal(account, f"arn:aws:iam::{account.id}:role/some", "ecr:PutImage", "ecr:ListImages")

    assert group == {
        "ecr:PutImage": ("implicitDeny", []), "ecr:ListImages": ("allowed", ["AmazonEC2ContainerRegistryReadOnly"])
    }  # fmt: skip
    assert role == {"ecr:PutImage": ("allowed", ["role_some_own"]), "ecr:ListImages": ("implicitDeny", [])}


def test_other_policies_may_be_added(account, alice):
    told = principal(account, alice, "s3:GetObject", PolicyInputList=[policy(allow("s3:*"))])

    assert told == {"s3:GetObject": ("allowed", ["PolicyInputList.1"])}


def test_the_boundary_of_a_user_holds_unless_another_is_given(account, alice):
    account.iam.put_user_permissions_boundary(UserName="alice", PermissionsBoundary=READ_ONLY)
    boundary = [{"PolicyType": "permission-boundary"}]

    bound = principal(account, alice, "ecr:PutImage")
    other = principal(account, alice, "ecr:PutImage", PermissionsBoundaryPolicyInputList=[policy(allow("*"))])
    without = principal(account, alice, "ecr:PutImage", PolicyExclusionList=boundary)

    assert bound["ecr:PutImage"][0] == "implicitDeny"
    assert other["ecr:PutImage"][0] == without["ecr:PutImage"][0] == "allowed"


@pytest.mark.parametrize(
    ("exclusion", "gone"),
    [
        ({"PolicyType": "inline"}, {"ecr:TagResource", "ecr:DeleteRepository"}),
        ({"PolicyType": "aws-managed"}, {"ecr:ListImages"}),
        ({"PolicyType": "user-managed"}, {"ecr:PutImage"}),
        ({"PolicyType": "scp"}, set()),
        ({"PolicyArn": READ_ONLY}, {"ecr:ListImages"}),
        ({"PolicyArn": "arn:aws:iam::aws:policy/*ReadOnl?"}, {"ecr:ListImages"}),
        ({"PolicyArn": "arn:aws:iam::aws:policy/NotThere"}, set()),
        ({"InlinePolicyIdentifier": {"PolicyName": "own", "AttachmentType": "user", "AttachmentName": "alice"}},
         {"ecr:TagResource"}),
        ({"InlinePolicyIdentifier": {"PolicyName": "own", "AttachmentType": "group", "AttachmentName": "all"}}, set()),
    ],
)  # fmt: skip
def test_policies_may_be_left_out(account, alice, exclusion, gone):
    actions = {"ecr:PutImage", "ecr:TagResource", "ecr:DeleteRepository", "ecr:ListImages"}

    told = principal(account, alice, *actions, PolicyExclusionList=[exclusion])

    assert {action for action, (_, found) in told.items() if not found} == gone


@pytest.mark.parametrize(
    ("arn", "code"),
    [
        ("arn:aws:iam::aws:policy/*Read*", "InvalidInput"),
        ("arn:aws:iam::aws:role/some-role", "InvalidInput"),
        ("anything that is long enough", "ValidationError"),
    ],
)
def test_an_identifier_that_cannot_be_is_refused(account, alice, arn, code):
    answer = refusal(
        account.iam.simulate_principal_policy,
        PolicySourceArn=alice,
        ActionNames=["ecr:PutImage"],
        PolicyExclusionList=[{"PolicyArn": arn}],
    )

    assert answer[0] == code


def test_who_asks_is_known_to_the_policies(account, alice):
    tests = {
        "StringEquals": {"aws:username": "alice", "aws:PrincipalTag/team": "red", "aws:PrincipalAccount": account.id},
        "ArnEquals": {"aws:PrincipalArn": alice},
        "StringLike": {"aws:userid": "AIDA*"},
    }
    members = {"PolicyInputList": [policy(allow("s3:*", Condition=tests))]}

    himself = principal(account, alice, "s3:GetObject", **members)
    another = principal(account, alice, "s3:GetObject", CallerArn=alice.replace("alice", "bob"), **members)

    assert himself["s3:GetObject"][0] == "allowed"
    assert another["s3:GetObject"][0] == "implicitDeny"


def test_pages_of_a_principals_answers_are_walked(account, alice):
    paginator = account.iam.get_paginator("simulate_principal_policy")
    actions = ["ecr:PutImage", "ecr:TagResource", "ecr:ListImages"]

    pages = list(
        paginator.paginate(PolicySourceArn=alice, ActionNames=actions, PaginationConfig={"PageSize": 2})
    )  # fmt: skip

    assert [len(page["EvaluationResults"]) for page in pages] == [2, 1]


# ---- Refused


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"PolicyInputList": ["{"]}, "InvalidInput"),
        ({"PolicyInputList": [policy(TRUST)]}, "InvalidInput"),
        ({"PolicyInputList": [policy(allow("ecr:" + "a" * 65_000))] * 3}, "InvalidInput"),
        ({"PolicyInputList": ["x" * 131_073]}, "ValidationError"),
        ({"ActionNames": ["ecr:*"]}, "InvalidInput"),
        ({"ActionNames": ["PutImage"]}, "InvalidInput"),
        ({"ActionNames": []}, "InvalidInput"),
        ({"ResourceArns": ["app"]}, "InvalidInput"),
        ({"ResourceArns": ["arn:aws:s3:::bucket"] * 1001}, "ValidationError"),
        ({"PermissionsBoundaryPolicyInputList": [policy(allow())] * 2}, "InvalidInput"),
        ({"PermissionsBoundaryPolicyInputList": ["[]"]}, "InvalidInput"),
        ({"OrderedOrganizationPolicyInputList": [{"ServiceControlPolicyInputList": ["[]"]}]}, "InvalidInput"),
        ({"ResourcePolicy": policy(TRUST)}, "InvalidInput"),
        ({"ResourcePolicy": "[]", "CallerArn": "arn:aws:iam::999999999999:user/a"}, "InvalidInput"),
        ({"CallerArn": "arn:aws:iam::999999999999:root"}, "InvalidInput"),
        ({"ResourceOwner": "nobody"}, "InvalidInput"),
        ({"ContextEntries": [{"ContextKeyValues": ["a"]}]}, "ValidationError"),
        ({"Marker": "bogus"}, "ValidationError"),
        ({"Marker": "Ii0xIg=="}, "ValidationError"),
        ({"MaxItems": 1001}, "ValidationError"),
    ],
)
def test_a_simulation_that_cannot_be_is_refused(account, alice, members, code):
    given = {"ActionNames": ["ecr:PutImage"], "PolicyInputList": [policy(allow())]} | members
    of_alice = given | {"PolicySourceArn": alice}
    of_alice.pop("OrderedOrganizationPolicyInputList", None)

    answer = refusal(account.iam.simulate_custom_policy, **given)
    told = [answer]
    if of_alice.keys() >= members.keys() and "ResourcePolicy" not in members:
        told.append(refusal(account.iam.simulate_principal_policy, **of_alice))

    assert {answer[0] for answer in told} == {code}


@pytest.mark.parametrize(
    ("source", "code", "text"),
    [
        ("arn:aws:iam::{id}:user/nobody", "NoSuchEntity", "The user with name nobody cannot be found."),
        ("arn:aws:iam::{id}:user/alice", "NoSuchEntity", "The user with name alice cannot be found."),
        ("arn:aws:iam::{id}:group/nobody", "NoSuchEntity", "The group with name nobody cannot be found."),
        ("arn:aws:iam::{id}:role/nobody", "NoSuchEntity", "The role with name nobody cannot be found."),
        ("arn:aws:iam::{id}:root", "InvalidInput",
         "Invalid Entity Arn: arn:aws:iam::{id}:root does not clearly define entity type and name."),
        ("somebody with a long name", "ValidationError", "Invalid ARN:  Could not be parsed!"),
        ("arn:aws:iam::999999999999:user/a", "AccessDenied", None),
    ],
)  # fmt: skip
def test_the_policies_of_who_is_not_there_are_refused(account, alice, source, code, text):
    source = source.format(id=account.id)

    simulated = refusal(account.iam.simulate_principal_policy, PolicySourceArn=source, ActionNames=["ecr:PutImage"])
    listed = refusal(account.iam.get_context_keys_for_principal_policy, PolicySourceArn=source)

    assert simulated[0] == listed[0] == code
    assert text is None or simulated[1] == listed[1] == text.format(id=account.id)
