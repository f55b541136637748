"""Guardrails: what the operator forbids binds everybody of an account, whatever its policies say."""

from __future__ import annotations

import json
import time

import pytest

from tests.accounts import Account
from tests.callers import Http, Registry, refusal

SECONDS = 20
EVERYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}
NO_DELETES = {"Effect": "Deny", "Action": "ecr:DeleteRepository", "Resource": "*"}
PREFIX = "arn:aws:organizations::"


@pytest.fixture
def guard(tmp_path, request):
    """Sets a guardrail by the command line; what it said."""

    def put(account, name, *statements, level=None, product=None):
        file = tmp_path / f"{name}.json"
        file.write_text(json.dumps({"Version": "2012-10-17", "Statement": statements}))
        ended = (product or account.product).cli("account", "put-guardrail", level or account.id, name, str(file))
        assert ended.returncode == 0, ended
        return ended.stdout

    return put


def said(ended):
    return ended.returncode, ended.stdout.splitlines(), ended.stderr.strip()


def test_a_deny_binds_the_root_too_and_names_itself(account, guard):
    ecr = account.client("ecr")
    ecr.create_repository(repositoryName="kept")

    told = guard(account, "no-deletes", NO_DELETES)
    root = refusal(ecr.delete_repository, repositoryName="kept")
    user = account.client("ecr", **account.a_user("alice", [EVERYTHING]))
    by_user = refusal(user.delete_repository, repositoryName="kept")

    ending = (
        "is not authorized to perform: ecr:DeleteRepository on resource: "
        f"arn:aws:ecr:us-east-1:{account.id}:repository/kept with an explicit deny in a service control policy: "
        f"{PREFIX}{account.id}:policy/o-holdfast/service_control_policy/p-no-deletes"
    )
    assert "FullAWSAccess stands beside it" in told
    assert root == ("AccessDeniedException", f"User: arn:aws:iam::{account.id}:root {ending}")
    assert by_user == ("AccessDeniedException", f"User: arn:aws:iam::{account.id}:user/alice {ending}")
    assert user.describe_repositories()["repositories"]  # all else stays as it was


def test_a_guardrail_binds_its_account_only_and_until_it_is_taken_away(account, strangers, guard):
    guard(account, "no-deletes", NO_DELETES)
    for one in (account, strangers):
        one.client("ecr").create_repository(repositoryName="kept")

    strangers.client("ecr").delete_repository(repositoryName="kept")
    account.product.cli("account", "delete-guardrail", account.id, "no-deletes")

    account.client("ecr").delete_repository(repositoryName="kept")


def test_a_list_of_allows_is_all_that_goes(account, guard):
    guard(account, "reads", {"Effect": "Allow", "Action": ["ecr:Describe*", "sts:*"], "Resource": "*"})
    product, ecr = account.product, account.client("ecr")
    ecr.create_repository(repositoryName="before")

    ended = product.cli("account", "delete-guardrail", account.id, "FullAWSAccess")
    refused = refusal(ecr.create_repository, repositoryName="after")
    last = product.cli("account", "delete-guardrail", account.id, "reads")

    assert ended.returncode == 0
    assert refused[1].endswith("because no service control policy allows the ecr:CreateRepository action")
    assert ecr.describe_repositories()["repositories"]
    assert last.returncode == 1
    assert f"holdfast account put-guardrail {account.id} FullAWSAccess" in last.stderr
    assert product.cli("account", "put-guardrail", account.id, "FullAWSAccess").returncode == 0
    ecr.create_repository(repositoryName="after")


def test_docker_is_bound_as_well(account, guard):
    login = account.client("ecr").get_authorization_token()["authorizationData"][0]["authorizationToken"]
    repository = Registry(Http(account.product.address, f"Basic {login}"), "pushed")
    account.client("ecr").create_repository(repositoryName="pushed")
    repository.push_image("v1", seed="a")

    guard(account, "no-pulls", {"Effect": "Deny", "Action": "ecr:BatchGetImage", "Resource": "*"})
    answer = repository("GET", "/manifests/v1")

    assert (answer.status, answer.code) == (403, "DENIED")


def test_sessions_are_bound_and_so_is_assuming(account, guard):
    trust = {"Effect": "Allow", "Principal": {"AWS": account.id}, "Action": "sts:AssumeRole"}
    document = json.dumps({"Version": "2012-10-17", "Statement": trust})
    arn = account.iam.create_role(RoleName="deploy", AssumeRolePolicyDocument=document)["Role"]["Arn"]
    everything = json.dumps({"Version": "2012-10-17", "Statement": EVERYTHING})
    account.iam.put_role_policy(RoleName="deploy", PolicyName="all", PolicyDocument=everything)
    sts = account.client("sts", **account.a_user("alice", [EVERYTHING]))
    made = sts.assume_role(RoleArn=arn, RoleSessionName="run")["Credentials"]
    session = account.client("ecr", key_id=made["AccessKeyId"], secret=made["SecretAccessKey"],
                             session_token=made["SessionToken"])  # fmt: skip
    session.create_repository(repositoryName="kept")

    guard(account, "narrow", NO_DELETES, {"Effect": "Deny", "Action": "sts:AssumeRole", "Resource": "*"})

    for call, members in (
        (session.delete_repository, {"repositoryName": "kept"}),
        (sts.assume_role, {"RoleArn": arn, "RoleSessionName": "run"}),
    ):
        assert "with an explicit deny in a service control policy" in refusal(call, **members)[1]
    assert sts.get_caller_identity()["Account"] == account.id  # which nobody can be denied


def test_conditions_are_asked_of_each_request(account, guard):
    tagged = {"Effect": "Deny", "Action": "ecr:CreateRepository", "Resource": "*",
              "Condition": {"Null": {"aws:RequestTag/team": "true"}}}  # fmt: skip
    guard(account, "tags", tagged)
    ecr = account.client("ecr")

    refused = refusal(ecr.create_repository, repositoryName="one")[0]
    ecr.create_repository(repositoryName="one", tags=[{"Key": "team", "Value": "red"}])

    assert refused == "AccessDeniedException"
    assert refusal(ecr.create_repository, repositoryName="two")[0] == "AccessDeniedException"


def test_one_for_all_binds_every_account_on_every_worker(start, guard):
    product = start("--workers", "2")
    accounts = [Account(product, "111122223333"), Account(product, "444455556666")]
    for one in accounts:
        one.client("ecr").create_repository(repositoryName="kept")

    guard(accounts[0], "no-deletes", NO_DELETES, level="all")

    for one in accounts * 4:  # on connections that may reach either worker
        code, message = refusal(one.client("ecr").delete_repository, repositoryName="kept")
        assert (code, f"{PREFIX}all:policy" in message) == ("AccessDeniedException", True)
    assert "no-deletes" in product.cli("account", "list-guardrails").stdout


def test_a_simulation_tells_what_guardrails_say(account, guard):
    account.a_user("alice", [EVERYTHING])
    guard(account, "no-deletes", NO_DELETES)

    answers = account.iam.simulate_principal_policy(
        PolicySourceArn=f"arn:aws:iam::{account.id}:user/alice",
        ActionNames=["ecr:DeleteRepository", "ecr:DescribeRepositories"],
    )["EvaluationResults"]

    told = [(one["EvalDecision"], one["OrganizationsDecisionDetail"]["AllowedByOrganizations"]) for one in answers]
    assert told == [("explicitDeny", False), ("allowed", True)]


def test_an_explanation_names_the_guardrail(account, guard):
    guard(account, "no-deletes", NO_DELETES)
    with pytest.raises(Exception, match="service control policy") as caught:
        account.client("ecr").delete_repository(repositoryName="none")
    request_id = caught.value.response["ResponseMetadata"]["RequestId"]

    deadline = time.monotonic() + SECONDS
    while (ended := account.product.cli("explain", request_id)).returncode and time.monotonic() < deadline:
        time.sleep(0.2)

    assert "service_control_policy/p-no-deletes (service control policy)" in ended.stdout


@pytest.mark.parametrize(
    ("level", "name", "text", "message"),
    [
        ("999999999999", "a", json.dumps({"Version": "2012-10-17", "Statement": EVERYTHING}), "There is no account"),
        ("all", "a b", json.dumps({"Version": "2012-10-17", "Statement": EVERYTHING}), "The name 'a b' is not valid"),
        ("all", "a", "{", "is no service control policy: Syntax errors in policy."),
        ("all", "a", json.dumps({"Version": "2012-10-17", "Statement": {**EVERYTHING, "Principal": "*"}}),
         "Policy document should not specify a principal."),
        ("all", "a", json.dumps({"Version": "2012-10-17", "Statement": {**EVERYTHING, "Sid": "a" * 10_240}}),
         "10240 is the most"),
        ("all", "FullAWSAccess", json.dumps({"Version": "2012-10-17", "Statement": EVERYTHING}), "is AWS's own"),
    ],
)  # fmt: skip
def test_what_is_no_guardrail_is_refused_and_not_kept(product, tmp_path, level, name, text, message):
    file = tmp_path / "policy.json"
    file.write_text(text)

    status, out, error = said(product.cli("account", "put-guardrail", level, name, str(file)))

    assert (status, out, message in error) == (1, [], True), error
    assert said(product.cli("account", "show-guardrail", level, name))[0] == 1


def test_a_guardrail_is_shown_as_it_was_written(account, guard):
    guard(account, "no-deletes", NO_DELETES)

    status, [line], _ = said(account.product.cli("account", "show-guardrail", account.id, "no-deletes"))

    assert (status, json.loads(line)) == (0, {"Version": "2012-10-17", "Statement": [NO_DELETES]})
