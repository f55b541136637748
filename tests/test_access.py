"""Who gets in through the front doors: users, groups, boundaries, other accounts, and those who are nobody."""

from __future__ import annotations

import base64

import pytest

from tests import builders
from tests.callers import Registry, refusal
from tests.grants import (
    DENIED,
    LOGIN,
    PULL,
    PULL_ONLY,
    PUSH,
    UPLOAD,
    allow,
    blob_of,
    docker,
    grant,
    policy,
    sentence,
)


@pytest.fixture
def here(account, name):
    """A repository of the account."""
    account.client("ecr").create_repository(repositoryName=name)
    return f"arn:aws:ecr:us-east-1:{account.id}:repository/{name}"


@pytest.fixture
def image(account, name, here):
    """An image in it, which the root pushed as v1."""
    return docker(account, account.root, name).push_image("v1")


# ---- Users


def test_a_ci_user_pushes_to_its_repository_as_docker_does_and_nowhere_else(account, name, here):
    account.client("ecr").create_repository(repositoryName=f"{name}-2")
    ci = account.a_user("ci", [LOGIN, allow(PUSH, here)])
    arn = f"arn:aws:iam::{account.id}:user/ci"

    image = docker(account, ci, name).push_image("v1")
    elsewhere = docker(account, ci, f"{name}-2")("POST", "/blobs/uploads/")
    blob = docker(account, ci, name)("GET", blob_of(image))
    gone = docker(account, ci, name)("DELETE", "/manifests/v1")

    assert (elsewhere.status, elsewhere.code) == (403, "DENIED")
    assert elsewhere.message == sentence(arn, "ecr:InitiateLayerUpload", f"{here}-2")
    assert (blob.status, blob.message) == (403, sentence(arn, "ecr:GetDownloadUrlForLayer", here))
    assert (gone.status, gone.message) == (403, sentence(arn, "ecr:BatchDeleteImage", here))
    assert account.client("ecr").describe_images(repositoryName=name)["imageDetails"][0]["imageTags"] == ["v1"]


def test_a_ci_user_pushes_by_the_api_and_nowhere_else(account, name, here):
    account.client("ecr").create_repository(repositoryName=f"{name}-2")
    ecr = account.client("ecr", **account.a_user("ci", [LOGIN, allow(PUSH, here)]))
    data = b"a layer"
    there, other = {"repositoryName": name}, {"repositoryName": f"{name}-2"}

    upload = ecr.initiate_layer_upload(**there)["uploadId"]
    ecr.upload_layer_part(**there, uploadId=upload, partFirstByte=0, partLastByte=len(data) - 1, layerPartBlob=data)
    done = ecr.complete_layer_upload(**there, uploadId=upload, layerDigests=[builders.digest(data)])
    refused = [
        refusal(ecr.initiate_layer_upload, **other)[0],
        refusal(ecr.batch_check_layer_availability, **other, layerDigests=[builders.digest(data)])[0],
        refusal(ecr.put_image, **other, imageManifest="{}")[0],
        refusal(ecr.create_repository, repositoryName="new")[0],
        refusal(ecr.delete_repository, **there, force=True)[0],
    ]

    assert done["layerDigest"] == builders.digest(data)
    assert refused == [DENIED] * 5


def test_who_may_pull_only_pulls_and_does_nothing_else(account, name, image):
    account.iam.create_user(UserName="prod")
    account.iam.attach_user_policy(UserName="prod", PolicyArn=PULL_ONLY)
    prod = docker(account, account.a_key("prod"), name)

    pulled = [prod("HEAD", "/manifests/v1"), prod("GET", "/manifests/v1"), prod("HEAD", blob_of(image)),
              prod("GET", blob_of(image)), prod("GET", f"/referrers/{image.digest}")]  # fmt: skip
    refused = [prod("POST", "/blobs/uploads/"), prod("PUT", "/manifests/v2", image.body), prod("GET", "/tags/list"),
               prod("DELETE", "/manifests/v1"), prod("DELETE", blob_of(image))]  # fmt: skip

    assert [answer.status for answer in pulled] == [200] * 5
    assert [(answer.status, answer.code) for answer in refused] == [(403, "DENIED")] * 5


@pytest.mark.parametrize("missing", ["ecr:UploadLayerPart", "ecr:CompleteLayerUpload"])
def test_a_layer_in_one_request_needs_the_leave_for_all_of_its_steps(account, name, here, missing):
    some = docker(
        account, account.a_user("some", [LOGIN, allow([one for one in UPLOAD if one != missing], here)]), name
    )
    whole = docker(account, account.a_user("all", [LOGIN, allow(UPLOAD, here)]), name)
    location = some.begin_upload()

    at_once = some.push_whole(b"a layer")
    at_last = some.complete(location, builders.digest(b"a layer"), b"a layer")

    arn = f"arn:aws:iam::{account.id}:user/some"
    for answer in (at_once, at_last):
        assert (answer.status, answer.message) == (403, sentence(arn, missing, here))
    assert whole("GET", f"/blobs/{builders.digest(b'a layer')}").status == 403
    assert account.client("ecr").batch_check_layer_availability(
        repositoryName=name, layerDigests=[builders.digest(b"a layer")]
    )["layers"][0]["layerAvailability"] == "UNAVAILABLE"  # fmt: skip
    assert whole.push_whole(b"a layer").status == 201


def test_a_boundary_narrows_what_policies_allow(account, name, image, here):
    credentials = account.a_user("bound", PermissionsBoundary=PULL_ONLY)
    bound = docker(account, credentials, name)

    pulled, pushed = bound("GET", "/manifests/v1"), bound("POST", "/blobs/uploads/")

    reason = "because no permissions boundary allows the {} action"
    assert pulled.status == 200
    assert pushed.message == sentence(f"arn:aws:iam::{account.id}:user/bound", "ecr:InitiateLayerUpload", here, reason)


def test_a_group_lets_its_users_in_for_as_long_as_they_are_in_it(account, name, image):
    account.iam.create_group(GroupName="crew")
    account.iam.put_group_policy(GroupName="crew", PolicyName="pull", PolicyDocument=policy(allow(PULL)))
    member = docker(account, account.a_user("member", [LOGIN]), name)

    before = member("GET", "/manifests/v1")
    account.iam.add_user_to_group(GroupName="crew", UserName="member")
    during = member("GET", "/manifests/v1")
    account.iam.remove_user_from_group(GroupName="crew", UserName="member")
    after = member("GET", "/manifests/v1")

    assert [before.status, during.status, after.status] == [403, 200, 403]


def test_all_repositories_are_listed_only_with_leave_for_all(account, name, here):
    some = account.client("ecr", **account.a_user("some", [allow("ecr:DescribeRepositories", here)]))
    arn = f"arn:aws:iam::{account.id}:user/some"
    every = f"arn:aws:ecr:us-east-1:{account.id}:repository/*"
    whole = account.client("ecr", **account.a_user("all", [allow("ecr:DescribeRepositories", every)]))

    named = some.describe_repositories(repositoryNames=[name])["repositories"]
    refused = refusal(some.describe_repositories)

    assert [one["repositoryArn"] for one in named] == [here]
    assert refused == (DENIED, sentence(arn, "ecr:DescribeRepositories", every))
    assert [one["repositoryArn"] for one in whole.describe_repositories()["repositories"]] == [here]


# ---- Policies of repositories and registries


def test_a_repository_policy_alone_lets_in_whom_it_names_of_its_own_account(account, name, image):
    alice = docker(account, account.a_user("alice", [LOGIN]), name)
    bob = docker(account, account.a_user("bob", [LOGIN]), name)
    users = f"arn:aws:iam::{account.id}:user/"

    account.client("ecr").set_repository_policy(repositoryName=name, policyText=policy(grant(f"{users}alice", PULL)))

    assert alice("GET", "/manifests/v1").status == alice("GET", blob_of(image)).status == 200
    assert alice("DELETE", "/manifests/v1").status == bob("GET", "/manifests/v1").status == 403


def test_a_deny_of_a_repository_policy_holds_for_everybody_but_the_root_that_mends_it(account, name, image, here):
    admin = account.a_user("admin")
    ecr, root = account.client("ecr", **admin), account.client("ecr")
    deny = {**grant("*", "ecr:*"), "Effect": "Deny"}
    root.set_repository_policy(repositoryName=name, policyText=policy(deny), force=True)
    reason = "with an explicit deny in a resource-based policy"

    refused = refusal(ecr.list_images, repositoryName=name)
    of_root = refusal(root.list_images, repositoryName=name)
    root.delete_repository_policy(repositoryName=name)

    arns = [f"arn:aws:iam::{account.id}:user/admin", f"arn:aws:iam::{account.id}:root"]
    assert [refused, of_root] == [(DENIED, sentence(arn, "ecr:ListImages", here, reason)) for arn in arns]
    assert ecr.list_images(repositoryName=name)["imageIds"]


def test_a_pull_across_accounts_needs_leave_on_both_sides(account, strangers, name, image, here):
    credentials = strangers.a_user("bob", [LOGIN])
    bob = docker(strangers, credentials, name, of=account)
    arn = f"arn:aws:iam::{strangers.id}:user/bob"

    neither = bob("GET", "/manifests/v1")
    account.client("ecr").set_repository_policy(repositoryName=name, policyText=policy(grant(strangers.id, PULL)))
    owners = bob("GET", "/manifests/v1")
    own = policy(LOGIN, allow(PULL, here))
    strangers.iam.put_user_policy(UserName="bob", PolicyName="own", PolicyDocument=own)
    both = bob("GET", "/manifests/v1"), bob("GET", blob_of(image))
    account.client("ecr").delete_repository_policy(repositoryName=name)
    callers = bob("GET", "/manifests/v1")

    reason = "because no resource-based policy allows the {} action"
    assert neither.message == callers.message == sentence(arn, "ecr:BatchGetImage", here, reason)
    assert owners.message == sentence(arn, "ecr:BatchGetImage", here)
    assert [answer.status for answer in (neither, owners, *both, callers)] == [403, 403, 200, 200, 403]


def test_another_account_learns_nothing_of_repositories_that_it_may_not_see(account, strangers, name):
    """Neither that one is there, nor what its policy denies, nor how it is tagged, whatever policies it writes."""
    ecr = account.client("ecr")
    ecr.create_repository(repositoryName=f"{name}/denied")
    deny = {**grant("*", "ecr:*"), "Effect": "Deny"}
    ecr.set_repository_policy(repositoryName=f"{name}/denied", policyText=policy(deny), force=True)
    ecr.create_repository(repositoryName=f"{name}/tagged", tags=[{"Key": "team", "Value": "blue"}])
    tagged = {"Effect": "Deny", "Action": "ecr:*", "Resource": "*",
              "Condition": {"StringLike": {"aws:ResourceTag/team": "b*"}}}  # fmt: skip
    repositories = f"arn:aws:ecr:us-east-1:{account.id}:repository/{name}"
    credentials = {
        "may": strangers.a_user("may", [LOGIN, allow("ecr:*")]),
        "probes": strangers.a_user("probes", [LOGIN, allow("ecr:*"), tagged]),
        "root": strangers.root,
    }

    for who, one in credentials.items():
        arn = f"arn:aws:iam::{strangers.id}:" + ("root" if who == "root" else f"user/{who}")
        for last in ("denied", "tagged", "missing"):
            answer = docker(strangers, one, f"{name}/{last}", of=account)("GET", "/manifests/v1")
            reason = "because no resource-based policy allows the ecr:BatchGetImage action"
            told = sentence(arn, "ecr:BatchGetImage", f"{repositories}/{last}", reason)
            assert (answer.status, answer.message) == (403, told)


def test_an_account_that_is_let_in_is_told_of_its_own_denies(account, strangers, name, here):
    account.client("ecr").set_repository_policy(repositoryName=name, policyText=policy(grant(strangers.id, PULL)))
    denied = {"Effect": "Deny", "Action": "ecr:*", "Resource": "*"}
    bob = docker(strangers, strangers.a_user("bob", [LOGIN, allow("ecr:*", here)]), name, of=account)
    strangers.iam.put_user_policy(
        UserName="bob", PolicyName="deny", PolicyDocument=policy({**denied, "Resource": here})
    )

    answer = bob("GET", "/manifests/v1")

    reason = "with an explicit deny in an identity-based policy"
    assert answer.message == sentence(f"arn:aws:iam::{strangers.id}:user/bob", "ecr:BatchGetImage", here, reason)


def test_a_registry_policy_lets_another_account_pull_everything_and_create_below_a_prefix(
    account, strangers, name, image
):
    account.client("ecr").put_account_setting(name="REGISTRY_POLICY_SCOPE", value="V2")
    repositories = f"arn:aws:ecr:us-east-1:{account.id}:repository"
    text = policy(
        grant(strangers.id, PULL, Resource=f"{repositories}/*"),
        grant(strangers.id, "ecr:CreateRepository", Resource=f"{repositories}/theirs/*"),
    )
    bob = strangers.a_user("bob")
    theirs = {"registryId": account.id, "repositoryName": "theirs/app"}

    before = refusal(strangers.client("ecr", **bob).create_repository, **theirs)[0]
    account.client("ecr").put_registry_policy(policyText=text)
    made = strangers.client("ecr", **bob).create_repository(**theirs)["repository"]
    pulled = docker(strangers, bob, name, of=account)("GET", "/manifests/v1")
    others = refusal(strangers.client("ecr", **bob).create_repository, **theirs | {"repositoryName": "ours/app"})[0]

    assert before == others == DENIED
    assert made["repositoryArn"] == f"{repositories}/theirs/app"
    assert pulled.status == 200
    assert refusal(strangers.client("ecr", **bob).list_images, **theirs)[0] == DENIED


def test_strangers_do_not_learn_what_there_is(account, strangers, name, image):
    bob = strangers.a_user("bob")
    upload = docker(account, account.root, name).begin_upload().rpartition("/")[2]
    paths = ["/manifests/v1", "/tags/list", blob_of(image), f"/referrers/{image.digest}", f"/blobs/uploads/{upload}"]
    nothing = ["/manifests/v2", "/tags/list", f"/blobs/sha256:{'0' * 64}", f"/referrers/sha256:{'0' * 64}",
               "/blobs/uploads/11111111-2222-4333-8444-555555555555"]  # fmt: skip
    there, absent = (docker(strangers, bob, repository, of=account) for repository in (name, f"{name}-not"))
    ecr, theirs = strangers.client("ecr", **bob), {"registryId": account.id}

    def told(answer):
        return answer.status, answer.code, answer.message.replace(f"{name}-not", name)

    known = [told(there("GET", path)) for path in paths]
    unknown = [told(there("GET", path)) for path in nothing]
    nowhere = [told(absent("GET", path)) for path in nothing]
    of_api = [refusal(ecr.describe_images, **theirs, repositoryName=one) for one in (name, f"{name}-not")]
    taken = [refusal(ecr.create_repository, **theirs, repositoryName=one)[0] for one in (name, f"{name}-not")]

    assert known == unknown == nowhere
    assert {status for status, _, _ in known} == {403}
    assert of_api[0] == (DENIED, of_api[1][1].replace(f"{name}-not", name))
    assert taken == [DENIED, DENIED]


def test_a_mount_needs_leave_for_its_source_and_else_is_an_upload(account, name, image, here):
    account.client("ecr").create_repository(repositoryName=f"{name}-2")
    account.client("ecr").put_account_setting(name="BLOB_MOUNTING", value="ENABLED")
    digest = blob_of(image).rpartition("/")[2]
    query = f"/blobs/uploads/?mount={digest}&from={name}"
    target = docker(account, account.a_user("ci", [LOGIN, allow(PUSH, f"{here}-2")]), f"{name}-2")

    without = target("POST", query)
    of_nothing = target("POST", query.replace(f"from={name}", f"from={name}-not"))
    own = policy(LOGIN, allow(PUSH, f"{here}-2"), allow("ecr:GetDownloadUrlForLayer", here))
    account.iam.put_user_policy(UserName="ci", PolicyName="own", PolicyDocument=own)
    mounted = target("POST", query)

    assert [without.status, of_nothing.status, mounted.status] == [202, 202, 201]
    assert set(without.headers) == set(of_nothing.headers)
    assert target("HEAD", f"/blobs/{digest}").status == 200


# ---- Nobody


def test_who_has_no_login_pulls_what_is_public_where_the_operator_lets_him(product, start):
    public = start("--public-repositories", "on")
    statement = grant("*", PULL)
    answers = {}
    for place, running in (("closed", product), ("open", public)):
        for what in ("private", "public"):
            repository = running.registry(f"anybody/{place}-{what}")
            image = repository.push_image("v1")
            if what == "public":
                running.ecr().set_repository_policy(repositoryName=repository.repository, policyText=policy(statement))
            anybody = Registry(running.http(""), repository.repository)
            answers[place, what] = [
                anybody("GET", "/manifests/v1"), anybody("HEAD", blob_of(image)), anybody("GET", blob_of(image)),
                anybody("GET", "/tags/list"), anybody("POST", "/blobs/uploads/"), anybody("DELETE", "/manifests/v1"),
                anybody.http("GET", "/v2/"), anybody.http("GET", "/v2/_catalog"),
            ]  # fmt: skip

    statuses = {key: [answer.status for answer in several] for key, several in answers.items()}
    assert statuses.pop(("open", "public")) == [200, 200, 200, 401, 401, 401, 401, 401]
    assert set(map(tuple, statuses.values())) == {(401,) * 8}
    refused = answers["open", "private"][0]
    assert refused.body == b"Not Authorized\n"
    assert refused.headers["www-authenticate"] == f'Basic realm="{public.url}/",service="ecr.amazonaws.com"'
    wrong = base64.b64encode(b"AWS:wrong").decode()
    assert Registry(public.http(f"Basic {wrong}"), "anybody/open-public")("GET", "/manifests/v1").status == 401
