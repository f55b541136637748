"""Whom a statement means, and by which class."""

import pytest

from holdfast.model import iam
from holdfast.model.iam import documents, principals
from holdfast.model.iam.principals import ACCOUNT, DIRECT, FEDERATED, NOBODY, STAR
from holdfast.model.iam.principals import ROLE as BEHIND
from holdfast.model.iam.principals import SERVICE as BY_SERVICE
from tests.model.iam.builders import FEDERATED as FEDERATED_ARN
from tests.model.iam.builders import HOME, OTHER, ROLE, ROOT, SESSION, USER, principal_of

USER_ID, ROLE_ID = "AIDACKCEVSQ6C2EXAMPLE", "AROADBQP57FF2AEXAMPLE"
PATHED = f"arn:aws:iam::{HOME}:role/build/ci"
PROVIDER = f"arn:aws:iam::{HOME}:oidc-provider/gitlab.example"


def classes(principal, *listed):
    """The classes by which a statement means somebody; what it lists is of the kind AWS, or `Kind:principal`."""
    pairs = tuple(
        tuple(text.split("=", 1)) if text.partition("=")[0] in documents.PRINCIPAL_KINDS else ("AWS", text)
        for text in listed
    )
    who = principal_of(principal) if isinstance(principal, str) else principal
    return who.classes(principals.listed_names(documents.Principals(pairs)))


@pytest.mark.parametrize(
    ("principal", "listed", "found"),
    [
        (USER, "*", STAR),
        (USER, USER, DIRECT),
        (USER, USER.replace("alice", "bob"), NOBODY),
        (USER, USER.replace("alice", "Alice"), NOBODY),
        (USER, USER.replace("alice", "*"), NOBODY),
        (USER, USER.replace("user/", "user/path/"), NOBODY),
        (USER, HOME, ACCOUNT),
        (USER, ROOT, ACCOUNT),
        (USER, ROOT.replace("arn:aws:", "arn:aws-cn:"), ACCOUNT),
        (USER, OTHER, NOBODY),
        (USER, f"{HOME}:root", NOBODY),
        (USER, f"arn:aws:iam::{HOME}", NOBODY),
        (USER, f"arn:aws:iam::{HOME}:group/admins", NOBODY),
        (USER, "Service=codebuild.amazonaws.com", NOBODY),
        (USER, f"Service={USER}", NOBODY),
        (USER, f"CanonicalUser={HOME}", NOBODY),
        (ROOT, ROOT, ACCOUNT | DIRECT),
        (ROOT, HOME, ACCOUNT | DIRECT),
        (ROOT, USER, NOBODY),
        (SESSION, SESSION, DIRECT),
        (SESSION, SESSION.replace("r1", "r2"), NOBODY),
        (SESSION, SESSION.replace("r1", "*"), NOBODY),
        (SESSION, ROLE, BEHIND),
        (SESSION, PATHED, BEHIND),
        (SESSION, ROLE.replace("ci", "cd"), NOBODY),
        (SESSION, ROLE.replace(HOME, OTHER), NOBODY),
        (SESSION, USER.replace("alice", "ci"), NOBODY),
        (SESSION, ROOT, ACCOUNT),
        (FEDERATED_ARN, FEDERATED_ARN, DIRECT),
        (FEDERATED_ARN, USER, BEHIND),
        (FEDERATED_ARN, USER.replace("alice", "bob"), NOBODY),
        (FEDERATED_ARN, HOME, ACCOUNT),
        ("codebuild.amazonaws.com", "Service=codebuild.amazonaws.com", BY_SERVICE),
        ("codebuild.amazonaws.com", "Service=lambda.amazonaws.com", NOBODY),
        ("codebuild.amazonaws.com", "codebuild.amazonaws.com", NOBODY),
        ("codebuild.amazonaws.com", "*", STAR),
        ("codebuild.amazonaws.com", HOME, NOBODY),
        (PROVIDER, f"Federated={PROVIDER}", FEDERATED),
        (PROVIDER, f"Federated={PROVIDER}x", NOBODY),
        (PROVIDER, PROVIDER, NOBODY),
        (PROVIDER, HOME, NOBODY),
        (PROVIDER, "*", STAR),
        ("", "*", STAR),
        ("", HOME, NOBODY),
    ],
)
def test_a_statement_means_a_principal_by_a_class(principal, listed, found):
    assert classes(principal, listed) == found


def test_a_statement_may_mean_a_principal_in_several_ways():
    assert classes(USER, "*", USER, HOME, ROLE) == STAR | DIRECT | ACCOUNT


def test_a_user_is_meant_by_its_id():
    user = iam.Principal("user", USER, HOME, USER_ID)

    assert classes(user, USER_ID) == DIRECT
    assert classes(user, ROLE_ID) == NOBODY


def test_a_session_is_meant_by_the_id_of_its_role_and_only_by_its_own_role():
    session = iam.Principal("session", SESSION, HOME, f"{ROLE_ID}:r1", PATHED)

    assert classes(session, ROLE_ID) == BEHIND
    assert classes(session, PATHED) == BEHIND
    assert classes(session, ROLE) == NOBODY


def test_a_federated_user_is_meant_by_the_user_who_asked_whatever_it_is_called():
    by_id = iam.Principal("federated-user", FEDERATED_ARN, HOME, user_id=USER_ID)
    by_arn = iam.Principal("federated-user", FEDERATED_ARN, HOME, user_arn=USER.replace("alice", "bob"))

    assert classes(by_id, USER_ID) == BEHIND
    assert classes(by_id, USER) == NOBODY
    assert classes(by_arn, USER.replace("alice", "bob")) == BEHIND
    assert classes(by_arn, USER) == NOBODY


@pytest.mark.parametrize("arn", ["", "nobody", "arn:aws:sts::1:assumed-role", "arn:aws:sts::1:x:y"])
def test_an_arn_that_is_none_means_nobody_by_accident(arn):
    session = iam.Principal("session", arn, HOME)

    assert classes(session, ROLE, USER) == NOBODY


@pytest.mark.parametrize("text", ["*", HOME, ROOT, USER, ROLE, PATHED, SESSION, FEDERATED_ARN, USER_ID, ROLE_ID])
def test_what_may_stand_as_a_principal(text):
    assert iam.is_aws_principal(text)


@pytest.mark.parametrize(
    "text", ["", "nobody", "1111", f"arn:aws:iam::{HOME}:group/x", "arn:aws:iam::*:root", USER + "*", "AGPA" + "A" * 17]
)
def test_what_may_not_stand_as_a_principal(text):
    assert not iam.is_aws_principal(text)
