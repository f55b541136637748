"""A change of who may do what holds for the very next request, whichever worker answers it."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest

from tests import builders
from tests.accounts import Account
from tests.callers import Http, Registry, login_token, refusal
from tests.conftest import Product
from tests.grants import DENIED, LOGIN, PULL, PULL_ONLY, PUSH, UPLOAD, allow, deny, docker, grant, policy, sentence

CONNECTIONS = 24
INVALID = ("UnrecognizedClientException", "The security token included in the request is invalid.")


@pytest.fixture(scope="module")
def busy(tmp_path_factory):
    """A product of three workers."""
    running = Product(tmp_path_factory.mktemp("busy") / "data", "--workers", "3")
    yield running
    assert running.stop() == 0


@pytest.fixture
def account(busy, request):
    number = int(builders.digest(request.node.nodeid.encode())[7:], 16)
    return Account(busy, f"{number % 10**12:012}")


@pytest.fixture
def user(account, name):
    """A user who may log in, and a repository with an image."""
    account.client("ecr").create_repository(repositoryName=name)
    docker(account, account.root, name).push_image("v1")
    return account.a_user("somebody", [LOGIN], Path="/team/", Tags=[{"Key": "team", "Value": "red"}])


class Crowd:
    """One login on many connections: every worker has some of them."""

    def __init__(self, account, credentials, repository):
        authorization = docker(account, credentials, repository).http.authorization
        self._connections = [
            Registry(Http(account.product.address, authorization), repository) for _ in range(CONNECTIONS)
        ]

    def __call__(self, method="GET", path="/manifests/v1"):
        """The statuses of the answers."""
        return {connection(method, path).status for connection in self._connections}


# ---- What changes: each makes a difference for a user who may log in and no more, and is taken back


def inline(account, _):
    account.iam.put_user_policy(UserName="somebody", PolicyName="more", PolicyDocument=policy(allow(PULL)))
    yield
    account.iam.delete_user_policy(UserName="somebody", PolicyName="more")


def attached(account, _):
    account.iam.attach_user_policy(UserName="somebody", PolicyArn=PULL_ONLY)
    yield
    account.iam.detach_user_policy(UserName="somebody", PolicyArn=PULL_ONLY)


def grouped(account, _):
    account.iam.create_group(GroupName="crew")
    account.iam.attach_group_policy(GroupName="crew", PolicyArn=PULL_ONLY)
    account.iam.add_user_to_group(GroupName="crew", UserName="somebody")
    yield
    account.iam.detach_group_policy(GroupName="crew", PolicyArn=PULL_ONLY)


def versioned(account, _):
    nothing, pull = policy(allow("ecr:ListImages")), policy(allow(PULL))
    arn = account.iam.create_policy(PolicyName="own", PolicyDocument=nothing)["Policy"]["Arn"]
    account.iam.attach_user_policy(UserName="somebody", PolicyArn=arn)
    account.iam.create_policy_version(PolicyArn=arn, PolicyDocument=pull, SetAsDefault=True)
    yield
    account.iam.set_default_policy_version(PolicyArn=arn, VersionId="v1")


def bounded(account, _):
    account.iam.put_user_policy(UserName="somebody", PolicyName="more", PolicyDocument=policy(allow(PULL)))
    yield
    boundary = account.iam.create_policy(PolicyName="none", PolicyDocument=policy(deny("ecr:*")))["Policy"]["Arn"]
    account.iam.put_user_permissions_boundary(UserName="somebody", PermissionsBoundary=boundary)


def tagged_user(account, _):
    wanted = {"StringEquals": {"aws:PrincipalTag/team": "blue"}}
    text = policy(allow(PULL, Condition=wanted))
    account.iam.put_user_policy(UserName="somebody", PolicyName="more", PolicyDocument=text)
    account.iam.tag_user(UserName="somebody", Tags=[{"Key": "Team", "Value": "blue"}])
    yield
    account.iam.untag_user(UserName="somebody", TagKeys=["team"])


def tagged_repository(account, name):
    arn = f"arn:aws:ecr:us-east-1:{account.id}:repository/{name}"
    wanted = {"StringEquals": {"ecr:ResourceTag/stage": "test"}}
    text = policy(allow(PULL, Condition=wanted))
    account.iam.put_user_policy(UserName="somebody", PolicyName="more", PolicyDocument=text)
    account.client("ecr").tag_resource(resourceArn=arn, tags=[{"Key": "stage", "Value": "test"}])
    yield
    account.client("ecr").tag_resource(resourceArn=arn, tags=[{"Key": "stage", "Value": "prod"}])


def repositorys(account, name):
    arn = f"arn:aws:iam::{account.id}:user/team/somebody"
    account.client("ecr").set_repository_policy(repositoryName=name, policyText=policy(grant(arn, PULL)))
    yield
    account.client("ecr").delete_repository_policy(repositoryName=name)


def registrys(account, _):
    ecr, statement = account.client("ecr"), grant("*", PULL, Resource="*")
    ecr.put_account_setting(name="REGISTRY_POLICY_SCOPE", value="V2")
    ecr.put_registry_policy(policyText=policy(statement))
    yield
    ecr.put_registry_policy(policyText=policy(statement, {**statement, "Effect": "Deny"}))


def repository_made_again(account, name):
    arn = f"arn:aws:iam::{account.id}:user/team/somebody"
    account.client("ecr").set_repository_policy(repositoryName=name, policyText=policy(grant(arn, PULL)))
    yield
    account.client("ecr").delete_repository(repositoryName=name, force=True)
    account.client("ecr").create_repository(repositoryName=name)
    docker(account, account.root, name).push_image("v1")


CHANGES = [inline, attached, grouped, versioned, bounded, tagged_user, tagged_repository, repositorys, registrys,
           repository_made_again]  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_what_changes_policies_holds_at_once_on_every_worker(account, name, user, change):
    crowd, steps = Crowd(account, user, name), change(account, name)

    before = crowd()
    next(steps)
    during = crowd()
    next(steps, None)
    after = crowd()

    assert (before, during, after) == ({403}, {200}, {403})


def test_a_user_is_called_by_his_new_name_at_once(account, name, user):
    crowd, ecr = Crowd(account, user, name), account.client("ecr", **user)
    crowd()
    here = f"arn:aws:ecr:us-east-1:{account.id}:repository/{name}"

    account.iam.update_user(UserName="somebody", NewUserName="else", NewPath="/other/")

    told = sentence(f"arn:aws:iam::{account.id}:user/other/else", "ecr:ListImages", here)
    assert refusal(ecr.list_images, repositoryName=name) == (DENIED, told)
    answers = {connection("GET", "/tags/list").message for connection in crowd._connections}
    assert answers == {told}


# ---- Keys, and what was made with them


def switched_off(account, key_id):
    account.iam.update_access_key(UserName="somebody", AccessKeyId=key_id, Status="Inactive")


def deleted(account, key_id):
    account.iam.delete_access_key(UserName="somebody", AccessKeyId=key_id)


def deleted_with_its_user(account, key_id):
    deleted(account, key_id)
    account.iam.delete_user_policy(UserName="somebody", PolicyName="own")
    account.iam.delete_user(UserName="somebody")


def made_again(account, key_id):
    deleted_with_its_user(account, key_id)
    account.a_user("somebody", [LOGIN, allow("ecr:*")], Path="/team/")


@pytest.mark.parametrize(
    "end", [switched_off, deleted, deleted_with_its_user, made_again], ids=lambda end: end.__name__
)
def test_with_a_key_ends_all_that_was_made_with_it(account, name, user, end):
    text = policy(LOGIN, allow([*PUSH, *PULL]))
    account.iam.put_user_policy(UserName="somebody", PolicyName="own", PolicyDocument=text)
    ecr, registry, crowd = account.client("ecr", **user), docker(account, user, name), Crowd(account, user, name)
    location, by_api = registry.begin_upload(), ecr.initiate_layer_upload(repositoryName=name)["uploadId"]
    data, whole = (
        b"a layer",
        {"repositoryName": name, "partFirstByte": 0, "partLastByte": 6, "layerPartBlob": b"a layer"},
    )
    assert registry.append(location, data[:3]).status == 202
    assert crowd() == {200}

    end(account, user["key_id"])

    assert crowd() == {401}
    assert registry.append(location, data[3:]).status == 401
    assert registry.complete(location, builders.digest(data[:3])).status == 401
    assert registry.http("GET", location).status == 401
    assert refusal(ecr.upload_layer_part, **whole, uploadId=by_api) == INVALID
    assert refusal(ecr.get_authorization_token) == INVALID


def test_a_key_that_is_switched_on_again_is_as_good_as_before(account, name, user):
    account.iam.attach_user_policy(UserName="somebody", PolicyArn=PULL_ONLY)
    crowd = Crowd(account, user, name)

    switched_off(account, user["key_id"])
    off = crowd()
    account.iam.update_access_key(UserName="somebody", AccessKeyId=user["key_id"], Status="Active")

    assert (off, crowd()) == ({401}, {200})


def test_an_upload_outlives_its_login_and_not_its_right(busy, name):
    """The root's key of the default account: only its logins can be made so that they are over."""
    registry = busy.registry(name)
    location = registry.begin_upload()
    late = Registry(Http(busy.address, login_token(busy, timedelta(seconds=-1))), name)

    begun = late("POST", "/blobs/uploads/")
    sent = late.append(location, b"a layer")
    done = late.complete(location, builders.digest(b"a layer"))
    pushed = late("PUT", "/manifests/v1", b"{}")

    assert [answer.status for answer in (begun, sent, done, pushed)] == [401, 202, 201, 401]


def test_a_login_that_is_over_tells_nothing_of_what_is_there(busy, name):
    """A push may go on with it; it must not find out which blobs a repository has, and not do so for ever."""
    registry = busy.registry(name)
    digest = registry.push_blob(b"a layer")
    location = registry.begin_upload()
    late = Registry(Http(busy.address, login_token(busy, timedelta(seconds=-1))), name)
    very_late = Registry(Http(busy.address, login_token(busy, timedelta(hours=-24))), name)
    nowhere = f"/v2/{name}/blobs/uploads/{uuid4()}"
    nothing = location.replace(name, f"{name}-not")

    answers = [
        late.complete(nowhere, digest), late.complete(nowhere, builders.digest(b"another")), late.http("GET", nowhere),
        late.complete(nothing, digest), very_late.append(location, b"a layer"), very_late.http("GET", location),
    ]  # fmt: skip

    assert [answer.status for answer in answers] == [401] * 6
    assert late.http("GET", location).status == 204


def test_an_upload_goes_on_only_with_the_right_to_it(account, name, user):
    text = policy(LOGIN, allow(PUSH))
    account.iam.put_user_policy(UserName="somebody", PolicyName="own", PolicyDocument=text)
    registry = docker(account, user, name)
    location = registry.begin_upload()

    account.iam.put_user_policy(UserName="somebody", PolicyName="own", PolicyDocument=policy(LOGIN))

    assert registry.append(location, b"a layer").status == 403
    assert registry.complete(location, builders.digest(b"")).status == 403


def test_a_session_may_what_its_role_may_until_the_role_is_gone(account, name, user):
    """The login that docker keeps was made with the session's key, and is worth no more than that."""
    trust = policy({"Effect": "Allow", "Principal": {"AWS": account.id}, "Action": "sts:AssumeRole"})
    arn = account.iam.create_role(RoleName="ci", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    rights = policy(LOGIN, allow([*PUSH, *PULL]))
    account.iam.put_role_policy(RoleName="ci", PolicyName="own", PolicyDocument=rights)
    may_assume = policy(allow("sts:AssumeRole", arn))
    account.iam.put_user_policy(UserName="somebody", PolicyName="own", PolicyDocument=may_assume)
    taken = account.client("sts", **user).assume_role(
        RoleArn=arn, RoleSessionName="run", Policy=policy(LOGIN, allow([*UPLOAD, *PULL]))
    )["Credentials"]
    session = {
        "key_id": taken["AccessKeyId"], "secret": taken["SecretAccessKey"], "session_token": taken["SessionToken"]
    }  # fmt: skip
    registry, crowd = docker(account, session, name), Crowd(account, session, name)
    here = f"arn:aws:ecr:us-east-1:{account.id}:repository/{name}"
    location = registry.begin_upload()

    pulled, narrowed = crowd(), registry("PUT", "/manifests/v2", b"{}")
    account.iam.delete_role_policy(RoleName="ci", PolicyName="own")
    without = crowd()
    account.iam.delete_role(RoleName="ci")
    gone = crowd(), registry.append(location, b"a layer").status

    told = sentence(f"arn:aws:sts::{account.id}:assumed-role/ci/run", "ecr:PutImage", here,
                    "because no session policy allows the {} action")  # fmt: skip
    assert (pulled, without, gone) == ({200}, {403}, ({401}, 401))
    assert (narrowed.status, narrowed.message) == (403, told)
    invalid = refusal(account.client("ecr", **session).get_authorization_token)
    assert invalid == ("UnrecognizedClientException", INVALID[1].rstrip("."))
