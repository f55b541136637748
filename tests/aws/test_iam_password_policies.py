"""What an account asks of passwords, and the report on credentials, as AWS's own client sees them."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.callers import refusal

GOOD, BETTER, BEST = "Correct horse 1!", "Battery staple 2!", "Something else 3!"
WEAK = ("PasswordPolicyViolation", "Password does not conform to the account password policy.")
PLAIN = {
    "MinimumPasswordLength": 6,
    "RequireSymbols": False,
    "RequireNumbers": False,
    "RequireUppercaseCharacters": False,
    "RequireLowercaseCharacters": False,
    "AllowUsersToChangePassword": False,
    "ExpirePasswords": False,
}


def test_an_account_has_no_policy_until_it_says_one(account):
    iam = account.iam
    none = ("NoSuchEntity", f"The Password Policy with domain name {account.id} cannot be found.")

    before = [refusal(iam.get_account_password_policy), refusal(iam.delete_account_password_policy)]
    iam.update_account_password_policy()
    plain = iam.get_account_password_policy()["PasswordPolicy"]
    iam.update_account_password_policy(MinimumPasswordLength=12, RequireSymbols=True, MaxPasswordAge=90,
                                       PasswordReusePrevention=3, HardExpiry=False)  # fmt: skip
    told = iam.get_account_password_policy()["PasswordPolicy"]
    iam.update_account_password_policy(RequireNumbers=True)
    again = iam.get_account_password_policy()["PasswordPolicy"]
    iam.delete_account_password_policy()

    assert before == [none, none]
    assert plain == PLAIN
    assert told == PLAIN | {"MinimumPasswordLength": 12, "RequireSymbols": True, "MaxPasswordAge": 90,
                            "PasswordReusePrevention": 3, "HardExpiry": False, "ExpirePasswords": True}  # fmt: skip
    assert again == PLAIN | {"RequireNumbers": True}
    assert refusal(iam.get_account_password_policy) == none


@pytest.mark.parametrize(
    ("members", "weak", "strong"),
    [
        ({}, "12345", "123456"),
        ({"MinimumPasswordLength": 10}, "123456789", "1234567890"),
        ({"RequireSymbols": True}, "Has no 1 symbol", "has-one"),
        ({"RequireNumbers": True}, "Has-none", "has 1 number"),
        ({"RequireUppercaseCharacters": True}, "lower-1", "Upper"[:5] + "x"),
        ({"RequireLowercaseCharacters": True}, "UPPER-1", "UPPERx"),
    ],
)
def test_passwords_are_what_the_policy_asks(account, members, weak, strong):
    own = account.client("iam", **account.a_user("alice"))
    account.iam.update_account_password_policy(**members)

    made = refusal(account.iam.create_login_profile, UserName="alice", Password=weak)
    account.iam.create_login_profile(UserName="alice", Password=strong)
    updated = refusal(account.iam.update_login_profile, UserName="alice", Password=weak)
    changed = refusal(own.change_password, OldPassword=strong, NewPassword=weak)

    assert made == updated == changed == WEAK


def test_a_password_comes_back_only_after_so_many_others(account):
    own = account.client("iam", **account.a_user("alice"))
    account.iam.create_login_profile(UserName="alice", Password=GOOD)
    account.iam.update_account_password_policy(PasswordReusePrevention=2)
    own.change_password(OldPassword=GOOD, NewPassword=BETTER)

    again = [
        refusal(own.change_password, OldPassword=BETTER, NewPassword=GOOD),
        refusal(own.change_password, OldPassword=BETTER, NewPassword=BETTER),
        refusal(account.iam.update_login_profile, UserName="alice", Password=GOOD),
    ]
    own.change_password(OldPassword=BETTER, NewPassword=BEST)

    assert again == [WEAK] * 3
    own.change_password(OldPassword=BEST, NewPassword=GOOD)


def test_an_account_may_let_all_users_change_their_passwords(account):
    nobody = {"Effect": "Allow", "Action": "ecr:ListImages", "Resource": "*"}
    denied = {"Effect": "Deny", "Action": "iam:ChangePassword", "Resource": "*"}
    alice, bob = (account.client("iam", **account.a_user(name, [one])) for name, one in
                  (("alice", nobody), ("bob", denied)))  # fmt: skip
    for name in ("alice", "bob"):
        account.iam.create_login_profile(UserName=name, Password=GOOD)
    passwords = {"OldPassword": GOOD, "NewPassword": BETTER}

    before = refusal(alice.change_password, **passwords)
    account.iam.update_account_password_policy(AllowUsersToChangePassword=True)
    alice.change_password(**passwords)

    assert before[1].endswith("because no identity-based policy allows the iam:ChangePassword action")
    assert refusal(bob.change_password, **passwords)[1].endswith("with an explicit deny in an identity-based policy")


# ---- Reports on credentials


def rows(account):
    answer = account.iam.get_credential_report()
    assert answer["ReportFormat"] == "text/csv"
    assert datetime.now(UTC) - timedelta(minutes=5) < answer["GeneratedTime"] <= datetime.now(UTC)
    text = answer["Content"].decode()
    assert not text.endswith("\n")
    return list(csv.DictReader(text.splitlines()))


def test_a_report_tells_of_every_credential(account):
    iam = account.iam
    alice = account.a_user("b,alice", Path="/people/")
    account.client("iam", **alice).get_user()
    second = iam.create_access_key(UserName="b,alice")["AccessKey"]["AccessKeyId"]
    iam.update_access_key(UserName="b,alice", AccessKeyId=second, Status="Inactive")
    iam.create_user(UserName="Adam")
    iam.create_login_profile(UserName="Adam", Password=GOOD)
    iam.update_account_password_policy(MaxPasswordAge=30)

    absent = refusal(iam.get_credential_report)[0]
    begun, there = iam.generate_credential_report(), iam.generate_credential_report()
    root, adam, alice_row = rows(account)

    assert absent == "ReportNotPresent"
    assert (begun["State"], begun["Description"]) == (
        "STARTED",
        "No report exists. Starting a new report generation task",
    )
    assert (there["State"], "Description" in there) == ("COMPLETE", False)
    assert list(root) == [
        "user", "arn", "user_creation_time", "password_enabled", "password_last_used", "password_last_changed",
        "password_next_rotation", "mfa_active", "access_key_1_active", "access_key_1_last_rotated",
        "access_key_1_last_used_date", "access_key_1_last_used_region", "access_key_1_last_used_service",
        "access_key_2_active", "access_key_2_last_rotated", "access_key_2_last_used_date",
        "access_key_2_last_used_region", "access_key_2_last_used_service", "cert_1_active", "cert_1_last_rotated",
        "cert_2_active", "cert_2_last_rotated",
    ]  # fmt: skip
    assert (root["user"], root["arn"], root["access_key_1_active"]) == (
        "<root_account>", f"arn:aws:iam::{account.id}:root", "true",
    )  # fmt: skip
    assert adam["password_enabled"] == "true"
    assert adam["password_last_used"] == "no_information"
    changed = datetime.fromisoformat(adam["password_last_changed"])
    assert datetime.fromisoformat(adam["password_next_rotation"]) == changed + timedelta(days=30)
    assert (adam["access_key_1_active"], adam["access_key_1_last_rotated"]) == ("false", "N/A")
    assert (alice_row["user"], alice_row["arn"]) == ("b,alice", f"arn:aws:iam::{account.id}:user/people/b,alice")
    assert {alice_row["access_key_1_active"], alice_row["access_key_2_active"]} == {"true", "false"}
    assert alice_row["password_enabled"] == "false"


def test_a_report_stays_as_it_is_for_a_while(account):
    account.iam.generate_credential_report()
    account.iam.create_user(UserName="late")

    account.iam.generate_credential_report()

    assert [row["user"] for row in rows(account)] == ["<root_account>"]


def test_a_report_needs_leave(account):
    alice = account.client(
        "iam", **account.a_user("alice", [json.loads('{"Effect":"Allow","Action":"ecr:*","Resource":"*"}')])
    )

    assert refusal(alice.generate_credential_report)[0] == "AccessDenied"
    assert refusal(alice.get_credential_report)[0] == "AccessDenied"
