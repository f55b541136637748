"""Groups and who is in them, as AWS's own client sees them."""

import json
import re
from datetime import UTC, datetime, timedelta

import pytest

from tests.callers import refusal

ALLOW = json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "ecr:*", "Resource": "*"}})
PULL_ONLY = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryPullOnly"


def not_found(name):
    return "NoSuchEntity", f"The group with name {name} cannot be found."


def groups(answer):
    return [group["GroupName"] for group in answer["Groups"]]


def users(answer):
    return [user["UserName"] for user in answer["Users"]]


# ---- Create, get, list


def test_a_group_is_made_and_found(account):
    before = datetime.now(UTC) - timedelta(seconds=1)

    made = account.iam.create_group(GroupName="Readers", Path="/teams/")["Group"]

    assert re.fullmatch("AGPA[A-Z2-7]{17}", made["GroupId"])
    assert before <= made["CreateDate"] <= datetime.now(UTC)
    assert made == {
        "Path": "/teams/",
        "GroupName": "Readers",
        "GroupId": made["GroupId"],
        "Arn": f"arn:aws:iam::{account.id}:group/teams/Readers",
        "CreateDate": made["CreateDate"],
    }
    found = account.iam.get_group(GroupName="readers")
    assert (found["Group"], found["Users"], found["IsTruncated"]) == (made, [], False)
    assert account.iam.list_groups()["Groups"] == [made]


def test_a_group_needs_nothing_but_a_name(account):
    made = account.iam.create_group(GroupName="x" * 128)["Group"]

    assert (made["Path"], made["Arn"]) == ("/", f"arn:aws:iam::{account.id}:group/{'x' * 128}")


def test_names_have_no_case(account):
    account.iam.create_group(GroupName="readers")

    answer = refusal(account.iam.create_group, GroupName="READERS")

    assert answer == ("EntityAlreadyExists", "Group with name READERS already exists.")
    assert groups(account.iam.list_groups()) == ["readers"]


def test_a_group_may_be_called_like_a_user(account):
    account.iam.create_user(UserName="readers")

    account.iam.create_group(GroupName="readers")

    assert groups(account.iam.list_groups()) == ["readers"]


def test_a_group_that_is_not_there_is_not_found(account):
    iam, nothing = account.iam, not_found("nothing")
    iam.create_user(UserName="alice")

    assert refusal(iam.get_group, GroupName="nothing") == nothing
    assert refusal(iam.update_group, GroupName="nothing", NewGroupName="something") == nothing
    assert refusal(iam.delete_group, GroupName="nothing") == nothing
    assert refusal(iam.add_user_to_group, GroupName="nothing", UserName="alice") == nothing
    assert refusal(iam.remove_user_from_group, GroupName="nothing", UserName="alice") == nothing


@pytest.mark.parametrize(
    "members",
    [
        {"GroupName": "x" * 129},
        {"GroupName": "a b"},
        {"GroupName": "größe"},
        {"GroupName": "readers", "Path": "teams"},
        {"GroupName": "readers", "Path": "/teams"},
    ],
)
def test_what_no_group_can_have_is_refused(account, members):
    code, _ = refusal(account.iam.create_group, **members)

    assert code == "ValidationError"
    assert groups(account.iam.list_groups()) == []


def test_groups_are_listed_page_by_page(account):
    everything = ["Beta", "alpha", "delta", "gamma", "omega"]
    for name in everything:
        account.iam.create_group(GroupName=name)

    pages = list(account.iam.get_paginator("list_groups").paginate(PaginationConfig={"PageSize": 2}))

    assert [groups(page) for page in pages] == [["alpha", "Beta"], ["delta", "gamma"], ["omega"]]
    assert [page["IsTruncated"] for page in pages] == [True, True, False]


def test_groups_are_listed_by_path(account):
    for name, path in {"a": "/", "b": "/teams/", "c": "/teams/red/", "d": "/teams2/"}.items():
        account.iam.create_group(GroupName=name, Path=path)

    assert groups(account.iam.list_groups(PathPrefix="/teams/")) == ["b", "c"]
    assert groups(account.iam.list_groups(PathPrefix="/teams")) == ["b", "c", "d"]


def test_a_marker_that_nobody_gave_is_refused(account):
    account.iam.create_group(GroupName="readers")
    account.iam.create_user(UserName="alice")
    answer = ("ValidationError", "Invalid Marker.")

    assert refusal(account.iam.list_groups, Marker="x") == answer
    assert refusal(account.iam.get_group, GroupName="readers", Marker="x") == answer
    assert refusal(account.iam.list_groups_for_user, UserName="alice", Marker="x") == answer


# ---- Update, delete


def test_a_group_that_is_renamed_is_the_same_group(account):
    iam = account.iam
    before = iam.create_group(GroupName="readers", Path="/teams/")["Group"]
    iam.create_user(UserName="alice")
    iam.add_user_to_group(GroupName="readers", UserName="alice")

    iam.update_group(GroupName="READERS", NewGroupName="Writers")
    iam.update_group(GroupName="writers", NewPath="/red/")

    arn = f"arn:aws:iam::{account.id}:group/red/Writers"
    after = iam.get_group(GroupName="writers")
    assert after["Group"] == before | {"GroupName": "Writers", "Path": "/red/", "Arn": arn}
    assert users(after) == ["alice"]
    assert refusal(iam.get_group, GroupName="readers") == not_found("readers")


def test_a_name_that_a_group_has_is_no_other_groups(account):
    for name in ("readers", "writers"):
        account.iam.create_group(GroupName=name)

    answer = refusal(account.iam.update_group, GroupName="readers", NewGroupName="Writers", NewPath="/x/")

    assert answer == ("EntityAlreadyExists", "Group with name Writers already exists.")
    assert {group["Path"] for group in account.iam.list_groups()["Groups"]} == {"/"}


def test_a_name_may_change_its_case(account):
    account.iam.create_group(GroupName="readers")

    account.iam.update_group(GroupName="readers", NewGroupName="READERS")

    assert groups(account.iam.list_groups()) == ["READERS"]


@pytest.mark.parametrize("members", [{"NewGroupName": "x" * 129}, {"NewGroupName": "a b"}, {"NewPath": "teams"}])
def test_what_no_group_can_become_is_refused(account, members):
    account.iam.create_group(GroupName="readers")

    code, _ = refusal(account.iam.update_group, GroupName="readers", **members)

    assert code == "ValidationError"
    assert groups(account.iam.list_groups()) == ["readers"]


def test_a_group_is_deleted(account):
    first = account.iam.create_group(GroupName="readers")["Group"]["GroupId"]

    account.iam.delete_group(GroupName="Readers")

    assert refusal(account.iam.get_group, GroupName="readers") == not_found("readers")
    assert account.iam.create_group(GroupName="readers")["Group"]["GroupId"] != first


@pytest.mark.parametrize(
    ("hang", "free", "must"),
    [
        (
            lambda iam: iam.add_user_to_group(UserName="alice", GroupName="readers"),
            lambda iam: iam.remove_user_from_group(UserName="alice", GroupName="readers"),
            "must remove users from group first",
        ),
        (
            lambda iam: iam.attach_group_policy(GroupName="readers", PolicyArn=PULL_ONLY),
            lambda iam: iam.detach_group_policy(GroupName="readers", PolicyArn=PULL_ONLY),
            "must detach all policies first",
        ),
        (
            lambda iam: iam.put_group_policy(GroupName="readers", PolicyName="own", PolicyDocument=ALLOW),
            lambda iam: iam.delete_group_policy(GroupName="readers", PolicyName="own"),
            "must delete policies first",
        ),
    ],
    ids=["user", "attached policy", "inline policy"],
)
def test_a_group_cannot_go_before_what_hangs_on_it(account, hang, free, must):
    account.iam.create_user(UserName="alice")
    account.iam.create_group(GroupName="readers")
    hang(account.iam)

    answer = refusal(account.iam.delete_group, GroupName="readers")

    assert answer == ("DeleteConflict", f"Cannot delete entity, {must}.")
    assert groups(account.iam.list_groups()) == ["readers"]
    free(account.iam)
    account.iam.delete_group(GroupName="readers")
    assert groups(account.iam.list_groups()) == []


# ---- Who is in


def test_users_come_into_a_group_and_go(account):
    iam = account.iam
    iam.create_group(GroupName="readers")
    for name in ("bob", "Alice"):
        iam.create_user(UserName=name, Tags=[{"Key": "team", "Value": "red"}])

    iam.add_user_to_group(GroupName="Readers", UserName="bob")
    iam.add_user_to_group(GroupName="readers", UserName="alice")
    iam.add_user_to_group(GroupName="readers", UserName="ALICE")
    both = iam.get_group(GroupName="readers")["Users"]
    iam.remove_user_from_group(GroupName="readers", UserName="BOB")
    iam.remove_user_from_group(GroupName="readers", UserName="bob")

    assert both == iam.list_users()["Users"]
    assert users(iam.get_group(GroupName="readers")) == ["Alice"]
    assert groups(iam.list_groups_for_user(UserName="alice")) == ["readers"]
    assert groups(iam.list_groups_for_user(UserName="bob")) == []


def test_the_users_of_a_group_are_listed_page_by_page(account):
    everybody = [f"user-{number}" for number in range(5)]
    account.iam.create_group(GroupName="readers")
    for name in everybody:
        account.iam.create_user(UserName=name)
        account.iam.add_user_to_group(GroupName="readers", UserName=name)

    pages = account.iam.get_paginator("get_group").paginate(GroupName="readers", PaginationConfig={"PageSize": 2})

    assert [(page["Group"]["GroupName"], users(page)) for page in pages] == [
        ("readers", everybody[:2]),
        ("readers", everybody[2:4]),
        ("readers", everybody[4:]),
    ]


def test_the_groups_of_a_user_are_listed_page_by_page(account):
    account.iam.create_user(UserName="alice")
    for name in ("b", "A", "c"):
        account.iam.create_group(GroupName=name)
        account.iam.add_user_to_group(GroupName=name, UserName="alice")

    pages = account.iam.get_paginator("list_groups_for_user").paginate(
        UserName="alice", PaginationConfig={"PageSize": 2}
    )

    assert [groups(page) for page in pages] == [["A", "b"], ["c"]]


def test_a_user_who_is_not_there_is_in_no_group(account):
    iam, nobody = account.iam, ("NoSuchEntity", "The user with name nobody cannot be found.")
    iam.create_group(GroupName="readers")

    assert refusal(iam.add_user_to_group, GroupName="readers", UserName="nobody") == nobody
    assert refusal(iam.remove_user_from_group, GroupName="readers", UserName="nobody") == nobody
    assert refusal(iam.remove_user_from_group, GroupName="nothing", UserName="nobody") == nobody
    assert refusal(iam.list_groups_for_user, UserName="nobody") == nobody


def test_a_user_is_in_ten_groups_at_most(account):
    iam = account.iam
    iam.create_user(UserName="alice")
    for number in range(11):
        iam.create_group(GroupName=f"group-{number}")
    for number in range(10):
        iam.add_user_to_group(GroupName=f"group-{number}", UserName="alice")

    answer = refusal(iam.add_user_to_group, GroupName="group-10", UserName="alice")

    assert answer == ("LimitExceeded", "Cannot exceed quota for GroupsPerUser: 10")
    assert len(iam.list_groups_for_user(UserName="alice")["Groups"]) == 10
    iam.add_user_to_group(GroupName="group-0", UserName="alice")
    iam.remove_user_from_group(GroupName="group-0", UserName="alice")
    iam.add_user_to_group(GroupName="group-10", UserName="alice")


# ---- Who may


def test_leave_is_had_by_the_path_of_a_group(account):
    iam, arn = account.iam, f"arn:aws:iam::{account.id}:group"
    statement = {"Effect": "Allow", "Action": "iam:*", "Resource": f"{arn}/teams/*"}
    boss = account.client("iam", **account.a_user("boss", statement))
    iam.create_group(GroupName="bosses")

    boss.create_group(GroupName="readers", Path="/teams/")

    boss.add_user_to_group(GroupName="READERS", UserName="boss")
    assert groups(boss.list_groups(PathPrefix="/teams/")) == ["readers"]
    for call, members, action, resource in (
        (boss.create_group, {"GroupName": "x"}, "CreateGroup", f"{arn}/x"),
        (boss.add_user_to_group, {"GroupName": "bosses", "UserName": "boss"}, "AddUserToGroup", f"{arn}/bosses"),
        (boss.update_group, {"GroupName": "readers", "NewPath": "/"}, "UpdateGroup", f"{arn}/readers"),
        (boss.update_group, {"GroupName": "readers", "NewGroupName": "x", "NewPath": "/"}, "UpdateGroup", f"{arn}/x"),
        (boss.list_groups, {}, "ListGroups", f"{arn}/"),
        (
            boss.list_groups_for_user,
            {"UserName": "boss"},
            "ListGroupsForUser",
            f"arn:aws:iam::{account.id}:user/boss",
        ),
    ):
        code, message = refusal(call, **members)
        assert code == "AccessDenied"
        assert f" is not authorized to perform: iam:{action} on resource: {resource} because " in message
    assert groups(iam.list_groups_for_user(UserName="boss")) == ["readers"]


def test_what_a_group_may_its_users_may(account):
    iam = account.iam
    alice = account.a_user("alice", {"Effect": "Deny", "Action": "s3:*", "Resource": "*"})
    iam.create_group(GroupName="readers")
    iam.attach_group_policy(GroupName="readers", PolicyArn=PULL_ONLY)
    ask = account.client("ecr", **alice).get_authorization_token
    before = refusal(ask)[0]

    iam.add_user_to_group(GroupName="readers", UserName="alice")
    ask()
    iam.remove_user_from_group(GroupName="readers", UserName="alice")

    assert (before, refusal(ask)[0]) == ("AccessDeniedException", "AccessDeniedException")
