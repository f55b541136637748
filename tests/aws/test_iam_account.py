"""An account's alias and its summary, as AWS's own client sees them."""

import json

import pytest

from tests.accounts import Account
from tests.callers import refusal

ALLOW = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "ecr:*", "Resource": "*"}})
QUOTAS = {
    "AccessKeysPerUserQuota": 2,
    "AssumeRolePolicySizeQuota": 2048,
    "AttachedPoliciesPerGroupQuota": 10,
    "AttachedPoliciesPerRoleQuota": 10,
    "AttachedPoliciesPerUserQuota": 10,
    "GlobalEndpointTokenVersion": 1,
    "GroupPolicySizeQuota": 5120,
    "GroupsPerUserQuota": 10,
    "GroupsQuota": 300,
    "InstanceProfilesQuota": 1000,
    "PoliciesQuota": 1500,
    "PolicySizeQuota": 6144,
    "PolicyVersionsInUseQuota": 7500,
    "RolePolicySizeQuota": 10240,
    "RolesQuota": 1000,
    "ServerCertificatesQuota": 0,
    "SigningCertificatesPerUserQuota": 0,
    "UserPolicySizeQuota": 2048,
    "UsersQuota": 5000,
    "VersionsPerPolicyQuota": 5,
}
NOTHING = {
    "AccountAccessKeysPresent": 1,
    "AccountMFAEnabled": 0,
    "AccountPasswordPresent": 0,
    "AccountSigningCertificatesPresent": 0,
    "Groups": 0,
    "InstanceProfiles": 0,
    "MFADevices": 0,
    "MFADevicesInUse": 0,
    "Policies": 0,
    "PolicyVersionsInUse": 0,
    "Providers": 0,
    "Roles": 0,
    "ServerCertificates": 0,
    "Users": 0,
}


@pytest.fixture
def other(account):
    """A second account of the same product."""
    return Account(account.product, f"{(int(account.id) + 1) % 10**12:012}")


@pytest.fixture
def alias(account):
    """An alias that is this test's own."""
    return f"alias-{account.id}"


def aliases(account):
    return account.iam.list_account_aliases()["AccountAliases"]


# ---- Alias


def test_an_account_has_no_alias_at_first(account):
    answer = account.iam.list_account_aliases()

    assert (answer["AccountAliases"], answer["IsTruncated"]) == ([], False)


def test_an_account_gets_an_alias_and_another_one(account, alias):
    account.iam.create_account_alias(AccountAlias=alias)
    first = aliases(account)

    account.iam.create_account_alias(AccountAlias=f"{alias}-2")

    assert first == [alias]
    assert aliases(account) == [f"{alias}-2"]


def test_an_alias_is_taken_away(account, alias):
    account.iam.create_account_alias(AccountAlias=alias)

    account.iam.delete_account_alias(AccountAlias=alias)

    assert aliases(account) == []


def test_an_alias_is_one_accounts(account, other, alias):
    account.iam.create_account_alias(AccountAlias=alias)

    answers = [refusal(one.iam.create_account_alias, AccountAlias=alias) for one in (account, other)]

    assert set(answers) == {("EntityAlreadyExists", f"The account alias {alias} already exists.")}
    assert aliases(other) == []
    account.iam.delete_account_alias(AccountAlias=alias)
    other.iam.create_account_alias(AccountAlias=alias)
    assert (aliases(account), aliases(other)) == ([], [alias])


def test_an_alias_that_the_account_does_not_have_is_not_found(account, other, alias):
    account.iam.create_account_alias(AccountAlias=alias)

    answers = [
        refusal(other.iam.delete_account_alias, AccountAlias=alias),
        refusal(account.iam.delete_account_alias, AccountAlias=f"{alias}-2"),
    ]

    assert [code for code, _ in answers] == ["NoSuchEntity", "NoSuchEntity"]
    assert aliases(account) == [alias]


@pytest.mark.parametrize("bad", ["x" * 64, "-abc", "abc-", "a--b", "Abc", "a_b", "größe", "123456789012"])
def test_what_no_alias_can_be_is_refused(account, bad):
    code, _ = refusal(account.iam.create_account_alias, AccountAlias=bad)

    assert code == "ValidationError"
    assert aliases(account) == []


def test_aliases_are_walked_through(account, alias):
    account.iam.create_account_alias(AccountAlias=alias)

    pages = account.iam.get_paginator("list_account_aliases").paginate(PaginationConfig={"PageSize": 1})

    assert [page["AccountAliases"] for page in pages] == [[alias]]
    assert refusal(account.iam.list_account_aliases, Marker="x") == ("ValidationError", "Invalid Marker.")


# ---- Summary


def test_an_account_with_nothing_has_quotas(account):
    assert account.iam.get_account_summary()["SummaryMap"] == NOTHING | QUOTAS


def test_what_an_account_has_is_counted(account, other):
    iam = account.iam
    trust = json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": account.id}},
        }
    )
    for name in ("alice", "bob"):
        iam.create_user(UserName=name)
    for name in ("a", "b", "c"):
        iam.create_group(GroupName=name)
    iam.create_role(RoleName="robot", AssumeRolePolicyDocument=trust)
    policy = iam.create_policy(PolicyName="own", PolicyDocument=ALLOW)["Policy"]["Arn"]
    iam.create_policy_version(PolicyArn=policy, PolicyDocument=ALLOW)
    iam.create_instance_profile(InstanceProfileName="machine")
    iam.create_open_id_connect_provider(Url="https://ci.example.com")

    counted = {"Users": 2, "Groups": 3, "Roles": 1, "Policies": 1, "PolicyVersionsInUse": 2, "InstanceProfiles": 1}
    assert iam.get_account_summary()["SummaryMap"] == NOTHING | QUOTAS | counted | {"Providers": 1}
    assert other.iam.get_account_summary()["SummaryMap"] == NOTHING | QUOTAS


def test_the_last_root_key_may_go(account):
    administrator = account.client("iam", **account.a_user("administrator"))

    account.iam.delete_access_key(AccessKeyId=account.root["key_id"])

    assert administrator.get_account_summary()["SummaryMap"]["AccountAccessKeysPresent"] == 0


# ---- Who may


@pytest.mark.parametrize(
    ("operation", "members", "action"),
    [
        ("list_account_aliases", {}, "ListAccountAliases"),
        ("create_account_alias", {"AccountAlias": "an-alias"}, "CreateAccountAlias"),
        ("delete_account_alias", {"AccountAlias": "an-alias"}, "DeleteAccountAlias"),
        ("get_account_summary", {}, "GetAccountSummary"),
    ],
)
def test_leave_is_had_for_the_account_as_a_whole(account, operation, members, action):
    of_users = {"Effect": "Allow", "Action": "iam:*", "Resource": f"arn:aws:iam::{account.id}:*"}
    alice = account.client("iam", **account.a_user("alice", of_users))

    answer = refusal(getattr(alice, operation), **members)

    assert answer == (
        "AccessDenied",
        (
            f"User: arn:aws:iam::{account.id}:user/alice is not authorized to perform: iam:{action} on resource: * "
            f"because no identity-based policy allows the iam:{action} action"
        ),
    )
