"""For every documented exception of every operation: what provokes it, or why nothing does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from holdfast.registry import images
from tests import builders
from tests.aws.desk import ECR, codes
from tests.aws.furnished import (
    ABSENT,
    ARN,
    CACHED,
    CHILD,
    COPIED,
    ELSEWHERE,
    EMPTY,
    EMPTY_UPLOAD,
    FROZEN,
    HERE,
    INDEX,
    KNOWN_LAYER,
    LOOSE,
    MAIN,
    NEVER,
    NOWHERE,
    OLD,
    OTHER_USER,
    PLAIN,
    PROFILE,
    RIGHT,
    ROLE,
    SECRET,
    SMALL_PARTS,
    STRANGER,
    TEMPLATE,
    USER,
    WEST,
    part_of,
)
from tests.registry.ground import HOME

Pair = tuple[str, str]  # of an operation and a code
SUFFIX = "Exception"


@dataclass(frozen=True)
class Provocation:
    """What is wrong with a request that would be right, or with the world it comes into."""

    members: dict[str, Any] = field(default_factory=dict)
    region: str | None = None
    limits: dict[str, Any] = field(default_factory=dict)
    patch: tuple[object, str, Any] | None = None
    before: tuple[tuple[str, dict[str, Any]], ...] = ()  # what is asked, and answered, before


def but(**members: Any) -> Provocation:
    """The right request with other members."""
    return Provocation(members)


def full(**limits: Any) -> Provocation:
    """The right request where there is room for no more."""
    return Provocation(limits=limits)


def after(name: str, request: dict[str, Any], **members: Any) -> Provocation:
    """The right request, perhaps with other members, after another one."""
    return Provocation(members, before=((name, request),))


def tags(*keys: str) -> list[dict[str, str]]:
    """Resource tags of these keys."""
    return [{"Key": key, "Value": ""} for key in keys]


def manifest(document: builders.Document, **members: Any) -> Provocation:
    """The push of another manifest."""
    return but(imageManifest=document.body.decode(), **members)


AT_EMPTY, AT_CACHED = but(repositoryName=EMPTY.name), but(repositoryName=CACHED.name)
UNCONFIGURED = Provocation(region=ELSEWHERE)
NO_IMAGE = but(imageId={"imageTag": "absent"})
NO_RULE = but(ecrRepositoryPrefix="absent")
TOO_MANY = tags(*(f"key-{number}" for number in range(51)))
FOREIGN_SECRET = but(credentialArn=SECRET.replace("us-east-1", "eu-west-1"))
ABSENT_KEY = {"encryptionType": "KMS", "kmsKey": f"arn:aws:kms:us-east-1:{HOME.account_id}:key/absent"}

SPECIFIC = {
    "BatchGetImage.LimitExceeded": Provocation(patch=(images, "BATCH_BYTES", 1)),
    "BatchGetImage.UnableToGetUpstreamImage": AT_CACHED,
    "CompleteLayerUpload.EmptyUpload": but(uploadId=EMPTY_UPLOAD),
    "CompleteLayerUpload.InvalidLayer": but(layerDigests=[NOWHERE]),
    "CompleteLayerUpload.LayerAlreadyExists": but(uploadId=KNOWN_LAYER, layerDigests=[builders.digest(LOOSE)]),
    "CompleteLayerUpload.LayerPartTooSmall": but(uploadId=SMALL_PARTS),
    "CompleteLayerUpload.UploadNotFound": but(uploadId=NEVER),
    "CreatePullThroughCacheRule.LimitExceeded": full(cache_rules=1),
    "CreatePullThroughCacheRule.PullThroughCacheRuleAlreadyExists": but(ecrRepositoryPrefix="cached/"),
    "CreatePullThroughCacheRule.UnableToAccessSecret": FOREIGN_SECRET,
    "CreatePullThroughCacheRule.UnsupportedUpstreamRegistry": but(upstreamRegistryUrl="https://registry.example"),
    "CreateRepository.InvalidTagParameter": but(tags=tags("aws:mine")),
    "CreateRepository.Kms": but(encryptionConfiguration=ABSENT_KEY),
    "CreateRepository.LimitExceeded": full(repositories=4),
    "CreateRepository.RepositoryAlreadyExists": AT_EMPTY,
    "CreateRepository.TooManyTags": but(tags=TOO_MANY),
    "CreateRepositoryCreationTemplate.LimitExceeded": full(creation_templates=1),
    "CreateRepositoryCreationTemplate.TemplateAlreadyExists": but(prefix="made/"),
    "DeleteLifecyclePolicy.LifecyclePolicyNotFound": AT_EMPTY,
    "DeletePullThroughCacheRule.PullThroughCacheRuleNotFound": NO_RULE,
    "DeleteRegistryPolicy.RegistryPolicyNotFound": UNCONFIGURED,
    "DeleteRepository.RepositoryNotEmpty": but(repositoryName=FROZEN.name),
    "DeleteRepositoryCreationTemplate.TemplateNotFound": but(prefix="absent"),
    "DeleteRepositoryPolicy.RepositoryPolicyNotFound": AT_EMPTY,
    "DeleteSigningConfiguration.SigningConfigurationNotFound": UNCONFIGURED,
    "DeregisterPullTimeUpdateExclusion.ExclusionNotFound": but(principalArn=OTHER_USER),
    "DescribeImageReplicationStatus.ImageNotFound": NO_IMAGE,
    "DescribeImageScanFindings.ImageNotFound": NO_IMAGE,
    "DescribeImageScanFindings.ScanNotFound": but(imageId={"imageDigest": PLAIN.digest}),
    "DescribeImageSigningStatus.ImageNotFound": NO_IMAGE,
    "DescribeImages.ImageNotFound": but(imageIds=[{"imageTag": "v1"}, {"imageTag": "absent"}]),
    "DescribePullThroughCacheRules.PullThroughCacheRuleNotFound": but(ecrRepositoryPrefixes=["cached", "absent"]),
    "DescribeReplicationBackfillResults.ReplicationBackfillNotFound": but(replicationBackfillId=NEVER),
    "GetDownloadUrlForLayer.LayerInaccessible": but(layerDigest=builders.digest(LOOSE)),
    "GetDownloadUrlForLayer.LayersNotFound": but(layerDigest=NOWHERE),
    "GetDownloadUrlForLayer.UnableToGetUpstreamLayer": AT_CACHED,
    "GetLifecyclePolicy.LifecyclePolicyNotFound": AT_EMPTY,
    "GetLifecyclePolicyPreview.LifecyclePolicyPreviewNotFound": AT_EMPTY,
    "GetRegistryPolicy.RegistryPolicyNotFound": UNCONFIGURED,
    "GetRepositoryPolicy.RepositoryPolicyNotFound": AT_EMPTY,
    "GetSigningConfiguration.SigningConfigurationNotFound": UNCONFIGURED,
    "InitiateLayerUpload.Kms": after(
        "UpdateRepositoryCreationTemplate",
        {"prefix": TEMPLATE["prefix"], "encryptionConfiguration": ABSENT_KEY, "customRoleArn": ROLE},
        repositoryName="made/by-push",
    ),
    "ListImageReferrers.UnableToListUpstreamImageReferrers": AT_CACHED,
    "PutImage.ImageAlreadyExists": manifest(MAIN, imageTag="v1"),
    "PutImage.ImageDigestDoesNotMatch": but(imageDigest=NOWHERE),
    "PutImage.ImageTagAlreadyExists": after(
        "PutImageTagMutability", {**HERE, "imageTagMutability": "IMMUTABLE"}, imageTag="v1"
    ),
    "PutImage.LayersNotFound": manifest(STRANGER),
    "PutImage.LimitExceeded": full(images=8),
    "PutImage.ReferencedImagesNotFound": manifest(builders.an_index(MAIN, STRANGER)),
    "PutReplicationConfiguration.Validation": but(replicationConfiguration={"rules": [{"destinations": [WEST, WEST]}]}),
    "PutSigningConfiguration.Validation": but(
        signingConfiguration={"rules": [{"signingProfileArn": PROFILE.replace("us-east-1", "eu-west-1")}]}
    ),
    "RegisterPullTimeUpdateExclusion.ExclusionAlreadyExists": but(principalArn=USER),
    "RegisterPullTimeUpdateExclusion.LimitExceeded": full(pull_exclusions=1),
    "StartImageScan.ImageArchived": but(imageId={"imageDigest": OLD.digest}),
    "StartImageScan.ImageNotFound": NO_IMAGE,
    "StartImageScan.LimitExceeded": but(imageId={"imageTag": "v1"}),
    "StartImageScan.UnsupportedImageType": but(imageId={"imageDigest": INDEX.digest}),
    "StartImageScan.Validation": after("PutRegistryScanningConfiguration", {"scanType": "ENHANCED"}),
    "StartLifecyclePolicyPreview.LifecyclePolicyNotFound": AT_EMPTY,
    "StartLifecyclePolicyPreview.LifecyclePolicyPreviewInProgress": after("StartLifecyclePolicyPreview", HERE),
    "StartReplicationBackfill.LimitExceeded": full(backfills=1),
    "StartReplicationBackfill.ReplicationBackfillInProgress": after("StartReplicationBackfill", {"destination": WEST}),
    "StartReplicationBackfill.Validation": but(destination={**WEST, "region": ELSEWHERE}),
    "StopReplicationBackfill.ReplicationBackfillInvalidStatus": but(replicationBackfillId=COPIED),
    "StopReplicationBackfill.ReplicationBackfillNotFound": but(replicationBackfillId=NEVER),
    "TagResource.InvalidTagParameter": but(tags=tags("same", "same")),
    "TagResource.TooManyTags": but(tags=TOO_MANY[:49]),
    "UpdateImageStorageClass.ImageNotFound": NO_IMAGE,
    "UpdateImageStorageClass.ImageStorageClassUpdateNotSupported": but(imageId={"imageDigest": CHILD.digest}),
    "UpdatePullThroughCacheRule.PullThroughCacheRuleNotFound": NO_RULE,
    "UpdatePullThroughCacheRule.UnableToAccessSecret": FOREIGN_SECRET,
    "UpdateRepositoryCreationTemplate.TemplateNotFound": but(prefix="absent"),
    "UploadLayerPart.InvalidLayerPart": Provocation(part_of(SMALL_PARTS, 1, b"two")),
    "UploadLayerPart.LimitExceeded": Provocation(part_of(SMALL_PARTS, 6, b"three"), limits={"layer_parts": 2}),
    "UploadLayerPart.UploadNotFound": but(uploadId=NEVER),
    "ValidatePullThroughCacheRule.PullThroughCacheRuleNotFound": NO_RULE,
}

# Which code, of which operations, and why.
NOT_PROVOKED = (
    (
        "Validation",
        """
        BatchGetRepositoryScanningConfiguration CreatePullThroughCacheRule CreateRepositoryCreationTemplate
        DeleteLifecyclePolicy DeletePullThroughCacheRule DeleteRegistryPolicy DeleteRepositoryCreationTemplate
        DeregisterPullTimeUpdateExclusion DescribeImageReplicationStatus DescribeImageScanFindings
        DescribeImageSigningStatus DescribePullThroughCacheRules DescribeRegistry DescribeReplicationBackfillResults
        DescribeRepositoryCreationTemplates GetAccountSetting GetLifecyclePolicy GetLifecyclePolicyPreview
        GetRegistryPolicy GetRegistryScanningConfiguration GetSigningConfiguration ListImageReferrers
        ListPullTimeUpdateExclusions ListReplicationBackfills PutAccountSetting PutImageScanningConfiguration
        PutLifecyclePolicy PutRegistryPolicy PutRegistryScanningConfiguration RegisterPullTimeUpdateExclusion
        StartLifecyclePolicyPreview StopReplicationBackfill UpdateImageStorageClass UpdatePullThroughCacheRule
        UpdateRepositoryCreationTemplate ValidatePullThroughCacheRule
        """,
        "Where an operation has both, a broken constraint is an InvalidParameterException.",
    ),
    (
        "InvalidParameter",
        """
        DeleteRegistryPolicy DescribeRegistry GetRegistryPolicy GetRegistryScanningConfiguration
        GetSigningConfiguration
        """,
        "It takes no member that could be wrong.",
    ),
    ("Validation", "DeleteSigningConfiguration", "It takes no member that could be wrong."),
    (
        "RepositoryNotFound",
        "BatchGetRepositoryScanningConfiguration",
        "A repository that is missing is told beside those that are there.",
    ),
    (
        "Kms",
        "CompleteLayerUpload PutImage UploadLayerPart",
        "It takes a key that was disabled since its repository was made: tests/test_kms.py.",
    ),
    (
        "Kms",
        "DeleteRepository",
        "No key is needed to delete.",
    ),
    ("SecretNotFound", "CreatePullThroughCacheRule UpdatePullThroughCacheRule", "Secrets are not looked up yet."),
    ("UnableToDecryptSecretValue", "CreatePullThroughCacheRule UpdatePullThroughCacheRule", "Nor are they read."),
    (
        "LimitExceeded",
        "DeregisterPullTimeUpdateExclusion ListPullTimeUpdateExclusions PutAccountSetting",
        "It makes nothing of which there could be too many.",
    ),
    ("InvalidTagParameter", "UntagResource", "A key that no tag can have is absent, and absent ones are no fault."),
    ("TooManyTags", "UntagResource", "There are only fewer tags afterwards."),
    ("BlockedByOrganizationPolicy", "PutRegistryScanningConfiguration", "There are no organizations."),
)
UNPROVOKED: list[Pair] = [(name, code + SUFFIX) for code, names, _ in NOT_PROVOKED for name in names.split()]


def every_pair() -> list[Pair]:
    """Every documented exception of every operation."""
    return sorted((name, code) for name in ECR.operation_names for code in codes(name))


def provocation(name: str, code: str) -> Provocation | None:
    """What provokes a refusal of an operation, if something does; a failing database is not among it."""
    specific = SPECIFIC.get(f"{name}.{code.removesuffix(SUFFIX)}")
    if specific is not None or (name, code) in UNPROVOKED:
        return specific
    return {"RepositoryNotFoundException": _absent, "InvalidParameterException": broken}.get(code, lambda _: None)(name)


def _absent(name: str) -> Provocation:
    """A repository that is not there."""
    if "resourceArn" in RIGHT[name]:
        return but(resourceArn=ARN.replace(HERE["repositoryName"], ABSENT))
    return but(repositoryNames=[ABSENT]) if "repositoryNames" in RIGHT[name] else but(repositoryName=ABSENT)


def broken(name: str) -> Provocation | None:
    """The first member that can break a constraint of its shape, or is required."""
    shape = ECR.find(name).input_shape
    for member, inner in shape.members.items():
        for value in _wrong(inner):
            return but(**{member: value})
    return but(**dict.fromkeys(shape.required_members[:1])) if shape.required_members else None


def _wrong(shape: Any) -> list[Any]:
    rules = shape.metadata
    match shape.type_name:
        case "string":
            return ["" if rules.get("min", 0) else "!"] if rules.keys() & {"min", "pattern", "enum"} else []
        case "list":
            return [[]] if rules.get("min", 0) else [[value] for value in _wrong(shape.member)]
        case "integer" | "long":
            return [rules["min"] - 1] if "min" in rules else []
        case "structure":
            return [{member: value} for member, inner in shape.members.items() for value in _wrong(inner)]
    return []
