"""VEX documents through boto3, the registry protocol and the command line."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from tests import builders, feeds
from tests.aws.test_ecr_findings import SYSTEM, push
from tests.aws.test_own_deleted import own  # noqa: F401 - a fixture
from tests.callers import refusal
from tests.documents import OPENSSL, attestation, openvex, said
from tests.grants import LOGIN, PUSH, allow, docker

CVE = "CVE-2024-0727"
LATER = datetime(2090, 1, 1, tzinfo=UTC)
DOCUMENT = openvex(said(CVE, "not_affected", OPENSSL))


@pytest.fixture
def repository(product, name):
    feeds.load_into(product, debian=feeds.debian(**feeds.OPENSSL))
    return product.registry(name)


def scanned(ecr, repository, name):
    """An image that was scanned, and how to ask for its counts."""
    image = push(repository, SYSTEM)
    which = {"repositoryName": name, "imageId": {"imageTag": "v1"}}
    ecr.start_image_scan(**which)
    ecr.get_waiter("image_scan_complete").wait(**which, WaiterConfig={"Delay": 1, "MaxAttempts": 60})

    def is_hidden():
        found = ecr.describe_image_scan_findings(**which)["imageScanFindings"]
        assert ("MEDIUM" in found["findingSeverityCounts"]) == (CVE in [one["name"] for one in found["findings"]])
        return "MEDIUM" not in found["findingSeverityCounts"]

    return image, is_hidden


def test_documents_are_put_listed_and_deleted(product, own, name, repository, tmp_path):  # noqa: F811
    image, is_hidden = scanned(product.ecr(), repository, name)
    which = {"repositoryName": name, "imageId": {"imageDigest": image.digest}}

    [put] = own.put_vex_document(**which, document=DOCUMENT.decode(), expiresAt=LATER)["vexDocuments"]
    assert is_hidden()
    [listed] = own.list_vex_documents(repositoryName=name)["vexDocuments"]
    [hidden] = own.list_suppressed_findings(**which)["findings"]
    told = product.cli("image", "suppressed", f"{name}:v1").stdout
    own.delete_vex_document(repositoryName=name, vexDocumentId=put["vexDocumentId"])
    assert not is_hidden()

    assert listed == put
    assert (put["imageDigest"], put["format"], put["author"]) == (image.digest, "OPENVEX", "Team Blue")
    assert (put["owner"], put["expiresAt"]) == ("arn:aws:iam::000000000000:root", LATER)
    assert (hidden["vulnerabilityId"], hidden["severity"], hidden["status"]) == (CVE, "MEDIUM", "SUPPRESSED")
    assert (hidden["packageName"], hidden["packageVersion"]) == ("openssl", "3.0.1-1")
    [source] = hidden["suppressedBy"]
    assert (source["type"], source["vexStatus"], source["justification"]) == (
        "VEX", "not_affected", "vulnerable_code_not_present",
    )  # fmt: skip
    assert f"VEX document {put['vexDocumentId']} (not_affected) by Team Blue" in told
    gone = refusal(own.delete_vex_document, repositoryName=name, vexDocumentId=put["vexDocumentId"])
    assert gone[0] == "VexDocumentNotFoundException"
    for wrong in ({}, {"document": "{}"}, {"document": DOCUMENT.decode(), "vexDigest": image.digest},
                  {"vexDigest": image.digest}):  # fmt: skip
        assert refusal(own.put_vex_document, repositoryName=name, **wrong)[0] == "InvalidParameterException"


def test_the_command_line_decides_as_well(product, own, name, repository, tmp_path):  # noqa: F811
    _, is_hidden = scanned(product.ecr(), repository, name)
    file = tmp_path / "vex.json"
    file.write_bytes(DOCUMENT)

    added = product.cli("image", "vex", "add", str(file), name, "--until", "2090-01-01")
    assert is_hidden()
    number = added.stdout.partition(":")[0]
    listed = product.cli("image", "vex", "list", name).stdout
    product.cli("image", "vex", "remove", number)
    assert not is_hidden()
    suppressed = product.cli("image", "suppression", "add", CVE, "--package", "openssl", "--package-version", "3.0.1-1",
                             "--reason", "not loaded", "--until", "2090-01-01")  # fmt: skip
    assert is_hidden()
    rules = product.cli("image", "suppression", "list").stdout
    own.delete_finding_suppression(suppressionId=int(suppressed.stdout.partition(":")[0]))
    assert not is_hidden()

    assert f"1 statement of Team Blue counts for {name}." in added.stdout
    assert "by Team Blue, 1 statement\n" in listed
    assert f"{CVE} in openssl 3.0.1-1  the whole registry" in rules
    assert "not loaded" in rules
    file.write_text("{}")
    ended = product.cli("image", "vex", "add", str(file))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "neither OpenVEX, nor CycloneDX, nor CSAF" in ended.stderr


def test_a_referrer_counts_if_who_pushes_it_may_say_so(account, name):
    feeds.load_into(account.product, debian=feeds.debian(**feeds.OPENSSL))
    account.client("ecr").create_repository(repositoryName=name)
    image, is_hidden = scanned(account.client("ecr"), docker(account, account.root, name), name)
    may_push = [LOGIN, allow(PUSH)]
    users = {"some": account.a_user("some", may_push),
             "vouching": account.a_user("vouching", [*may_push, allow("holdfast:PutVexDocument")])}  # fmt: skip
    seen = {}

    for who, credentials in users.items():
        repository = docker(account, credentials, name)
        data = attestation(openvex(said(CVE, "not_affected"), author=who), image.digest)
        for blob in (b"{}", data):
            repository.push_blob(blob)
        kind = "application/vnd.dsse.envelope.v1+json"
        document = builders.document(
            builders.OCI_MANIFEST,
            artifactType=kind,
            config=builders.descriptor("application/vnd.oci.empty.v1+json", b"{}"),
            layers=[builders.descriptor(kind, data)],
            subject=image.descriptor,
        )
        assert repository.push_manifest(document).status == 201
        seen[who] = is_hidden()

    assert seen == {"some": False, "vouching": True}
