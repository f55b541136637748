"""Roles, those of services, and instance profiles, as AWS's own client sees them."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from tests.callers import Query, refusal

TRUST = json.dumps({
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}],
})  # fmt: skip
ALLOW = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "ecr:*", "Resource": "*"}})
TAGS = [{"Key": "team", "Value": "red"}, {"Key": "Größe", "Value": ""}]
READ_ONLY = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly"
OF_A_SERVICE = "arn:aws:iam::aws:policy/aws-service-role/ECRReplicationServiceRolePolicy"
REPLICATION = "replication.ecr.amazonaws.com"
REPLICATION_ROLE = "AWSServiceRoleForECRReplication"
TOO_MANY_TAGS = [{"Key": f"key {number}", "Value": ""} for number in range(50)]


def trusting(*principals, spaces=" "):
    """A trust policy, with principals of the kind AWS."""
    listed = json.dumps(principals[0] if len(principals) == 1 else principals)
    return (
        '{"Version":"2012-10-17",' + spaces + '"Statement":{"Action":"sts:AssumeRole",'
        '"Principal":{"AWS":' + spaces + listed + '},"Effect":"Allow"}}'
    )  # fmt: skip


def a_role(account, name="some", **members):
    return account.iam.create_role(**{"RoleName": name, "AssumeRolePolicyDocument": TRUST} | members)["Role"]


def trust_of(account, name="some"):
    """The trust policy to the letter: boto3 would read the JSON in it."""
    answer = Query(account.product.address, account.root["key_id"], account.root["secret"])("GetRole", RoleName=name)
    text = re.search("<AssumeRolePolicyDocument>(.*)</AssumeRolePolicyDocument>", answer.body.decode())[1]
    assert re.fullmatch(r"([A-Za-z0-9._~-]|%[0-9A-F]{2})+", text)
    return bytes.fromhex("".join(text[1:] if text.startswith("%") else f"{ord(text):02x}"
                                 for text in re.findall("%..|.", text))).decode()  # fmt: skip


def names(answer):
    return [role["RoleName"] for role in answer["Roles"]]


def not_found(name):
    return "NoSuchEntity", f"The role with name {name} cannot be found."


def profile_not_found(name):
    return "NoSuchEntity", f"Instance Profile {name} cannot be found."


def protected(name):
    return "UnmodifiableEntity", (
        f"Cannot perform the operation on the protected role '{name}' - this role is only modifiable by AWS"
    )  # fmt: skip


# ---- Create, get


def test_a_role_is_made_and_found(account):
    before = datetime.now(UTC) - timedelta(seconds=1)

    made = a_role(account, Path="/team/red/", Description="Says: ü\n", MaxSessionDuration=7200, Tags=TAGS,
                  PermissionsBoundary=READ_ONLY)  # fmt: skip

    assert re.fullmatch("AROA[A-Z2-7]{17}", made["RoleId"])
    assert before <= made["CreateDate"] <= datetime.now(UTC)
    assert made == {
        "Path": "/team/red/",
        "RoleName": "some",
        "RoleId": made["RoleId"],
        "Arn": f"arn:aws:iam::{account.id}:role/team/red/some",
        "CreateDate": made["CreateDate"],
        "AssumeRolePolicyDocument": json.loads(TRUST),
        "Description": "Says: ü\n",
        "PermissionsBoundary": {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": READ_ONLY},
        "Tags": TAGS,
    }
    assert account.iam.get_role(RoleName="some")["Role"] == made | {"MaxSessionDuration": 7200, "RoleLastUsed": {}}


def test_a_role_needs_nothing_but_a_name_and_a_trust_policy(account):
    made = a_role(account, "a.+=,@-_Z9")

    assert set(made) == {"Path", "RoleName", "RoleId", "Arn", "CreateDate", "AssumeRolePolicyDocument"}
    assert account.iam.get_role(RoleName="a.+=,@-_Z9")["Role"]["MaxSessionDuration"] == 3600


@pytest.mark.parametrize("name", ["Admin", "ADMIN"])
def test_names_have_no_case_but_are_kept_as_they_were_given(account, name):
    a_role(account, "Admin")

    answer = refusal(a_role, account=account, name=name)

    assert answer == ("EntityAlreadyExists", f"Role with name {name} already exists.")
    assert account.iam.get_role(RoleName=name)["Role"]["RoleName"] == "Admin"


@pytest.mark.parametrize(
    ("members", "code", "text"),
    [
        ({"AssumeRolePolicyDocument": "{"}, "MalformedPolicyDocument", "This policy contains invalid Json"),
        ({"AssumeRolePolicyDocument": ALLOW}, "MalformedPolicyDocument", None),
        ({"Tags": [*TAGS, {"Key": "TEAM", "Value": ""}]}, "InvalidInput",
         "Duplicate tag keys found. Please note that Tag keys are case insensitive."),
        ({"Path": "/aws-service-role/mine/"}, "InvalidInput", None),
        ({"MaxSigninSessionDuration": 3600}, "InvalidInput", None),
        ({"PermissionsBoundary": "arn:aws:iam::aws:policy/NotThere"}, "NoSuchEntity",
         "Scope ARN: arn:aws:iam::aws:policy/NotThere does not exist or is not attachable."),
        ({"PermissionsBoundary": OF_A_SERVICE}, "PolicyNotAttachable", None),
        ({"AssumeRolePolicyDocument": trusting(*(f"{number:012}" for number in range(140)))}, "LimitExceeded",
         "Cannot exceed quota for ACLSizePerRole: 2048"),
        ({"Path": "/no end"}, "ValidationError", None),
        ({"MaxSessionDuration": 43201}, "ValidationError", None),
        ({"RoleName": "a role"}, "ValidationError", None),
        ({"Description": "\u20ac"}, "ValidationError", None),
        ({"Tags": [*TOO_MANY_TAGS, *TAGS]}, "ValidationError", None),
    ],
)  # fmt: skip
def test_a_role_that_cannot_be_is_refused_and_not_made(account, members, code, text):
    answer = refusal(account.iam.create_role, **{"RoleName": "some", "AssumeRolePolicyDocument": TRUST} | members)

    assert answer[0] == code
    assert text is None or answer[1] == text
    assert names(account.iam.list_roles()) == []


def test_white_space_does_not_count_against_the_size_of_a_trust_policy(account):
    a_role(account, AssumeRolePolicyDocument=trusting("*", spaces=" \n" * 2000))

    assert trust_of(account) == trusting("*", spaces=" \n" * 2000)


def test_a_role_that_is_not_there_is_not_found(account):
    iam, nobody = account.iam, not_found("nobody")

    assert refusal(iam.get_role, RoleName="nobody") == nobody
    assert refusal(iam.update_role, RoleName="nobody", Description="new") == nobody
    assert refusal(iam.update_role_description, RoleName="nobody", Description="new") == nobody
    assert refusal(iam.update_assume_role_policy, RoleName="nobody", PolicyDocument=TRUST) == nobody
    assert refusal(iam.delete_role, RoleName="nobody") == nobody
    assert refusal(iam.tag_role, RoleName="nobody", Tags=TAGS) == nobody
    assert refusal(iam.untag_role, RoleName="nobody", TagKeys=["team"]) == nobody
    assert refusal(iam.list_role_tags, RoleName="nobody") == nobody
    assert refusal(iam.put_role_permissions_boundary, RoleName="nobody", PermissionsBoundary=READ_ONLY) == nobody
    assert refusal(iam.delete_role_permissions_boundary, RoleName="nobody") == nobody
    assert refusal(iam.delete_service_linked_role, RoleName="nobody") == nobody
    assert refusal(iam.list_instance_profiles_for_role, RoleName="nobody") == nobody


# ---- List


def test_roles_are_listed_in_the_order_of_their_names_without_tags_and_boundaries(account):
    for name in ("b", "C", "a-b", "a"):
        a_role(account, name, Tags=TAGS, PermissionsBoundary=READ_ONLY, Description="some")

    listed = account.iam.list_roles()

    assert names(listed) == ["a", "a-b", "b", "C"]
    assert listed["IsTruncated"] is False
    assert set(listed["Roles"][0]) == {
        "Path", "RoleName", "RoleId", "Arn", "CreateDate", "AssumeRolePolicyDocument", "Description",
        "MaxSessionDuration",
    }  # fmt: skip


def test_roles_are_listed_page_by_page_and_by_path(account):
    for number in range(7):
        a_role(account, f"role-{number}", Path="/a/b/" if number % 2 else "/a/")
    paginator = account.iam.get_paginator("list_roles")

    pages = list(paginator.paginate(PaginationConfig={"PageSize": 3}))
    below = list(paginator.paginate(PathPrefix="/a/b/", PaginationConfig={"PageSize": 2}))

    assert [len(names(page)) for page in pages] == [3, 3, 1]
    assert [name for page in pages for name in names(page)] == [f"role-{number}" for number in range(7)]
    assert [names(page) for page in below] == [["role-1", "role-3"], ["role-5"]]
    assert names(account.iam.list_roles(PathPrefix="/a/B/")) == []


@pytest.mark.parametrize("members", [{"Marker": "bogus"}, {"Marker": "W10="}, {"MaxItems": 1001}])
def test_a_list_that_cannot_be_is_refused(account, members):
    code, _ = refusal(account.iam.list_roles, **members)

    assert code == "ValidationError"


# ---- Change


def test_what_is_not_given_to_an_update_stays_as_it_is(account):
    a_role(account, Description="old", MaxSessionDuration=7200)

    account.iam.update_role(RoleName="some", Description="")
    first = account.iam.get_role(RoleName="some")["Role"]
    account.iam.update_role(RoleName="some", MaxSessionDuration=43200)
    second = account.iam.get_role(RoleName="some")["Role"]

    assert (first["Description"], first["MaxSessionDuration"]) == ("", 7200)
    assert (second["Description"], second["MaxSessionDuration"]) == ("", 43200)


def test_a_description_is_changed_and_the_role_told(account):
    made = a_role(account, Description="old")

    told = account.iam.update_role_description(RoleName="SOME", Description="new")["Role"]

    assert told == made | {"Description": "new", "MaxSessionDuration": 3600, "RoleLastUsed": {}}
    assert told == account.iam.get_role(RoleName="some")["Role"]


@pytest.mark.parametrize("members", [{"MaxSigninSessionDuration": 3600}, {"ResetMaxSigninSessionDuration": True}])
def test_sessions_of_people_who_sign_in_are_not_supported(account, members):
    a_role(account)

    assert refusal(account.iam.update_role, RoleName="some", **members)[0] == "InvalidInput"


def test_a_trust_policy_is_replaced(account):
    a_role(account)
    text = trusting(f"arn:aws:iam::{account.id}:root", spaces="\t\n ")

    account.iam.update_assume_role_policy(RoleName="some", PolicyDocument=text)

    assert trust_of(account) == text


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("[", "MalformedPolicyDocument"),
        (trusting("arn:aws:iam::{id}:role/nobody"), "MalformedPolicyDocument"),
        (trusting(*(f"{number:012}" for number in range(140))), "LimitExceeded"),
    ],
)
def test_a_trust_policy_that_cannot_be_is_refused_and_changes_nothing(account, text, code):
    a_role(account)
    text = text.replace("{id}", account.id)

    answer = refusal(account.iam.update_assume_role_policy, RoleName="some", PolicyDocument=text)

    assert answer[0] == code
    assert trust_of(account) == TRUST


# ---- Principals


def test_principals_are_shown_by_their_arns_and_the_text_is_kept(account):
    a_role(account, "friend", Path="/x/")
    account.iam.create_user(UserName="alice")
    role, user = f"arn:aws:iam::{account.id}:role/x/friend", f"arn:aws:iam::{account.id}:user/alice"
    text = trusting(role, user, "*", account.id, f"arn:aws:sts::{account.id}:assumed-role/a/b", spaces="\n  ")

    a_role(account, AssumeRolePolicyDocument=text)

    assert trust_of(account) == text
    assert account.iam.list_roles()["Roles"][1]["AssumeRolePolicyDocument"] == json.loads(text)


def test_a_principal_who_is_renamed_is_shown_by_the_new_name(account):
    account.iam.create_user(UserName="alice")
    a_role(account, AssumeRolePolicyDocument=trusting(f"arn:aws:iam::{account.id}:user/alice"))

    account.iam.update_user(UserName="alice", NewUserName="bob", NewPath="/staff/")

    assert trust_of(account) == trusting(f"arn:aws:iam::{account.id}:user/staff/bob")


def test_a_principal_who_is_gone_is_shown_by_the_id_even_if_another_has_the_name(account):
    old = a_role(account, "friend")
    a_role(account, AssumeRolePolicyDocument=trusting(old["Arn"]))
    account.iam.delete_role(RoleName="friend")
    shown = trust_of(account)

    a_role(account, "friend")

    assert shown == trust_of(account) == trusting(old["RoleId"])


def test_a_principal_may_be_named_by_the_id(account):
    friend = a_role(account, "friend")

    a_role(account, AssumeRolePolicyDocument=trusting(friend["RoleId"]))

    assert trust_of(account) == trusting(friend["Arn"])


@pytest.mark.parametrize(
    "principal",
    [
        "arn:aws:iam::{id}:role/nobody",
        "arn:aws:iam::{id}:role/path/friend",
        "arn:aws:iam::{id}:role/FRIEND",
        "arn:aws:iam::{id}:user/friend",
        "AROAAAAAAAAAAAAAAAAAA",
    ],
)
def test_a_principal_who_is_not_there_is_refused(account, principal):
    principal = principal.replace("{id}", account.id)
    a_role(account, "friend")

    answer = refusal(
        account.iam.create_role, RoleName="some", AssumeRolePolicyDocument=trusting("*", principal)
    )  # fmt: skip

    assert answer == ("MalformedPolicyDocument", f'Invalid principal in policy: "AWS":"{principal}"')
    assert refusal(account.iam.get_role, RoleName="some") == not_found("some")


def test_a_principal_of_an_account_that_is_not_here_is_kept_as_it_is(account):
    text = trusting("arn:aws:iam::999999999999:role/elsewhere")

    a_role(account, AssumeRolePolicyDocument=text)

    assert trust_of(account) == text


def test_a_principal_of_another_account_must_be_there(account, product):
    iam = product.aws_client("iam")
    iam.create_role(RoleName=f"friend-{account.id}", AssumeRolePolicyDocument=TRUST)
    friend = f"arn:aws:iam::000000000000:role/friend-{account.id}"

    a_role(account, AssumeRolePolicyDocument=trusting(friend))
    answer = refusal(
        account.iam.update_assume_role_policy, RoleName="some", PolicyDocument=trusting(f"{friend}-not")
    )  # fmt: skip

    assert answer[0] == "MalformedPolicyDocument"
    assert trust_of(account) == trusting(friend)
    iam.delete_role(RoleName=f"friend-{account.id}")


# ---- Tags and boundaries


def test_tags_are_added_overwritten_and_removed(account):
    a_role(account, Tags=[{"Key": "team", "Value": "red"}])

    account.iam.tag_role(RoleName="some", Tags=[{"Key": "Team", "Value": "blue"}, {"Key": "b", "Value": "1"}])
    tagged = account.iam.list_role_tags(RoleName="some")
    account.iam.untag_role(RoleName="some", TagKeys=["TEAM", "absent"])

    assert tagged["Tags"] == [{"Key": "Team", "Value": "blue"}, {"Key": "b", "Value": "1"}]
    assert tagged["IsTruncated"] is False
    assert account.iam.get_role(RoleName="some")["Role"]["Tags"] == [{"Key": "b", "Value": "1"}]


def test_tags_are_listed_page_by_page(account):
    a_role(account, Tags=TOO_MANY_TAGS)

    pages = list(
        account.iam.get_paginator("list_role_tags").paginate(RoleName="some", PaginationConfig={"PageSize": 40})
    )

    assert [tag for page in pages for tag in page["Tags"]] == TOO_MANY_TAGS
    assert len(pages) == 2


@pytest.mark.parametrize(
    ("tags", "code"),
    [
        ([{"Key": "a", "Value": ""}, {"Key": "A", "Value": ""}], "InvalidInput"),
        ([{"Key": "one more", "Value": ""}], "LimitExceeded"),
        ([{"Key": "a", "Value": "x" * 257}], "ValidationError"),
    ],
)
def test_tags_that_cannot_be_are_refused_and_change_nothing(account, tags, code):
    a_role(account, Tags=TOO_MANY_TAGS)

    answer = refusal(account.iam.tag_role, RoleName="some", Tags=tags)

    assert answer[0] == code
    assert account.iam.get_role(RoleName="some")["Role"]["Tags"] == TOO_MANY_TAGS


def test_a_boundary_is_set_and_taken_away(account):
    a_role(account)
    own = account.iam.create_policy(PolicyName="own", PolicyDocument=ALLOW)["Policy"]["Arn"]

    account.iam.put_role_permissions_boundary(RoleName="some", PermissionsBoundary=READ_ONLY)
    account.iam.put_role_permissions_boundary(RoleName="some", PermissionsBoundary=own)
    bound = account.iam.get_role(RoleName="some")["Role"]["PermissionsBoundary"]
    account.iam.delete_role_permissions_boundary(RoleName="some")
    account.iam.delete_role_permissions_boundary(RoleName="some")

    assert bound == {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": own}
    assert "PermissionsBoundary" not in account.iam.get_role(RoleName="some")["Role"]


@pytest.mark.parametrize(
    ("arn", "code"),
    [
        ("arn:aws:iam::{id}:policy/not-there", "NoSuchEntity"),
        ("arn:aws:iam::{id}:role/some-other-thing", "InvalidInput"),
        (OF_A_SERVICE, "PolicyNotAttachable"),
        ("certainly not any ARN", "ValidationError"),
    ],
)
def test_a_boundary_that_cannot_be_is_refused_and_changes_nothing(account, arn, code):
    a_role(account, PermissionsBoundary=READ_ONLY)

    answer = refusal(
        account.iam.put_role_permissions_boundary, RoleName="some", PermissionsBoundary=arn.replace("{id}", account.id)
    )  # fmt: skip

    assert answer[0] == code
    bound = account.iam.get_role(RoleName="some")["Role"]["PermissionsBoundary"]
    assert bound["PermissionsBoundaryArn"] == READ_ONLY


# ---- Delete


def test_a_role_is_deleted_when_nothing_hangs_on_it_any_more(account):
    iam = account.iam
    a_role(account)
    iam.create_instance_profile(InstanceProfileName="machine")
    iam.add_role_to_instance_profile(InstanceProfileName="machine", RoleName="some")
    iam.attach_role_policy(RoleName="some", PolicyArn=READ_ONLY)
    iam.put_role_policy(RoleName="some", PolicyName="own", PolicyDocument=ALLOW)

    told = [refusal(iam.delete_role, RoleName="some")]
    iam.remove_role_from_instance_profile(InstanceProfileName="machine", RoleName="some")
    told.append(refusal(iam.delete_role, RoleName="some"))
    iam.detach_role_policy(RoleName="some", PolicyArn=READ_ONLY)
    told.append(refusal(iam.delete_role, RoleName="some"))
    iam.delete_role_policy(RoleName="some", PolicyName="own")
    iam.delete_role(RoleName="some")

    assert told == [
        ("DeleteConflict", "Cannot delete entity, must remove roles from instance profile first."),
        ("DeleteConflict", "Cannot delete entity, must detach all policies first."),
        ("DeleteConflict", "Cannot delete entity, must delete policies first."),
    ]
    assert refusal(iam.get_role, RoleName="some") == not_found("some")


# ---- Roles of services


@pytest.mark.parametrize(
    ("service", "name", "policy"),
    [
        (REPLICATION, REPLICATION_ROLE, "ECRReplicationServiceRolePolicy"),
        ("pullthroughcache.ecr.amazonaws.com", "AWSServiceRoleForECRPullThroughCache",
         "AWSECRPullThroughCache_ServiceRolePolicy"),
        ("ecr.amazonaws.com", "AWSServiceRoleForECRTemplate", "ECRTemplateServiceRolePolicy"),
    ],
)  # fmt: skip
def test_the_role_of_a_service_is_made_with_its_policy(account, service, name, policy):
    made = account.iam.create_service_linked_role(AWSServiceName=service)["Role"]

    assert (made["RoleName"], made["Path"]) == (name, f"/aws-service-role/{service}/")
    assert made["Arn"] == f"arn:aws:iam::{account.id}:role/aws-service-role/{service}/{name}"
    assert made["AssumeRolePolicyDocument"] == {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}],
    }
    arn = f"arn:aws:iam::aws:policy/aws-service-role/{policy}"
    attached = account.iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    assert attached == [{"PolicyName": policy, "PolicyArn": arn}]
    assert account.iam.get_role(RoleName=name)["Role"] == made | {"MaxSessionDuration": 3600, "RoleLastUsed": {}}


@pytest.mark.parametrize(
    ("members", "text"),
    [
        ({"CustomSuffix": "mine"}, f"Custom suffix is not allowed for {REPLICATION}"),
        ({}, f"Service role name {REPLICATION_ROLE} has been taken in this account, please try a different suffix."),
        ({"AWSServiceName": "s3.amazonaws.com"}, "Cannot find Service Linked Role template for s3.amazonaws.com"),
    ],
)
def test_a_role_of_a_service_that_cannot_be_is_refused(account, members, text):
    account.iam.create_service_linked_role(AWSServiceName=REPLICATION)

    answer = refusal(account.iam.create_service_linked_role, **{"AWSServiceName": REPLICATION} | members)

    assert answer == ("InvalidInput", text)
    assert names(account.iam.list_roles()) == [REPLICATION_ROLE]


def test_the_role_of_a_service_is_deleted_at_once(account):
    account.iam.create_service_linked_role(AWSServiceName=REPLICATION, Description="some")

    task = account.iam.delete_service_linked_role(RoleName=REPLICATION_ROLE)["DeletionTaskId"]
    status = account.iam.get_service_linked_role_deletion_status(DeletionTaskId=task)

    assert re.fullmatch(rf"task/aws-service-role/{REPLICATION}/{REPLICATION_ROLE}/[0-9a-f-]{{36}}", task)
    assert status["Status"] == "SUCCEEDED"
    assert refusal(account.iam.get_role, RoleName=REPLICATION_ROLE) == not_found(REPLICATION_ROLE)
    assert account.iam.create_service_linked_role(AWSServiceName=REPLICATION)["Role"]["RoleName"] == REPLICATION_ROLE


@pytest.mark.parametrize(
    ("task", "code"),
    [
        ("bogus", "InvalidInput"),
        (f"task/aws-service-role/{REPLICATION}/{REPLICATION_ROLE}/1", "InvalidInput"),
        (f"task/aws-service-role/{REPLICATION}/Mine/{'0' * 8}-0000-0000-0000-{'0' * 12}", "NoSuchEntity"),
        (f"task/aws-service-role/s3.amazonaws.com/Mine/{'0' * 8}-0000-0000-0000-{'0' * 12}", "NoSuchEntity"),
    ],
)
def test_a_deletion_that_never_was_is_refused(account, task, code):
    assert refusal(account.iam.get_service_linked_role_deletion_status, DeletionTaskId=task)[0] == code


def test_the_roles_of_services_are_theirs(account):
    iam, name = account.iam, REPLICATION_ROLE
    iam.create_service_linked_role(AWSServiceName=REPLICATION)
    iam.create_instance_profile(InstanceProfileName="machine")
    before = iam.get_role(RoleName=name)["Role"]

    told = [
        refusal(iam.update_role, RoleName=name, MaxSessionDuration=7200),
        refusal(iam.update_assume_role_policy, RoleName=name, PolicyDocument=TRUST),
        refusal(iam.delete_role, RoleName=name),
        refusal(iam.put_role_permissions_boundary, RoleName=name, PermissionsBoundary=READ_ONLY),
        refusal(iam.delete_role_permissions_boundary, RoleName=name),
        refusal(iam.attach_role_policy, RoleName=name, PolicyArn=READ_ONLY),
        refusal(iam.detach_role_policy, RoleName=name, PolicyArn=OF_A_SERVICE),
        refusal(iam.put_role_policy, RoleName=name, PolicyName="own", PolicyDocument=ALLOW),
        refusal(iam.delete_role_policy, RoleName=name, PolicyName="own"),
        refusal(iam.add_role_to_instance_profile, InstanceProfileName="machine", RoleName=name),
        refusal(iam.remove_role_from_instance_profile, InstanceProfileName="machine", RoleName=name),
    ]

    assert told == [protected(name)] * len(told)
    assert iam.get_role(RoleName=name)["Role"] == before
    assert len(iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]) == 1


def test_the_role_of_a_service_may_be_described_and_tagged(account):
    account.iam.create_service_linked_role(AWSServiceName=REPLICATION)

    account.iam.update_role_description(RoleName=REPLICATION_ROLE, Description="Copies images")
    account.iam.tag_role(RoleName=REPLICATION_ROLE, Tags=TAGS)

    role = account.iam.get_role(RoleName=REPLICATION_ROLE)["Role"]
    assert (role["Description"], role["Tags"]) == ("Copies images", TAGS)


def test_a_role_of_nobodys_service_is_not_deleted_as_one(account):
    a_role(account)

    answer = refusal(account.iam.delete_service_linked_role, RoleName="some")

    assert answer == not_found("some")
    assert names(account.iam.list_roles()) == ["some"]


# ---- Instance profiles


def test_an_instance_profile_is_made_found_and_furnished_with_a_role(account):
    iam = account.iam
    role = a_role(account)

    made = iam.create_instance_profile(InstanceProfileName="Machine", Path="/a/", Tags=TAGS)["InstanceProfile"]
    iam.add_role_to_instance_profile(InstanceProfileName="Machine", RoleName="some")
    found = iam.get_instance_profile(InstanceProfileName="machine")["InstanceProfile"]

    assert re.fullmatch("AIPA[A-Z2-7]{17}", made["InstanceProfileId"])
    assert made == {
        "Path": "/a/",
        "InstanceProfileName": "Machine",
        "InstanceProfileId": made["InstanceProfileId"],
        "Arn": f"arn:aws:iam::{account.id}:instance-profile/a/Machine",
        "CreateDate": made["CreateDate"],
        "Roles": [],
        "Tags": TAGS,
    }
    assert found == made | {"Roles": [role]}


def test_instance_profiles_are_listed_page_by_page_by_path_and_by_role(account):
    iam = account.iam
    a_role(account)
    for number in range(5):
        name = f"machine-{number}"
        iam.create_instance_profile(InstanceProfileName=name, Path="/a/" if number % 2 else "/b/")
        iam.add_role_to_instance_profile(InstanceProfileName=name, RoleName="some")

    def listed(operation, **members):
        pages = iam.get_paginator(operation).paginate(**members, PaginationConfig={"PageSize": 2})
        return [[profile["InstanceProfileName"] for profile in page["InstanceProfiles"]] for page in pages]

    everything = [["machine-0", "machine-1"], ["machine-2", "machine-3"], ["machine-4"]]
    assert listed("list_instance_profiles") == everything
    assert listed("list_instance_profiles", PathPrefix="/a/") == [["machine-1", "machine-3"]]
    assert listed("list_instance_profiles_for_role", RoleName="some") == everything


def test_an_instance_profile_that_cannot_be_is_refused(account):
    iam = account.iam
    iam.create_instance_profile(InstanceProfileName="Machine")
    twice = [{"Key": "a", "Value": ""}, {"Key": "A", "Value": ""}]

    taken = refusal(iam.create_instance_profile, InstanceProfileName="machine")
    tagged = refusal(iam.create_instance_profile, InstanceProfileName="other", Tags=twice)

    assert taken == ("EntityAlreadyExists", "Instance Profile machine already exists.")
    assert tagged[0] == "InvalidInput"
    assert [one["InstanceProfileName"] for one in iam.list_instance_profiles()["InstanceProfiles"]] == ["Machine"]


def test_an_instance_profile_has_one_role_at_most(account):
    iam = account.iam
    iam.create_instance_profile(InstanceProfileName="machine")
    for name in ("first", "second"):
        a_role(account, name)
    iam.add_role_to_instance_profile(InstanceProfileName="machine", RoleName="first")

    added = refusal(iam.add_role_to_instance_profile, InstanceProfileName="machine", RoleName="second")
    removed = refusal(iam.remove_role_from_instance_profile, InstanceProfileName="machine", RoleName="second")

    assert added == ("LimitExceeded", "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
    assert removed == not_found("second")
    [role] = iam.get_instance_profile(InstanceProfileName="machine")["InstanceProfile"]["Roles"]
    assert role["RoleName"] == "first"


def test_an_instance_profile_is_deleted_when_it_is_empty(account):
    iam = account.iam
    a_role(account)
    iam.create_instance_profile(InstanceProfileName="machine")
    iam.add_role_to_instance_profile(InstanceProfileName="machine", RoleName="some")

    full = refusal(iam.delete_instance_profile, InstanceProfileName="machine")
    iam.remove_role_from_instance_profile(InstanceProfileName="machine", RoleName="some")
    iam.delete_instance_profile(InstanceProfileName="machine")

    assert full == ("DeleteConflict", "Cannot delete entity, must remove roles from instance profile first.")
    assert refusal(iam.get_instance_profile, InstanceProfileName="machine") == profile_not_found("machine")


def test_an_instance_profile_that_is_not_there_is_not_found(account):
    iam, named, nothing = account.iam, {"InstanceProfileName": "nothing"}, profile_not_found("nothing")
    a_role(account)
    iam.create_instance_profile(InstanceProfileName="machine")

    assert refusal(iam.get_instance_profile, **named) == nothing
    assert refusal(iam.delete_instance_profile, **named) == nothing
    assert refusal(iam.add_role_to_instance_profile, **named, RoleName="some") == nothing
    assert refusal(iam.remove_role_from_instance_profile, **named, RoleName="some") == nothing
    assert refusal(iam.tag_instance_profile, **named, Tags=TAGS) == nothing
    assert refusal(iam.untag_instance_profile, **named, TagKeys=["a"]) == nothing
    assert refusal(iam.list_instance_profile_tags, **named) == nothing
    missing = {"InstanceProfileName": "machine", "RoleName": "nobody"}
    assert refusal(iam.add_role_to_instance_profile, **missing) == not_found("nobody")
    assert refusal(iam.remove_role_from_instance_profile, **missing) == not_found("nobody")


def test_instance_profiles_are_tagged(account):
    iam, named = account.iam, {"InstanceProfileName": "machine"}
    iam.create_instance_profile(**named, Tags=TOO_MANY_TAGS)

    twice = refusal(iam.tag_instance_profile, **named, Tags=[{"Key": "a", "Value": ""}, {"Key": "A", "Value": ""}])
    full = refusal(iam.tag_instance_profile, **named, Tags=TAGS)
    iam.untag_instance_profile(**named, TagKeys=["key 1", "KEY 0"])
    iam.tag_instance_profile(**named, Tags=TAGS)
    pages = list(iam.get_paginator("list_instance_profile_tags").paginate(**named, PaginationConfig={"PageSize": 30}))

    assert (twice[0], full[0]) == ("InvalidInput", "LimitExceeded")
    assert [tag for page in pages for tag in page["Tags"]] == [*TOO_MANY_TAGS[2:], *TAGS]
    assert len(pages) == 2


# ---- Leave


def test_whoever_may_not_is_refused_on_the_arn_with_the_path(account):
    a_role(account, Path="/a/")
    iam = account.client("iam", **account.a_user("alice", {"Effect": "Allow", "Action": "ecr:*", "Resource": "*"}))

    code, text = refusal(iam.get_role, RoleName="SOME")

    assert code == "AccessDenied"
    assert text == (
        f"User: arn:aws:iam::{account.id}:user/alice is not authorized to perform: iam:GetRole on resource: "
        f"arn:aws:iam::{account.id}:role/a/some because no identity-based policy allows the iam:GetRole action"
    )


def test_a_role_is_put_into_a_profile_only_by_who_may_pass_it(account):
    a_role(account)
    account.iam.create_instance_profile(InstanceProfileName="machine")
    policy = {"Effect": "Allow", "Action": "iam:AddRoleToInstanceProfile", "Resource": "*"}
    iam = account.client("iam", **account.a_user("alice", policy))

    code, text = refusal(iam.add_role_to_instance_profile, InstanceProfileName="machine", RoleName="some")

    assert code == "AccessDenied"
    assert "iam:PassRole" in text
