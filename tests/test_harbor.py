"""A served registry as the scanner of a Harbor, which is itself: both halves of the adapter API meet."""

from __future__ import annotations

import pytest

from tests import feeds
from tests.aws.regions import eventually
from tests.aws.test_ecr_findings import IMAGE, NAMES, SYSTEM, push
from tests.callers import Http
from tests.conftest import Product
from tests.ports import free_ports


@pytest.fixture
def harbor(tmp_path):
    [port] = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    running = Product(
        tmp_path / "data", "--workers", "1", "--listen", f"127.0.0.1:{port}", "--scanner", url,
        "--scanner-registry", url, "--upstream-allow", "127.0.0.0/8",
        HOLDFAST_SCANNER_TOKEN="a-secret", HOLDFAST_ADAPTER_TOKEN="a-secret",
    )  # fmt: skip
    yield running
    running.stop()


def test_one_registry_scans_for_another(harbor):
    feeds.load_into(harbor, debian=feeds.debian(**feeds.OPENSSL))
    ecr = harbor.ecr()
    push(harbor.registry("app"), SYSTEM)

    ecr.start_image_scan(**IMAGE)
    found = eventually(
        lambda: ecr.describe_image_scan_findings(**IMAGE), lambda told: told["imageScanStatus"]["status"] == "COMPLETE"
    )

    assert [one["name"] for one in found["imageScanFindings"]["findings"]] == NAMES
    assert found["imageScanStatus"]["description"].startswith("The image was scanned once, by Holdfast ")
    assert Http(harbor.address)("GET", "/api/v1/metadata").status == 401


def test_a_registry_is_no_scanner_unless_somebody_may_ask(product):
    assert Http(product.address, "Bearer x")("GET", "/api/v1/metadata").status == 404
