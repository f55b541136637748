"""Passwords of users, as AWS's own client sees them."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.callers import Query, refusal

GOOD = "Correct horse 1"
BETTER = "Battery staple 2"
NO_USER = ("NoSuchEntity", "The user with name nobody cannot be found.")
NO_PROFILE = ("NoSuchEntity", "Login Profile for User alice cannot be found.")
NO_USER_CREDENTIALS = ("ValidationError", "Must specify userName when calling with non-User credentials")
WEAK = ("PasswordPolicyViolation", "Password does not conform to the account password policy.")


def test_a_user_gets_a_password(account):
    account.iam.create_user(UserName="Alice")
    before = datetime.now(UTC) - timedelta(seconds=1)

    made = account.iam.create_login_profile(UserName="alice", Password=GOOD)["LoginProfile"]

    assert before <= made["CreateDate"] <= datetime.now(UTC)
    assert made == {"UserName": "Alice", "CreateDate": made["CreateDate"], "PasswordResetRequired": False}
    assert account.iam.get_login_profile(UserName="ALICE")["LoginProfile"] == made


def test_a_user_has_one_password(account):
    account.iam.create_user(UserName="alice")
    account.iam.create_login_profile(UserName="alice", Password=GOOD, PasswordResetRequired=True)

    answer = refusal(account.iam.create_login_profile, UserName="alice", Password=BETTER)

    assert answer == ("EntityAlreadyExists", "Login Profile for user alice already exists.")
    assert account.iam.get_login_profile(UserName="alice")["LoginProfile"]["PasswordResetRequired"] is True


def test_a_password_is_taken_away(account):
    account.iam.create_user(UserName="alice")
    account.iam.create_login_profile(UserName="alice", Password=GOOD)

    account.iam.delete_login_profile(UserName="alice")

    assert refusal(account.iam.get_login_profile, UserName="alice") == NO_PROFILE
    account.iam.create_login_profile(UserName="alice", Password=GOOD)


def test_who_has_no_password_has_none_to_change(account):
    iam = account.iam
    alice = account.a_user("alice")

    assert refusal(iam.get_login_profile, UserName="alice") == NO_PROFILE
    assert refusal(iam.update_login_profile, UserName="alice", Password=GOOD) == NO_PROFILE
    assert refusal(iam.delete_login_profile, UserName="alice") == NO_PROFILE
    change = account.client("iam", **alice).change_password
    assert refusal(change, OldPassword=GOOD, NewPassword=BETTER) == NO_PROFILE


def test_who_is_not_there_has_no_password(account):
    iam = account.iam

    assert refusal(iam.create_login_profile, UserName="nobody", Password=GOOD) == NO_USER
    assert refusal(iam.get_login_profile, UserName="nobody") == NO_USER
    assert refusal(iam.update_login_profile, UserName="nobody", Password=GOOD) == NO_USER
    assert refusal(iam.delete_login_profile, UserName="nobody") == NO_USER


def test_who_asks_for_nobody_asks_for_himself(account):
    own = account.client("iam", **account.a_user("alice"))

    made = own.create_login_profile(Password=GOOD)["LoginProfile"]

    assert made["UserName"] == "alice"
    assert own.get_login_profile()["LoginProfile"] == made
    own.delete_login_profile()
    assert refusal(own.get_login_profile) == NO_PROFILE


def test_the_root_has_no_password(account):
    iam = account.iam

    assert refusal(iam.create_login_profile, Password=GOOD) == NO_USER_CREDENTIALS
    assert refusal(iam.get_login_profile) == NO_USER_CREDENTIALS
    assert refusal(iam.delete_login_profile) == NO_USER_CREDENTIALS


def test_a_password_is_changed_by_who_knows_it(account):
    own = account.client("iam", **account.a_user("alice"))
    account.iam.create_login_profile(UserName="alice", Password=GOOD, PasswordResetRequired=True)

    own.change_password(OldPassword=GOOD, NewPassword=BETTER)

    assert own.get_login_profile()["LoginProfile"]["PasswordResetRequired"] is False
    for wrong in (GOOD, BETTER.lower(), f"{BETTER} "):
        code, message = refusal(own.change_password, OldPassword=wrong, NewPassword="Something else 3")
        assert (code, "the old password is not that of the user" in message) == ("AccessDenied", True)
    own.change_password(OldPassword=BETTER, NewPassword=GOOD)


def test_only_users_change_their_passwords(account):
    answer = refusal(account.iam.change_password, OldPassword=GOOD, NewPassword=BETTER)

    assert answer == ("InvalidUserType", "Only IAM Users can change their own password.")


def test_a_password_is_set_by_who_may(account):
    own = account.client("iam", **account.a_user("alice"))
    account.iam.create_login_profile(UserName="alice", Password=GOOD)

    account.iam.update_login_profile(UserName="ALICE", Password=BETTER, PasswordResetRequired=True)

    assert own.get_login_profile()["LoginProfile"]["PasswordResetRequired"] is True
    own.change_password(OldPassword=BETTER, NewPassword=GOOD)


def test_what_is_not_updated_stays(account):
    own = account.client("iam", **account.a_user("alice"))
    account.iam.create_login_profile(UserName="alice", Password=GOOD, PasswordResetRequired=True)
    update = account.iam.update_login_profile

    update(UserName="alice")
    update(UserName="alice", Password=BETTER)
    after = own.get_login_profile()["LoginProfile"]["PasswordResetRequired"]
    update(UserName="alice", PasswordResetRequired=False)

    assert after is True
    assert own.get_login_profile()["LoginProfile"]["PasswordResetRequired"] is False
    own.change_password(OldPassword=BETTER, NewPassword=GOOD)


@pytest.mark.parametrize(
    "weak", ["Short 1", "onlylowercase", "lower and 1234"[:8], "UPPER1234", "Bob.the.1st", "12345678"]
)
def test_a_password_that_is_easy_to_guess_is_refused(account, weak):
    name = "bob.THE.1ST"
    own = account.client("iam", **account.a_user(name))
    made = refusal(account.iam.create_login_profile, UserName=name, Password=weak)
    account.iam.create_login_profile(UserName=name, Password=GOOD)

    updated = refusal(account.iam.update_login_profile, UserName=name, Password=weak)
    changed = refusal(own.change_password, OldPassword=GOOD, NewPassword=weak)

    assert made == updated == changed == WEAK
    own.change_password(OldPassword=GOOD, NewPassword=BETTER)


@pytest.mark.parametrize("password", ["Lower1234", "lower 123", "UPPER 123", "Größe größe", "A" * 126 + "1!"])
def test_a_password_of_three_kinds_of_characters_will_do(account, password):
    account.iam.create_user(UserName="alice")

    account.iam.create_login_profile(UserName="alice", Password=password)

    account.iam.get_login_profile(UserName="alice")


@pytest.mark.parametrize("password", ["A 1" * 43, "Snow ☃ 1234"])
def test_what_no_password_can_be_is_refused_without_being_shown(account, password):
    account.iam.create_user(UserName="alice")

    code, message = refusal(account.iam.create_login_profile, UserName="alice", Password=password)

    assert code == "ValidationError"
    assert password not in message
    assert refusal(account.iam.get_login_profile, UserName="alice") == NO_PROFILE


def test_a_user_is_given_no_empty_password(account):
    account.iam.create_user(UserName="alice")
    query = Query(account.product.address, account.root["key_id"], account.root["secret"])

    answer = query("CreateLoginProfile", UserName="alice")

    assert answer.status == 400
    assert b"<Code>ValidationError</Code>" in answer.body
    assert b"Value null at 'password'" in answer.body


@pytest.mark.parametrize("member", [{"MaxSigninSessionDuration": 3600}, {"ResetMaxSigninSessionDuration": True}])
def test_durations_that_are_not_kept_are_refused(account, member):
    account.iam.create_user(UserName="alice")
    account.iam.create_login_profile(UserName="alice", Password=GOOD)

    code, _ = refusal(account.iam.update_login_profile, UserName="alice", **member)

    assert code == "InvalidInput"


def test_a_duration_that_is_not_kept_makes_no_password(account):
    account.iam.create_user(UserName="alice")
    members = {"UserName": "alice", "Password": GOOD, "MaxSigninSessionDuration": 3600}

    code, _ = refusal(account.iam.create_login_profile, **members)

    assert code == "InvalidInput"
    assert refusal(account.iam.get_login_profile, UserName="alice") == NO_PROFILE


def test_a_user_may_change_his_own_password_only(account):
    own = {"Effect": "Allow", "Action": "iam:*", "Resource": "arn:aws:iam::*:user/${aws:username}"}
    alice = account.client("iam", **account.a_user("alice", own))
    account.iam.create_user(UserName="bob")
    alice.create_login_profile(Password=GOOD)

    alice.change_password(OldPassword=GOOD, NewPassword=BETTER)

    answers = [
        refusal(alice.create_login_profile, UserName="bob", Password=GOOD),
        refusal(alice.get_account_password_policy),
    ]
    assert [code for code, _ in answers] == ["AccessDenied", "AccessDenied"]
