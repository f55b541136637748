"""The Security Token Service through the front door: who is who, and for how long."""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config

from holdfast import boot, registry, settings, store
from holdfast.model.iam_sessions import ROLE
from tests.accounts import Account
from tests.callers import Query, Registry, refusal
from tests.conftest import Product
from tests.issuer import Authority, Issuer, part

EVERYTHING = [{"Effect": "Allow", "Action": "*", "Resource": "*"}]
ASSUME = "sts:AssumeRole"
NO_TRUST = "because no role trust policy allows the sts:AssumeRole action"
NO_IDENTITY = "because no identity-based policy allows the sts:AssumeRole action"
INVALID = "The security token included in the request is invalid"
WEB = "sts:AssumeRoleWithWebIdentity"


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def trusting(principal, *actions, condition=None):
    """A trust policy."""
    statement = {"Effect": "Allow", "Principal": principal, "Action": list(actions or [ASSUME])}
    return document(statement | ({"Condition": condition} if condition else {}))


def a_role(account, name, principal, *actions, policy=EVERYTHING, condition=None, **members):
    """A role that trusts somebody and may do everything, or what a policy says; its ARN."""
    trust = trusting(principal, *actions, condition=condition)
    arn = account.iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust, **members)["Role"]["Arn"]
    if policy:
        account.iam.put_role_policy(RoleName=name, PolicyName="own", PolicyDocument=document(*policy))
    return arn


def keys(answer):
    """Credentials in an answer, as clients are made with."""
    told = answer["Credentials"]
    return {
        "key_id": told["AccessKeyId"],
        "secret": told["SecretAccessKey"],
        "session_token": told["SessionToken"],
    }


def arn_of(account, user):
    return f"arn:aws:iam::{account.id}:user/{user}"


def who(account, credentials):
    """What GetCallerIdentity says."""
    told = account.client("sts", **credentials).get_caller_identity()
    return told["UserId"], told["Account"], told["Arn"]


@pytest.fixture
def alice(account):
    """A user who may do everything."""
    return account.a_user("alice")


@pytest.fixture
def sts(account, alice):
    return account.client("sts", **alice)


@pytest.fixture
def deploy(account, alice):
    """A role that trusts its account, tags and source identities included."""
    return a_role(account, "deploy", {"AWS": account.id}, ASSUME, "sts:TagSession", "sts:SetSourceIdentity")


def assume(sts, arn, **members):
    return sts.assume_role(RoleArn=arn, RoleSessionName=members.pop("name", "run-1"), **members)


def denied(arn, caller, action=ASSUME, reason=NO_TRUST):
    return "AccessDenied", f"User: {caller} is not authorized to perform: {action} on resource: {arn} {reason}"


def not_assumed(sts, arn, **members):
    return refusal(sts.assume_role, RoleArn=arn, RoleSessionName="run-1", **members)


@contextmanager
def unchecked(account, credentials):
    """STS as asked by a client that does not check what it sends."""
    client = boto3.client(
        "sts",
        endpoint_url=account.product.url,
        region_name="us-east-1",
        aws_access_key_id=credentials["key_id"],
        aws_secret_access_key=credentials["secret"],
        config=Config(parameter_validation=False, retries={"max_attempts": 1}),
    )
    try:
        yield client
    finally:
        client.close()


@contextmanager
def inside(product):
    """The backends of a started product, for what nobody can do from outside."""
    on = boot.open_backends(settings.read({"data": str(product.data)}, product.environment))
    try:
        yield on
    finally:
        on.database.close()


# ---- GetCallerIdentity


def test_a_root_is_its_account(account):
    assert who(account, {}) == (account.id, account.id, f"arn:aws:iam::{account.id}:root")


def test_a_user_is_told_its_id_and_its_arn_with_the_path(account):
    credentials = account.a_user("alice", Path="/team/")
    id_ = account.iam.get_user(UserName="alice")["User"]["UserId"]

    assert who(account, credentials) == (id_, account.id, f"arn:aws:iam::{account.id}:user/team/alice")


def test_nobody_can_be_denied_to_know_who_he_is(account):
    credentials = account.a_user("alice", [{"Effect": "Deny", "Action": "*", "Resource": "*"}])

    assert who(account, credentials)[2] == arn_of(account, "alice")


def test_who_is_who_is_told_in_json_too(product):
    request = Query(product.address, *product.credentials(), "sts")

    signed = request.signed(Action="GetCallerIdentity", Version="2011-06-15")
    answer = request.send(signed, accept="application/json")

    told = answer.json()["GetCallerIdentityResponse"]["GetCallerIdentityResult"]
    assert told == {
        "UserId": "000000000000",
        "Account": "000000000000",
        "Arn": "arn:aws:iam::000000000000:root",
    }


def test_a_presigned_request_tells_who_its_signer_is(product, account, alice, sts):
    """As tools do who prove an identity to a third party."""
    url = sts.generate_presigned_url("get_caller_identity", ExpiresIn=60, HttpMethod="GET")

    answer = product.http("")("GET", url.partition(product.address)[2])

    assert answer.status == 200
    assert arn_of(account, "alice").encode() in answer.body


# ---- AssumeRole


def test_a_role_is_assumed(account, sts, deploy):
    before = datetime.now(UTC)

    answer = assume(sts, deploy)

    role = account.iam.get_role(RoleName="deploy")["Role"]
    session_arn = f"arn:aws:sts::{account.id}:assumed-role/deploy/run-1"
    assert answer["AssumedRoleUser"] == {"AssumedRoleId": f"{role['RoleId']}:run-1", "Arn": session_arn}
    assert answer["Credentials"]["AccessKeyId"].startswith("ASIA")
    assert abs(answer["Credentials"]["Expiration"] - before - timedelta(hours=1)) < timedelta(minutes=1)
    assert {"PackedPolicySize", "SourceIdentity"}.isdisjoint(answer)
    assert who(account, keys(answer)) == (f"{role['RoleId']}:run-1", account.id, session_arn)


def test_a_session_has_the_name_of_its_role_without_the_path(account, sts):
    arn = a_role(account, "deploy", {"AWS": account.id}, Path="/a/path/")

    answer = assume(sts, arn)

    assert arn.endswith(":role/a/path/deploy")
    assert answer["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{account.id}:assumed-role/deploy/run-1"


def test_a_session_may_do_what_its_role_may(account, sts):
    describe = [{"Effect": "Allow", "Action": "ecr:DescribeRepositories", "Resource": "*"}]
    arn = a_role(account, "reader", {"AWS": account.id}, policy=describe)
    ecr = account.client("ecr", **keys(assume(sts, arn)))

    assert ecr.describe_repositories()["repositories"] == []

    code, message = refusal(ecr.create_repository, repositoryName="x/y")
    assert code == "AccessDeniedException"
    assert message.startswith(f"User: arn:aws:sts::{account.id}:assumed-role/reader/run-1 is not authorized")


def test_a_session_logs_in_to_the_registry(product, account, sts, deploy):
    ecr = account.client("ecr", **keys(assume(sts, deploy)))
    ecr.create_repository(repositoryName="a/b")
    token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    repository = Registry(product.http(f"Basic {token}"), "a/b")

    repository.push_image("v1")

    assert repository("GET", "/tags/list").json() == {"name": "a/b", "tags": ["v1"]}


def test_a_user_whom_the_role_trusts_by_name_needs_no_policy_of_his_own(account):
    account.iam.create_user(UserName="bob")
    bob = account.client("sts", **account.a_key("bob"))
    arn = a_role(account, "deploy", {"AWS": arn_of(account, "bob")})

    assert assume(bob, arn)["AssumedRoleUser"]


def test_a_user_whom_the_role_trusts_by_his_account_needs_a_policy(account):
    account.iam.create_user(UserName="bob")
    bob = account.client("sts", **account.a_key("bob"))
    arn = a_role(account, "deploy", {"AWS": account.id})

    assert not_assumed(bob, arn) == denied(arn, arn_of(account, "bob"), reason=NO_IDENTITY)

    allow = {"Effect": "Allow", "Action": ASSUME, "Resource": arn}
    account.iam.put_user_policy(UserName="bob", PolicyName="own", PolicyDocument=document(allow))
    assert assume(bob, arn)["AssumedRoleUser"]


def test_a_role_that_is_not_there_is_refused_as_one_that_does_not_trust(account, sts):
    there = a_role(account, "there", {"Service": "ecr.amazonaws.com"})
    gone = f"arn:aws:iam::{account.id}:role/gone"
    elsewhere = "arn:aws:iam::999999999999:role/x"

    for arn in (there, gone, elsewhere):
        assert not_assumed(sts, arn) == denied(arn, arn_of(account, "alice"))


def test_who_may_not_ask_learns_nothing_of_which_roles_there_are(account):
    account.iam.create_user(UserName="bob")
    bob = account.client("sts", **account.a_key("bob"))
    tagged = a_role(account, "tagged", {"Service": "ecr.amazonaws.com"}, Tags=[{"Key": "a", "Value": "b"}])
    trusting_ = a_role(account, "trusting", {"AWS": account.id})

    for arn in (tagged, trusting_, f"arn:aws:iam::{account.id}:role/gone"):
        assert not_assumed(bob, arn) == denied(arn, arn_of(account, "bob"), reason=NO_IDENTITY)


def test_a_deny_of_the_callers_own_is_told(account):
    deny = {"Effect": "Deny", "Action": ASSUME, "Resource": "*"}
    bob = account.client("sts", **account.a_user("bob", [*EVERYTHING, deny]))
    arn = a_role(account, "deploy", {"AWS": arn_of(account, "bob")})

    code, message = not_assumed(bob, arn)

    assert (code, message.partition(arn)[2]) == (
        "AccessDenied", " with an explicit deny in an identity-based policy"
    )  # fmt: skip


def test_a_deny_in_the_trust_policy_is_not_told_from_no_trust(account, sts):
    trust = document(
        {"Effect": "Allow", "Principal": {"AWS": account.id}, "Action": ASSUME},
        {"Effect": "Deny", "Principal": {"AWS": arn_of(account, "alice")}, "Action": ASSUME},
    )
    arn = account.iam.create_role(RoleName="deploy", AssumeRolePolicyDocument=trust)["Role"]["Arn"]

    assert not_assumed(sts, arn) == denied(arn, arn_of(account, "alice"))


def test_a_role_of_another_account_needs_both_sides(product, account, alice, sts):
    other = Account(product, f"{(int(account.id) + 1) % 10**12:012}")
    arn = a_role(other, "deploy", {"AWS": account.id})

    answer = assume(sts, arn)

    assert answer["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{other.id}:assumed-role/deploy/run-1"
    assert who(other, keys(answer))[1] == other.id

    account.iam.create_user(UserName="bob")
    bob = account.client("sts", **account.a_key("bob"))
    assert not_assumed(bob, arn) == denied(arn, arn_of(account, "bob"), reason=NO_IDENTITY)


@pytest.mark.parametrize(
    ("given", "is_right"), [({"ExternalId": "s3cr3t"}, True), ({"ExternalId": "guess"}, False), ({}, False)]
)
def test_a_role_may_ask_for_an_external_id(account, sts, given, is_right):
    condition = {"StringEquals": {"sts:ExternalId": "s3cr3t"}}
    arn = a_role(account, "deploy", {"AWS": account.id}, condition=condition)

    if is_right:
        assert assume(sts, arn, **given)["AssumedRoleUser"]
    else:
        assert not_assumed(sts, arn, **given) == denied(arn, arn_of(account, "alice"))


@pytest.mark.parametrize(
    ("key", "value", "other"),
    [
        ("sts:RoleSessionName", "run-1", "run-2"),
        ("aws:PrincipalArn", "arn:aws:iam::*:user/alice", "arn:aws:iam::*:user/bob"),
        ("aws:username", "alice", "bob"),
        ("aws:RequestedRegion", "us-east-1", "eu-west-1"),
        ("aws:SourceIp", "127.0.0.1", "10.0.0.1"),
        ("aws:SecureTransport", "false", "true"),
        ("aws:ResourceTag/stage", "prod", "test"),
        ("iam:ResourceTag/stage", "prod", "test"),
    ],
)
def test_a_trust_policy_may_ask_how_and_for_what(account, sts, key, value, other):
    operator = "IpAddress" if key == "aws:SourceIp" else "StringLike"
    tags = [{"Key": "stage", "Value": "prod"}]
    right = a_role(account, "right", {"AWS": account.id}, condition={operator: {key: value}}, Tags=tags)
    wrong = a_role(account, "wrong", {"AWS": account.id}, condition={operator: {key: other}}, Tags=tags)

    assert assume(sts, right)["AssumedRoleUser"]
    assert not_assumed(sts, wrong) == denied(wrong, arn_of(account, "alice"))


def test_a_root_assumes_no_role(account, deploy):
    assert not_assumed(account.client("sts"), deploy) == (
        "AccessDenied", "Roles may not be assumed by root accounts."
    )  # fmt: skip


@pytest.mark.parametrize(
    "arn",
    [
        "x" * 20,
        "arn:aws:iam::{}:user/alice",
        "arn:aws:iam::{}:role/",
        "arn:aws:sts::{}:assumed-role/a/b",
        "arn:aws:iam::1:role/x-y-z",
    ],
)
def test_what_is_no_role_is_invalid(account, sts, arn):
    arn = arn.format(account.id)

    assert not_assumed(sts, arn) == ("ValidationError", f"{arn} is invalid")


@pytest.mark.parametrize("name", ["a", "a" * 65, "a b", "a/b", "ä-ö"])
def test_a_session_has_a_name_that_an_arn_can_hold(account, alice, deploy, name):
    with unchecked(account, alice) as sts:
        code, message = refusal(sts.assume_role, RoleArn=deploy, RoleSessionName=name)

    assert code == "ValidationError"
    assert "at 'roleSessionName' failed to satisfy constraint" in message


# ---- Durations


def test_a_session_lasts_as_long_as_is_asked(sts, account):
    arn = a_role(account, "long", {"AWS": account.id}, MaxSessionDuration=43200)

    for seconds in (900, 43200):
        expires = assume(sts, arn, DurationSeconds=seconds)["Credentials"]["Expiration"]
        assert abs(expires - datetime.now(UTC) - timedelta(seconds=seconds)) < timedelta(minutes=1)


def test_a_session_lasts_no_longer_than_its_role_lets_it(sts, deploy):
    assert not_assumed(sts, deploy, DurationSeconds=3601) == (
        "ValidationError",
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
    )


@pytest.mark.parametrize("seconds", [43201, 10**6])
def test_no_session_of_a_role_lasts_longer_than_half_a_day(sts, deploy, seconds):
    code, message = not_assumed(sts, deploy, DurationSeconds=seconds)

    assert code == "ValidationError"
    assert "Member must have value less than or equal to 43200" in message


def test_who_may_not_assume_a_role_does_not_learn_how_long_its_sessions_last(account, sts):
    arn = a_role(account, "deploy", {"Service": "ecr.amazonaws.com"})

    assert not_assumed(sts, arn, DurationSeconds=43200) == denied(arn, arn_of(account, "alice"))


def test_a_role_that_was_assumed_assumes_another_for_an_hour_at_most(account, sts, deploy):
    second = a_role(account, "second", {"AWS": deploy}, MaxSessionDuration=43200)
    chained = account.client("sts", **keys(assume(sts, deploy)))

    assert assume(chained, second, DurationSeconds=3600)["AssumedRoleUser"]
    assert not_assumed(chained, second, DurationSeconds=3601) == (
        "ValidationError",
        "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
    )


def test_a_session_past_its_time_is_told_so(product, account, deploy):
    with inside(product) as on, on.database.transaction() as tx:
        role = store.iam_roles.get(tx, account.id, "deploy")
        expired = registry.iam.sessions.begin(
            on, tx, account_id=account.id, kind=ROLE, entity_id=role.id, name="x", lifetime=timedelta(seconds=-1)
        )
    credentials = {
        "key_id": expired.access_key_id, "secret": expired.secret, "session_token": expired.session_token
    }  # fmt: skip
    text = "The security token included in the request is expired"

    assert not_assumed(account.client("sts", **credentials), deploy) == ("ExpiredToken", text)
    assert refusal(account.client("iam", **credentials).list_users) == ("ExpiredToken", text)
    assert refusal(account.client("ecr", **credentials).describe_repositories) == ("ExpiredTokenException", text)


# ---- Session policies


def test_a_session_policy_narrows_the_session(account, sts, deploy):
    policy = document({"Effect": "Allow", "Action": "ecr:DescribeRepositories", "Resource": "*"})

    answer = assume(sts, deploy, Policy=policy)

    ecr = account.client("ecr", **keys(answer))
    assert ecr.describe_repositories()["repositories"] == []
    code, message = refusal(ecr.create_repository, repositoryName="x/y")
    assert code == "AccessDeniedException"
    assert message.endswith("because no session policy allows the ecr:CreateRepository action")
    assert 1 <= answer["PackedPolicySize"] < 20


def test_managed_policies_narrow_a_session_too(account, sts, deploy):
    own = account.iam.create_policy(
        PolicyName="list",
        PolicyDocument=document({"Effect": "Allow", "Action": "ecr:DescribeRegistry", "Resource": "*"}),
    )["Policy"]["Arn"]
    amazons = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly"

    answer = assume(sts, deploy, PolicyArns=[{"arn": own}, {"arn": amazons}])

    ecr = account.client("ecr", **keys(answer))
    assert ecr.describe_repositories()["repositories"] == []
    assert ecr.describe_registry()["registryId"] == account.id
    assert refusal(ecr.create_repository, repositoryName="x/y")[0] == "AccessDeniedException"


def test_a_managed_policy_that_is_not_there_is_refused(account, sts, deploy):
    for arn in (f"arn:aws:iam::{account.id}:policy/gone", "arn:aws:iam::999999999999:policy/x", "x" * 20):
        assert not_assumed(sts, deploy, PolicyArns=[{"arn": arn}]) == ("ValidationError", f"{arn} is invalid")


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        ("nope", "Syntax errors in policy."),
        ("[]", "Syntax errors in policy."),
        ('{"Version":"2008-10-17","Statement":[]}', None),
        (trusting({"AWS": "*"}), "Policy document should not specify a principal."),
        (document({"Effect": "Allow", "Action": "ecr:*"}), "Policy statement must contain resources."),
    ],
)
def test_what_is_no_session_policy_is_refused(sts, deploy, policy, text):
    code, message = not_assumed(sts, deploy, Policy=policy)

    assert code == "MalformedPolicyDocument"
    assert text in {None, message}


def test_a_session_policy_has_a_largest_size(sts, deploy):
    statement = {"Sid": "", "Effect": "Allow", "Action": "ecr:*", "Resource": "*"}
    statement["Sid"] = "x" * (2048 - len(document(statement)))

    assert len(document(statement)) == 2048
    assert assume(sts, deploy, Policy=document(statement))["PackedPolicySize"] < 100

    statement["Sid"] += "x"
    code, message = not_assumed(sts, deploy, Policy=document(statement))
    assert (code, message) == (
        "PackedPolicyTooLarge",
        "Packed policy consumes 101% of allotted space, please use smaller policy.",
    )


def test_session_tags_have_a_largest_size(sts, deploy):
    tags = [tag(f"{n}", hashlib.sha512(bytes([n])).hexdigest()) for n in range(50)]

    code, message = not_assumed(sts, deploy, Tags=tags)

    assert code == "PackedPolicyTooLarge"
    assert message.startswith("Packed size of session tags consumes ")


def test_a_session_has_at_most_ten_managed_policies(sts, deploy):
    arn = "arn:aws:iam::aws:policy/AdministratorAccess"

    assert assume(sts, deploy, PolicyArns=[{"arn": arn}] * 10)["PackedPolicySize"]

    code, message = not_assumed(sts, deploy, PolicyArns=[{"arn": arn}] * 11)
    assert code == "ValidationError"
    assert message.endswith(
        "at 'policyArns' failed to satisfy constraint: Member must have length less than or equal to 10"
    )


# ---- Tags, source identity and MFA


def tag(key, value="x"):
    return {"Key": key, "Value": value}


def test_session_tags_need_a_trust_that_allows_them(account, sts):
    arn = a_role(account, "plain", {"AWS": account.id})

    action = "sts:TagSession"
    reason = f"because no role trust policy allows the {action} action"
    assert not_assumed(sts, arn, Tags=[tag("a")]) == denied(arn, arn_of(account, "alice"), action, reason)


def test_session_tags_decide_what_a_session_may_do(account, sts):
    condition = {"StringEquals": {"aws:PrincipalTag/Stage": "prod"}}
    policy = [{"Effect": "Allow", "Action": "ecr:*", "Resource": "*", "Condition": condition}]
    arn = a_role(account, "deploy", {"AWS": account.id}, ASSUME, "sts:TagSession", policy=policy)

    right = account.client("ecr", **keys(assume(sts, arn, Tags=[tag("stage", "prod")])))
    wrong = account.client("ecr", **keys(assume(sts, arn, Tags=[tag("stage", "test")])))

    assert right.describe_repositories()["repositories"] == []
    assert refusal(wrong.describe_repositories)[0] == "AccessDeniedException"


def test_a_trust_policy_may_ask_for_tags(account, sts):
    condition = {
        "StringEquals": {"aws:RequestTag/stage": "prod"},
        "ForAllValues:StringEquals": {"aws:TagKeys": ["stage"]},
    }
    arn = a_role(account, "deploy", {"AWS": account.id}, ASSUME, "sts:TagSession", condition=condition)

    assert assume(sts, arn, Tags=[tag("stage", "prod")])["AssumedRoleUser"]
    for tags in ([tag("stage", "test")], [tag("stage", "prod"), tag("more")], []):
        assert not_assumed(sts, arn, Tags=tags)[0] == "AccessDenied"


@pytest.mark.parametrize(
    ("members", "text"),
    [
        (
            {"Tags": [tag("team"), tag("Team")]},
            "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
        ),
        ({"Tags": [tag("aws:x")]}, "Tag keys that begin with 'aws:' are reserved for AWS."),
        (
            {"Tags": [tag("a")], "TransitiveTagKeys": ["b"]},
            "The specified transitive tag key must be included in the requested tags. There is no tag of the key b.",
        ),
        (
            {"TransitiveTagKeys": ["b"]},
            "The specified transitive tag key must be included in the requested tags. There is no tag of the key b.",
        ),
    ],
)
def test_tags_that_do_not_go_together_are_refused(sts, deploy, members, text):
    assert not_assumed(sts, deploy, **members) == ("InvalidParameterValue", text)


@pytest.mark.parametrize("tags", [[tag("")], [tag("a" * 129)], [tag("a", "x" * 257)], [tag("<a>")], [tag("a")] * 51])
def test_tags_that_cannot_be_are_refused(account, alice, deploy, tags):
    with unchecked(account, alice) as sts:
        code, message = not_assumed(sts, deploy, Tags=tags)

    assert code == "ValidationError"
    assert "at 'tags" in message


def test_transitive_tags_are_handed_on_and_others_are_not(account, sts, deploy):
    condition = {"StringEquals": {"aws:PrincipalTag/Team": "api"}, "Null": {"aws:PrincipalTag/other": "true"}}
    policy = [{"Effect": "Allow", "Action": "ecr:*", "Resource": "*", "Condition": condition}]
    second = a_role(account, "second", {"AWS": deploy}, ASSUME, "sts:TagSession", policy=policy)
    third = a_role(account, "third", {"AWS": second}, ASSUME, "sts:TagSession", policy=policy)
    tags = {"Tags": [tag("Team", "api"), tag("other")], "TransitiveTagKeys": ["team"]}

    first = account.client("sts", **keys(assume(sts, deploy, **tags)))
    answer = assume(first, second)
    account.iam.put_role_policy(RoleName="second", PolicyName="assume", PolicyDocument=document(*EVERYTHING))
    last = assume(account.client("sts", **keys(answer)), third)

    for told in (answer, last):
        assert account.client("ecr", **keys(told)).describe_repositories()["repositories"] == []


CONFLICT = (
    "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key "
    "from the calling session."
)


def test_a_transitive_tag_cannot_be_changed(account, sts, deploy):
    second = a_role(account, "second", {"AWS": deploy}, ASSUME, "sts:TagSession")
    tags = {"Tags": [tag("team", "api")], "TransitiveTagKeys": ["team"]}
    chained = account.client("sts", **keys(assume(sts, deploy, **tags)))

    for key in ("team", "TEAM"):
        assert not_assumed(chained, second, Tags=[tag(key, "web")]) == (
            "InvalidParameterValue",
            CONFLICT,
        )


def test_transitive_tags_need_a_trust_that_allows_them(account, sts, deploy):
    second = a_role(account, "second", {"AWS": deploy})
    tags = {"Tags": [tag("team", "api")], "TransitiveTagKeys": ["team"]}
    chained = account.client("sts", **keys(assume(sts, deploy, **tags)))

    code, message = not_assumed(chained, second)

    assert code == "AccessDenied"
    assert "sts:TagSession" in message


def test_a_source_identity_lasts_through_every_role(account, sts, deploy):
    condition = {"StringEquals": {"aws:SourceIdentity": "ann"}}
    policy = [{"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition}]
    second = a_role(account, "second", {"AWS": deploy}, ASSUME, "sts:SetSourceIdentity", policy=policy)

    first = assume(sts, deploy, SourceIdentity="ann")
    answer = assume(account.client("sts", **keys(first)), second)

    assert (first["SourceIdentity"], answer["SourceIdentity"]) == ("ann", "ann")
    assert account.client("ecr", **keys(answer)).describe_repositories()["repositories"] == []


def test_a_source_identity_cannot_be_changed(account, sts, deploy):
    second = a_role(account, "second", {"AWS": deploy}, ASSUME, "sts:SetSourceIdentity")
    chained = account.client("sts", **keys(assume(sts, deploy, SourceIdentity="ann")))

    code, message = not_assumed(chained, second, SourceIdentity="bob")

    assert (code, "cannot be changed" in message) == ("AccessDenied", True)
    assert assume(chained, second, SourceIdentity="ann")["SourceIdentity"] == "ann"


def test_a_source_identity_needs_a_trust_that_allows_it(account, sts):
    arn = a_role(account, "plain", {"AWS": account.id})

    code, message = not_assumed(sts, arn, SourceIdentity="ann")

    assert (code, "sts:SetSourceIdentity" in message) == ("AccessDenied", True)


def test_a_trust_policy_may_ask_for_a_source_identity(account, sts):
    condition = {"StringEquals": {"sts:SourceIdentity": "${aws:username}"}}
    arn = a_role(account, "deploy", {"AWS": account.id}, ASSUME, "sts:SetSourceIdentity", condition=condition)

    assert assume(sts, arn, SourceIdentity="alice")["SourceIdentity"] == "alice"
    assert not_assumed(sts, arn, SourceIdentity="bob")[0] == "AccessDenied"


MFA = {"SerialNumber": "arn:aws:iam::000000000000:mfa/alice", "TokenCode": "123456"}
UNKNOWN_DEVICE = (
    "MultiFactorAuthentication failed, unable to validate MFA code.  "
    "Please verify your MFA serial number is valid and associated with this user."
)
NO_DEVICE = ("AccessDenied", UNKNOWN_DEVICE)
HALF = (
    "AccessDenied",
    "MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code.",
)


@pytest.mark.parametrize(
    ("given", "answer"), [(MFA, NO_DEVICE), *[({name: value}, HALF) for name, value in MFA.items()]]
)
def test_nobody_has_an_mfa_device(sts, deploy, given, answer):
    assert not_assumed(sts, deploy, **given) == answer
    assert refusal(sts.get_session_token, **given) == answer


def test_a_role_that_asks_for_mfa_is_assumed_by_nobody(account, sts):
    condition = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
    arn = a_role(account, "deploy", {"AWS": account.id}, condition=condition)
    session = account.client("sts", **keys(sts.get_session_token()))

    for caller in (sts, session):
        assert not_assumed(caller, arn) == denied(arn, arn_of(account, "alice"))


def test_nobody_asserts_contexts(sts, deploy):
    context = {"ProviderArn": "arn:aws:iam::aws:contextProvider/IdentityCenter", "ContextAssertion": "x" * 10}

    code, message = not_assumed(sts, deploy, ProvidedContexts=[context])

    assert code == "InvalidContextAssertion"
    assert context["ProviderArn"] in message


# ---- Ends


def test_sessions_end_with_their_role(account, sts, deploy):
    credentials = keys(assume(sts, deploy))
    account.iam.delete_role_policy(RoleName="deploy", PolicyName="own")
    account.iam.delete_role(RoleName="deploy")

    assert refusal(account.client("sts", **credentials).get_caller_identity) == ("InvalidClientTokenId", INVALID)
    assert refusal(account.client("ecr", **credentials).describe_repositories) == (
        "UnrecognizedClientException", INVALID,
    )  # fmt: skip


def test_older_sessions_are_revoked_by_the_time_of_their_issue(account, sts, deploy):
    """As the console of AWS does."""
    credentials = keys(assume(sts, deploy))
    later = f"{datetime.now(UTC) + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    deny = {
        "Effect": "Deny",
        "Action": "*",
        "Resource": "*",
        "Condition": {"DateLessThan": {"aws:TokenIssueTime": later}},
    }
    account.iam.put_role_policy(RoleName="deploy", PolicyName="AWSRevokeOlderSessions", PolicyDocument=document(deny))

    code, message = refusal(account.client("ecr", **credentials).describe_repositories)

    assert code == "AccessDeniedException"
    assert message.endswith("with an explicit deny in an identity-based policy")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"session_token": None}, f"{INVALID}."),
        ({"session_token": "nonsense"}, INVALID),
        ({"session_token": "v1." + "A" * 2000}, INVALID),
        ({"key_id": "ASIAQQQQQQQQQQQQQQQQ"}, f"{INVALID}."),
    ],
)
def test_credentials_that_do_not_belong_together_are_invalid(account, sts, deploy, change, text):
    credentials = {**keys(assume(sts, deploy)), **change}

    assert refusal(account.client("sts", **credentials).get_caller_identity) == ("InvalidClientTokenId", text)
    assert refusal(account.client("ecr", **credentials).describe_repositories) == ("UnrecognizedClientException", text)


def test_a_long_term_key_with_a_session_token_is_invalid(account, alice, sts, deploy):
    credentials = {**alice, "session_token": keys(assume(sts, deploy))["session_token"]}

    answer = refusal(account.client("sts", **credentials).get_caller_identity)

    assert answer == ("InvalidClientTokenId", f"{INVALID}.")


def test_a_wrong_secret_does_not_match(account, sts, deploy):
    credentials = {**keys(assume(sts, deploy)), "secret": "x" * 40}

    assert refusal(account.client("sts", **credentials).get_caller_identity)[0] == "SignatureDoesNotMatch"


# ---- GetSessionToken


def test_a_user_gets_temporary_credentials_of_his_own(account, alice, sts):
    answer = sts.get_session_token()

    assert answer["Credentials"]["AccessKeyId"].startswith("ASIA")
    assert abs(answer["Credentials"]["Expiration"] - datetime.now(UTC) - timedelta(hours=12)) < timedelta(minutes=1)
    assert who(account, keys(answer)) == who(account, alice)
    assert account.client("ecr", **keys(answer)).describe_repositories()["repositories"] == []


def test_a_root_gets_temporary_credentials_for_an_hour(account):
    for seconds, granted in ((900, 900), (3600, 3600), (129600, 3600)):
        answer = account.client("sts").get_session_token(DurationSeconds=seconds)

        expires = answer["Credentials"]["Expiration"]
        assert abs(expires - datetime.now(UTC) - timedelta(seconds=granted)) < timedelta(minutes=1)
        assert who(account, keys(answer))[2] == f"arn:aws:iam::{account.id}:root"


@pytest.mark.parametrize("seconds", [899, 129601])
def test_temporary_credentials_of_a_user_last_between_a_quarter_of_an_hour_and_a_day_and_a_half(
    account, alice, seconds
):
    with unchecked(account, alice) as sts:
        code, message = refusal(sts.get_session_token, DurationSeconds=seconds)

    assert code == "ValidationError"
    assert "at 'durationSeconds' failed to satisfy constraint" in message


def test_temporary_credentials_of_a_user_get_no_more_of_them(account, sts, deploy):
    for credentials in (keys(sts.get_session_token()), keys(assume(sts, deploy))):
        session = account.client("sts", **credentials)

        assert refusal(session.get_session_token) == (
            "AccessDenied", "Cannot call GetSessionToken with session credentials",
        )  # fmt: skip
        assert refusal(session.get_federation_token, Name="bob") == (
            "AccessDenied", "Cannot call GetFederationToken with session credentials",
        )  # fmt: skip


def test_temporary_credentials_of_a_user_call_little_of_sts_and_nothing_of_iam(account, sts, deploy):
    credentials = keys(sts.get_session_token())
    session = account.client("sts", **credentials)

    assert assume(session, deploy)["AssumedRoleUser"]
    assert refusal(session.get_access_key_info, AccessKeyId=credentials["key_id"])[0] == "AccessDenied"
    assert refusal(session.decode_authorization_message, EncodedMessage="x")[0] == "AccessDenied"
    assert refusal(account.client("iam", **credentials).list_users) == ("InvalidClientTokenId", INVALID)


def test_the_session_of_a_role_calls_iam(account, sts, deploy):
    iam = account.client("iam", **keys(assume(sts, deploy)))

    assert [user["UserName"] for user in iam.list_users()["Users"]] == ["alice"]


def test_the_session_of_a_user_may_do_what_the_user_may_now(account, alice, sts):
    ecr = account.client("ecr", **keys(sts.get_session_token()))
    assert ecr.describe_repositories()["repositories"] == []

    account.iam.detach_user_policy(UserName="alice", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")

    assert refusal(ecr.describe_repositories)[0] == "AccessDeniedException"


def test_sessions_end_with_their_user(account, alice, sts):
    credentials = keys(sts.get_session_token())
    account.iam.detach_user_policy(UserName="alice", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    account.iam.delete_access_key(UserName="alice", AccessKeyId=alice["key_id"])
    account.iam.delete_user(UserName="alice")

    assert refusal(account.client("sts", **credentials).get_caller_identity) == ("InvalidClientTokenId", INVALID)


# ---- GetFederationToken

READ = document({"Effect": "Allow", "Action": "ecr:Describe*", "Resource": "*"})


@pytest.mark.parametrize("of_root", [True, False])
def test_a_federated_user_may_do_what_both_he_and_who_vouches_for_him_may(account, sts, of_root):
    caller = account.client("sts") if of_root else sts

    answer = caller.get_federation_token(Name="carol", Policy=READ)

    arn = f"arn:aws:sts::{account.id}:federated-user/carol"
    assert answer["FederatedUser"] == {"FederatedUserId": f"{account.id}:carol", "Arn": arn}
    assert answer["PackedPolicySize"] >= 1
    assert who(account, keys(answer)) == (f"{account.id}:carol", account.id, arn)
    ecr = account.client("ecr", **keys(answer))
    assert ecr.describe_repositories()["repositories"] == []
    assert refusal(ecr.create_repository, repositoryName="x/y")[0] == "AccessDeniedException"


def test_a_federated_user_may_do_no_more_than_who_vouches_for_him(account):
    federate = {"Effect": "Allow", "Action": "sts:GetFederationToken", "Resource": "*"}
    bob = account.client("sts", **account.a_user("bob", [federate]))

    ecr = account.client("ecr", **keys(bob.get_federation_token(Name="carol", Policy=READ)))

    assert refusal(ecr.describe_repositories)[0] == "AccessDeniedException"


def test_a_federated_user_without_a_policy_may_do_nothing(account, sts):
    answer = sts.get_federation_token(Name="carol")

    assert "PackedPolicySize" not in answer
    ecr = account.client("ecr", **keys(answer))
    assert refusal(ecr.describe_repositories)[0] == "AccessDeniedException"


def test_a_federated_user_calls_nothing_of_iam_and_little_of_sts(account, sts, deploy):
    credentials = keys(sts.get_federation_token(Name="carol", Policy=document(*EVERYTHING)))
    carol = account.client("sts", **credentials)

    assert refusal(account.client("iam", **credentials).list_users) == ("InvalidClientTokenId", INVALID)
    assert not_assumed(carol, deploy) == ("AccessDenied", "Cannot call AssumeRole with federated user credentials")
    assert refusal(carol.get_session_token)[0] == "AccessDenied"
    assert refusal(carol.get_federation_token, Name="dave")[0] == "AccessDenied"
    assert refusal(carol.get_access_key_info, AccessKeyId=credentials["key_id"])[0] == "AccessDenied"


@pytest.mark.parametrize(("seconds", "granted"), [(None, 43200), (900, 900), (129600, 129600)])
def test_a_federated_user_lasts_as_long_as_is_asked(sts, seconds, granted):
    asked = {} if seconds is None else {"DurationSeconds": seconds}

    expires = sts.get_federation_token(Name="carol", **asked)["Credentials"]["Expiration"]

    assert abs(expires - datetime.now(UTC) - timedelta(seconds=granted)) < timedelta(minutes=1)


def test_who_vouches_for_somebody_must_be_allowed_to(account):
    account.iam.create_user(UserName="bob")
    bob = account.client("sts", **account.a_key("bob"))

    code, message = refusal(bob.get_federation_token, Name="carol")

    assert code == "AccessDenied"
    assert f"sts:GetFederationToken on resource: arn:aws:sts::{account.id}:federated-user/carol" in message


def test_tags_of_a_federated_user_need_leave(account):
    federate = {"Effect": "Allow", "Action": "sts:GetFederationToken", "Resource": "*"}
    bob = account.client("sts", **account.a_user("bob", [federate]))

    code, message = refusal(bob.get_federation_token, Name="carol", Tags=[tag("a")])

    assert code == "AccessDenied"
    assert "sts:TagSession" in message


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"Policy": "nope"}, "MalformedPolicyDocument"),
        ({"Policy": READ[:-2] + " " * 2048 + READ[-2:]}, "ValidationError"),
        ({"PolicyArns": [{"arn": "arn:aws:iam::aws:policy/gone-and-away"}]}, "ValidationError"),
        ({"PolicyArns": [{"arn": "arn:aws:iam::aws:policy/" + "x" * 1200}] * 2}, "PackedPolicyTooLarge"),
        ({"Tags": [tag("a"), tag("A")]}, "InvalidParameterValue"),
        ({"Name": "a b"}, "ValidationError"),
        ({"Name": "a" * 33}, "ValidationError"),
        ({"DurationSeconds": 129601}, "ValidationError"),
    ],
)
def test_what_cannot_be_asked_for_a_federated_user_is_refused(sts, members, code):
    assert refusal(sts.get_federation_token, **{"Name": "carol"} | members)[0] == code


# ---- GetAccessKeyInfo and DecodeAuthorizationMessage


def test_the_account_of_a_key_is_told(product, account, alice, sts, deploy):
    temporary = keys(assume(sts, deploy))["key_id"]

    for key_id, owner in (
        (alice["key_id"], account.id), (temporary, account.id), (product.credentials()[0], "000000000000")
    ):  # fmt: skip
        assert sts.get_access_key_info(AccessKeyId=key_id)["Account"] == owner


@pytest.mark.parametrize("key_id", ["AKIAAAAAAAAAAAAAAAAA", "x" * 16, "x" * 128])
def test_a_key_of_no_account_is_invalid(sts, key_id):
    code, message = refusal(sts.get_access_key_info, AccessKeyId=key_id)

    assert (code, message) == ("ValidationError", f"The access key {key_id} is invalid")


def test_the_account_of_a_key_is_told_to_those_who_may_ask(account):
    account.iam.create_user(UserName="bob")
    key = account.a_key("bob")

    code, message = refusal(account.client("sts", **key).get_access_key_info, AccessKeyId=key["key_id"])

    assert code == "AccessDenied"
    assert "sts:GetAccessKeyInfo on resource: *" in message


def test_why_a_request_was_refused_is_told_from_the_message(product, account, sts):
    with inside(product) as on:
        message = registry.iam.messages.encode(on, account.id, {"outcome": "implicit_deny"})

    assert json.loads(sts.decode_authorization_message(EncodedMessage=message)["DecodedMessage"]) == {
        "outcome": "implicit_deny"
    }


def test_the_message_of_another_account_is_not_read(product, account, sts):
    with inside(product) as on:
        message = registry.iam.messages.encode(on, "000000000000", {"outcome": "implicit_deny"})

    for text in (message, "nope", "x" * 10_240):
        assert refusal(sts.decode_authorization_message, EncodedMessage=text) == (
            "InvalidAuthorizationMessageException", "Message is not valid",
        )  # fmt: skip


def test_a_message_is_read_by_those_who_may(account):
    account.iam.create_user(UserName="bob")
    bob = account.client("sts", **account.a_key("bob"))

    assert refusal(bob.decode_authorization_message, EncodedMessage="x")[0] == "AccessDenied"


@pytest.mark.parametrize(
    "action", ["AssumeRoot", "AssumeRoleWithSAML", "GetDelegatedAccessToken", "GetWebIdentityToken"]
)
def test_operations_that_are_not_here_are_no_actions(product, action):
    answer = Query(product.address, *product.credentials(), "sts")(action)

    assert answer.status == 400
    assert b"<Code>InvalidAction</Code>" in answer.body


# ---- AssumeRoleWithWebIdentity: keyless CI


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def issuer(authority):
    running = Issuer(authority)
    yield running
    running.close()


@pytest.fixture(scope="module")
def keyless(authority, tmp_path_factory):
    """A product that may reach identity providers on this machine."""
    flags = ("--oidc-allow", "127.0.0.0/8", "--oidc-ca-file", str(authority.file))
    running = Product(tmp_path_factory.mktemp("keyless") / "data", *flags)
    yield running
    assert running.stop() == 0
    assert "Traceback" not in running.log.read_text()


@pytest.fixture(scope="module")
def provider(keyless, issuer):
    """The provider as IAM knows it."""
    iam = keyless.aws_client("iam")
    return iam.create_open_id_connect_provider(Url=issuer.url, ClientIDList=["sts.amazonaws.com"])[
        "OpenIDConnectProviderArn"
    ]


@pytest.fixture(scope="module")
def ci(keyless, issuer, provider):
    """A role for the jobs of one repository."""
    iam = keyless.aws_client("iam")
    condition = {
        "StringEquals": {f"{issuer.host}:aud": "sts.amazonaws.com"},
        "StringLike": {f"{issuer.host}:sub": "repo:acme/api:*"},
    }
    trust = trusting({"Federated": provider}, WEB, condition=condition)
    role = iam.create_role(RoleName="ci", AssumeRolePolicyDocument=trust)["Role"]
    iam.put_role_policy(RoleName="ci", PolicyName="own", PolicyDocument=document(*EVERYTHING))
    return role


@pytest.fixture(scope="module")
def nobody(keyless):
    """STS asked without any credentials."""
    client = boto3.client(
        "sts",
        endpoint_url=keyless.url,
        region_name="us-east-1",
        config=Config(signature_version=UNSIGNED, retries={"max_attempts": 1}, parameter_validation=False),
    )
    yield client
    client.close()


def job(issuer, **claims):
    """The token of a job of the right repository."""
    return issuer.token(issuer.claims(**{"sub": "repo:acme/api:ref:refs/heads/main"} | claims))


def with_token(nobody, role, token, **members):
    arn = role["Arn"] if isinstance(role, dict) else role
    return nobody.assume_role_with_web_identity(
        RoleArn=arn, RoleSessionName=members.pop("name", "run-1"), WebIdentityToken=token, **members
    )


def not_with_token(nobody, role, token, **members):
    return refusal(with_token, nobody=nobody, role=role, token=token, **members)


def test_a_job_becomes_a_role_without_any_key(keyless, issuer, provider, ci, nobody):
    answer = with_token(nobody, ci, job(issuer))

    arn = "arn:aws:sts::000000000000:assumed-role/ci/run-1"
    assert answer["AssumedRoleUser"] == {"AssumedRoleId": f"{ci['RoleId']}:run-1", "Arn": arn}
    assert answer["SubjectFromWebIdentityToken"] == "repo:acme/api:ref:refs/heads/main"
    assert (answer["Provider"], answer["Audience"]) == (provider, "sts.amazonaws.com")
    assert keyless.aws_client("sts", **keys(answer)).get_caller_identity()["Arn"] == arn


def test_a_job_pushes_and_pulls(keyless, issuer, ci, nobody, name):
    ecr = keyless.aws_client("ecr", **keys(with_token(nobody, ci, job(issuer))))
    ecr.create_repository(repositoryName=name)
    token = ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    repository = Registry(keyless.http(f"Basic {token}"), name)

    repository.push_image("v1")

    assert repository("GET", "/manifests/v1").status == 200
    assert repository("GET", "/tags/list").json()["tags"] == ["v1"]


def test_an_sdk_makes_the_exchange_by_itself(keyless, issuer, ci, tmp_path, monkeypatch):
    token = tmp_path / "token"
    token.write_text(job(issuer))
    for variable, value in {
        "AWS_ENDPOINT_URL": keyless.url,
        "AWS_REGION": "us-east-1",
        "AWS_ROLE_ARN": ci["Arn"],
        "AWS_ROLE_SESSION_NAME": "by-itself",
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(token),
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }.items():
        monkeypatch.setenv(variable, value)
    client = boto3.session.Session().client("sts", region_name="us-east-1")

    answer = client.get_caller_identity()

    client.close()
    assert answer["Arn"] == "arn:aws:sts::000000000000:assumed-role/ci/by-itself"


def test_policies_of_a_role_may_ask_whose_job_it_is(keyless, issuer, provider, nobody):
    iam = keyless.aws_client("iam")
    arn = iam.create_role(RoleName="main-only", AssumeRolePolicyDocument=trusting({"Federated": provider}, WEB))[
        "Role"
    ]["Arn"]
    condition = {
        "StringLike": {f"{issuer.host}:sub": "*:ref:refs/heads/main"},
        "ArnEquals": {"aws:FederatedProvider": provider},
    }
    allow = {"Effect": "Allow", "Action": "ecr:*", "Resource": "*", "Condition": condition}
    iam.put_role_policy(RoleName="main-only", PolicyName="own", PolicyDocument=document(allow))

    main = with_token(nobody, arn, job(issuer))
    other = with_token(nobody, arn, job(issuer, sub="repo:acme/api:ref:refs/heads/topic"))

    assert keyless.aws_client("ecr", **keys(main)).describe_registry()
    assert refusal(keyless.aws_client("ecr", **keys(other)).describe_registry)[0] == "AccessDeniedException"


@pytest.mark.parametrize("claims", [{"sub": "repo:evil/api:ref:refs/heads/main"}, {"sub": "repo:acme/api"}])
def test_a_job_of_another_repository_is_refused(issuer, ci, nobody, claims):
    assert not_with_token(nobody, ci, job(issuer, **claims)) == (
        "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity",
    )  # fmt: skip


def test_a_job_learns_nothing_of_which_roles_there_are(issuer, nobody, ci):
    answer = not_with_token(nobody, "arn:aws:iam::000000000000:role/gone", job(issuer))

    assert answer == ("AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity")


def test_an_account_that_is_not_there_trusts_nobody(issuer, nobody, ci):
    answer = not_with_token(nobody, "arn:aws:iam::999999999999:role/ci", job(issuer))

    assert answer == ("InvalidIdentityToken", f"No OpenIDConnect provider found in your account for {issuer.url}")


def test_each_fault_of_a_token_has_its_code(issuer, ci, nobody):
    past = {"iat": 1, "nbf": 1, "exp": 1000}
    code, message = not_with_token(nobody, ci, job(issuer, **past))
    assert code == "ExpiredTokenException"
    assert message.startswith("Token expired: current date/time ")
    assert message.endswith(" must be before the expiration date/time 1000")

    assert not_with_token(nobody, ci, job(issuer, aud="another")) == (
        "InvalidIdentityToken",
        "Incorrect token audience",
    )
    assert not_with_token(nobody, ci, "nope") == (
        "InvalidIdentityToken",
        "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)",
    )
    tags = {"https://aws.amazon.com/tags": "nope"}
    assert not_with_token(nobody, ci, job(issuer, **tags))[0] == "IDPRejectedClaim"


NO_KEY = (
    "Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity "
    "documentation for requirements"
)


def test_a_key_that_the_provider_does_not_publish_is_told(issuer, ci, nobody):
    _, rest = job(issuer).split(".", 1)
    assert not_with_token(nobody, ci, f"{part({'alg': 'RS256', 'kid': 'unknown'})}.{rest}") == (
        "InvalidIdentityToken",
        NO_KEY,
    )


def test_a_provider_that_is_down_is_told(keyless, authority, nobody):
    down = Issuer(authority)
    iam = keyless.aws_client("iam")
    iam.create_open_id_connect_provider(Url=down.url, ClientIDList=["sts.amazonaws.com"])
    token = job(down)
    down.close()

    code, message = not_with_token(nobody, "arn:aws:iam::000000000000:role/ci", token)

    assert code == "IDPCommunicationError"
    assert down.url in message


def test_a_product_that_was_not_allowed_to_does_not_reach_into_its_own_network(account, issuer):
    account.iam.create_open_id_connect_provider(Url=issuer.url, ClientIDList=["sts.amazonaws.com"])
    asked = len(issuer.asked)
    client = account.client("sts")

    answer = not_with_token(client, f"arn:aws:iam::{account.id}:role/ci", job(issuer))

    assert answer[0] == "IDPCommunicationError"
    assert len(issuer.asked) == asked


def test_a_job_asks_for_a_duration_and_a_policy(keyless, issuer, ci, nobody):
    answer = with_token(nobody, ci, job(issuer), DurationSeconds=900, Policy=READ)

    expires = answer["Credentials"]["Expiration"]
    assert abs(expires - datetime.now(UTC) - timedelta(seconds=900)) < timedelta(minutes=1)
    assert answer["PackedPolicySize"] >= 1
    ecr = keyless.aws_client("ecr", **keys(answer))
    assert ecr.describe_registry()
    assert refusal(ecr.create_repository, repositoryName="not/allowed")[0] == "AccessDeniedException"


@pytest.mark.parametrize(
    ("members", "code"),
    [
        ({"Policy": "nope"}, "MalformedPolicyDocument"),
        ({"Policy": READ[:-2] + " " * 2048 + READ[-2:]}, "ValidationError"),
        ({"PolicyArns": [{"arn": "arn:aws:iam::aws:policy/" + "x" * 1200}] * 2}, "PackedPolicyTooLarge"),
        ({"PolicyArns": [{"arn": "arn:aws:iam::aws:policy/gone-and-away"}]}, "ValidationError"),
        ({"DurationSeconds": 3601}, "ValidationError"),
        ({"DurationSeconds": 899}, "ValidationError"),
        ({"name": "a b"}, "ValidationError"),
        ({"ProviderId": "www.amazon.com"}, "InvalidIdentityToken"),
    ],
)
def test_what_a_job_cannot_ask_for_is_refused(issuer, ci, nobody, members, code):
    assert not_with_token(nobody, ci, job(issuer), **members)[0] == code


def test_a_token_that_is_too_long_is_refused_and_not_repeated(nobody, ci):
    code, message = not_with_token(nobody, ci, "secret" * 4000)

    assert code == "ValidationError"
    assert "Member must have length less than or equal to 20000" in message
    assert "secret" not in message


def test_a_job_that_was_tagged_by_its_provider_needs_a_trust_that_allows_it(issuer, ci, nobody):
    tags = {"https://aws.amazon.com/tags": {"principal_tags": {"team": ["api"]}}}

    assert not_with_token(nobody, ci, job(issuer, **tags)) == (
        "AccessDenied", "Not authorized to perform sts:TagSession",
    )  # fmt: skip


def test_a_role_of_a_job_assumes_another_for_an_hour(keyless, issuer, ci, nobody):
    chained = keyless.aws_client("sts", **keys(with_token(nobody, ci, job(issuer))))
    iam = keyless.aws_client("iam")
    arn = iam.create_role(
        RoleName="second", AssumeRolePolicyDocument=trusting({"AWS": ci["Arn"]}), MaxSessionDuration=43200
    )["Role"]["Arn"]

    assert assume(chained, arn)["AssumedRoleUser"]["Arn"].endswith("assumed-role/second/run-1")
    assert not_assumed(chained, arn, DurationSeconds=3601)[0] == "ValidationError"
