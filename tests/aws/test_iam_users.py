"""Users, as AWS's own client sees them."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from tests.callers import Query, refusal

TAGS = [{"Key": "team", "Value": "red"}, {"Key": "Größe", "Value": ""}]
ALLOW = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "ecr:*", "Resource": "*"}})
PULL_ONLY = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryPullOnly"
DUPLICATE_TAGS = "Duplicate tag keys found. Please note that Tag keys are case insensitive."


def not_found(name):
    return "NoSuchEntity", f"The user with name {name} cannot be found."


def names(answer):
    return [user["UserName"] for user in answer["Users"]]


def refused(account, action, **parameters):
    """The code and the message of a refusal of what boto3 would not send."""
    answer = Query(account.product.address, account.root["key_id"], account.root["secret"])(action, **parameters)
    text = answer.body.decode()
    return answer.status, re.search("<Code>(.*)</Code>", text)[1], re.search("<Message>(.*)</Message>", text)[1]


# ---- Create, get


def test_a_user_is_made_and_found(account):
    before = datetime.now(UTC) - timedelta(seconds=1)

    made = account.iam.create_user(UserName="alice", Path="/people/red/", Tags=TAGS)["User"]

    assert re.fullmatch("AIDA[A-Z2-7]{17}", made["UserId"])
    assert before <= made["CreateDate"] <= datetime.now(UTC)
    assert made == account.iam.get_user(UserName="alice")["User"] == {
        "Path": "/people/red/",
        "UserName": "alice",
        "UserId": made["UserId"],
        "Arn": f"arn:aws:iam::{account.id}:user/people/red/alice",
        "CreateDate": made["CreateDate"],
        "Tags": TAGS,
    }  # fmt: skip


def test_a_user_needs_nothing_but_a_name(account):
    made = account.iam.create_user(UserName="a.+=,@-_Z9")["User"]

    assert set(made) == {"Path", "UserName", "UserId", "Arn", "CreateDate"}
    assert (made["Path"], made["Arn"]) == ("/", f"arn:aws:iam::{account.id}:user/a.+=,@-_Z9")


@pytest.mark.parametrize("name", ["Alice", "alice", "ALICE"])
def test_names_have_no_case_but_are_kept_as_they_were_given(account, name):
    account.iam.create_user(UserName="Alice")

    again = refusal(account.iam.create_user, UserName=name)

    assert again == ("EntityAlreadyExists", f"User with name {name} already exists.")
    assert account.iam.get_user(UserName=name)["User"]["UserName"] == "Alice"
    assert names(account.iam.list_users()) == ["Alice"]


def test_accounts_know_nothing_of_each_others_users(account, product):
    account.iam.create_user(UserName="alice")

    elsewhere = product.aws_client("iam")

    assert "alice" not in names(elsewhere.list_users())
    assert refusal(elsewhere.get_user, UserName="alice") == not_found("alice")


def test_a_user_who_is_not_there_is_not_found(account):
    iam, nobody = account.iam, not_found("nobody")

    assert refusal(iam.get_user, UserName="nobody") == nobody
    assert refusal(iam.update_user, UserName="nobody", NewUserName="somebody") == nobody
    assert refusal(iam.delete_user, UserName="nobody") == nobody
    assert refusal(iam.tag_user, UserName="nobody", Tags=TAGS) == nobody
    assert refusal(iam.untag_user, UserName="nobody", TagKeys=["team"]) == nobody
    assert refusal(iam.list_user_tags, UserName="nobody") == nobody
    assert refusal(iam.list_groups_for_user, UserName="nobody") == nobody
    assert refusal(iam.put_user_permissions_boundary, UserName="nobody", PermissionsBoundary=PULL_ONLY) == nobody
    assert refusal(iam.delete_user_permissions_boundary, UserName="nobody") == nobody


@pytest.mark.parametrize(
    "members",
    [
        {"UserName": "x" * 65},
        {"UserName": "a b"},
        {"UserName": "größe"},
        {"UserName": "alice", "Path": "people"},
        {"UserName": "alice", "Path": "/people"},
        {"UserName": "alice", "Path": "/a b/"},
        {"UserName": "alice", "Path": f"/{'x' * 511}/"},
        {"UserName": "alice", "Tags": [{"Key": str(n), "Value": ""} for n in range(51)]},
        {"UserName": "alice", "Tags": [{"Key": "x" * 129, "Value": ""}]},
        {"UserName": "alice", "Tags": [{"Key": "x", "Value": "x" * 257}]},
        {"UserName": "alice", "Tags": [{"Key": "a\tb", "Value": ""}]},
    ],
)
def test_what_no_user_can_have_is_refused(account, members):
    code, message = refusal(account.iam.create_user, **members)

    assert code == "ValidationError"
    assert message.startswith("1 validation error detected: Value ")
    assert names(account.iam.list_users()) == []


def test_a_user_without_a_name_is_refused(account):
    answer = refused(account, "CreateUser", Path="/")

    fault = (
        "1 validation error detected: Value null at 'userName' failed to satisfy constraint: Member must not be null"
    )
    assert answer == (400, "ValidationError", fault)


# ---- Who calls


def test_who_asks_for_himself_is_told_of_himself(account):
    alice = account.a_user("alice", Path="/people/", Tags=TAGS)

    me = account.client("iam", **alice).get_user()["User"]

    assert me == account.iam.get_user(UserName="alice")["User"]


def test_the_root_is_the_account(account):
    me = account.iam.get_user()["User"]

    created_at = me.pop("CreateDate")
    assert datetime.now(UTC) - timedelta(hours=1) < created_at <= datetime.now(UTC)
    assert me == {"UserId": account.id, "Arn": f"arn:aws:iam::{account.id}:root"}


def test_the_root_goes_by_the_alias_of_the_account(account):
    account.iam.create_account_alias(AccountAlias=f"alias-{account.id}")

    assert account.iam.get_user()["User"]["UserName"] == f"alias-{account.id}"


# ---- List


def test_users_are_listed_by_name_without_what_is_only_told_of_one(account):
    for name in ("bob", "Alice", "carol"):
        account.iam.create_user(UserName=name, Tags=TAGS, PermissionsBoundary=PULL_ONLY)

    listed = account.iam.list_users()

    assert names(listed) == ["Alice", "bob", "carol"]
    assert listed["IsTruncated"] is False
    assert set(listed["Users"][0]) == {"Path", "UserName", "UserId", "Arn", "CreateDate"}


def test_users_are_listed_page_by_page(account):
    everybody = [f"user-{number:02}" for number in range(7)]
    for name in everybody:
        account.iam.create_user(UserName=name)

    pages = list(account.iam.get_paginator("list_users").paginate(PaginationConfig={"PageSize": 3}))

    assert [names(page) for page in pages] == [everybody[:3], everybody[3:6], everybody[6:]]
    assert [page["IsTruncated"] for page in pages] == [True, True, False]


def test_a_full_last_page_has_no_next_one(account):
    for name in ("a", "b"):
        account.iam.create_user(UserName=name)

    page = account.iam.list_users(MaxItems=2)

    assert names(page) == ["a", "b"]
    assert "Marker" not in page


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        ("/", ["a", "b", "c", "d"]),
        ("/people/", ["b", "c"]),
        ("/people/red", ["c"]),
        ("/people/red/", ["c"]),
        ("/peo", ["b", "c", "d"]),
        ("/People/", []),
        ("/people/red/x", []),
        ("/%", []),
        ("/_", []),
    ],
)
def test_users_are_listed_by_path(account, prefix, expected):
    for name, path in {"a": "/", "b": "/people/", "c": "/people/red/", "d": "/people2/"}.items():
        account.iam.create_user(UserName=name, Path=path)

    assert names(account.iam.list_users(PathPrefix=prefix)) == expected


def test_pages_of_a_path_leave_nobody_out(account):
    for number in range(6):
        account.iam.create_user(UserName=f"u{number}", Path="/odd/" if number % 2 else "/even/")

    pages = account.iam.get_paginator("list_users").paginate(PathPrefix="/odd/", PaginationConfig={"PageSize": 1})

    assert [names(page) for page in pages] == [["u1"], ["u3"], ["u5"]]


@pytest.mark.parametrize("marker", ["x", "!!!!", "e30=", "MTI=", "ÿ", "AAAA", "Ilx1MDAwMCI="])
def test_a_marker_that_nobody_gave_is_refused(account, marker):
    assert refusal(account.iam.list_users, Marker=marker) == ("ValidationError", "Invalid Marker.")


@pytest.mark.parametrize("members", [{"MaxItems": "0"}, {"MaxItems": "1001"}, {"PathPrefix": "people"}])
def test_a_list_that_cannot_be_is_refused(account, members):
    status, code, _ = refused(account, "ListUsers", **members)

    assert (status, code) == (400, "ValidationError")


# ---- Update


def test_a_user_who_is_renamed_is_the_same_user(account):
    alice = account.a_user("alice", Path="/people/", Tags=TAGS)
    before = account.iam.get_user(UserName="alice")["User"]

    account.iam.update_user(UserName="ALICE", NewUserName="Alicia")

    arn = f"arn:aws:iam::{account.id}:user/people/Alicia"
    assert account.client("iam", **alice).get_user()["User"] == before | {"UserName": "Alicia", "Arn": arn}
    assert refusal(account.iam.get_user, UserName="alice") == not_found("alice")


def test_a_user_gets_another_path(account):
    account.iam.create_user(UserName="alice", Path="/people/")

    account.iam.update_user(UserName="alice", NewPath="/robots/")

    user = account.iam.get_user(UserName="alice")["User"]
    assert (user["Path"], user["Arn"]) == ("/robots/", f"arn:aws:iam::{account.id}:user/robots/alice")


def test_a_name_may_change_its_case(account):
    account.iam.create_user(UserName="alice")

    account.iam.update_user(UserName="alice", NewUserName="ALICE")

    assert names(account.iam.list_users()) == ["ALICE"]


def test_a_name_that_somebody_has_is_nobody_elses(account):
    for name in ("alice", "bob"):
        account.iam.create_user(UserName=name)

    answer = refusal(account.iam.update_user, UserName="alice", NewUserName="Bob", NewPath="/x/")

    assert answer == ("EntityAlreadyExists", "User with name Bob already exists.")
    assert account.iam.get_user(UserName="alice")["User"]["Path"] == "/"


def test_an_update_of_nothing_changes_nothing(account):
    account.iam.create_user(UserName="alice", Path="/people/")

    account.iam.update_user(UserName="alice")

    assert account.iam.get_user(UserName="alice")["User"]["Path"] == "/people/"


@pytest.mark.parametrize("members", [{"NewUserName": "x" * 65}, {"NewUserName": "a b"}, {"NewPath": "people"}])
def test_what_no_user_can_become_is_refused(account, members):
    account.iam.create_user(UserName="alice")

    code, _ = refusal(account.iam.update_user, UserName="alice", **members)

    assert code == "ValidationError"
    assert names(account.iam.list_users()) == ["alice"]


# ---- Delete


def test_a_user_is_deleted(account):
    account.iam.create_user(UserName="alice", Tags=TAGS, PermissionsBoundary=PULL_ONLY)
    first = account.iam.get_user(UserName="alice")["User"]["UserId"]

    account.iam.delete_user(UserName="Alice")

    assert refusal(account.iam.get_user, UserName="alice") == not_found("alice")
    assert account.iam.create_user(UserName="alice")["User"]["UserId"] != first


@pytest.mark.parametrize(
    ("hang", "free", "must"),
    [
        (
            lambda iam: iam.create_login_profile(UserName="alice", Password="Correct horse 1"),
            lambda iam: iam.delete_login_profile(UserName="alice"),
            "must delete login profile first",
        ),
        (
            lambda iam: iam.create_access_key(UserName="alice"),
            lambda iam: iam.delete_access_key(
                UserName="alice",
                AccessKeyId=iam.list_access_keys(UserName="alice")["AccessKeyMetadata"][0]["AccessKeyId"],
            ),
            "must delete access keys first",
        ),
        (
            lambda iam: iam.add_user_to_group(UserName="alice", GroupName="readers"),
            lambda iam: iam.remove_user_from_group(UserName="alice", GroupName="readers"),
            "must remove users from group first",
        ),
        (
            lambda iam: iam.attach_user_policy(UserName="alice", PolicyArn=PULL_ONLY),
            lambda iam: iam.detach_user_policy(UserName="alice", PolicyArn=PULL_ONLY),
            "must detach all policies first",
        ),
        (
            lambda iam: iam.put_user_policy(UserName="alice", PolicyName="own", PolicyDocument=ALLOW),
            lambda iam: iam.delete_user_policy(UserName="alice", PolicyName="own"),
            "must delete policies first",
        ),
    ],
    ids=["login profile", "access key", "group", "attached policy", "inline policy"],
)
def test_a_user_cannot_go_before_what_hangs_on_him(account, hang, free, must):
    account.iam.create_user(UserName="alice")
    account.iam.create_group(GroupName="readers")
    hang(account.iam)

    answer = refusal(account.iam.delete_user, UserName="alice")

    assert answer == ("DeleteConflict", f"Cannot delete entity, {must}.")
    assert names(account.iam.list_users()) == ["alice"]
    free(account.iam)
    account.iam.delete_user(UserName="alice")
    assert names(account.iam.list_users()) == []


# ---- Tags


def test_tags_come_and_go(account):
    iam = account.iam
    iam.create_user(UserName="alice")

    iam.tag_user(UserName="alice", Tags=TAGS)
    iam.tag_user(UserName="alice", Tags=[{"Key": "TEAM", "Value": "blue"}, {"Key": "more", "Value": "1"}])
    added = iam.list_user_tags(UserName="alice")["Tags"]
    iam.untag_user(UserName="alice", TagKeys=["Team", "absent", "more"])

    assert added == [{"Key": "TEAM", "Value": "blue"}, TAGS[1], {"Key": "more", "Value": "1"}]
    assert iam.list_user_tags(UserName="alice")["Tags"] == iam.get_user(UserName="alice")["User"]["Tags"] == [TAGS[1]]


def test_no_tags_are_an_empty_list(account):
    account.iam.create_user(UserName="alice")

    answer = account.iam.list_user_tags(UserName="alice")

    assert (answer["Tags"], answer["IsTruncated"]) == ([], False)


def test_tags_are_listed_page_by_page(account):
    tags = [{"Key": f"key {number}", "Value": str(number)} for number in range(7)]
    account.iam.create_user(UserName="alice", Tags=tags)

    pages = account.iam.get_paginator("list_user_tags").paginate(UserName="alice", PaginationConfig={"PageSize": 3})

    assert [page["Tags"] for page in pages] == [tags[:3], tags[3:6], tags[6:]]


@pytest.mark.parametrize("marker", ["x", "IngiIA==", "IjEyMzQi"])
def test_a_marker_of_no_tags_is_refused(account, marker):
    account.iam.create_user(UserName="alice")

    answer = refusal(account.iam.list_user_tags, UserName="alice", Marker=marker)

    assert answer == ("ValidationError", "Invalid Marker.")


def test_a_tag_too_many_is_refused_and_none_is_added(account):
    account.iam.create_user(UserName="alice", Tags=[{"Key": str(n), "Value": "old"} for n in range(49)])
    more = [{"Key": "0", "Value": "new"}, {"Key": "49", "Value": ""}, {"Key": "50", "Value": ""}]

    answer = refusal(account.iam.tag_user, UserName="alice", Tags=more)

    assert answer == ("LimitExceeded", "The number of tags has reached the maximum limit.")
    assert {tag["Value"] for tag in account.iam.list_user_tags(UserName="alice")["Tags"]} == {"old"}
    account.iam.tag_user(UserName="alice", Tags=more[:2])


@pytest.mark.parametrize("other", ["team", "TEAM"])
def test_a_key_can_be_given_only_once(account, other):
    tags = [{"Key": "team", "Value": "red"}, {"Key": other, "Value": "blue"}]

    made = refusal(account.iam.create_user, UserName="alice", Tags=tags)
    account.iam.create_user(UserName="alice")
    tagged = refusal(account.iam.tag_user, UserName="alice", Tags=tags)

    assert made == tagged == ("InvalidInput", DUPLICATE_TAGS)
    assert account.iam.list_user_tags(UserName="alice")["Tags"] == []


def test_keys_of_aws_are_reserved(account):
    account.iam.create_user(UserName="alice")

    code, _ = refusal(account.iam.tag_user, UserName="alice", Tags=[{"Key": "AWS:team", "Value": "red"}])

    assert code == "InvalidInput"
    assert account.iam.list_user_tags(UserName="alice")["Tags"] == []


# ---- Boundaries


def test_a_user_is_bounded_and_set_free(account):
    iam = account.iam
    own = iam.create_policy(PolicyName="own", Path="/bounds/", PolicyDocument=ALLOW)["Policy"]["Arn"]
    made = iam.create_user(UserName="alice", PermissionsBoundary=PULL_ONLY)["User"]

    iam.put_user_permissions_boundary(UserName="alice", PermissionsBoundary=own)
    bounded = iam.get_user(UserName="alice")["User"]
    iam.delete_user_permissions_boundary(UserName="alice")
    iam.delete_user_permissions_boundary(UserName="alice")

    assert made["PermissionsBoundary"] == {
        "PermissionsBoundaryType": "Policy",
        "PermissionsBoundaryArn": PULL_ONLY,
    }
    assert bounded["PermissionsBoundary"]["PermissionsBoundaryArn"] == own
    assert "PermissionsBoundary" not in iam.get_user(UserName="alice")["User"]


@pytest.mark.parametrize(
    ("boundary", "expected"),
    [
        (
            "arn:aws:iam::aws:policy/NoSuchPolicy",
            ("NoSuchEntity", "Scope ARN: {} does not exist or is not attachable."),
        ),
        (
            "arn:aws:iam::000000000000:policy/absent",
            ("NoSuchEntity", "Scope ARN: {} does not exist or is not attachable."),
        ),
        ("arn:aws:iam::000000000000:role/a-role", ("InvalidInput", "ARN {} is not valid.")),
        ("no ARN, but long enough", ("ValidationError", "Invalid ARN:  Could not be parsed!")),
        (
            "arn:aws:iam::aws:policy/aws-service-role/ECRReplicationServiceRolePolicy",
            ("PolicyNotAttachable", "Cannot attach a Service Role Policy to a Customer User."),
        ),
    ],
)
def test_what_is_no_policy_bounds_nobody(account, boundary, expected):
    code, text = expected
    account.iam.create_user(UserName="bob", PermissionsBoundary=PULL_ONLY)

    made = refusal(account.iam.create_user, UserName="alice", PermissionsBoundary=boundary)
    put = refusal(account.iam.put_user_permissions_boundary, UserName="bob", PermissionsBoundary=boundary)

    assert made == put == (code, text.format(boundary))
    assert names(account.iam.list_users()) == ["bob"]
    kept = account.iam.get_user(UserName="bob")["User"]["PermissionsBoundary"]
    assert kept["PermissionsBoundaryArn"] == PULL_ONLY


# ---- Credentials that nobody has


LISTS = {
    "list_ssh_public_keys": "SSHPublicKeys",
    "list_mfa_devices": "MFADevices",
    "list_signing_certificates": "Certificates",
    "list_service_specific_credentials": "ServiceSpecificCredentials",
}


@pytest.mark.parametrize(("operation", "member"), LISTS.items())
def test_other_credentials_are_empty_lists(account, operation, member):
    alice = account.a_user("alice")
    calls = [getattr(client, operation) for client in (account.iam, account.client("iam", **alice))]

    named, roots, own = calls[0](UserName="alice"), calls[0](), calls[1]()

    assert [answer[member] for answer in (named, roots, own)] == [[], [], []]
    assert {answer["IsTruncated"] for answer in (named, roots, own)} == {False}
    assert refusal(calls[0], UserName="nobody") == not_found("nobody")
    assert refusal(calls[0], UserName="alice", Marker="x") == ("ValidationError", "Invalid Marker.")


@pytest.mark.parametrize("operation", ["list_mfa_devices", "list_ssh_public_keys", "list_signing_certificates"])
def test_other_credentials_are_walked_through(account, operation):
    account.iam.create_user(UserName="alice")

    pages = account.iam.get_paginator(operation).paginate(UserName="alice")

    assert len(list(pages)) == 1


@pytest.mark.parametrize("members", [{}, {"AssignmentStatus": "Assigned"}])
def test_there_are_no_virtual_devices(account, members):
    pages = list(account.iam.get_paginator("list_virtual_mfa_devices").paginate(**members))

    assert [page["VirtualMFADevices"] for page in pages] == [[]]
    assert refusal(account.iam.list_virtual_mfa_devices, Marker="x") == ("ValidationError", "Invalid Marker.")


def test_passwords_for_a_service_that_takes_none_are_refused(account):
    account.iam.create_user(UserName="alice")
    ask = account.iam.list_service_specific_credentials

    known = ask(UserName="alice", ServiceName="codecommit.amazonaws.com")
    unknown = refusal(ask, UserName="alice", ServiceName="ecr.amazonaws.com")

    assert known["ServiceSpecificCredentials"] == []
    assert unknown == (
        "NoSuchEntity", "No such service ecr.amazonaws.com is supported for Service Specific Credentials"
    )  # fmt: skip


# ---- Who may


def may(*actions, resource="*", **condition):
    """A statement that allows actions on a resource."""
    statement = {"Effect": "Allow", "Action": [f"iam:{action}" for action in actions], "Resource": resource}
    return statement | ({"Condition": condition["condition"]} if condition else {})


def denied(action, resource, who):
    return "AccessDenied", (
        f"User: {who} is not authorized to perform: iam:{action} on resource: {resource} "
        f"because no identity-based policy allows the iam:{action} action"
    )


def test_leave_is_had_by_the_path_of_a_user(account):
    of_people = f"arn:aws:iam::{account.id}:user/people/*"
    boss = account.a_user("boss", may("*User*", resource=of_people), Path="/bosses/")
    iam, who = account.client("iam", **boss), f"arn:aws:iam::{account.id}:user/bosses/boss"
    account.iam.create_user(UserName="robot")

    iam.create_user(UserName="alice", Path="/people/")

    found = iam.list_users(PathPrefix="/people/")["Users"]
    assert iam.get_user(UserName="ALICE")["User"] == found[0]
    root = f"arn:aws:iam::{account.id}:user"
    assert refusal(iam.create_user, UserName="bob") == denied("CreateUser", f"{root}/bob", who)
    assert refusal(iam.get_user, UserName="robot") == denied("GetUser", f"{root}/robot", who)
    assert refusal(iam.get_user, UserName="nobody") == denied("GetUser", f"{root}/nobody", who)
    assert refusal(iam.get_user) == denied("GetUser", who, who)
    assert refusal(iam.list_users) == denied("ListUsers", f"{root}/", who)
    assert refusal(iam.list_virtual_mfa_devices) == denied(
        "ListVirtualMFADevices", f"arn:aws:iam::{account.id}:mfa/", who
    )


@pytest.mark.parametrize(
    ("members", "refused_as"),
    [
        ({"NewUserName": "alicia"}, None),
        ({"NewPath": "/people/red/"}, None),
        ({"NewPath": "/bosses/"}, "/bosses/alice"),
        ({"NewPath": "/bosses/", "NewUserName": "alicia"}, "/bosses/alicia"),
    ],
)
def test_who_renames_needs_leave_by_the_new_name_too(account, members, refused_as):
    of_people = f"arn:aws:iam::{account.id}:user/people/*"
    boss = account.a_user("boss", may("UpdateUser", resource=of_people))
    account.iam.create_user(UserName="alice", Path="/people/")
    update, who = account.client("iam", **boss).update_user, f"arn:aws:iam::{account.id}:user/boss"

    if refused_as is None:
        update(UserName="alice", **members)
    else:
        answer = refusal(update, UserName="alice", **members)

        assert answer == denied("UpdateUser", f"arn:aws:iam::{account.id}:user{refused_as}", who)
        assert names(account.iam.list_users(PathPrefix="/people/")) == ["alice"]


def test_leave_may_hang_on_the_boundary(account):
    bounded = {"StringEquals": {"iam:PermissionsBoundary": PULL_ONLY}}
    actions = ["CreateUser", "PutUserPermissionsBoundary", "DeleteUserPermissionsBoundary"]
    boss = account.a_user("boss", may(*actions, condition=bounded))
    iam = account.client("iam", **boss)
    administrator = "arn:aws:iam::aws:policy/AdministratorAccess"
    account.iam.create_user(UserName="bob", PermissionsBoundary=administrator)

    iam.create_user(UserName="alice", PermissionsBoundary=PULL_ONLY)

    for call in (
        lambda: refusal(iam.create_user, UserName="carol"),
        lambda: refusal(iam.create_user, UserName="carol", PermissionsBoundary=administrator),
        lambda: refusal(iam.put_user_permissions_boundary, UserName="alice", PermissionsBoundary=administrator),
        lambda: refusal(iam.delete_user_permissions_boundary, UserName="bob"),
        lambda: refusal(iam.delete_user_permissions_boundary, UserName="nobody"),
    ):
        assert call()[0] == "AccessDenied"
    assert names(account.iam.list_users()) == ["alice", "bob", "boss"]
    iam.delete_user_permissions_boundary(UserName="alice")
    iam.put_user_permissions_boundary(UserName="bob", PermissionsBoundary=PULL_ONLY)


def test_leave_may_hang_on_the_tags(account):
    red = {"StringEquals": {"aws:RequestTag/team": "red"}, "ForAllValues:StringEquals": {"aws:TagKeys": ["team"]}}
    iam = account.client("iam", **account.a_user("boss", may("CreateUser", "TagUser", condition=red)))

    iam.create_user(UserName="alice", Tags=[{"Key": "team", "Value": "red"}])

    assert refusal(iam.create_user, UserName="bob")[0] == "AccessDenied"
    assert refusal(iam.tag_user, UserName="alice", Tags=[{"Key": "team", "Value": "blue"}])[0] == "AccessDenied"
    more = [{"Key": "team", "Value": "red"}, {"Key": "more", "Value": ""}]
    assert refusal(iam.tag_user, UserName="alice", Tags=more)[0] == "AccessDenied"
    iam.tag_user(UserName="alice", Tags=more[:1])


def test_who_makes_a_user_with_tags_needs_leave_to_tag(account):
    iam = account.client("iam", **account.a_user("boss", may("CreateUser")))

    answer = refusal(iam.create_user, UserName="alice", Tags=TAGS)

    arns = [f"arn:aws:iam::{account.id}:user/{name}" for name in ("alice", "boss")]
    assert answer == denied("TagUser", *arns)
    assert names(account.iam.list_users()) == ["boss"]
