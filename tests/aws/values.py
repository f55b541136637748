"""Values for members of requests: good ones by name, documents, and oddities that any member may get."""

from __future__ import annotations

import base64
import json
from typing import Any

from tests import builders
from tests.aws import furnished as there
from tests.registry.ground import HOME

NESTED: Any = "deep"
for _ in range(60):
    NESTED = {"a": [NESTED]}

ODD = ["", "\0", "a\0b", "\ud800", "é" * 200, "a\n", " ", "../..", "' OR 1=1 --", "%", "x" * 5000, "\U0001f600", "A",
       "_", "-", "a" * 257]  # fmt: skip
HUGE = "a number that no reader takes"  # until it is written
ANYTHING: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    2**31,
    2**63,
    10**30,
    10**400,
    HUGE,
    {},
    [],
    [None],
    {"a": None},
    NESTED,
    *ODD,
]


def written(document: Any) -> str:
    """A document as JSON."""
    return json.dumps(document).replace(f'"{HUGE}"', "1e999")


# Good values of members by their names, or by those of their shapes, whatever the operation.
DIGESTS = [
    *(document.digest for document in (there.MAIN, there.CHILD, there.PLAIN, there.OLD, there.INDEX, there.SIGNATURE)),
    there.MAIN.json()["layers"][0]["digest"],
    *(builders.digest(data) for data in (there.LOOSE, there.ARRIVING)),
    there.NOWHERE,
    "sha512:" + "0" * 128,
    "md5:00",
]
REPOSITORIES = [there.EMPTY.name, there.FROZEN.name, there.CACHED.name, there.ABSENT, "made/by-push", "new/one"]
POLICIES = [
    there.OPEN,
    there.WIDE,
    '{"Statement": {"Effect": "Deny", "Principal": "*", "Action": "*"}}',
    "[" * 10_000,
    written(
        {
            "Statement": [
                {
                    "Sid": "a",
                    "Effect": "Deny",
                    "NotPrincipal": {"AWS": [HOME.account_id, there.ROLE]},
                    "NotAction": ["ecr:Set*"],
                    "Resource": [there.ARN],
                    "Condition": {"NumericEquals": {"a:b": [1, "2"]}},
                }
            ]
        }
    ),
]
LIFECYCLES = [
    there.EXPIRING,
    "[" * 30_000,
    there.KEEPING,
    there.lifecycle_policy(countType="sinceImagePushed", countUnit="days", countNumber=2**31 - 1),
    there.lifecycle_policy(
        tagStatus="tagged", tagPatternList=["*\ud7ff*a*b*", "v*"], countType="imageCountMoreThan", countNumber=1
    ),
    there.lifecycle_policy(countType="sinceImagePulled", countUnit="days", countNumber=1)
    .replace('"expire"', '"transition", "targetStorageClass": "archive"'),
]  # fmt: skip
MANIFESTS = [
    *(document.body.decode() for document in (there.MAIN, there.NEXT, there.INDEX, there.SIGNATURE, there.STRANGER)),
    "[" * 100_000,
    builders.an_index(
        there.OLD, there.SIGNATURE, subject=there.INDEX.descriptor, annotations={"\0": "\0"}
    ).body.decode(),
    builders.document(builders.OCI_INDEX, manifests=None).body.decode(),
    builders.document(builders.OCI_MANIFEST, config=there.MAIN.json()["config"], layers=None).body.decode(),
]
OTHER_REGISTRIES = [f"{digit * 12}.dkr.ecr.eu-west-1.amazonaws.com" for digit in "01"]
UPSTREAMS = ["quay.io", "ghcr.io", "public.ecr.aws", "registry.example", *OTHER_REGISTRIES]
TOKENS = [base64.urlsafe_b64encode(text).decode() for text in (b"0", b"1", b'"a"', b'""', b'[0,""]', b'[1,"v1"]', b"-1",
          b"9223372036854775807", b"9223372036854775808", b'"\\u0000"', b'[1,"\\ud800"]', b'[9223372036854775807,""]',
          b"[[" * 2000, b"1.5", b"null", b"[]", b"{}", b"1e999")]  # fmt: skip
GOOD: dict[str, list[Any]] = {
    "repositoryName": REPOSITORIES,
    "repositoryNames": [[name] for name in REPOSITORIES],
    "registryId": [HOME.account_id],
    "registryIds": [[HOME.account_id]],
    "imageTag": ["v1", "latest", "plain", "index", "old", "returning", "unreadable", "new", "x" * 300],
    "imageDigest": DIGESTS,
    "layerDigest": DIGESTS,
    "layerDigests": [[digest] for digest in DIGESTS],
    "imageIds": [[{"imageTag": "v1"}], [{"imageDigest": digest} for digest in DIGESTS], [{}]],
    "uploadId": [there.UPLOAD, there.EMPTY_UPLOAD, there.SMALL_PARTS, there.KNOWN_LAYER, there.NEVER],
    "replicationBackfillId": [there.COPIED, there.COPYING, there.NEVER],
    "resourceArn": [there.ARN, there.EMPTY_ARN, there.ARN.replace("us-east-1", "eu-west-1"), there.ARN + "/x"],
    "imageManifestMediaType": [builders.OCI_MANIFEST, builders.OCI_INDEX, builders.DOCKER_MANIFEST, "text/plain"],
    "acceptedMediaTypes": [[builders.OCI_MANIFEST], [builders.DOCKER_MANIFEST]],
    "artifactTypes": [["application/x-signature"], ["a", "b"]],
    "nextToken": TOKENS,
    "prefix": ["made", "made/", "new", "ROOT", "a/b/c/"],
    "prefixes": [["made"], ["absent"], []],
    "ecrRepositoryPrefix": ["cached", "cached/", "new", "ROOT", "absent"],
    "ecrRepositoryPrefixes": [["cached"], ["absent"]],
    "upstreamRepositoryPrefix": ["ROOT", "library"],
    "upstreamRegistryUrl": UPSTREAMS,
    "credentialArn": [there.SECRET, there.SECRET.replace("us-east-1", "eu-west-1")],
    "customRoleArn": [there.ROLE, ""],
    "principalArn": [there.USER, there.OTHER_USER],
    "signingProfileArn": [there.PROFILE, there.PROFILE + "2", there.PROFILE.replace("us-east-1", "eu-west-1")],
    "destination": [there.EAST, there.WEST],
    "destinations": [[there.EAST], [there.WEST], [there.EAST, there.WEST], []],
    "name": ["BLOB_MOUNTING", "REGISTRY_POLICY_SCOPE", "BASIC_SCAN_TYPE_VERSION"],
    "value": ["ENABLED", "DISABLED", "V1", "V2", "AWS_NATIVE", "CLAIR"],
    "ImageTagMutabilityExclusionFilterValue": ["v*", "a*b*c*"],
    "ScanningRepositoryFilterValue": ["*", "some/repository", "some/repo*"],
    "RepositoryFilterValue": ["some", "some/"],
    "SigningRepositoryFilterValue": ["*", "some/*"],
    "kmsKey": ["", "alias/x", f"arn:aws:kms:us-east-1:{HOME.account_id}:key/1234"],
    "Key": ["team", "stage", "aws:x", "", "k" * 128, "k" * 129],
    "Value": ["", "a", "v" * 256, "v" * 257],
    "tagKeys": [["team"], ["team", "team", ""], []],
    "layerPartBlob": [base64.b64encode(data).decode() for data in (b"", b"a", b"three", b"x" * 40_000)],
    "partFirstByte": [0, 1, 3, 6, 2**62, 2**63 - 1],
    "partLastByte": [0, 3, 8, 39_999, 2**62, 2**63 - 1],
}  # fmt: skip
TEXTS = {
    "policyText": POLICIES,
    "repositoryPolicy": POLICIES,
    "lifecyclePolicyText": LIFECYCLES,
    "lifecyclePolicy": LIFECYCLES,
    "imageManifest": MANIFESTS,
}
