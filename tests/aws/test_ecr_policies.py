"""Policies of repositories and of the registry, as AWS's own client sees them."""

import json

import pytest

from tests.callers import refusal

ACCOUNT = "000000000000"
OTHER = "111122223333"
STATEMENT = {"Sid": "pull", "Effect": "Allow", "Principal": {"AWS": OTHER}, "Action": ["ecr:BatchGetImage"]}
TEXT = '{ "Statement" : [' + json.dumps(STATEMENT) + '],\n  "Version":"2008-10-17" }'
INVALID = "InvalidParameterException"
CONSTRAINT = "Invalid parameter at 'PolicyText' failed to satisfy constraint: '{}'"
TOO_LONG = CONSTRAINT.replace("PolicyText", "policyText").format("Member must have length less than or equal to 10240")


def policy(**members):
    """A policy of one statement with some members changed."""
    return json.dumps({"Version": "2012-10-17", "Statement": [STATEMENT | members]})


def on_registry(action="ecr:ReplicateImage", **members):
    return policy(Action=action, Resource=f"arn:aws:ecr:*:{ACCOUNT}:repository/*", **members)


def whole(answer):
    """An answer without what boto3 adds."""
    return {key: value for key, value in answer.items() if key != "ResponseMetadata"}


# ---- Of a repository


def test_a_policy_is_given_back_to_the_letter(product, name):
    ecr = product.ecr()
    ecr.create_repository(repositoryName=name)

    put = ecr.set_repository_policy(repositoryName=name, policyText=TEXT)
    got = ecr.get_repository_policy(repositoryName=name)
    deleted = ecr.delete_repository_policy(repositoryName=name)

    expected = {"registryId": ACCOUNT, "repositoryName": name, "policyText": TEXT}
    assert [whole(answer) for answer in (put, got, deleted)] == [expected] * 3


def test_a_policy_replaces_the_one_before(product, name):
    ecr = product.ecr()
    ecr.create_repository(repositoryName=name)
    ecr.set_repository_policy(repositoryName=name, policyText=TEXT)

    ecr.set_repository_policy(repositoryName=name, policyText=policy(), registryId=ACCOUNT)

    assert ecr.get_repository_policy(repositoryName=name)["policyText"] == policy()


@pytest.mark.parametrize("operation", ["get_repository_policy", "delete_repository_policy"])
def test_a_repository_without_a_policy_has_none(product, name, operation):
    ecr = product.ecr()
    ecr.create_repository(repositoryName=name)
    ecr.set_repository_policy(repositoryName=name, policyText=TEXT)
    ecr.delete_repository_policy(repositoryName=name)

    answer = refusal(getattr(ecr, operation), repositoryName=name)

    assert answer == (
        "RepositoryPolicyNotFoundException",
        f"Repository policy does not exist for the repository with name '{name}' in the registry with id '{ACCOUNT}'",
    )


@pytest.mark.parametrize(
    ("operation", "members"),
    [
        ("set_repository_policy", {"policyText": TEXT}),
        ("get_repository_policy", {}),
        ("delete_repository_policy", {}),
    ],
)
def test_a_repository_that_is_not_there_has_no_policy_either(product, operation, members):
    answer = refusal(getattr(product.ecr(), operation), repositoryName="not/there", **members)

    assert answer == (
        "RepositoryNotFoundException",
        f"The repository with name 'not/there' does not exist in the registry with id '{ACCOUNT}'",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", CONSTRAINT.format("Invalid repository policy provided")),
        ("{}", CONSTRAINT.format("Invalid repository policy provided")),
        (policy(Action="s3:GetObject"), CONSTRAINT.format("Invalid repository policy provided")),
        (policy(Principal={"AWS": "nobody"}), CONSTRAINT.format("Invalid repository policy provided")),
        (policy(Sid="x" * 10_240), TOO_LONG),
    ],
    ids=["empty", "no-statement", "not-ecr", "no-principal", "too-long"],
)
def test_what_is_no_policy_is_refused_and_changes_nothing(product, name, text, message):
    ecr = product.ecr()
    ecr.create_repository(repositoryName=name)
    ecr.set_repository_policy(repositoryName=name, policyText=TEXT)

    answer = refusal(ecr.set_repository_policy, repositoryName=name, policyText=text)

    assert answer == (INVALID, message)
    assert ecr.get_repository_policy(repositoryName=name)["policyText"] == TEXT


def test_a_policy_may_be_as_long_as_ecr_lets_it(product, name):
    ecr = product.ecr()
    ecr.create_repository(repositoryName=name)
    text = TEXT + " " * (10_240 - len(TEXT))

    ecr.set_repository_policy(repositoryName=name, policyText=text)

    assert ecr.get_repository_policy(repositoryName=name)["policyText"] == text


@pytest.mark.parametrize("principal", ["*", {"AWS": ACCOUNT}, {"AWS": f"arn:aws:iam::{ACCOUNT}:root"}])
def test_a_policy_that_locks_its_author_out_is_kept_only_by_force(product, name, principal):
    ecr = product.ecr()
    ecr.create_repository(repositoryName=name)
    text = policy(Effect="Deny", Principal=principal, Action="ecr:*")

    code, message = refusal(ecr.set_repository_policy, repositoryName=name, policyText=text)

    assert code == INVALID
    assert message.startswith("Invalid parameter at 'PolicyText'")
    assert "Invalid repository policy provided" not in message  # Terraform would try that again
    assert refusal(ecr.get_repository_policy, repositoryName=name)[0] == "RepositoryPolicyNotFoundException"
    ecr.set_repository_policy(repositoryName=name, policyText=text, force=True)
    assert ecr.get_repository_policy(repositoryName=name)["policyText"] == text


@pytest.mark.parametrize(
    "members",
    [
        {"Principal": {"AWS": OTHER}, "Action": "ecr:*"},
        {"Principal": "*", "Action": "ecr:DeleteRepository"},
        {"Principal": "*", "Action": "ecr:*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
    ],
)
def test_a_policy_that_denies_others_or_sometimes_needs_no_force(product, name, members):
    ecr = product.ecr()
    ecr.create_repository(repositoryName=name)

    ecr.set_repository_policy(repositoryName=name, policyText=policy(Effect="Deny", **members))

    assert ecr.get_repository_policy(repositoryName=name)["policyText"] == policy(Effect="Deny", **members)


def test_a_repository_that_is_made_again_has_no_policy(product, name):
    ecr = product.ecr()
    ecr.create_repository(repositoryName=name)
    ecr.set_repository_policy(repositoryName=name, policyText=TEXT)
    ecr.delete_repository(repositoryName=name)

    ecr.create_repository(repositoryName=name)

    assert refusal(ecr.get_repository_policy, repositoryName=name)[0] == "RepositoryPolicyNotFoundException"


# ---- Of the registry


def test_the_policy_of_a_registry_is_given_back_to_the_letter(product, region):
    ecr, text = product.ecr(region), " " + on_registry()

    put = ecr.put_registry_policy(policyText=text)
    got = ecr.get_registry_policy()
    deleted = ecr.delete_registry_policy()

    assert [whole(answer) for answer in (put, got, deleted)] == [{"registryId": ACCOUNT, "policyText": text}] * 3


def test_the_policy_of_a_registry_is_that_of_one_region(product, region):
    product.ecr(region).put_registry_policy(policyText=on_registry())

    code, _ = refusal(product.ecr(f"{region}-2").get_registry_policy)

    assert code == "RegistryPolicyNotFoundException"


@pytest.mark.parametrize("operation", ["get_registry_policy", "delete_registry_policy"])
def test_a_registry_without_a_policy_has_none(product, region, operation):
    ecr = product.ecr(region)
    ecr.put_registry_policy(policyText=on_registry())
    ecr.delete_registry_policy()

    answer = refusal(getattr(ecr, operation))

    assert answer == (
        "RegistryPolicyNotFoundException",
        f"Registry policy does not exist in the registry with id '{ACCOUNT}'",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", CONSTRAINT.format("Invalid registry policy provided")),
        (policy(), CONSTRAINT.format("Invalid registry policy provided")),
        (on_registry("iam:PassRole"), CONSTRAINT.format("Invalid registry policy provided")),
        (on_registry(Sid="x" * 10_240), TOO_LONG),
    ],
    ids=["empty", "no-resource", "not-ecr", "too-long"],
)
def test_what_is_no_policy_of_a_registry_is_refused_and_changes_nothing(product, region, text, message):
    ecr = product.ecr(region)
    ecr.put_registry_policy(policyText=on_registry())

    answer = refusal(ecr.put_registry_policy, policyText=text)

    assert answer == (INVALID, message)
    assert ecr.get_registry_policy()["policyText"] == on_registry()


def test_in_the_older_scope_the_policy_of_a_registry_has_three_actions(product, region):
    ecr = product.ecr(region)
    ecr.put_account_setting(name="REGISTRY_POLICY_SCOPE", value="V1")

    code, message = refusal(ecr.put_registry_policy, policyText=on_registry("ecr:*"))

    assert (code, message) == (INVALID, CONSTRAINT.format("Invalid registry policy provided"))
    assert refusal(ecr.get_registry_policy)[0] == "RegistryPolicyNotFoundException"
    ecr.put_registry_policy(policyText=on_registry(["ecr:ReplicateImage", "ecr:CreateRepository"]))
    ecr.put_account_setting(name="REGISTRY_POLICY_SCOPE", value="V2")
    ecr.put_registry_policy(policyText=on_registry("ecr:*"))
