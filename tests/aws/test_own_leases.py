"""Images that run, through boto3 and the registry protocol: who holds them is told to whoever would delete them."""

from __future__ import annotations

import json
from datetime import timedelta

from tests import builders
from tests.aws.test_own_deleted import own  # noqa: F401 - a fixture
from tests.callers import refusal

PROD = {"holder": "prod-eu", "kind": "KUBERNETES"}


def lease(own, name, *digests, **more):  # noqa: F811
    images = [{"imageDigest": digest, "detail": "default/web"} for digest in digests]
    return own.put_image_lease(repositoryName=name, images=images, **PROD | more)


def test_leases_are_taken_renewed_listed_and_released(product, own, name):  # noqa: F811
    repository = product.registry(name)
    first, second = repository.push_image("v1"), repository.push_image("v2")

    answer = own.put_image_lease(
        repositoryName=name,
        **PROD,
        leaseSeconds=600,
        images=[{"imageDigest": first.digest, "detail": "default/web"}, {"imageTag": "v2"}, {"imageTag": "v3"}],
    )
    lease(own, name, first.digest, leaseSeconds=1200)
    lease(own, name, first.digest, holder="prod-us")
    held = own.list_image_leases(repositoryName=name, maxResults=2)
    rest = own.list_image_leases(repositoryName=name, nextToken=held["nextToken"])

    assert [(one["imageDigest"], one["imageStatus"]) for one in answer["leases"]] == [
        (first.digest, "ACTIVE"),
        (second.digest, "ACTIVE"),
    ]
    assert [(one["imageTag"], one["failureCode"]) for one in answer["failures"]] == [("v3", "ImageNotFound")]
    listed = [*held["leases"], *rest["leases"]]
    assert [(one["holder"], one["imageDigest"]) for one in listed] == [
        ("prod-eu", first.digest),
        ("prod-eu", second.digest),
        ("prod-us", first.digest),
    ]
    assert listed[0]["expiresAt"] - listed[0]["renewedAt"] == timedelta(seconds=1200)
    assert listed[0]["createdAt"] < listed[0]["renewedAt"]
    assert (listed[0]["detail"], listed[0]["owner"]) == ("default/web", "arn:aws:iam::000000000000:root")
    of_one = own.list_image_leases(repositoryName=name, imageDigest=first.digest, holder="prod-us")["leases"]
    assert of_one == listed[2:]
    assert own.release_image_lease(repositoryName=name, holder="prod-eu", imageDigests=[first.digest]) \
        ["releasedCount"] == 1  # fmt: skip
    assert own.release_image_lease(repositoryName=name, holder="prod-eu")["releasedCount"] == 1
    assert [one["holder"] for one in own.list_image_leases(repositoryName=name)["leases"]] == ["prod-us"]


def test_nothing_deletes_what_runs_and_each_says_who_holds_it(product, own, name):  # noqa: F811
    repository, ecr = product.registry(name), product.ecr()
    digest = repository.push_image("v1").digest
    lease(own, name, digest)
    by = "is in use by KUBERNETES prod-eu (default/web) until"

    for id_ in ({"imageDigest": digest}, {"imageTag": "v1"}):
        [failure] = ecr.batch_delete_image(repositoryName=name, imageIds=[id_])["failures"]
        assert failure["failureCode"] == "ImageInUse"
        assert by in failure["failureReason"]
    answer = repository("DELETE", f"/manifests/{digest}")
    assert (answer.status, answer.code) == (409, "DENIED")
    assert by in answer.message
    code, message = refusal(ecr.delete_repository, repositoryName=name, force=True)
    assert code == "ImageInUseException"
    assert by in message
    code, message = refusal(
        ecr.update_image_storage_class, repositoryName=name, imageId={"imageTag": "v1"}, targetStorageClass="ARCHIVE"
    )
    assert code == "ImageStorageClassUpdateNotSupportedException"
    assert by in message

    second = repository.push_image("v1", seed="later")  # a tag may move
    assert repository("GET", f"/manifests/{digest}").status == 200
    assert repository("DELETE", f"/manifests/{second.digest}").status == 202
    own.release_image_lease(repositoryName=name, holder="prod-eu")
    assert ecr.batch_delete_image(repositoryName=name, imageIds=[{"imageDigest": digest}])["failures"] == []
    ecr.delete_repository(repositoryName=name, force=True)


def test_a_lease_holds_all_that_belongs_to_its_image(product, own, name):  # noqa: F811
    repository = product.registry(name)
    member, running = repository.push_image(seed="one"), repository.push_image(seed="two")
    index = builders.an_index(member, running)
    assert repository.push_manifest(index, "v1").status == 201
    signature = repository.push_image(
        seed="of the index", subject=index.descriptor, artifactType="application/x-signature"
    )
    old_signature = repository.push_image(f"{running.digest.replace(':', '-')}.sig")
    other = repository.push_image("other")
    lease(own, name, running.digest)

    answers = {
        document.digest: repository("DELETE", f"/manifests/{document.digest}")
        for document in (index, member, running, signature, old_signature, other)
    }

    assert [answer.status for answer in answers.values()] == [409, 405, 405, 409, 409, 202]
    assert "prod-eu" in answers[index.digest].message
    assert "prod-eu" in answers[signature.digest].message


def test_a_preview_tells_what_rules_would_let_go_but_for_a_lease(product, own, name):  # noqa: F811
    repository, ecr = product.registry(name), product.ecr()
    running = repository.push_image("running")
    members = [repository.push_image(seed=seed) for seed in ("one", "two")]
    repository.push_manifest(builders.an_index(*members), "newest")
    lease(own, name, running.digest)
    selection = {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 1}
    rules = {"rules": [{"rulePriority": 7, "selection": selection, "action": {"type": "expire"}}]}
    ecr.start_lifecycle_policy_preview(repositoryName=name, lifecyclePolicyText=json.dumps(rules))
    ecr.get_waiter("lifecycle_policy_preview_complete").wait(repositoryName=name, WaiterConfig={"Delay": 1})

    first = own.list_lifecycle_policy_preview_failures(repositoryName=name, maxResults=1)
    rest = own.list_lifecycle_policy_preview_failures(repositoryName=name, nextToken=first["nextToken"])

    found = {one["imageDigest"]: one for one in [*first["failures"], *rest["failures"]]}
    assert ecr.get_lifecycle_policy_preview(repositoryName=name)["previewResults"] == []
    assert {digest: one["failureCode"] for digest, one in found.items()} == {
        running.digest: "ImageInUse",
        **{member.digest: "ImageReferencedByManifestList" for member in members},
    }
    assert found[running.digest]["appliedRulePriority"] == 7
    assert "prod-eu (default/web)" in found[running.digest]["failureReason"]


def test_what_is_no_lease_is_refused(product, own, name):  # noqa: F811
    product.registry(name)

    for wish in (
        {"images": [{}]},
        {"images": [{"imageTag": "v1"}], "holder": "two\nlines"},
        {"images": [{"imageTag": "v1", "detail": "\x1b[31m"}]},
    ):
        code, _ = refusal(own.put_image_lease, **{"repositoryName": name, **PROD, **wish})
        assert code == "InvalidParameterException"
