"""A registry with one of everything, and a request that is right there for every operation."""

from __future__ import annotations

import base64
import json
import os
import uuid
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from holdfast import registry
from holdfast.blobs import FileStore, SealedStore
from holdfast.model.images import ImageId
from holdfast.model.names import Registry, RepositoryRef
from holdfast.model.repositories import Mutability, TagMutability
from holdfast.registry.accounts import Tokens
from holdfast.registry.pulls import Pulls
from holdfast.store import sqlite
from tests import builders, databases
from tests.aws.desk import Desk
from tests.registry.ground import (
    AT,
    HOME,
    Clock,
    create,
    open_ground,
    push,
    push_blob,
    put,
    work_off,
    work_off_patiently,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from holdfast.registry import Backends

EMPTY, FROZEN, CACHED = (RepositoryRef(HOME, name) for name in ("empty/repository", "frozen/repository", "cached/app"))
ABSENT = "absent/repository"
ELSEWHERE = "eu-nothing-1"  # a region in which nothing was ever done


def image(seed: str, **members: Any) -> builders.Document:
    """The document that pushing an image of that seed makes."""
    return builders.an_image(lambda _: "", seed=seed, **members)


def lifecycle_policy(**selection: Any) -> str:
    """A policy by which some images of any kind expire."""
    rule = {"rulePriority": 1, "selection": {"tagStatus": "any", **selection}, "action": {"type": "expire"}}
    return json.dumps({"rules": [rule]})


def part_of(upload_id: str, first: int, data: bytes) -> dict[str, Any]:
    """The request that lets bytes continue an upload."""
    blob = base64.b64encode(data).decode()
    place = {"partFirstByte": first, "partLastByte": first + len(data) - 1}
    return {"repositoryName": AT.name, "uploadId": upload_id, **place, "layerPartBlob": blob}


MAIN, CHILD, PLAIN, OLD, NEXT = (image(seed) for seed in ("main", "child", "plain", "old", "next"))
INDEX = builders.an_index(MAIN, CHILD)
REFERRING = {"subject": MAIN.descriptor, "artifactType": "application/x-signature", "annotations": {"a": "b"}}
SIGNATURE = image("signature", **REFERRING)
# What is in members that nobody reads is never looked at; numbers that no reader takes among it.
UNREADABLE = builders.Document(image("next").body[:-1] + b', "x": 1e999}', builders.OCI_MANIFEST)
STRANGER = image("stranger")  # whose layers are nowhere
LOOSE, ARRIVING = b"a layer of no image", b"a layer on its way"
NOWHERE = "sha256:" + "0" * 64

UPLOAD, EMPTY_UPLOAD, SMALL_PARTS, KNOWN_LAYER, COPIED, COPYING = (str(uuid.UUID(int=n, version=4)) for n in range(6))
NEVER = str(uuid.UUID(int=2**64, version=4))

ARN, EMPTY_ARN = AT.arn, EMPTY.arn
USER, OTHER_USER = (f"arn:aws:iam::{HOME.account_id}:user/{name}" for name in ("scanner", "other"))
SECRET = f"arn:aws:secretsmanager:{HOME.region}:{HOME.account_id}:secret:ecr-pullthroughcache/one-AbCdEf"
ROLE = f"arn:aws:iam::{HOME.account_id}:role/cache"
PROFILE = f"arn:aws:signer:{HOME.region}:{HOME.account_id}:/signing-profiles/ours"
EAST, WEST = ({"region": region, "registryId": HOME.account_id} for region in ("eu-east-1", "eu-west-1"))
EXPIRING = lifecycle_policy(countType="imageCountMoreThan", countNumber=2)
KEEPING = lifecycle_policy(countType="sinceImagePushed", countUnit="days", countNumber=1000)
EVERYBODY = {"Sid": "all", "Effect": "Allow", "Principal": "*", "Action": "ecr:*"}
OPEN = json.dumps({"Version": "2012-10-17", "Statement": [EVERYBODY]})
WIDE = json.dumps({"Version": "2012-10-17", "Statement": [{**EVERYBODY, "Resource": "*"}]})

HERE = {"repositoryName": AT.name}
AN_IMAGE = {**HERE, "imageId": {"imageTag": "v1"}}
FROZEN_ONES = [{"filter": "frozen*", "filterType": "WILDCARD"}]
SCANNING = {"rules": [{"scanFrequency": "SCAN_ON_PUSH", "repositoryFilters": FROZEN_ONES}]}
REPLICATION = {"replicationConfiguration": {"rules": [{"destinations": [EAST, WEST]}]}}
SIGNING = {"signingConfiguration": {"rules": [{"signingProfileArn": PROFILE}]}}
TEMPLATE = {"prefix": "made", "appliedFor": ["CREATE_ON_PUSH"]}
CACHE_RULE = {"ecrRepositoryPrefix": "cached", "upstreamRegistryUrl": "registry-1.docker.io", "credentialArn": SECRET}

RIGHT: dict[str, dict[str, Any]] = {
    "BatchCheckLayerAvailability": {**HERE, "layerDigests": [builders.digest(LOOSE), NOWHERE, ""]},
    "BatchDeleteImage": {**HERE, "imageIds": [{"imageTag": "latest"}, {"imageDigest": NOWHERE}, {}]},
    "BatchGetImage": {
        **HERE,
        "imageIds": [{"imageTag": "v1"}, {"imageTag": "unreadable"}, {"imageDigest": OLD.digest}, {"imageTag": "!"}],
        "acceptedMediaTypes": [builders.DOCKER_MANIFEST],
    },
    "BatchGetRepositoryScanningConfiguration": {"repositoryNames": [AT.name, FROZEN.name, ABSENT]},
    "CompleteLayerUpload": {**HERE, "uploadId": UPLOAD, "layerDigests": [builders.digest(ARRIVING)]},
    "CreatePullThroughCacheRule": {"ecrRepositoryPrefix": "quay", "upstreamRegistryUrl": "quay.io"},
    "CreateRepository": {"repositoryName": "new/repository", "tags": [{"Key": "team", "Value": "a"}]},
    "CreateRepositoryCreationTemplate": {"prefix": "new", "appliedFor": ["REPLICATION"], "lifecyclePolicy": EXPIRING},
    "DeleteLifecyclePolicy": HERE,
    "DeletePullThroughCacheRule": {"ecrRepositoryPrefix": "cached"},
    "DeleteRegistryPolicy": {},
    "DeleteRepository": {"repositoryName": EMPTY.name},
    "DeleteRepositoryCreationTemplate": {"prefix": "made"},
    "DeleteRepositoryPolicy": HERE,
    "DeleteSigningConfiguration": {},
    "DeregisterPullTimeUpdateExclusion": {"principalArn": USER},
    "DescribeImageReplicationStatus": AN_IMAGE,
    "DescribeImageScanFindings": AN_IMAGE,
    "DescribeImageSigningStatus": AN_IMAGE,
    "DescribeImages": {**HERE, "imageIds": [{"imageTag": "v1"}, {"imageDigest": SIGNATURE.digest}]},
    "DescribePullThroughCacheRules": {"ecrRepositoryPrefixes": ["cached"]},
    "DescribeRegistry": {},
    "DescribeReplicationBackfillResults": {"replicationBackfillId": COPIED},
    "DescribeRepositories": {"repositoryNames": [AT.name, FROZEN.name]},
    "DescribeRepositoryCreationTemplates": {"prefixes": ["made"]},
    "GetAccountSetting": {"name": "BLOB_MOUNTING"},
    "GetAuthorizationToken": {"registryIds": [HOME.account_id, "111111111111"]},
    "GetDownloadUrlForLayer": {**HERE, "layerDigest": MAIN.json()["layers"][0]["digest"]},
    "GetLifecyclePolicy": HERE,
    "GetLifecyclePolicyPreview": HERE,
    "GetRegistryPolicy": {},
    "GetRegistryScanningConfiguration": {},
    "GetRepositoryPolicy": HERE,
    "GetSigningConfiguration": {},
    "InitiateLayerUpload": HERE,
    "ListImageReferrers": {
        **HERE,
        "subjectId": {"imageDigest": MAIN.digest},
        "filter": {"artifactTypes": [SIGNATURE.json()["artifactType"], "other"], "artifactStatus": "ANY"},
    },
    "ListImages": {**HERE, "filter": {"tagStatus": "TAGGED"}, "maxResults": 2},
    "ListPullTimeUpdateExclusions": {"maxResults": 1},
    "ListReplicationBackfills": {"maxResults": 1},
    "ListTagsForResource": {"resourceArn": ARN},
    "PutAccountSetting": {"name": "BLOB_MOUNTING", "value": "ENABLED"},
    "PutImage": {**HERE, "imageManifest": NEXT.body.decode(), "imageTag": "next"},
    "PutImageScanningConfiguration": {**HERE, "imageScanningConfiguration": {"scanOnPush": True}},
    "PutImageTagMutability": {**HERE, "imageTagMutability": "IMMUTABLE"},
    "PutLifecyclePolicy": {**HERE, "lifecyclePolicyText": EXPIRING},
    "PutRegistryPolicy": {"policyText": WIDE},
    "PutRegistryScanningConfiguration": {"scanType": "BASIC", **SCANNING},
    "PutReplicationConfiguration": REPLICATION,
    "PutSigningConfiguration": SIGNING,
    "RegisterPullTimeUpdateExclusion": {"principalArn": OTHER_USER},
    "SetRepositoryPolicy": {**HERE, "policyText": OPEN},
    "StartImageScan": {**HERE, "imageId": {"imageDigest": PLAIN.digest}},
    "StartLifecyclePolicyPreview": HERE,
    "StartReplicationBackfill": {"destination": WEST},
    "StopReplicationBackfill": {"replicationBackfillId": COPYING},
    "TagResource": {"resourceArn": ARN, "tags": [{"Key": "team", "Value": "b"}]},
    "UntagResource": {"resourceArn": ARN, "tagKeys": ["team", "absent"]},
    "UpdateImageStorageClass": {**HERE, "imageId": {"imageTag": "plain"}, "targetStorageClass": "ARCHIVE"},
    "UpdatePullThroughCacheRule": {"ecrRepositoryPrefix": "cached", "credentialArn": SECRET},
    "UpdateRepositoryCreationTemplate": {"prefix": "made", "description": "For pushes"},
    "UploadLayerPart": part_of(EMPTY_UPLOAD, 0, b"part"),
    "ValidatePullThroughCacheRule": {"ecrRepositoryPrefix": "cached"},
}  # fmt: skip


@contextmanager
def nobody_waits_for_the_disk() -> Iterator[None]:
    """Let everything be lost with the machine, and be quick for that."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sqlite, "PRAGMAS", (*sqlite.PRAGMAS, "synchronous=OFF"))
        patch.setattr(os, "fdatasync", lambda _: None)
        patch.setattr(os, "fsync", lambda _: None)
        yield


class Furnished:
    """The registry, made once; everybody gets a copy of his own."""

    def __init__(self, folder: Path) -> None:
        self._on = _furnish(folder)
        self._tokens = Tokens(self._on)
        self._on.database.close()

    def copy(self, folder: Path, **limits: Any) -> Desk:
        """The desk of a copy in an empty folder, perhaps with other limits."""
        database, blobs = databases.copied(self._on.database, folder), SealedStore(FileStore(folder / "objects"))
        keys = registry.keys.Keys(database, self._on.keys.file)
        on = replace(self._on, database=database, blobs=blobs, keys=keys, clock=Clock(), pulls=Pulls())
        return Desk(replace(on, limits=replace(on.limits, **limits)), self._tokens)

    def restore(self, desk: Desk) -> None:
        """Let a copy be as if nobody had touched it."""
        databases.restore(desk.on.database, self._on.database)
        desk.on.clock.now = Clock().now
        desk.on.pulls.take()

    def close(self) -> None:
        """Make no more copies."""
        databases.forget(self._on.database)


def _furnish(folder: Path) -> Backends:
    on = open_ground(folder, Clock())
    create(on, EMPTY)
    create(on, CACHED)
    create(on, FROZEN, mutability=TagMutability(Mutability.IMMUTABLE))
    _configure(Desk(on))
    _push(on)
    registry.pull_exclusions.register(on, HOME, USER)
    _begin_uploads(on)
    _work(on)
    return on


def _configure(desk: Desk) -> None:
    for name, request in (
        ("PutSigningConfiguration", SIGNING),
        ("PutReplicationConfiguration", REPLICATION),
        ("PutRegistryScanningConfiguration", SCANNING),
        ("PutRegistryPolicy", {"policyText": WIDE}),
        ("SetRepositoryPolicy", {**HERE, "policyText": OPEN}),
        ("TagResource", {"resourceArn": ARN, "tags": [{"Key": "team", "Value": "a"}, {"Key": "stage", "Value": ""}]}),
        ("CreateRepositoryCreationTemplate", TEMPLATE),
        ("CreatePullThroughCacheRule", CACHE_RULE),
    ):
        answer = desk.ask(name, request)
        assert answer.status == 200, answer


def _push(on: Backends) -> None:
    push(on, AT, "main", "v1", "latest")
    push(on, AT, "child")
    put(on, AT, INDEX, "index")
    push(on, AT, "plain", "plain")
    push(on, AT, "signature", **REFERRING)
    push(on, AT, "old", "old")
    push(on, AT, "returning", "returning")
    push(on, FROZEN, "main", "v1")
    builders.an_image(lambda data: push_blob(on, AT, data), seed="next")
    put(on, AT, UNREADABLE, "unreadable")
    push_blob(on, AT, LOOSE)


def _begin_uploads(on: Backends) -> None:
    desk = Desk(on)
    begun = {UPLOAD: [ARRIVING], EMPTY_UPLOAD: [], SMALL_PARTS: [b"one", b"two"], KNOWN_LAYER: [LOOSE]}
    for upload_id, parts in begun.items():
        registry.uploads.begin(_naming(on, upload_id), AT)
        first = 0
        for part in parts:
            assert desk.ask("UploadLayerPart", part_of(upload_id, first, part)).status == 200
            first += len(part)


def _work(on: Backends) -> None:
    """Let some things be over, and others be going on."""
    for name in ("old", "returning"):
        registry.archive.set_storage_class(on, AT, ImageId(tag=name), "ARCHIVE")
    registry.backfills.start(_naming(on, COPIED), HOME, Registry(HOME.account_id, WEST["region"]))
    work_off_patiently(on)
    registry.scanning.start(on, AT, ImageId(tag="v1"))
    registry.lifecycle.put(on, AT, KEEPING)
    registry.lifecycle.start_preview(on, AT, EXPIRING)
    work_off(on)
    registry.backfills.start(_naming(on, COPYING), HOME, Registry(HOME.account_id, EAST["region"]))
    registry.lifecycle.start_preview(on, FROZEN, EXPIRING)
    registry.archive.set_storage_class(on, AT, ImageId(tag="returning"), "STANDARD")


def _naming(on: Backends, id_: str) -> Backends:
    return replace(on, new_id=lambda: id_)
