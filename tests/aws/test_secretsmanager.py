"""Secrets through boto3, as those keep them who let a pull-through cache log in at its upstream."""

from __future__ import annotations

import json
import re
import uuid

import pytest

from holdfast import registry
from holdfast.model.errors import InvalidRequest, ResourceNotFound, SecretNotFound, UnableToDecryptSecretValue
from holdfast.model.secrets import UpstreamCredential, Value
from tests.callers import refusal
from tests.registry.conftest import clock, on  # noqa: F401 - fixtures
from tests.registry.ground import HOME, work_off
from tests.trail import found

HUB = "ecr-pullthroughcache/hub"
LOGIN = '{"username":"me","accessToken":"let me in"}'


@pytest.fixture
def secrets(account):
    return account.client("secretsmanager")


def test_a_secret_is_made_read_changed_and_described(secrets, account):
    made = secrets.create_secret(Name=HUB, SecretString=LOGIN, Description="Docker Hub")
    put = secrets.put_secret_value(SecretId=HUB, SecretString="second")
    secrets.update_secret(SecretId=made["ARN"], SecretString="third", Description="The hub")
    binary = secrets.update_secret(SecretId=HUB, SecretBinary=b"\0fourth")

    whole = f"arn:aws:secretsmanager:us-east-1:{account.id}:secret:{HUB}-[A-Za-z0-9]{{6}}"
    assert re.fullmatch(whole, made["ARN"])
    assert put["VersionStages"] == ["AWSCURRENT"]
    names = (HUB, made["ARN"], made["ARN"][:-7])
    assert [secrets.get_secret_value(SecretId=name)["SecretBinary"] for name in names] == [b"\0fourth"] * 3
    previous = secrets.get_secret_value(SecretId=HUB, VersionStage="AWSPREVIOUS")
    assert (previous["SecretString"], previous["Name"]) == ("third", HUB)
    first = secrets.get_secret_value(SecretId=HUB, VersionId=made["VersionId"])
    assert first["SecretString"] == LOGIN
    told = secrets.describe_secret(SecretId=HUB)
    assert told["Description"] == "The hub"
    assert told["VersionIdsToStages"] == {
        binary["VersionId"]: ["AWSCURRENT"],
        previous["VersionId"]: ["AWSPREVIOUS"],
    }
    listed = secrets.list_secret_version_ids(SecretId=HUB, IncludeDeprecated=True)["Versions"]
    assert {one["VersionId"] for one in listed} >= {made["VersionId"], put["VersionId"], binary["VersionId"]}
    assert len(secrets.list_secret_version_ids(SecretId=HUB)["Versions"]) == 2
    policy = secrets.get_resource_policy(SecretId=HUB)
    assert (policy["ARN"], policy.get("ResourcePolicy")) == (made["ARN"], None)


def test_the_day_of_the_last_use_is_told(secrets, on, clock):  # noqa: F811
    secrets.create_secret(Name=HUB, SecretString=LOGIN)
    assert "LastAccessedDate" not in secrets.describe_secret(SecretId=HUB)
    secrets.get_secret_value(SecretId=HUB)
    [listed] = secrets.list_secrets(SortBy="last-accessed-date")["SecretList"]
    made, _ = registry.secrets.create(on, HOME, HUB, Value(LOGIN), str(uuid.uuid4()), tags={})
    clock.pass_(days=2, hours=5)
    registry.secrets.value_of(on, made.arn)  # as a cache does

    used = listed["LastAccessedDate"]
    assert (used.hour, used.minute) == (0, 0)
    assert secrets.describe_secret(SecretId=HUB)["LastAccessedDate"] == used
    assert registry.secrets.describe(on, HOME, HUB)[0].used_at == clock().replace(hour=0)


def test_labels_of_ones_own_move(secrets):
    secrets.create_secret(Name=HUB, SecretString="one")
    two = secrets.put_secret_value(SecretId=HUB, SecretString="two", VersionStages=["candidate"])

    assert secrets.get_secret_value(SecretId=HUB)["SecretString"] == "one"
    assert secrets.get_secret_value(SecretId=HUB, VersionStage="candidate")["VersionId"] == two["VersionId"]

    secrets.put_secret_value(SecretId=HUB, SecretString="three", VersionStages=["candidate", "AWSCURRENT"])
    stages = secrets.describe_secret(SecretId=HUB)["VersionIdsToStages"]
    assert sorted(map(sorted, stages.values())) == [["AWSCURRENT", "candidate"], ["AWSPREVIOUS"]]


def test_what_was_current_can_be_current_again(secrets):
    one = secrets.create_secret(Name=HUB, SecretString="one")["VersionId"]
    two = secrets.put_secret_value(SecretId=HUB, SecretString="two")["VersionId"]
    move = {"SecretId": HUB, "VersionStage": "AWSCURRENT", "MoveToVersionId": one}

    code, message = refusal(secrets.update_secret_version_stage, **move)
    assert (code, two in message) == ("InvalidParameterException", True)
    secrets.update_secret_version_stage(**move, RemoveFromVersionId=two)
    assert secrets.describe_secret(SecretId=HUB)["VersionIdsToStages"] == {one: ["AWSCURRENT"], two: ["AWSPREVIOUS"]}
    assert secrets.get_secret_value(SecretId=HUB)["SecretString"] == "one"

    secrets.update_secret_version_stage(SecretId=HUB, VersionStage="AWSPREVIOUS", RemoveFromVersionId=two)
    assert secrets.describe_secret(SecretId=HUB)["VersionIdsToStages"] == {one: ["AWSCURRENT"]}
    wrong = {"SecretId": HUB, "VersionStage": "AWSCURRENT", "RemoveFromVersionId": one}
    assert refusal(secrets.update_secret_version_stage, **wrong)[0] == "InvalidParameterException"
    wrong |= {"MoveToVersionId": "x" * 32}
    assert refusal(secrets.update_secret_version_stage, **wrong)[0] == "ResourceNotFoundException"


def test_who_asks_twice_is_answered_as_before_and_who_asks_otherwise_is_refused(secrets):
    token = str(uuid.uuid4())
    wish = {"Name": HUB, "SecretString": "one", "ClientRequestToken": token}

    first, again = secrets.create_secret(**wish), secrets.create_secret(**wish)
    secrets.put_secret_value(SecretId=HUB, SecretString="one", ClientRequestToken=token)

    assert (first["ARN"], first["VersionId"]) == (again["ARN"], again["VersionId"])
    assert refusal(secrets.create_secret, **wish | {"SecretString": "two"}) == (
        "ResourceExistsException",
        f"The operation failed because the secret {HUB} already exists.",
    )
    code, message = refusal(secrets.put_secret_value, SecretId=HUB, SecretString="two", ClientRequestToken=token)
    assert code == "ResourceExistsException"
    assert token in message


def test_a_deleted_secret_can_be_restored_until_it_is_gone(secrets):
    secrets.create_secret(Name=HUB, SecretString="one")
    missing = ("ResourceNotFoundException", "Secrets Manager can't find the specified secret.")

    gone = secrets.delete_secret(SecretId=HUB, RecoveryWindowInDays=7)
    assert refusal(secrets.get_secret_value, SecretId=HUB)[0] == "InvalidRequestException"
    assert refusal(secrets.create_secret, Name=HUB, SecretString="two")[0] == "InvalidRequestException"
    assert secrets.describe_secret(SecretId=HUB)["DeletedDate"] == gone["DeletionDate"]
    assert secrets.list_secrets()["SecretList"] == []
    assert [one["Name"] for one in secrets.list_secrets(IncludePlannedDeletion=True)["SecretList"]] == [HUB]
    secrets.restore_secret(SecretId=HUB)
    assert secrets.get_secret_value(SecretId=HUB)["SecretString"] == "one"

    secrets.delete_secret(SecretId=HUB, ForceDeleteWithoutRecovery=True)
    assert refusal(secrets.get_secret_value, SecretId=HUB) == missing
    assert refusal(secrets.restore_secret, SecretId=HUB) == missing
    assert refusal(secrets.delete_secret, SecretId=HUB, RecoveryWindowInDays=5)[0] == "InvalidParameterException"


def test_secrets_are_listed_in_pages_and_by_filters(secrets):
    for name in ("a/one", "a/two", "b"):
        secrets.create_secret(Name=name, SecretString="x", Tags=[{"Key": "team", "Value": name[0]}])
    secrets.tag_resource(SecretId="b", Tags=[{"Key": "stage", "Value": "test"}])
    secrets.untag_resource(SecretId="b", TagKeys=["team"])

    def names(**wish):
        pages = secrets.get_paginator("list_secrets").paginate(**wish, PaginationConfig={"PageSize": 1})
        return [one["Name"] for page in pages for one in page["SecretList"]]

    assert names() == ["b", "a/two", "a/one"]
    assert names(SortBy="name", SortOrder="asc") == ["a/one", "a/two", "b"]
    assert names(Filters=[{"Key": "name", "Values": ["a/"]}], SortOrder="asc") == ["a/one", "a/two"]
    assert names(Filters=[{"Key": "tag-key", "Values": ["stage"]}]) == ["b"]
    assert names(Filters=[{"Key": "tag-value", "Values": ["!a"]}]) == ["b"]
    assert names(Filters=[{"Key": "all", "Values": ["test"]}]) == ["b"]


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ({"Name": "two words"}, "ValidationException"),
        ({"SecretString": "x" * 65_537}, "InvalidParameterException"),
        ({"SecretString": "é" * 40_000}, "InvalidParameterException"),  # of two bytes each
        ({"SecretBinary": b"x", "SecretString": "x"}, "InvalidParameterException"),
        ({"KmsKeyId": "alias/own"}, "InvalidRequestException"),
        ({"AddReplicaRegions": [{"Region": "eu-west-1"}]}, "InvalidRequestException"),
    ],
    ids=str,
)
def test_what_cannot_be_kept_is_refused(secrets, wish, code):
    assert refusal(secrets.create_secret, **{"Name": HUB, **wish})[0] == code
    assert secrets.list_secrets()["SecretList"] == []


def test_operations_that_are_not_answered_are_refused_by_name(secrets):
    secrets.create_secret(Name=HUB, SecretString="one")

    code, message = refusal(secrets.rotate_secret, SecretId=HUB)

    assert code == "UnknownOperationException"
    assert "RotateSecret" in message


def test_policies_decide_by_arn_tag_and_request(account, secrets):
    secrets.create_secret(Name=HUB, SecretString="one", Tags=[{"Key": "team", "Value": "red"}])
    secrets.create_secret(Name="other", SecretString="one", Tags=[{"Key": "team", "Value": "blue"}])
    place = f"arn:aws:secretsmanager:us-east-1:{account.id}:secret"
    reader = account.client("secretsmanager", **account.a_user("reader", {
        "Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": f"{place}:ecr-pullthroughcache/*",
    }))  # fmt: skip
    red = {"StringEquals": {"secretsmanager:ResourceTag/team": "red"}}
    of_red = account.client("secretsmanager", **account.a_user("red", [
        {"Effect": "Allow", "Action": "secretsmanager:*", "Resource": "*", "Condition": red},
        {"Effect": "Deny", "Action": "secretsmanager:DeleteSecret", "Resource": "*",
         "Condition": {"Bool": {"secretsmanager:ForceDeleteWithoutRecovery": "true"}}},
    ]))  # fmt: skip

    assert reader.get_secret_value(SecretId=HUB)["SecretString"] == "one"
    assert refusal(reader.get_secret_value, SecretId="other")[0] == "AccessDeniedException"
    assert refusal(reader.describe_secret, SecretId=HUB)[0] == "AccessDeniedException"
    assert of_red.get_secret_value(SecretId=HUB)["SecretString"] == "one"
    assert refusal(of_red.get_secret_value, SecretId="other")[0] == "AccessDeniedException"
    assert refusal(of_red.delete_secret, SecretId=HUB, ForceDeleteWithoutRecovery=True)[0] == "AccessDeniedException"
    secrets.tag_resource(SecretId=HUB, Tags=[{"Key": "team", "Value": "blue"}])
    assert refusal(of_red.get_secret_value, SecretId=HUB)[0] == "AccessDeniedException"


def test_secrets_of_others_and_of_elsewhere_are_not_found_by_their_arns(account, strangers, secrets):
    arn = secrets.create_secret(Name=HUB, SecretString="one")["ARN"]
    theirs = strangers.client("secretsmanager")

    assert refusal(theirs.get_secret_value, SecretId=arn)[0] == "AccessDeniedException"
    assert refusal(theirs.get_secret_value, SecretId=HUB)[0] == "ResourceNotFoundException"
    elsewhere = account.client("secretsmanager", "eu-west-1")
    assert refusal(elsewhere.get_secret_value, SecretId=arn)[0] == "ResourceNotFoundException"


def test_values_are_in_no_record_no_log_and_not_in_the_database(account, product, secrets):
    made = secrets.create_secret(Name=HUB, SecretString="never written 5e1")
    secrets.put_secret_value(SecretId=HUB, SecretBinary=b"never written 5e2")
    secrets.get_secret_value(SecretId=HUB)

    [record] = found(product, eventName="CreateSecret", recipientAccountId=account.id)
    assert record["eventSource"] == "secretsmanager.amazonaws.com"
    assert record["requestParameters"]["secretString"] == "HIDDEN_DUE_TO_SECURITY_REASONS"
    assert record["resources"] == [
        {"ARN": made["ARN"].replace(made["ARN"][-6:], "??????"), "accountId": account.id,
         "type": "AWS::SecretsManager::Secret"}
    ]  # fmt: skip
    found(product, eventName="GetSecretValue", recipientAccountId=account.id)
    kept = [path for path in [*product.data.rglob("*"), product.log] if path.is_file()]
    assert [path for path in kept if b"never written" in path.read_bytes()] == []


# ---- Inside


def test_what_is_deleted_goes_when_its_days_are_over(on, clock):  # noqa: F811
    registry.secrets.create(on, HOME, HUB, Value("one"), "a" * 32, tags={})
    registry.secrets.delete(on, HOME, HUB, None, is_forced=False)

    clock.pass_(days=29)
    work_off(on)
    with pytest.raises(InvalidRequest):
        registry.secrets.get_value(on, HOME, HUB, None, None)
    clock.pass_(days=1, hours=1)
    with pytest.raises(ResourceNotFound):
        registry.secrets.restore(on, HOME, HUB)
    work_off(on)
    with on.database.snapshot() as tx:
        assert tx._driver.execute("SELECT count(*) FROM account_secret_versions").fetchone() == (0,)


def test_a_rotation_of_keys_takes_secrets_along(on, clock):  # noqa: F811
    registry.secrets.create(on, HOME, HUB, Value(LOGIN), "a" * 32, tags={})
    registry.secrets.put_value(on, HOME, HUB, Value("two"), "b" * 32, ["other"])
    registry.kms.rotate(on)
    clock.pass_(minutes=10)
    with pytest.raises(registry.kms.VersionInUse, match="2 secrets"):
        registry.kms.retire(on, 1)

    registry.rewraps.run(on, lambda *_: None)
    registry.kms.retire(on, 1)

    assert registry.secrets.get_value(on, HOME, HUB, None, "other")[2] == Value("two")


def test_a_cache_reads_its_login_or_is_told_why_not(on):  # noqa: F811
    secret, _ = registry.secrets.create(on, HOME, HUB, Value(LOGIN), "a" * 32, tags={})

    assert registry.secrets.value_of(on, secret.arn) == UpstreamCredential("me", "let me in")
    assert registry.secrets.value_of(on, secret.arn[:-7]) == UpstreamCredential("me", "let me in")
    assert "let me in" not in repr((registry.secrets.value_of(on, secret.arn), Value(LOGIN)))
    for unfit in ("test", '["a"]', '{"username":"me"}', '{"username":1,"accessToken":"a"}'):
        registry.secrets.put_value(on, HOME, HUB, Value(unfit), str(uuid.uuid4()), [])
        with pytest.raises(UnableToDecryptSecretValue, match="'username' and 'accessToken'"):
            registry.secrets.value_of(on, secret.arn)
    registry.secrets.delete(on, HOME, HUB, 7, is_forced=False)
    for arn in (secret.arn, secret.arn[:-6] + "aaaaaa", "nothing"):
        with pytest.raises(SecretNotFound, match="Update the pull through cache rule"):
            registry.secrets.value_of(on, arn)
    assert json.loads(LOGIN)["username"] == "me"
