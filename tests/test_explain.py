"""Why was this refused? By the request id that every refusal carries: for people, for machines, and for the caller."""

from __future__ import annotations

import json
import re
import time

import pytest
from botocore.exceptions import ClientError

from holdfast.model.iam_advice import advice
from tests.accounts import Account
from tests.callers import Registry

SECONDS = 20
HEADER = "x-holdfast-explanation"
LOGIN = {"Effect": "Allow", "Action": "ecr:GetAuthorizationToken", "Resource": "*"}


def refused(call, **members):
    """The whole answer to a boto3 call that is refused, with its message and its headers."""
    with pytest.raises(ClientError) as caught:
        call(**members)
    response = caught.value.response
    metadata = response["ResponseMetadata"]
    return metadata["RequestId"], response["Error"]["Message"], metadata["HTTPHeaders"]


def explain(product, request_id, *flags):
    """What the command prints, once the refusal is written down."""
    deadline = time.monotonic() + SECONDS
    while (ended := product.cli("explain", request_id, *flags)).returncode and time.monotonic() < deadline:
        time.sleep(0.2)
    assert ended.returncode == 0, ended
    return ended.stdout


def explained(product, request_id):
    """The same as a document."""
    return json.loads(explain(product, request_id, "--json"))


def arn_of(account, name):
    return f"arn:aws:ecr:us-east-1:{account.id}:repository/{name}"


def user_arn(account, user):
    return f"arn:aws:iam::{account.id}:user/{user}"


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


@pytest.fixture
def alice(account):
    """A user who may log in, and nothing else."""
    return account.a_user("alice", [LOGIN])


# ---- holdfast explain


def test_a_refused_call_is_explained_for_people(product, account, alice, name):
    request_id, message, _ = refused(account.client("ecr", **alice).create_repository, repositoryName=name)

    text = explain(product, request_id)

    assert f"Request {request_id} was refused at " in text
    assert message in text
    assert f"  who       {user_arn(account, 'alice')}\n" in text
    assert "What is missing is an Allow in: identity-based policy." in text
    assert re.search(r"^  aws:sourceip +127\.0\.0\.1$", text, re.MULTILINE)
    assert re.search(r"^  aws:username +alice$", text, re.MULTILINE)


def test_what_is_advised_helps_when_it_is_pasted(product, account, alice, name):
    ecr = account.client("ecr", **alice)
    request_id, _, _ = refused(ecr.create_repository, repositoryName=name)

    [first, *_] = explained(product, request_id)["advice"]
    account.iam.put_user_policy(UserName="alice", PolicyName="advised", PolicyDocument=policy(first["statement"]))

    assert first["where"] == f"Add to an identity-based policy of {user_arn(account, 'alice')}"
    assert ecr.create_repository(repositoryName=name)["repository"]["repositoryName"] == name


def test_what_is_advised_for_the_repository_helps_too(product, account, alice, name):
    account.client("ecr").create_repository(repositoryName=name)
    ecr = account.client("ecr", **alice)
    request_id, _, _ = refused(ecr.list_images, repositoryName=name)

    [_, second] = explained(product, request_id)["advice"]
    account.client("ecr").set_repository_policy(repositoryName=name, policyText=policy(second["statement"]))

    assert second["where"] == f"Or add to the repository policy of {arn_of(account, name)}"
    assert ecr.list_images(repositoryName=name)["imageIds"] == []


def test_the_statement_that_denies_is_named(product, account, name):
    deny = {"Sid": "NotOnFridays", "Effect": "Deny", "Action": "ecr:Delete*", "Resource": "*"}
    bob = account.a_user("bob", [{"Effect": "Allow", "Action": "ecr:*", "Resource": "*"}, deny])
    request_id, message, _ = refused(account.client("ecr", **bob).delete_repository, repositoryName=name)

    document, text = explained(product, request_id), explain(product, request_id)

    assert document["outcome"] == "explicit_deny"
    assert document["statements"] == [
        {"type": "identity", "source": "inline policy own of user bob", "statement": "NotOnFridays", "effect": "Deny"}
    ]
    assert document["requestId"] == request_id
    assert document["action"] == "ecr:DeleteRepository"
    assert document["resource"] == arn_of(account, name)
    assert message.endswith(document["reason"])
    assert "  Deny by statement NotOnFridays of inline policy own of user bob (identity-based policy)" in text
    assert "A Deny wins over every Allow" in text


def test_both_sides_are_asked_for_across_accounts(product, account, name):
    other = Account(product, f"{(int(account.id) + 2) % 10**12:012}")
    bob = other.a_user("bob", [LOGIN])
    ecr, members = other.client("ecr", **bob), {"registryId": account.id, "repositoryName": name}
    account.client("ecr").create_repository(repositoryName=name)
    request_id, _, _ = refused(ecr.list_images, **members)

    document = explained(product, request_id)
    theirs, ours = document["advice"][0], next(one for one in document["advice"] if "identity" in one["where"])
    account.client("ecr").set_repository_policy(repositoryName=name, policyText=policy(theirs["statement"]))
    other.iam.put_user_policy(UserName="bob", PolicyName="advised", PolicyDocument=policy(ours["statement"]))

    assert set(document["missing"]) == {"resource", "identity"}
    assert ecr.list_images(**members)["imageIds"] == []


def test_a_refused_pull_is_explained_by_the_id_that_docker_shows(product, account, alice, name):
    token = account.client("ecr", **alice).get_authorization_token()["authorizationData"][0]["authorizationToken"]
    answer = Registry(product.http(f"Basic {token}"), name)("GET", "/manifests/v1", user_agent="docker/28.0")

    document = explained(product, answer.headers["x-request-id"])

    assert document["action"] == "ecr:BatchGetImage"
    assert answer.message.endswith(document["reason"])
    assert document["context"]["aws:useragent"] == "docker/28.0"


def test_a_session_is_explained_by_its_role(product, account, name):
    trust = policy({"Effect": "Allow", "Principal": {"AWS": account.id}, "Action": "sts:AssumeRole"})
    role = account.iam.create_role(RoleName="deploy", Path="/ci/", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    carol = account.a_user("carol")
    told = account.client("sts", **carol).assume_role(RoleArn=role, RoleSessionName="run")["Credentials"]
    session = {"key_id": told["AccessKeyId"], "secret": told["SecretAccessKey"], "session_token": told["SessionToken"]}
    request_id, _, _ = refused(account.client("ecr", **session).create_repository, repositoryName=name)

    document = explained(product, request_id)

    assert document["principal"] == f"arn:aws:sts::{account.id}:assumed-role/deploy/run"
    assert document["advice"][0]["where"] == f"Add to an identity-based policy of {role}"


def test_a_role_that_does_not_trust_is_explained(product, account, alice):
    trust = policy({"Effect": "Allow", "Principal": {"AWS": user_arn(account, "nobody")}, "Action": "sts:AssumeRole"})
    account.a_user("nobody")
    role = account.iam.create_role(RoleName="deploy", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    request_id, _, _ = refused(account.client("sts", **alice).assume_role, RoleArn=role, RoleSessionName="run")

    wheres = [one["where"] for one in explained(product, request_id)["advice"]]

    assert f"Add to the trust policy of {role}" in wheres


def test_an_unknown_request_is_no_refusal(product):
    ended = product.cli("explain", "00000000-0000-4000-a000-000000000000")

    assert ended.returncode == 1
    assert ended.stdout == ""
    assert "No refusal of the request" in ended.stderr


@pytest.mark.parametrize("kind", ["boundary", "session", "guardrail", "endpoint"])
def test_every_kind_of_policy_has_advice(kind):
    told = {"outcome": "implicit_deny", "missing": [kind], "action": "ecr:PutImage", "resource": "*",
            "principal": "arn:aws:iam::000000000000:user/x", "context": {}}  # fmt: skip

    [one] = advice(told)

    assert "Allow it in the " in one.where
    assert one.statement == {"Effect": "Allow", "Action": "ecr:PutImage", "Resource": "*"}


# ---- Each refusal, in the log


def test_each_refusal_is_a_line_of_the_log(product, account, alice, name):
    request_id, _, _ = refused(account.client("ecr", **alice).create_repository, repositoryName=name)

    [line] = [line for line in product.log.read_text().splitlines() if request_id in line]

    assert line.endswith(f"INFO request {request_id}: {user_arn(account, 'alice')} may not ecr:CreateRepository on "
                         f"{arn_of(account, name)}: implicit_deny")  # fmt: skip


def test_what_a_client_says_makes_no_line_of_the_log(product, account, alice):
    forged = "2030-01-01 00:00:00,000 INFO all is well"
    task = f"task/aws-service-role/x.amazonaws.com/\n{forged}\r\x1b[2K/0"
    refused(account.client("iam", **alice).get_service_linked_role_deletion_status, DeletionTaskId=task)

    written = product.log.read_bytes().decode()

    assert forged in written
    assert not re.search(rf"[\n\r]{forged}", written)
    assert "\x1b" not in written


# ---- aws sts decode-authorization-message


def test_the_account_of_who_is_refused_decodes_why(account, alice, name):
    _, message, headers = refused(account.client("ecr", **alice).create_repository, repositoryName=name)

    decoded = account.client("sts").decode_authorization_message(EncodedMessage=headers[HEADER])["DecodedMessage"]

    document = json.loads(decoded)
    assert len(headers[HEADER]) <= 4096
    assert document["outcome"] == "implicit_deny"
    assert document["missing"] == ["identity"]
    assert message.endswith(document["reason"])


def test_a_refused_call_of_iam_carries_an_explanation_too(account, alice):
    _, _, headers = refused(account.client("iam", **alice).list_users)

    decoded = account.client("sts").decode_authorization_message(EncodedMessage=headers[HEADER])["DecodedMessage"]

    assert json.loads(decoded)["action"] == "iam:ListUsers"


def test_another_account_cannot_decode_it(product, account, alice, name):
    other = Account(product, f"{(int(account.id) + 3) % 10**12:012}")
    _, _, headers = refused(account.client("ecr", **alice).create_repository, repositoryName=name)

    with pytest.raises(ClientError, match="InvalidAuthorizationMessage"):
        other.client("sts").decode_authorization_message(EncodedMessage=headers[HEADER])


def test_of_another_accounts_policies_nothing_is_told(product, account, name):
    other = Account(product, f"{(int(account.id) + 4) % 10**12:012}")
    bob = other.a_user("bob")
    account.client("ecr").create_repository(repositoryName=name, tags=[{"Key": "price", "Value": "secret"}])
    deny = {"Sid": "KeepBobOut", "Effect": "Deny", "Principal": "*", "Action": "ecr:ListImages"}
    account.client("ecr").set_repository_policy(repositoryName=name, policyText=policy(deny))
    members = {"registryId": account.id, "repositoryName": name}
    request_id, _, headers = refused(other.client("ecr", **bob).list_images, **members)

    theirs = other.client("sts").decode_authorization_message(EncodedMessage=headers[HEADER])["DecodedMessage"]

    assert "KeepBobOut" not in theirs
    assert "price" not in theirs
    assert json.loads(theirs)["outcome"] == "implicit_deny"
    assert set(json.loads(theirs)["missing"]) == {"resource"}
    assert explained(product, request_id)["statements"][0]["statement"] == "KeepBobOut"


def test_a_long_context_is_left_out_of_the_header(account, alice, name):
    members = {
        "repositoryName": name,
        "tags": [{"Key": f"k{n}" + "x" * 100, "Value": f"{n * n}" * 60} for n in range(50)],
    }

    _, _, headers = refused(account.client("ecr", **alice).create_repository, **members)
    decoded = account.client("sts").decode_authorization_message(EncodedMessage=headers[HEADER])["DecodedMessage"]

    assert len(headers[HEADER]) <= 4096
    assert json.loads(decoded)["outcome"] == "implicit_deny"


def test_who_is_not_known_is_told_nothing(product, account, name):
    answer = product.http("")("GET", f"/v2/{name}/manifests/v1")

    assert answer.status == 401
    assert HEADER not in answer.headers
