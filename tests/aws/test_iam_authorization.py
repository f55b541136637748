"""Everything that decides about access in an account, as AWS's own client sees it."""

import json

import pytest

from tests.callers import refusal

PULL_ONLY = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryPullOnly"
LISTS = {
    "User": "UserDetailList",
    "Group": "GroupDetailList",
    "Role": "RoleDetailList",
    "LocalManagedPolicy": "Policies",
    "AWSManagedPolicy": "Policies",
}
OWN = ["User", "Group", "Role", "LocalManagedPolicy"]


def a_policy(action="ecr:*"):
    statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def trust(principal):
    statement = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}
    return {"Version": "2012-10-17", "Statement": [statement]}


def details(account, **members):
    answer = account.iam.get_account_authorization_details(**members)
    return {name: answer[name] for name in sorted(set(LISTS.values()))}


def names(page):
    """Who and what is in a page, in the order of the lists."""
    keys = {"UserDetailList": "UserName", "GroupDetailList": "GroupName", "RoleDetailList": "RoleName"}
    return [item[keys.get(name, "PolicyName")] for name in dict.fromkeys(LISTS.values()) for item in page[name]]


def fill(account):
    """Make one of each kind, with one of everything that it can have."""
    iam, document = account.iam, json.dumps(a_policy())
    policy = iam.create_policy(PolicyName="own", PolicyDocument=document, Description="what I may")["Policy"]
    iam.create_policy_version(PolicyArn=policy["Arn"], PolicyDocument=json.dumps(a_policy("sts:*")))
    iam.create_user(UserName="alice", PermissionsBoundary=policy["Arn"], Tags=[{"Key": "team", "Value": "red"}])
    iam.create_group(GroupName="readers", Path="/teams/")
    iam.add_user_to_group(GroupName="readers", UserName="alice")
    arn = f"arn:aws:iam::{account.id}:user/alice"
    iam.create_role(RoleName="robot", AssumeRolePolicyDocument=json.dumps(trust(arn)), Description="it works")
    iam.create_instance_profile(InstanceProfileName="machine")
    iam.add_role_to_instance_profile(InstanceProfileName="machine", RoleName="robot")
    for kind, name in (("user", "alice"), ("group", "readers"), ("role", "robot")):
        which = {f"{kind.capitalize()}Name": name}
        getattr(iam, f"put_{kind}_policy")(PolicyName="inline", PolicyDocument=document, **which)
        getattr(iam, f"attach_{kind}_policy")(PolicyArn=PULL_ONLY, **which)
    return policy


def test_an_account_with_nothing_has_amazons_policies(account):
    found = details(account)

    assert [found[name] for name in ("UserDetailList", "GroupDetailList", "RoleDetailList")] == [[], [], []]
    assert {policy["Arn"] for policy in found["Policies"]} >= {PULL_ONLY, "arn:aws:iam::aws:policy/IAMFullAccess"}
    assert {policy["AttachmentCount"] for policy in found["Policies"]} == {0}


def test_everything_about_everybody_is_told(account):
    policy = fill(account)
    iam = account.iam
    arn = f"arn:aws:iam::{account.id}"
    inline = [{"PolicyName": "inline", "PolicyDocument": a_policy()}]
    attached = [{"PolicyName": "AmazonEC2ContainerRegistryPullOnly", "PolicyArn": PULL_ONLY}]

    found = details(account, Filter=OWN)

    user, group = iam.get_user(UserName="alice")["User"], iam.get_group(GroupName="readers")["Group"]
    assert found["UserDetailList"] == [
        user | {"UserPolicyList": inline, "GroupList": ["readers"], "AttachedManagedPolicies": attached}
    ]
    assert found["GroupDetailList"] == [group | {"GroupPolicyList": inline, "AttachedManagedPolicies": attached}]
    [role] = found["RoleDetailList"]
    [profile] = role.pop("InstanceProfileList")
    assert (profile["InstanceProfileName"], [one["RoleName"] for one in profile["Roles"]]) == ("machine", ["robot"])
    expected = iam.get_role(RoleName="robot")["Role"]
    del expected["Description"], expected["MaxSessionDuration"]
    assert role == expected | {"RolePolicyList": inline, "AttachedManagedPolicies": attached, "Tags": []}
    assert role["AssumeRolePolicyDocument"] == trust(f"{arn}:user/alice")
    [told] = found["Policies"]
    versions = told.pop("PolicyVersionList")
    assert [(version["VersionId"], version["IsDefaultVersion"]) for version in versions] == [
        ("v2", False),
        ("v1", True),
    ]
    assert [version["Document"] for version in versions] == [a_policy("sts:*"), a_policy()]
    expected = iam.get_policy(PolicyArn=policy["Arn"])["Policy"]
    del expected["Tags"]
    assert told == expected
    assert (told["Description"], told["PermissionsBoundaryUsageCount"]) == ("what I may", 1)


def test_what_somebody_has_not_is_an_empty_list(account):
    account.iam.create_user(UserName="alice")
    account.iam.create_group(GroupName="readers")

    found = details(account, Filter=["User", "Group"])

    [user], [group] = found["UserDetailList"], found["GroupDetailList"]
    assert (user["GroupList"], user["AttachedManagedPolicies"], user["Tags"]) == ([], [], [])
    assert "UserPolicyList" not in user
    assert (group["GroupPolicyList"], group["AttachedManagedPolicies"]) == ([], [])


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        (["User"], ["alice"]),
        (["Group"], ["readers"]),
        (["Role"], ["robot"]),
        (["LocalManagedPolicy"], ["own"]),
        (["Role", "User"], ["alice", "robot"]),
        (OWN, ["alice", "readers", "robot", "own"]),
    ],
)
def test_only_what_is_asked_for_is_told(account, kinds, expected):
    fill(account)

    assert names(details(account, Filter=kinds)) == expected


def test_amazons_policies_are_told_with_their_use(account):
    fill(account)

    found = details(account, Filter=["AWSManagedPolicy"])["Policies"]

    used = {policy["Arn"]: policy["AttachmentCount"] for policy in found}
    assert {arn: count for arn, count in used.items() if count} == {PULL_ONLY: 3}
    assert [len(policy["PolicyVersionList"]) for policy in found] == [1] * len(found)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_details_are_told_page_by_page(account, size):
    fill(account)
    whole = details(account)

    pages = list(
        account.iam.get_paginator("get_account_authorization_details").paginate(PaginationConfig={"PageSize": size})
    )

    assert [name for page in pages for name in names(page)] == names(whole)
    assert {len(names(page)) for page in pages[:-1]} == {size}


def test_a_page_is_short_if_its_policies_say_much(account):
    actions = [f"ecr:Action{number:03}" for number in range(300)]
    document = json.dumps(a_policy(actions)).ljust(131_072)  # white space does not count
    for number in range(10):
        arn = account.iam.create_policy(PolicyName=f"policy-{number}", PolicyDocument=document)["Policy"]["Arn"]
        account.iam.create_policy_version(PolicyArn=arn, PolicyDocument=document)

    pages = list(
        account.iam.get_paginator("get_account_authorization_details").paginate(
            Filter=["LocalManagedPolicy"], PaginationConfig={"PageSize": 1000}
        )
    )

    assert [len(page["Policies"]) for page in pages] == [5, 5]
    assert [name for page in pages for name in names(page)] == [f"policy-{number}" for number in range(10)]


@pytest.mark.parametrize("marker", ["x", "Ing5Ig==", "IjkgYSI=", "Ii0xIGEi"])
def test_a_marker_that_nobody_gave_is_refused(account, marker):
    answer = refusal(account.iam.get_account_authorization_details, Marker=marker)

    assert answer == ("ValidationError", "Invalid Marker.")


def test_a_kind_that_there_is_not_is_refused(account):
    code, _ = refusal(account.iam.get_account_authorization_details, Filter=["Robot"])

    assert code == "ValidationError"


def test_leave_is_had_for_the_account_as_a_whole(account):
    of_users = {"Effect": "Allow", "Action": "iam:*", "Resource": f"arn:aws:iam::{account.id}:*"}
    alice = account.client("iam", **account.a_user("alice", of_users))

    code, message = refusal(alice.get_account_authorization_details)

    assert code == "AccessDenied"
    assert "iam:GetAccountAuthorizationDetails on resource: * because" in message
