"""Access keys, as AWS's own client sees them."""

import re
from base64 import b64encode
from datetime import UTC, datetime, timedelta

import pytest

from holdfast.model import access_key_ids
from tests.callers import Http, refusal

NO_USER = ("NoSuchEntity", "The user with name nobody cannot be found.")
INVALID = ("InvalidClientTokenId", "The security token included in the request is invalid.")


def no_key(key_id):
    return "NoSuchEntity", f"The Access Key with id {key_id} cannot be found."


def ids(answer):
    return [key["AccessKeyId"] for key in answer["AccessKeyMetadata"]]


def password(account, **credentials):
    """What docker is given to log in with."""
    data = account.client("ecr", **credentials).get_authorization_token()["authorizationData"]
    return data[0]["authorizationToken"]


def statuses(account, token):
    """The answers to a login on so many connections, so that every worker is asked."""
    return {Http(account.product.address, f"Basic {token}")("GET", "/v2/").status for _ in range(8)}


# ---- Create, list


def test_a_key_is_made_and_its_secret_told_once(account):
    account.iam.create_user(UserName="Alice")
    before = datetime.now(UTC) - timedelta(seconds=1)

    made = account.iam.create_access_key(UserName="alice")["AccessKey"]

    assert re.fullmatch("AKIA[A-Z2-7]{16}", made["AccessKeyId"])
    assert re.fullmatch("[A-Za-z0-9+/]{40}", made.pop("SecretAccessKey"))
    assert before <= made["CreateDate"] <= datetime.now(UTC)
    assert (made["UserName"], made["Status"]) == ("Alice", "Active")
    listed = account.iam.list_access_keys(UserName="ALICE")
    assert (listed["AccessKeyMetadata"], listed["IsTruncated"]) == ([made], False)


def test_the_id_of_a_key_tells_the_account(account):
    account.iam.create_user(UserName="alice")

    made = account.iam.create_access_key(UserName="alice")["AccessKey"]["AccessKeyId"]

    assert access_key_ids.account_of(made) == account.id
    assert access_key_ids.account_of(account.root["key_id"]) == account.id


def test_no_keys_are_an_empty_list(account):
    account.iam.create_user(UserName="alice")

    listed = account.iam.list_access_keys(UserName="alice")

    assert (listed["AccessKeyMetadata"], listed["IsTruncated"]) == ([], False)


def test_a_user_has_two_keys_at_most(account):
    iam = account.iam
    iam.create_user(UserName="alice")
    two = sorted(iam.create_access_key(UserName="alice")["AccessKey"]["AccessKeyId"] for _ in range(2))
    iam.update_access_key(UserName="alice", AccessKeyId=two[0], Status="Inactive")

    answer = refusal(iam.create_access_key, UserName="alice")

    assert answer == ("LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2")
    assert ids(iam.list_access_keys(UserName="alice")) == two
    iam.delete_access_key(UserName="alice", AccessKeyId=two[0])
    iam.create_access_key(UserName="alice")


def test_keys_are_listed_page_by_page(account):
    account.iam.create_user(UserName="alice")
    two = sorted(account.iam.create_access_key(UserName="alice")["AccessKey"]["AccessKeyId"] for _ in range(2))

    pages = account.iam.get_paginator("list_access_keys").paginate(
        UserName="alice", PaginationConfig={"PageSize": 1}
    )  # fmt: skip

    assert [ids(page) for page in pages] == [two[:1], two[1:]]
    answer = refusal(account.iam.list_access_keys, UserName="alice", Marker="x")
    assert answer == ("ValidationError", "Invalid Marker.")


def test_a_user_who_is_not_there_has_no_keys(account):
    iam, key_id = account.iam, account.root["key_id"]

    assert refusal(iam.create_access_key, UserName="nobody") == NO_USER
    assert refusal(iam.list_access_keys, UserName="nobody") == NO_USER
    assert refusal(iam.update_access_key, UserName="nobody", AccessKeyId=key_id, Status="Active") == NO_USER
    assert refusal(iam.delete_access_key, UserName="nobody", AccessKeyId=key_id) == NO_USER


# ---- Whose


def test_who_asks_for_nobody_asks_for_himself(account):
    alice = account.a_user("alice")
    own = account.client("iam", **alice)

    second = own.create_access_key()["AccessKey"]

    assert second["UserName"] == "alice"
    assert ids(own.list_access_keys()) == sorted([alice["key_id"], second["AccessKeyId"]])
    own.update_access_key(AccessKeyId=second["AccessKeyId"], Status="Inactive")
    assert own.list_access_keys()["AccessKeyMetadata"] == account.iam.list_access_keys(UserName="alice")[
        "AccessKeyMetadata"
    ]  # fmt: skip
    own.delete_access_key(AccessKeyId=second["AccessKeyId"])
    assert ids(own.list_access_keys()) == [alice["key_id"]]


def test_the_root_has_keys_of_its_own(account):
    account.a_user("alice")

    second = account.iam.create_access_key()["AccessKey"]

    assert "UserName" not in second
    two = sorted([account.root["key_id"], second["AccessKeyId"]])
    assert ids(account.iam.list_access_keys()) == two
    credentials = {"key_id": second["AccessKeyId"], "secret": second["SecretAccessKey"]}
    other = account.client("sts", **credentials).get_caller_identity()
    assert other["Arn"] == f"arn:aws:iam::{account.id}:root"
    assert refusal(account.iam.create_access_key)[0] == "LimitExceeded"
    account.iam.update_access_key(AccessKeyId=second["AccessKeyId"], Status="Inactive")
    account.iam.delete_access_key(AccessKeyId=second["AccessKeyId"])
    assert ids(account.iam.list_access_keys()) == [account.root["key_id"]]


def test_the_root_goes_by_the_alias_of_the_account(account):
    account.iam.create_account_alias(AccountAlias=f"alias-{account.id}")

    listed = account.iam.list_access_keys()["AccessKeyMetadata"]

    assert [key["UserName"] for key in listed] == [f"alias-{account.id}"]


def test_a_key_of_somebody_else_is_not_found(account, product):
    alice, bob = account.a_user("alice"), account.a_user("bob")
    everybody_elses = (bob["key_id"], account.root["key_id"], product.credentials()[0], "AKIAIOSFODNN7EXAMPLE")

    for key_id in everybody_elses:
        for who in ({"UserName": "alice"}, {}):
            iam = account.iam if who else account.client("iam", **alice)
            update, delete = iam.update_access_key, iam.delete_access_key
            assert refusal(update, AccessKeyId=key_id, Status="Inactive", **who) == no_key(key_id)
            assert refusal(delete, AccessKeyId=key_id, **who) == no_key(key_id)
    assert refusal(account.iam.delete_access_key, AccessKeyId=alice["key_id"]) == no_key(alice["key_id"])

    for credentials in (alice, bob, account.root):
        account.client("sts", **credentials).get_caller_identity()
    product.aws_client("sts").get_caller_identity()


@pytest.mark.parametrize("status", ["Expired", "active", ""])
def test_a_status_that_cannot_be_set_is_refused(account, status):
    alice = account.a_user("alice")

    code, _ = refusal(account.iam.update_access_key, UserName="alice", AccessKeyId=alice["key_id"], Status=status)

    assert code == ("InvalidInput" if status == "Expired" else "ValidationError")
    [key] = account.iam.list_access_keys(UserName="alice")["AccessKeyMetadata"]
    assert key["Status"] == "Active"


# ---- What a key is good for


def test_a_key_speaks_for_its_user(account):
    alice = account.a_user("alice", Path="/people/")
    user_id = account.iam.get_user(UserName="alice")["User"]["UserId"]

    me = account.client("sts", **alice).get_caller_identity()

    assert (me["Account"], me["UserId"]) == (account.id, user_id)
    assert me["Arn"] == f"arn:aws:iam::{account.id}:user/people/alice"


def test_a_key_is_good_for_nothing_while_it_is_off(account):
    alice = account.a_user("alice")
    own = account.client("sts", **alice)
    token = password(account, **alice)
    seen = [statuses(account, token)]

    for status in ("Inactive", "Active"):
        account.iam.update_access_key(UserName="alice", AccessKeyId=alice["key_id"], Status=status)
        seen.append(statuses(account, token))
        if status == "Inactive":
            assert refusal(own.get_caller_identity) == INVALID
    own.get_caller_identity()

    assert seen == [{200}, {401}, {200}]


def test_a_key_is_good_for_nothing_once_it_is_deleted(account):
    alice = account.a_user("alice")
    token = password(account, **alice)

    account.iam.delete_access_key(UserName="alice", AccessKeyId=alice["key_id"])

    assert refusal(account.client("sts", **alice).get_caller_identity) == INVALID
    assert statuses(account, token) == {401}


def test_the_login_of_a_user_is_the_users(account):
    repository = "of/the-user"
    account.client("ecr").create_repository(repositoryName=repository)
    arn = f"arn:aws:ecr:us-east-1:{account.id}:repository/{repository}"
    statement = [
        {"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"},
        {"Effect": "Allow", "Action": "ecr:ListImages", "Resource": arn},
    ]
    alice = account.a_user("alice", statement, Path="/people/")
    http = Http(account.product.address, f"Basic {password(account, **alice)}")

    listed, uploaded = http("GET", f"/v2/{repository}/tags/list"), http("POST", f"/v2/{repository}/blobs/uploads/")

    assert listed.status == 200
    assert (uploaded.status, uploaded.code) == (403, "DENIED")
    assert f"User: arn:aws:iam::{account.id}:user/people/alice is not authorized" in uploaded.message


def test_a_login_goes_on_when_its_user_is_renamed(account):
    alice = account.a_user("alice", [{"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"}])
    account.client("ecr").create_repository(repositoryName="some")
    http = Http(account.product.address, f"Basic {password(account, **alice)}")
    before = http("GET", "/v2/some/tags/list").message

    account.iam.update_user(UserName="alice", NewUserName="alicia", NewPath="/people/")

    after = http("GET", "/v2/some/tags/list").message
    assert f"User: arn:aws:iam::{account.id}:user/alice is not" in before
    assert f"User: arn:aws:iam::{account.id}:user/people/alicia is not" in after


def test_a_password_is_no_secret_of_a_key(account):
    alice = account.a_user("alice")
    token = b64encode(f"{alice['key_id']}:{alice['secret']}".encode()).decode()

    assert statuses(account, token) == {401}


# ---- Last use


def test_a_key_that_nobody_used_was_never_used(account):
    account.iam.create_user(UserName="alice")
    key_id = account.iam.create_access_key(UserName="alice")["AccessKey"]["AccessKeyId"]

    answer = account.iam.get_access_key_last_used(AccessKeyId=key_id)

    assert answer["UserName"] == "alice"
    assert answer["AccessKeyLastUsed"] == {"ServiceName": "N/A", "Region": "N/A"}


def test_a_key_of_the_root_has_no_user(account):
    answer = account.iam.get_access_key_last_used(AccessKeyId=account.root["key_id"])

    assert "UserName" not in answer


def test_a_key_of_another_account_is_as_one_that_is_not_there(account, product):
    for key_id in (product.credentials()[0], "AKIAIOSFODNN7EXAMPLE"):
        code, message = refusal(account.iam.get_access_key_last_used, AccessKeyId=key_id)

        assert code == "AccessDenied"
        assert message.startswith(
            f"User: arn:aws:iam::{account.id}:root is not authorized to perform: iam:GetAccessKeyLastUsed "
            f"on resource: access key {key_id}"
        )


def test_a_user_may_see_to_his_own_keys(account):
    own = {"Effect": "Allow", "Action": "iam:*AccessKey*", "Resource": "arn:aws:iam::*:user/*/${aws:username}"}
    alice = account.a_user("alice", own, Path="/people/")
    bob = account.a_user("bob", own, Path="/people/")
    iam = account.client("iam", **alice)

    iam.get_access_key_last_used(AccessKeyId=alice["key_id"])
    iam.update_access_key(AccessKeyId=alice["key_id"], Status="Active")

    assert ids(iam.list_access_keys()) == ids(iam.list_access_keys(UserName="alice")) == [alice["key_id"]]
    for call, members in (
        (iam.get_access_key_last_used, {"AccessKeyId": bob["key_id"]}),
        (iam.get_access_key_last_used, {"AccessKeyId": account.root["key_id"]}),
        (iam.list_access_keys, {"UserName": "bob"}),
        (iam.create_access_key, {"UserName": "bob"}),
        (iam.delete_access_key, {"UserName": "bob", "AccessKeyId": bob["key_id"]}),
    ):
        code, message = refusal(call, **members)
        assert (code, "because no identity-based policy allows" in message) == ("AccessDenied", True)
