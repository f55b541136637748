"""Managed policies and their versions, as AWS's own client sees them."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from tests.callers import Query, refusal

ALLOW = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "ecr:*", "Resource": "*"}})
DENY = ALLOW.replace("Allow", "Deny")
TRUST = json.dumps({
    "Version": "2012-10-17",
    "Statement": {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"},
})  # fmt: skip
TAGS = [{"Key": "team", "Value": "red"}, {"Key": "Größe", "Value": ""}]
TOO_MANY_TAGS = [{"Key": f"key {number}", "Value": ""} for number in range(50)]
TWICE = [{"Key": "a", "Value": ""}, {"Key": "A", "Value": ""}]
READ_ONLY = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly"
OTHERS = "arn:aws:iam::999999999999:policy/some"
AMAZONS = {
    "AdministratorAccess", "AmazonEC2ContainerRegistryFullAccess", "AmazonEC2ContainerRegistryPowerUser",
    "AmazonEC2ContainerRegistryPullOnly", "AmazonEC2ContainerRegistryReadOnly", "IAMFullAccess", "IAMReadOnlyAccess",
    "ReadOnlyAccess", "aws-service-role/AWSECRPullThroughCache_ServiceRolePolicy",
    "aws-service-role/ECRReplicationServiceRolePolicy", "aws-service-role/ECRTemplateServiceRolePolicy",
    "service-role/AWSAppRunnerServicePolicyForECRAccess",
}  # fmt: skip
VERSIONS = (
    "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version."
)


def large(length):
    """A policy of so many characters besides white space."""
    bare = len("".join(ALLOW.split()))
    return ALLOW.replace("ecr:*", "ecr:" + "a" * (length - bare + 1))


def a_policy(account, name="some", **members):
    return account.iam.create_policy(**{"PolicyName": name, "PolicyDocument": ALLOW} | members)["Policy"]


def names(answer):
    return [policy["PolicyName"] for policy in answer["Policies"]]


def not_found(arn):
    return "NoSuchEntity", f"Policy {arn} was not found."


def versions(account, arn):
    listed = account.iam.list_policy_versions(PolicyArn=arn)["Versions"]
    return {one["VersionId"]: one["IsDefaultVersion"] for one in listed}


def document(account, arn, version):
    """A document to the letter: boto3 would read the JSON in it."""
    query = Query(account.product.address, account.root["key_id"], account.root["secret"])
    answer = query("GetPolicyVersion", PolicyArn=arn, VersionId=version)
    text = re.search("<Document>(.*)</Document>", answer.body.decode())[1]
    assert re.fullmatch(r"([A-Za-z0-9._~-]|%[0-9A-F]{2})+", text)
    return re.sub("(?:%..)+", lambda found: bytes.fromhex(found[0].replace("%", "")).decode(), text)


# ---- Create, get


def test_a_policy_is_made_and_found(account):
    before = datetime.now(UTC) - timedelta(seconds=1)

    made = a_policy(account, Path="/team/red/", Description="Says ü", Tags=TAGS)

    assert re.fullmatch("ANPA[A-Z2-7]{17}", made["PolicyId"])
    assert before <= made["CreateDate"] <= datetime.now(UTC)
    assert made == {
        "PolicyName": "some",
        "PolicyId": made["PolicyId"],
        "Arn": f"arn:aws:iam::{account.id}:policy/team/red/some",
        "Path": "/team/red/",
        "DefaultVersionId": "v1",
        "AttachmentCount": 0,
        "PermissionsBoundaryUsageCount": 0,
        "IsAttachable": True,
        "Description": "Says ü",
        "CreateDate": made["CreateDate"],
        "UpdateDate": made["CreateDate"],
        "Tags": TAGS,
    }
    assert account.iam.get_policy(PolicyArn=made["Arn"])["Policy"] == made


def test_a_policy_needs_nothing_but_a_name_and_a_document(account):
    made = a_policy(account, "a.+=,@-_Z9")

    assert "Description" not in made
    assert account.iam.get_policy(PolicyArn=made["Arn"])["Policy"] == made | {"Tags": []}


def test_a_document_is_kept_to_the_letter(account):
    statement = '{"Sid":"", "Effect":"Allow","Action":"ecr:*","Resource":"arn:aws:ecr:*:*:%2F+ü" }'
    text = '\r\n{ "Statement" :\t[ ' + statement + ' ],\n "Version":"2012-10-17"}'

    arn = a_policy(account, PolicyDocument=text)["Arn"]

    assert document(account, arn, "v1") == text


@pytest.mark.parametrize("name", ["Some", "some", "SOME"])
def test_names_have_no_case(account, name):
    a_policy(account, "Some")

    answer = refusal(a_policy, account=account, name=name, Path="/elsewhere/")

    assert answer == ("EntityAlreadyExists", f"A policy called {name} already exists. Duplicate names are not allowed.")
    assert names(account.iam.list_policies(Scope="Local")) == ["Some"]


@pytest.mark.parametrize(
    ("members", "code", "text"),
    [
        ({"PolicyDocument": "{"}, "MalformedPolicyDocument", "Syntax errors in policy."),
        ({"PolicyDocument": TRUST}, "MalformedPolicyDocument", "Policy document should not specify a principal."),
        ({"PolicyDocument": large(6145)}, "LimitExceeded", "Cannot exceed quota for PolicySize: 6144"),
        ({"PolicyDocument": "x" * 131_073}, "ValidationError", None),
        ({"Tags": TWICE}, "InvalidInput",
         "Duplicate tag keys found. Please note that Tag keys are case insensitive."),
        ({"Path": "/a b/"}, "ValidationError", None),
        ({"PolicyName": "a policy"}, "ValidationError", None),
        ({"PolicyName": "x" * 129}, "ValidationError", None),
    ],
)  # fmt: skip
def test_a_policy_that_cannot_be_is_refused_and_not_made(account, members, code, text):
    answer = refusal(account.iam.create_policy, **{"PolicyName": "some", "PolicyDocument": ALLOW} | members)

    assert answer[0] == code
    assert text is None or answer[1] == text
    assert names(account.iam.list_policies(Scope="Local")) == []


def test_white_space_does_not_count_against_the_size_of_a_policy(account):
    text = large(6144).replace(" ", " \n" * 1000)

    arn = a_policy(account, PolicyDocument=text)["Arn"]

    assert document(account, arn, "v1") == text


def test_a_policy_that_is_not_there_is_not_found(account):
    iam, arn = account.iam, f"arn:aws:iam::{account.id}:policy/nothing"
    named, nothing = {"PolicyArn": arn}, not_found(arn)

    assert refusal(iam.get_policy, **named) == nothing
    assert refusal(iam.delete_policy, **named) == nothing
    assert refusal(iam.create_policy_version, **named, PolicyDocument=ALLOW) == nothing
    assert refusal(iam.get_policy_version, **named, VersionId="v1") == nothing
    assert refusal(iam.list_policy_versions, **named) == nothing
    assert refusal(iam.set_default_policy_version, **named, VersionId="v1") == nothing
    assert refusal(iam.delete_policy_version, **named, VersionId="v1") == nothing
    assert refusal(iam.list_entities_for_policy, **named) == nothing
    assert refusal(iam.tag_policy, **named, Tags=TAGS) == nothing
    assert refusal(iam.untag_policy, **named, TagKeys=["a"]) == nothing
    assert refusal(iam.list_policy_tags, **named) == nothing


@pytest.mark.parametrize(
    ("arn", "code", "text"),
    [
        ("certainly not any ARN", "ValidationError", "Invalid ARN:  Could not be parsed!"),
        ("arn:aws:iam::999999999999", "ValidationError", "Invalid ARN:  Could not be parsed!"),
        ("arn:aws:iam::aws:role/some", "InvalidInput", "ARN arn:aws:iam::aws:role/some is not valid."),
        ("arn:aws:iam::policy/some-name", "ValidationError", "Invalid ARN:  Could not be parsed!"),
        ("arn:aws:ecr:::policy/some-name", "InvalidInput", "ARN arn:aws:ecr:::policy/some-name is not valid."),
    ],
)
def test_an_arn_that_is_no_policys_is_refused_by_every_operation(account, arn, code, text):
    iam, named = account.iam, {"PolicyArn": arn}

    told = {
        refusal(iam.get_policy, **named),
        refusal(iam.delete_policy, **named),
        refusal(iam.create_policy_version, **named, PolicyDocument=ALLOW),
        refusal(iam.get_policy_version, **named, VersionId="v1"),
        refusal(iam.list_policy_versions, **named),
        refusal(iam.set_default_policy_version, **named, VersionId="v1"),
        refusal(iam.delete_policy_version, **named, VersionId="v1"),
        refusal(iam.list_entities_for_policy, **named),
        refusal(iam.tag_policy, **named, Tags=TAGS),
        refusal(iam.untag_policy, **named, TagKeys=["a"]),
        refusal(iam.list_policy_tags, **named),
    }

    [answer] = told
    assert answer[0] == code
    assert text is None or answer[1] == text


def test_a_policy_of_another_account_is_nobodys_business(account):
    assert refusal(account.iam.get_policy, PolicyArn=OTHERS)[0] == "AccessDenied"
    assert refusal(account.iam.delete_policy, PolicyArn=OTHERS)[0] == "AccessDenied"


@pytest.mark.parametrize("name", ["SOME", "/path/some"])
def test_an_arn_that_differs_is_another_policys(account, name):
    a_policy(account)
    arn = f"arn:aws:iam::{account.id}:policy/{name.lstrip('/')}"

    assert refusal(account.iam.get_policy, PolicyArn=arn) == not_found(arn)


# ---- Amazon's


def test_the_policies_of_amazon_are_there(account):
    listed = account.iam.list_policies(Scope="AWS")["Policies"]

    assert {one["Arn"] for one in listed} == {f"arn:aws:iam::aws:policy/{name}" for name in AMAZONS}
    assert [one["PolicyName"].lower() for one in listed] == sorted(one["PolicyName"].lower() for one in listed)
    for one in listed:
        found = account.iam.get_policy(PolicyArn=one["Arn"])["Policy"]
        version = account.iam.get_policy_version(PolicyArn=one["Arn"], VersionId="v1")["PolicyVersion"]
        assert found == one | {"Description": found["Description"], "Tags": []}
        assert re.fullmatch("ANPA[A-Z2-7]{17}", one["PolicyId"])
        assert version["Document"]["Version"] == "2012-10-17"
        assert versions(account, one["Arn"]) == {"v1": True}
        assert account.iam.list_policy_tags(PolicyArn=one["Arn"])["Tags"] == []


def test_a_policy_of_amazon_says_what_it_says_there(account):
    arn = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryPullOnly"

    version = account.iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]

    actions = ["GetAuthorizationToken", "BatchGetImage", "GetDownloadUrlForLayer", "BatchImportUpstreamImage"]
    statement = {"Effect": "Allow", "Action": [f"ecr:{action}" for action in actions], "Resource": "*"}
    assert version["Document"] == {"Version": "2012-10-17", "Statement": [statement]}


def test_the_policies_of_amazon_cannot_be_changed(account):
    iam, named = account.iam, {"PolicyArn": READ_ONLY}

    told = [
        refusal(iam.delete_policy, **named),
        refusal(iam.create_policy_version, **named, PolicyDocument=ALLOW),
        refusal(iam.set_default_policy_version, **named, VersionId="v1"),
        refusal(iam.delete_policy_version, **named, VersionId="v1"),
        refusal(iam.tag_policy, **named, Tags=TAGS),
        refusal(iam.untag_policy, **named, TagKeys=["a"]),
    ]

    assert {code for code, _ in told} == {"AccessDenied"}
    assert iam.get_policy(**named)["Policy"]["Tags"] == []


def test_an_account_may_have_a_policy_named_like_one_of_amazons(account):
    own = a_policy(account, "ReadOnlyAccess")["Arn"]

    pages = account.iam.get_paginator("list_policies").paginate(PaginationConfig={"PageSize": 1})

    listed = [one["Arn"] for page in pages for one in page["Policies"]]
    assert len(listed) == len(set(listed)) == len(AMAZONS) + 1
    assert listed.index("arn:aws:iam::aws:policy/ReadOnlyAccess") == listed.index(own) + 1


# ---- List


def test_policies_are_listed_by_scope_and_path_page_by_page(account):
    for number in range(5):
        a_policy(account, f"own-{number}", Path="/a/" if number % 2 else "/b/", Description="some", Tags=TAGS)

    def listed(**members):
        pages = account.iam.get_paginator("list_policies").paginate(**members, PaginationConfig={"PageSize": 2})
        return [names(page) for page in pages]

    assert listed(Scope="Local") == [["own-0", "own-1"], ["own-2", "own-3"], ["own-4"]]
    assert listed(PathPrefix="/a/") == [["own-1", "own-3"]]
    assert listed(PathPrefix="/service-role/") == [["AWSAppRunnerServicePolicyForECRAccess"]]
    assert len([name for page in listed(Scope="All") for name in page]) == len(AMAZONS) + 5
    assert listed() == listed(Scope="All")


def test_lists_show_neither_tags_nor_descriptions(account):
    made = a_policy(account, Description="some", Tags=TAGS)

    [one] = account.iam.list_policies(Scope="Local")["Policies"]

    del made["Description"], made["Tags"]
    assert one == made


def test_policies_are_listed_by_their_use(account):
    iam = account.iam
    attached, bounding, unused = (a_policy(account, name)["Arn"] for name in ("attached", "bounding", "unused"))
    iam.create_user(UserName="alice", PermissionsBoundary=bounding)
    iam.create_role(RoleName="some", AssumeRolePolicyDocument=TRUST, PermissionsBoundary=bounding)
    iam.create_group(GroupName="all")
    for arn in (attached, READ_ONLY):
        iam.attach_user_policy(UserName="alice", PolicyArn=arn)
        iam.attach_role_policy(RoleName="some", PolicyArn=arn)
        iam.attach_group_policy(GroupName="all", PolicyArn=arn)

    def listed(**members):
        return {one["Arn"]: one for one in iam.list_policies(**members)["Policies"]}

    assert set(listed(OnlyAttached=True)) == {attached, READ_ONLY}
    assert set(listed(OnlyAttached=True, Scope="Local")) == {attached}
    assert set(listed(OnlyAttached=True, Scope="AWS")) == {READ_ONLY}
    assert set(listed(PolicyUsageFilter="PermissionsPolicy")) == {attached, READ_ONLY}
    assert set(listed(PolicyUsageFilter="PermissionsBoundary")) == {bounding}
    assert set(listed(Scope="Local")) == {attached, bounding, unused}
    for found in (listed()[READ_ONLY], iam.get_policy(PolicyArn=attached)["Policy"]):
        assert (found["AttachmentCount"], found["PermissionsBoundaryUsageCount"]) == (3, 0)
    found = listed()[bounding]
    assert (found["AttachmentCount"], found["PermissionsBoundaryUsageCount"]) == (0, 2)


def test_accounts_know_nothing_of_each_others_use_of_amazons_policies(account, product):
    elsewhere = product.aws_client("iam")
    elsewhere.create_user(UserName=f"user-{account.id}", PermissionsBoundary=READ_ONLY)
    elsewhere.attach_user_policy(UserName=f"user-{account.id}", PolicyArn=READ_ONLY)

    found = account.iam.get_policy(PolicyArn=READ_ONLY)["Policy"]
    entities = account.iam.list_entities_for_policy(PolicyArn=READ_ONLY)

    assert (found["AttachmentCount"], found["PermissionsBoundaryUsageCount"]) == (0, 0)
    assert entities["PolicyUsers"] == []
    elsewhere.detach_user_policy(UserName=f"user-{account.id}", PolicyArn=READ_ONLY)
    elsewhere.delete_user(UserName=f"user-{account.id}")


@pytest.mark.parametrize("members", [{"Marker": "bogus"}, {"MaxItems": 1001}, {"Scope": "Mine"}, {"PathPrefix": "a"}])
def test_a_list_that_cannot_be_is_refused(account, members):
    assert refusal(account.iam.list_policies, **members)[0] == "ValidationError"


# ---- Entities


def test_who_has_a_policy_is_told(account):
    iam = account.iam
    arn = a_policy(account)["Arn"]
    user = iam.create_user(UserName="alice", Path="/a/")["User"]["UserId"]
    bound = iam.create_user(UserName="bob", PermissionsBoundary=arn)["User"]["UserId"]
    group = iam.create_group(GroupName="all")["Group"]["GroupId"]
    role = iam.create_role(RoleName="some", AssumeRolePolicyDocument=TRUST)["Role"]["RoleId"]
    iam.attach_user_policy(UserName="alice", PolicyArn=arn)
    iam.attach_group_policy(GroupName="all", PolicyArn=arn)
    iam.attach_role_policy(RoleName="some", PolicyArn=arn)

    def told(**members):
        pages = iam.get_paginator("list_entities_for_policy").paginate(
            PolicyArn=arn, **members, PaginationConfig={"PageSize": 1}
        )
        found = [one for page in pages for kind in ("Users", "Groups", "Roles") for one in page[f"Policy{kind}"]]
        return [tuple(one.values()) for one in found]

    alice, bob, all_, some = ("alice", user), ("bob", bound), ("all", group), ("some", role)
    assert told() == [alice, bob, all_, some]
    assert told(PolicyUsageFilter="PermissionsPolicy") == [alice, all_, some]
    assert told(PolicyUsageFilter="PermissionsBoundary") == [bob]
    assert told(EntityFilter="User") == [alice, bob]
    assert told(EntityFilter="Group") == [all_]
    assert told(EntityFilter="Role") == [some]
    assert told(EntityFilter="AWSManagedPolicy") == []
    assert told(PathPrefix="/a/") == [alice]


@pytest.mark.parametrize("marker", ["bogus", "Ijkgc29tZSI=", "InNvbWUi"])
def test_a_marker_that_no_list_of_entities_gave_is_refused(account, marker):
    arn = a_policy(account)["Arn"]

    answer = refusal(account.iam.list_entities_for_policy, PolicyArn=arn, Marker=marker)

    assert answer == ("ValidationError", "Invalid Marker.")


# ---- Versions


def test_versions_are_added_chosen_and_removed(account):
    iam = account.iam
    arn = a_policy(account)["Arn"]

    second = iam.create_policy_version(PolicyArn=arn, PolicyDocument=DENY)["PolicyVersion"]
    after_second = versions(account, arn)
    third = iam.create_policy_version(PolicyArn=arn, PolicyDocument=ALLOW, SetAsDefault=True)["PolicyVersion"]
    after_third = versions(account, arn)
    iam.set_default_policy_version(PolicyArn=arn, VersionId="v2")
    iam.delete_policy_version(PolicyArn=arn, VersionId="v3")
    iam.delete_policy_version(PolicyArn=arn, VersionId="v1")
    fourth = iam.create_policy_version(PolicyArn=arn, PolicyDocument=ALLOW)["PolicyVersion"]

    assert second == {"VersionId": "v2", "IsDefaultVersion": False, "CreateDate": second["CreateDate"]}
    assert third == {"VersionId": "v3", "IsDefaultVersion": True, "CreateDate": third["CreateDate"]}
    assert list(after_second.items()) == [("v2", False), ("v1", True)]
    assert list(after_third.items()) == [("v3", True), ("v2", False), ("v1", False)]
    assert fourth["VersionId"] == "v4"
    assert versions(account, arn) == {"v4": False, "v2": True}
    found = iam.get_policy(PolicyArn=arn)["Policy"]
    assert found["DefaultVersionId"] == "v2"
    assert found["UpdateDate"] >= fourth["CreateDate"]
    version = iam.get_policy_version(PolicyArn=arn, VersionId="v2")["PolicyVersion"]
    assert version == second | {"IsDefaultVersion": True, "Document": json.loads(DENY)}


def test_versions_are_listed_page_by_page(account):
    arn = a_policy(account)["Arn"]
    for _ in range(4):
        account.iam.create_policy_version(PolicyArn=arn, PolicyDocument=ALLOW)
    paginator = account.iam.get_paginator("list_policy_versions")

    pages = list(paginator.paginate(PolicyArn=arn, PaginationConfig={"PageSize": 2}))

    listed = [[one["VersionId"] for one in page["Versions"]] for page in pages]
    assert listed == [["v5", "v4"], ["v3", "v2"], ["v1"]]
    assert "Document" not in pages[0]["Versions"][0]


def test_a_sixth_version_is_refused(account):
    arn = a_policy(account)["Arn"]
    for _ in range(4):
        account.iam.create_policy_version(PolicyArn=arn, PolicyDocument=ALLOW)

    answer = refusal(account.iam.create_policy_version, PolicyArn=arn, PolicyDocument=DENY, SetAsDefault=True)

    assert answer == ("LimitExceeded", VERSIONS)
    assert versions(account, arn) == {"v5": False, "v4": False, "v3": False, "v2": False, "v1": True}


@pytest.mark.parametrize(
    ("text", "code"), [("[]", "MalformedPolicyDocument"), (large(6145), "LimitExceeded"), ("€", "ValidationError")]
)
def test_a_version_that_cannot_be_is_refused_and_changes_nothing(account, text, code):
    arn = a_policy(account)["Arn"]

    answer = refusal(account.iam.create_policy_version, PolicyArn=arn, PolicyDocument=text, SetAsDefault=True)

    assert answer[0] == code
    assert versions(account, arn) == {"v1": True}


@pytest.mark.parametrize("operation", ["get_policy_version", "set_default_policy_version", "delete_policy_version"])
@pytest.mark.parametrize("version", ["v2", "v1.1", "v" + "9" * 5000])
def test_a_version_that_is_not_there_is_not_found(account, operation, version):
    arn = a_policy(account)["Arn"]

    answer = refusal(getattr(account.iam, operation), PolicyArn=arn, VersionId=version)

    assert answer == ("NoSuchEntity", f"Policy {arn} version {version} does not exist or is not attachable.")
    assert versions(account, arn) == {"v1": True}


def test_the_default_version_cannot_be_removed(account):
    arn = a_policy(account)["Arn"]

    answer = refusal(account.iam.delete_policy_version, PolicyArn=arn, VersionId="v1")

    assert answer == ("DeleteConflict", "Cannot delete the default version of a policy.")
    assert versions(account, arn) == {"v1": True}


# ---- Delete


def test_a_policy_is_deleted_when_nobody_uses_it_and_it_has_one_version(account):
    iam = account.iam
    arn = a_policy(account)["Arn"]
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=DENY)
    iam.create_user(UserName="alice", PermissionsBoundary=arn)
    iam.attach_user_policy(UserName="alice", PolicyArn=arn)

    told = [refusal(iam.delete_policy, PolicyArn=arn)]
    iam.detach_user_policy(UserName="alice", PolicyArn=arn)
    told.append(refusal(iam.delete_policy, PolicyArn=arn))
    iam.delete_user_permissions_boundary(UserName="alice")
    told.append(refusal(iam.delete_policy, PolicyArn=arn))
    iam.delete_policy_version(PolicyArn=arn, VersionId="v2")
    iam.delete_policy(PolicyArn=arn)

    assert told[0] == told[1] == ("DeleteConflict", "Cannot delete a policy attached to entities.")
    assert told[2][0] == "DeleteConflict"
    assert told[2][1].startswith("This policy has more than one version.")
    assert refusal(iam.get_policy, PolicyArn=arn) == not_found(arn)


def test_a_policy_that_is_made_again_is_another(account):
    first = a_policy(account)
    account.iam.delete_policy(PolicyArn=first["Arn"])

    second = a_policy(account, PolicyDocument=DENY)

    assert second["PolicyId"] != first["PolicyId"]
    assert versions(account, second["Arn"]) == {"v1": True}


# ---- Tags


def test_policies_are_tagged(account):
    iam = account.iam
    named = {"PolicyArn": a_policy(account, Tags=TOO_MANY_TAGS)["Arn"]}

    twice = refusal(iam.tag_policy, **named, Tags=TWICE)
    full = refusal(iam.tag_policy, **named, Tags=TAGS)
    iam.untag_policy(**named, TagKeys=["key 1", "KEY 0", "absent"])
    iam.tag_policy(**named, Tags=TAGS)
    pages = list(iam.get_paginator("list_policy_tags").paginate(**named, PaginationConfig={"PageSize": 30}))

    assert (twice[0], full[0]) == ("InvalidInput", "LimitExceeded")
    assert [tag for page in pages for tag in page["Tags"]] == [*TOO_MANY_TAGS[2:], *TAGS]
    assert len(pages) == 2
