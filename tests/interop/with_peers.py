"""Debian's docker-registry behind a destination of replication: it lists no referrers, and gets a tag for that."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

from tests import builders
from tests.aws.regions import own_client
from tests.interop.places import expect_same
from tests.interop.report import Checks, Failed
from tests.interop.with_upstreams import upstream

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.interop.places import Place

CHECKS = Checks()
SECONDS = 60
TO = {"region": "eu-central-1", "registryId": "111122223333"}
SIGNATURE = "application/vnd.dev.cosign.artifact.sig.v1+json"


@CHECKS.add("signatures are found at a registry without referrers, and deleted there", "docker-registry", "skopeo",
            only="HTTP")  # fmt: skip
def signatures(at: Place) -> None:
    there = upstream(at)
    own = own_client(there.cache, "us-east-1")
    own.put_replication_peer(destination=TO, kind="OCI", url=f"http://{there.host}", prefix="copies/")
    rule = {
        "destinations": [TO],
        "repositoryFilters": [{"filter": "signed", "filterType": "PREFIX_MATCH"}],
        "deleteReplication": {"enabled": True},
    }
    there.cache.ecr().put_replication_configuration(replicationConfiguration={"rules": [rule]})
    repository = there.cache.registry("signed/app")
    image = repository.push_image("v1", seed="signed")
    signed = [
        repository.push_image(seed=str(number), subject=image.descriptor, artifactType=SIGNATURE) for number in range(6)
    ]
    name = f"{there.host}/copies/signed/app"

    def listed() -> set[str]:
        return {one["digest"] for one in _manifest(there.host, "copies/signed/app", image.digest.replace(":", "-"))}

    _until(listed, {one.digest for one in signed})
    raw = at.run(
        "skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{name}:{image.digest.replace(':', '-')}"
    )
    kinds = {one["artifactType"] for one in json.loads(raw)["manifests"]}
    expect_same(kinds, {SIGNATURE})
    first = json.loads(raw)["manifests"][0]["digest"]
    at.run("skopeo", "inspect", "--raw", "--tls-verify=false", f"docker://{name}@{first}")

    there.cache.ecr().batch_delete_image(repositoryName="signed/app", imageIds=[{"imageDigest": signed[0].digest}])
    _until(listed, {one.digest for one in signed[1:]})
    _until(lambda: _is_there(there.host, "copies/signed/app", signed[0].digest), False)
    done = there.cache.cli("replication", "verify", "signed/app", "--upstream-allow", "127.0.0.0/8")
    told = f"signed/app → {TO['region']}/{TO['registryId']}: 7 images and tags agree\n"
    expect_same((done.returncode, done.stdout), (0, told))
    ids = [{"imageDigest": one.digest} for one in signed[1:]]
    there.cache.ecr().batch_delete_image(repositoryName="signed/app", imageIds=ids)
    _until(listed, set())
    tags = json.loads(at.run("skopeo", "list-tags", "--tls-verify=false", f"docker://{name}"))["Tags"]
    expect_same(tags, ["v1"])
    there.cache.ecr().put_replication_configuration(replicationConfiguration={"rules": []})
    own.close()


def _manifest(host: str, name: str, reference: str) -> list[dict[str, Any]]:
    asked = urllib.request.Request(
        f"http://{host}/v2/{name}/manifests/{reference}", headers={"Accept": builders.OCI_INDEX}
    )
    try:
        with urllib.request.urlopen(asked) as answer:
            found: list[dict[str, Any]] = json.load(answer)["manifests"]
    except urllib.error.HTTPError:
        return []
    return found


def _is_there(host: str, name: str, digest: str) -> bool:
    asked = urllib.request.Request(
        f"http://{host}/v2/{name}/manifests/{digest}", headers={"Accept": builders.OCI_MANIFEST}
    )
    try:
        urllib.request.urlopen(asked).close()
    except urllib.error.HTTPError:
        return False
    return True


def _until(look: Callable[[], Any], wanted: object) -> None:
    deadline = time.monotonic() + SECONDS
    while (seen := look()) != wanted:
        if time.monotonic() > deadline:
            raise Failed(f"not within {SECONDS} seconds: {wanted}; last seen: {seen}")
        time.sleep(0.1)
