"""A scanner beside a served registry pulls with what it was given, and its findings are the image's."""

from __future__ import annotations

import pytest

from holdfast import settings
from holdfast.boot import opening
from holdfast.settings import BadSetting
from tests.adapter import Adapter, item
from tests.aws.regions import eventually
from tests.aws.test_ecr_findings import IMAGE, LANGUAGE, SYSTEM, push
from tests.callers import Http
from tests.conftest import Product


@pytest.fixture
def adapter():
    with Adapter() as running:
        yield running


@pytest.fixture
def scanned(tmp_path, adapter):
    running = Product(
        tmp_path / "data", "--workers", "1", "--scanner", adapter.url, "--scanner-registry", "http://registry.example",
        HOLDFAST_SCANNER_TOKEN="a-secret",
    )  # fmt: skip
    yield running
    running.stop()


def test_a_scanner_pulls_and_that_is_no_use_of_the_image(scanned, adapter):
    pulled = []

    def pull(request):
        http = Http(scanned.address, request["registry"]["authorization"])
        at = request["artifact"]
        manifest = http("GET", f"/v2/{at['repository']}/manifests/{at['digest']}")
        layer = manifest.json()["layers"][0]["digest"]
        pulled.append(manifest.status)
        pulled.append(http("GET", f"/v2/{at['repository']}/blobs/{layer}").status)
        pulled.append(http("POST", f"/v2/{at['repository']}/blobs/uploads/").status)
        pulled.append(http("GET", f"/v2/other/manifests/{at['digest']}").status)

    adapter.when_asked = pull
    adapter.finds(item("CVE-2024-0727", "libssl3", "3.0.1-1", "Medium", fix_version="3.0.13"))
    ecr, app = scanned.ecr(), scanned.registry("app")
    ecr.create_repository(repositoryName="other")
    push(app, SYSTEM)

    ecr.start_image_scan(**IMAGE)
    found = eventually(
        lambda: ecr.describe_image_scan_findings(**IMAGE), lambda told: told["imageScanStatus"]["status"] == "COMPLETE"
    )

    assert pulled == [200, 200, 403, 403]
    assert found["imageScanFindings"]["findingSeverityCounts"] == {"MEDIUM": 1}
    [finding] = found["imageScanFindings"]["findings"]
    assert (finding["name"], finding["attributes"][0]) == ("CVE-2024-0727", {"key": "package_name", "value": "openssl"})
    assert adapter.tokens == {"Bearer a-secret"}
    push(app, LANGUAGE, tag="v2")
    app("GET", "/manifests/v2")  # after which what was pulled before is written down as well
    eventually(lambda: used(ecr, "v2"), bool)
    assert not used(ecr, "v1")


def used(ecr, tag):
    """Whether an image counts as used."""
    [image] = ecr.describe_images(repositoryName="app", imageIds=[{"imageTag": tag}])["imageDetails"]
    return "lastRecordedPullTime" in image


def test_a_scanner_needs_to_know_where_to_pull_from(tmp_path):
    with pytest.raises(BadSetting, match="--scanner needs --scanner-registry"):
        opening.open_backends(settings.read({"data": str(tmp_path), "scanner": "http://127.0.0.1:1"}, {}))
