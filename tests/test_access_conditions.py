"""Conditions of policies, as requests through the front doors meet them."""

from __future__ import annotations

import pytest

from tests.callers import refusal
from tests.grants import DENIED, LOGIN, PULL, allow, deny, docker, grant, policy, sentence

MET = [
    {"IpAddress": {"aws:SourceIp": "127.0.0.1/32"}},
    {"NotIpAddress": {"aws:SourceIp": ["10.0.0.0/8", "::1/128"]}},
    {"Bool": {"aws:SecureTransport": "false"}},
    {"Bool": {"aws:ViaAWSService": "false", "aws:PrincipalIsAWSService": "false"}},
    {"StringLike": {"aws:UserAgent": "*tester*"}},
    {"StringEquals": {"aws:RequestedRegion": "us-east-1"}},
    {"StringEquals": {"aws:PrincipalTag/Team": "red", "aws:username": "alice"}},
    {"StringEquals": {"aws:ResourceTag/Stage": "test", "ecr:ResourceTag/stage": "test"}},
    {"StringEquals": {"aws:ResourceTag/owner": "${aws:PrincipalTag/team}"}},
    {"DateGreaterThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}},
    {"Null": {"aws:MultiFactorAuthPresent": "true", "ecr:ImageTag": "true"}},
    {"StringLike": {"aws:userid": "AIDA*"}, "StringEquals": {"aws:PrincipalType": "User"}},
]
UNMET = [
    {"IpAddress": {"aws:SourceIp": ["127.0.0.2/32", "192.0.2.0/24"]}},
    {"Bool": {"aws:SecureTransport": "true"}},
    {"StringEquals": {"aws:RequestedRegion": "eu-west-1"}},
    {"StringEquals": {"aws:PrincipalTag/Team": "blue"}},
    {"StringEquals": {"aws:ResourceTag/stage": "prod"}},
    {"StringEquals": {"aws:ResourceTag/absent": ""}},
    {"DateLessThan": {"aws:CurrentTime": "2020-01-01T00:00:00Z"}},
    {"IpAddress": {"aws:SourceIp": "127.0.0.1"}, "Bool": {"aws:SecureTransport": "true"}},
]
TAGS = [{"Key": "Team", "Value": "red"}]


@pytest.fixture
def here(account, name):
    """A repository of the account, which is tagged."""
    tags = [{"Key": "stage", "Value": "test"}, {"Key": "owner", "Value": "red"}]
    account.client("ecr").create_repository(repositoryName=name, tags=tags)
    return f"arn:aws:ecr:us-east-1:{account.id}:repository/{name}"


def test_a_condition_is_asked_of_each_request_at_either_door(account, name, here):
    """One user whose policy is changed from one request to the next."""
    alice = account.a_user("alice", [LOGIN], Tags=TAGS)
    ecr, registry = account.client("ecr", **alice), docker(account, alice, name)
    ecr.meta.events.register("before-sign", lambda request, **_: request.headers.add_header("User-Agent", "tester"))
    digests = {"repositoryName": name, "layerDigests": ["sha256:" + "0" * 64]}
    told = {}

    for index, condition in enumerate([*MET, *UNMET]):
        document = policy(LOGIN, allow("ecr:BatchCheckLayerAvailability", here, Condition=condition))
        account.iam.put_user_policy(UserName="alice", PolicyName="own", PolicyDocument=document)
        head = registry("HEAD", f"/blobs/{digests['layerDigests'][0]}", user_agent="a tester")
        try:
            told[index] = head.status, bool(ecr.batch_check_layer_availability(**digests)["layers"])
        except ecr.exceptions.ClientError as fault:
            told[index] = head.status, fault.response["Error"]["Code"]

    met = dict.fromkeys(range(len(MET)), (404, True))
    assert told == met | dict.fromkeys(range(len(MET), len(MET) + len(UNMET)), (403, DENIED))


def test_a_repository_policy_lets_in_by_address(account, strangers, name, here):
    docker(account, account.root, name).push_image("v1")
    own = strangers.a_user("bob", [LOGIN, allow(PULL)])
    bob = docker(strangers, own, name, of=account)

    def pulls_with(address):
        condition = {"IpAddress": {"aws:SourceIp": address}}
        text = policy(grant(strangers.id, PULL, Condition=condition))
        account.client("ecr").set_repository_policy(repositoryName=name, policyText=text)
        return bob("GET", "/manifests/v1").status

    assert [pulls_with(address) for address in ("192.0.2.0/24", "127.0.0.1/32", "::1/128")] == [403, 200, 403]


def test_a_team_does_as_it_likes_below_a_prefix_of_its_own(account):
    everywhere = f"arn:aws:ecr:*:{account.id}:repository/${{aws:PrincipalTag/team}}/*"
    account.iam.create_group(GroupName="teams")
    account.iam.put_group_policy(
        GroupName="teams", PolicyName="own", PolicyDocument=policy(LOGIN, allow("ecr:*", everywhere))
    )
    clients = {}
    for team in ("red", "blue", ""):
        tags = {"Tags": [{"Key": "Team", "Value": team}]} if team else {}
        key = account.a_user(f"of-{team or 'none'}", [LOGIN], **tags)
        account.iam.add_user_to_group(GroupName="teams", UserName=f"of-{team or 'none'}")
        clients[team] = account.client("ecr", **key)

    clients["red"].create_repository(repositoryName="red/app")
    refused = [refusal(clients[team].create_repository, repositoryName=wanted)[0] for team, wanted in
               (("blue", "red/app2"), ("red", "blue/app"), ("red", "redder/app"), ("", "red/app3"))]  # fmt: skip

    assert refused == [DENIED] * 4
    assert refusal(clients["blue"].delete_repository, repositoryName="red/app")[0] == DENIED
    clients["red"].delete_repository(repositoryName="red/app")


def test_a_repository_is_made_with_the_tags_that_policies_want(account, name):
    wanted = {
        "StringEquals": {"aws:RequestTag/team": "${aws:PrincipalTag/team}"},
        "ForAllValues:StringEquals": {"aws:TagKeys": ["team", "stage"]},
    }
    actions = ["ecr:CreateRepository", "ecr:TagResource"]
    alice = account.a_user("alice", [allow(actions, Condition=wanted)], Tags=TAGS)
    bob = account.a_user("bob", [allow("ecr:CreateRepository")])
    create = account.client("ecr", **alice).create_repository
    team = {"Key": "team", "Value": "red"}

    refused = [
        refusal(create, repositoryName=name)[0],
        refusal(create, repositoryName=name, tags=[{"Key": "team", "Value": "blue"}])[0],
        refusal(create, repositoryName=name, tags=[team, {"Key": "other", "Value": ""}])[0],
        refusal(account.client("ecr", **bob).create_repository, repositoryName=name, tags=[team])[0],
    ]

    assert refused == [DENIED] * 4
    assert create(repositoryName=name, tags=[team])["repository"]["repositoryName"] == name


def test_a_tag_does_not_hide_behind_one_that_differs_in_case_only(account, name):
    """Keys of tags have a case, those of conditions have none."""
    only_red = {"StringEquals": {"aws:RequestTag/team": "red"}}
    never_prod = {"StringEquals": {"aws:RequestTag/stage": "prod", "aws:ResourceTag/stage": "prod"}}
    alice = account.a_user("alice", [allow("ecr:*", Condition=only_red)])
    bob = account.a_user(
        "bob", [allow("ecr:*"), *(deny("*", Condition={"StringEquals": {key: value}})
                                  for key, value in never_prod["StringEquals"].items())]
    )  # fmt: skip
    account.client("ecr").create_repository(
        repositoryName=f"{name}-2", tags=[{"Key": "stage", "Value": "prod"}, {"Key": "Stage", "Value": "test"}]
    )

    for tags in ([("team", "red"), ("Team", "blue")], [("Team", "blue"), ("team", "red")]):
        given = [{"Key": key, "Value": value} for key, value in tags]
        assert refusal(account.client("ecr", **alice).create_repository, repositoryName=name, tags=given)[0] == DENIED
    for tags in ([("stage", "prod"), ("Stage", "test")], [("Stage", "test"), ("stage", "prod")]):
        given = [{"Key": key, "Value": value} for key, value in tags]
        assert refusal(account.client("ecr", **bob).create_repository, repositoryName=name, tags=given)[0] == DENIED
    assert refusal(account.client("ecr", **bob).list_images, repositoryName=f"{name}-2")[0] == DENIED


def test_iam_tells_how_what_it_is_asked_for_is_tagged(account):
    account.iam.create_user(UserName="kept", Tags=[{"Key": "Protected", "Value": "yes"}])
    account.iam.create_user(UserName="free")
    guarded = deny("iam:*", Condition={"StringEquals": {"aws:ResourceTag/protected": "yes"}})
    elsewhere = deny("iam:*", Condition={"StringNotEquals": {"aws:RequestedRegion": "us-east-1"}})
    iam = account.client("iam", "eu-central-1", **account.a_user("admin", [allow("iam:*"), guarded, elsewhere]))

    code, message = refusal(iam.delete_user, UserName="kept")
    iam.delete_user(UserName="free")
    account.iam.untag_user(UserName="kept", TagKeys=["protected"])
    iam.delete_user(UserName="kept")

    assert code == "AccessDenied"
    assert message.endswith("with an explicit deny in an identity-based policy")


# ---- The tag that is pushed, pulled or deleted


@pytest.fixture
def ci(account, name, here):
    """A user who may do everything but touch the tags prod-*."""
    prod = {"StringLike": {"ecr:ImageTag": "prod-*"}}
    actions = ["ecr:PutImage", "ecr:BatchGetImage", "ecr:BatchDeleteImage"]
    return account.a_user("ci", [LOGIN, allow("ecr:*"), deny(actions, here, Condition=prod)])


def test_a_tag_is_kept_from_pushes(account, name, here, ci):
    registry = docker(account, ci, name)
    image = registry.push_image("dev-1")
    put = {"repositoryName": name, "imageManifest": image.body.decode(), "imageManifestMediaType": image.media_type}

    by_tag = registry.push_manifest(image, "prod-1")
    beside = registry(
        "PUT", f"/manifests/{image.digest}?tag=dev-2&tag=prod-1", image.body, content_type=image.media_type
    )
    by_api = refusal(account.client("ecr", **ci).put_image, **put, imageTag="prod-1")

    reason = "with an explicit deny in an identity-based policy"
    told = sentence(f"arn:aws:iam::{account.id}:user/ci", "ecr:PutImage", here, reason)
    assert [by_tag.status, beside.status] == [403, 403]
    assert by_tag.message == beside.message == by_api[1] == told
    assert registry("GET", "/tags/list").json()["tags"] == ["dev-1"]
    assert registry.push_manifest(image, "dev-3").status == 201


def test_a_tag_is_kept_from_pulls_and_no_batch_hides_it(account, name, ci):
    docker(account, account.root, name).push_image("prod-1", seed="one")
    image = docker(account, account.root, name).push_image("dev-1", seed="two")
    registry, ecr = docker(account, ci, name), account.client("ecr", **ci)
    tags = ["dev-1", "prod-1", "dev-2"]

    pulled = [registry(method, f"/manifests/{tag}").status for tag in tags for method in ("GET", "HEAD")]
    batches = [[{"imageTag": tag} for tag in tags], [{"imageTag": "prod-1", "imageDigest": image.digest}]]
    refused = [refusal(ecr.batch_get_image, repositoryName=name, imageIds=ids)[0] for ids in batches]

    assert pulled == [200, 200, 403, 403, 404, 404]
    assert refused == [DENIED, DENIED]
    assert ecr.batch_get_image(repositoryName=name, imageIds=[{"imageTag": "dev-1"}])["images"]


def test_a_tag_is_kept_from_deletion_by_whatever_name(account, name, ci):
    root = docker(account, account.root, name)
    image = root.push_image("dev-1")
    root.push_manifest(image, "prod-1")
    registry, ecr = docker(account, ci, name), account.client("ecr", **ci)
    batches = [[{"imageTag": "dev-1"}, {"imageTag": "prod-1"}], [{"imageDigest": image.digest}]]

    refused = [refusal(ecr.batch_delete_image, repositoryName=name, imageIds=ids)[0] for ids in batches]
    statuses = [registry("DELETE", f"/manifests/{what}").status for what in ("prod-1", image.digest)]

    assert refused == [DENIED, DENIED]
    assert statuses == [403, 403]
    assert root("GET", "/tags/list").json()["tags"] == ["dev-1", "prod-1"]
    assert registry("DELETE", "/manifests/dev-1").status == 202


def test_a_grant_for_some_tags_is_none_for_digests(account, name, here):
    image = docker(account, account.root, name).push_image("dev-1")
    some = allow("ecr:BatchGetImage", here, Condition={"StringLike": {"ecr:ImageTag": "dev-*"}})
    registry = docker(account, account.a_user("some", [LOGIN, some]), name)

    assert registry("GET", "/manifests/dev-1").status == 200
    assert registry("GET", f"/manifests/{image.digest}").status == 403
