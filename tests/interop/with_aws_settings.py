"""Amazon's own command line, for what is set on repositories and registries and done to images because of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.builders import OCI_MANIFEST, digest
from tests.interop.places import expect, expect_same
from tests.interop.report import Checks
from tests.interop.with_aws import manifest, upload_layers

if TYPE_CHECKING:
    from tests.interop.places import Place

CHECKS = Checks()
ACCOUNT = "000000000000"
# What is set on a registry would follow every push of the other checks, so it is set where they push nothing.
ELSEWHERE = "eu-central-1"
LIFECYCLE = json.dumps({
    "rules": [{
        "rulePriority": 1,
        "description": "one image is enough",
        "selection": {"tagStatus": "any", "countType": "imageCountMoreThan", "countNumber": 1},
        "action": {"type": "expire"},
    }]
})  # fmt: skip


def policy(action: str, **members: object) -> str:
    """A policy that lets another account do one thing."""
    statement = {"Sid": "other", "Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": [action], **members}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


# ---- Of a repository


@CHECKS.add("aws ecr start-, wait for and get-lifecycle-policy-preview", "aws")
def preview(at: Place) -> None:
    at.create("aws/set")
    upload_layers(at, "aws/set")
    for number in (1, 2):
        on_set(
            at, "put-image", "--image-tag", f"v{number}", "--image-manifest", manifest(annotations={"n": f"{number}"})
        )

    begun = on_set(at, "start-lifecycle-policy-preview", "--lifecycle-policy-text", LIFECYCLE)
    at.aws("wait", "lifecycle-policy-preview-complete", "--repository-name", "aws/set")
    found = on_set(at, "get-lifecycle-policy-preview")

    expect_same(begun["status"], "IN_PROGRESS")
    expect_same(found["summary"]["expiringImageTotalCount"], 1)
    expect_same([(one["imageTags"], one["action"]) for one in found["previewResults"]], [(["v1"], {"type": "EXPIRE"})])
    expect_same(len(on_set(at, "list-images")["imageIds"]), 2)


@CHECKS.add("aws ecr put-, get- and delete-lifecycle-policy", "aws")
def lifecycle(at: Place) -> None:
    harmless = LIFECYCLE.replace('"countNumber": 1', '"countNumber": 1000')
    on_set(at, "put-lifecycle-policy", "--lifecycle-policy-text", harmless)
    kept = on_set(at, "get-lifecycle-policy")["lifecyclePolicyText"]
    on_set(at, "delete-lifecycle-policy")

    expect_same(json.loads(kept), json.loads(harmless))
    at.aws_refuses("LifecyclePolicyNotFoundException", "get-lifecycle-policy", "--repository-name", "aws/set")
    at.aws_refuses(
        "Lifecycle policy validation failure",
        *(
            "put-lifecycle-policy",
            "--repository-name",
            "aws/set",
            "--lifecycle-policy-text",
            "a text of a hundred " * 5,
        ),
    )


@CHECKS.add("aws ecr set-, get- and delete-repository-policy", "aws")
def repository_policy(at: Place) -> None:
    text = policy("ecr:BatchGetImage")
    on_set(at, "set-repository-policy", "--policy-text", text)
    kept = on_set(at, "get-repository-policy")["policyText"]
    on_set(at, "delete-repository-policy")

    expect_same(json.loads(kept), json.loads(text))
    at.aws_refuses("RepositoryPolicyNotFoundException", "get-repository-policy", "--repository-name", "aws/set")


@CHECKS.add("aws ecr start-image-scan, wait image-scan-complete", "aws")
def scan(at: Place) -> None:
    image = ("--repository-name", "aws/set", "--image-id", "imageTag=v2")
    begun = at.aws("start-image-scan", *image)

    # Nothing judges packages yet, and nobody must take that for an image without faults.
    at.aws_refuses("FAILED", "wait", "image-scan-complete", *image)
    status = at.aws("describe-image-scan-findings", *image)["imageScanStatus"]
    expect(begun["imageScanStatus"]["status"] in {"PENDING", "IN_PROGRESS"}, f"begun as {begun}")
    expect_same(status["status"], "FAILED")
    expect("was not scanned" in status["description"], f"said {status}")


@CHECKS.add("aws ecr update-image-storage-class, there and back", "aws")
def storage_class(at: Place) -> None:
    def become(storage_class: str) -> str:
        wish = ("--image-id", "imageTag=v2", "--target-storage-class", storage_class)
        return on_set(at, "update-image-storage-class", *wish)["imageStatus"]

    archived = become("ARCHIVE")
    left = on_set(at, "list-images", "--query", "imageIds[].imageTag")
    restored = become("STANDARD")

    expect_same((archived, left, restored), ("ARCHIVED", ["v1"], "ACTIVATING"))


@CHECKS.add("aws ecr list-image-referrers", "aws")
def referrers(at: Place) -> None:
    subject = manifest(annotations={"n": "1"}).encode()
    described = {"mediaType": OCI_MANIFEST, "digest": digest(subject), "size": len(subject)}
    signature = manifest(subject=described, artifactType="application/example")
    on_set(at, "put-image", "--image-manifest", signature)

    [found] = on_set(at, "list-image-referrers", "--subject-id", f"imageDigest={digest(subject)}")["referrers"]

    expect_same((found["digest"], found["artifactType"]), (digest(signature.encode()), "application/example"))


# ---- Of a registry


@CHECKS.add("aws ecr put-, get- and delete-registry-policy", "aws")
def registry_policy(at: Place) -> None:
    text = policy("ecr:ReplicateImage", Resource=f"arn:aws:ecr:{ELSEWHERE}:{ACCOUNT}:repository/*")
    elsewhere(at, "put-registry-policy", "--policy-text", text)
    kept = elsewhere(at, "get-registry-policy")["policyText"]
    elsewhere(at, "delete-registry-policy")

    expect_same(json.loads(kept), json.loads(text))
    at.aws_refuses("RegistryPolicyNotFoundException", "get-registry-policy", "--region", ELSEWHERE)


@CHECKS.add("aws ecr put-replication-configuration, describe-registry", "aws")
def replication(at: Place) -> None:
    wanted = {
        "rules": [{
            "destinations": [{"region": "eu-west-1", "registryId": ACCOUNT}],
            "repositoryFilters": [{"filter": "prod", "filterType": "PREFIX_MATCH"}],
        }]
    }  # fmt: skip
    elsewhere(at, "put-replication-configuration", "--replication-configuration", json.dumps(wanted))

    expect_same(elsewhere(at, "describe-registry"), {"registryId": ACCOUNT, "replicationConfiguration": wanted})


@CHECKS.add("aws ecr put- and get-registry-scanning-configuration", "aws")
def scanning(at: Place) -> None:
    filters = [{"filter": "prod*", "filterType": "WILDCARD"}]
    rules = [{"scanFrequency": "SCAN_ON_PUSH", "repositoryFilters": filters}]
    wish = ("--scan-type", "BASIC", "--rules", json.dumps(rules))
    elsewhere(at, "put-registry-scanning-configuration", *wish)

    kept = elsewhere(at, "get-registry-scanning-configuration")["scanningConfiguration"]

    expect_same(kept, {"scanType": "BASIC", "rules": rules})


@CHECKS.add("aws ecr create-, describe- and delete-pull-through-cache-rule", "aws")
def cache_rules(at: Place) -> None:
    prefix, upstream = ("--ecr-repository-prefix", "public"), ("--upstream-registry-url", "public.ecr.aws")
    elsewhere(at, "create-pull-through-cache-rule", *prefix, *upstream)
    [rule] = elsewhere(at, "describe-pull-through-cache-rules")["pullThroughCacheRules"]
    elsewhere(at, "delete-pull-through-cache-rule", *prefix)

    expect_same((rule["ecrRepositoryPrefix"], rule["upstreamRegistryUrl"]), ("public", "public.ecr.aws"))
    expect_same(elsewhere(at, "describe-pull-through-cache-rules")["pullThroughCacheRules"], [])


@CHECKS.add("aws ecr create-, describe-, delete-repository-creation-template", "aws")
def creation_templates(at: Place) -> None:
    wish = ("--applied-for", "REPLICATION", "CREATE_ON_PUSH", "--image-tag-mutability", "IMMUTABLE")
    elsewhere(at, "create-repository-creation-template", "--prefix", "team", *wish)
    [template] = elsewhere(at, "describe-repository-creation-templates")["repositoryCreationTemplates"]
    elsewhere(at, "delete-repository-creation-template", "--prefix", "team")

    expect_same((template["prefix"], template["imageTagMutability"]), ("team", "IMMUTABLE"))
    expect_same(sorted(template["appliedFor"]), ["CREATE_ON_PUSH", "REPLICATION"])


@CHECKS.add("aws ecr put- and get-account-setting", "aws")
def account_setting(at: Place) -> None:
    name = ("--name", "BASIC_SCAN_TYPE_VERSION")
    elsewhere(at, "put-account-setting", *name, "--value", "AWS_NATIVE")

    expect_same(elsewhere(at, "get-account-setting", *name)["value"], "AWS_NATIVE")


@CHECKS.add("aws ecr put-, get- and delete-signing-configuration", "aws")
def signing(at: Place) -> None:
    profile = f"arn:aws:signer:{ELSEWHERE}:{ACCOUNT}:/signing-profiles/release"
    wanted = {"rules": [{"signingProfileArn": profile}]}
    elsewhere(at, "put-signing-configuration", "--signing-configuration", json.dumps(wanted))
    kept = elsewhere(at, "get-signing-configuration")["signingConfiguration"]
    elsewhere(at, "delete-signing-configuration")

    expect_same(kept, wanted)


def on_set(at: Place, operation: str, *arguments: str):
    return at.aws(operation, "--repository-name", "aws/set", *arguments)


def elsewhere(at: Place, operation: str, *arguments: str):
    return at.aws(operation, "--region", ELSEWHERE, *arguments)
