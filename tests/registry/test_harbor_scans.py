"""A Harbor asks us to scan its images: what it has to show, what it is told, and what is never told."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace
from ipaddress import ip_network

import pytest

from holdfast import harbor, registry
from holdfast.http import ReadBody, Request
from holdfast.model import scan_reports
from holdfast.model.scanning import ScanType
from holdfast.outbound import Harbors
from tests import builders, feeds, layers
from tests.hostile import Hostile
from tests.registry.ground import work_off_patiently
from tests.registry.test_image_scans import LODASH
from tests.registry.test_inventories import BASE, MODULE

TOKEN = "a-secret"
NAME = "library/app"
REPORT, OLD_REPORT = scan_reports.REPORT_TYPES


@pytest.fixture
def server():
    with Hostile() as running:
        yield running


@pytest.fixture
def on(on):
    feeds.load(on, debian=feeds.debian(**feeds.OPENSSL), npm=LODASH)
    return replace(on, harbors=Harbors(TOKEN, [ip_network("127.0.0.0/8")]))


def add(server, *contents, diff_ids=None):
    """Let a registry have an image of layers, each given by its files."""
    archives = [layers.tar(files) for files in contents]
    packed = [layers.packed(archive) for archive in archives]
    rootfs = {"type": "layers", "diff_ids": diff_ids or [layers.diff_id(archive) for archive in archives]}
    config = json.dumps({"os": "linux", "rootfs": rootfs}).encode()
    for data in (config, *packed):
        server.add_blob(data)
    document = builders.document(
        builders.OCI_MANIFEST,
        config=builders.descriptor(builders.OCI_CONFIG, config),
        layers=[builders.descriptor(f"{layers.OCI_LAYER}+gzip", data) for data in packed],
    )
    return server.add(NAME, document)


def ask(on, method, path, body=None, token=TOKEN, **headers):
    """The answer of the door to a request."""
    told = {"authorization": f"Bearer {token}", **{name.replace("_", "-"): value for name, value in headers.items()}}
    answer = harbor.Door(on)(Request(method, path, "", list(told.items()), peer="192.0.2.1", is_secure=True))
    if isinstance(answer, ReadBody):
        return answer.then(body if isinstance(body, bytes) else json.dumps(body).encode())
    return answer


def wish(server, image, **members):
    artifact = {"repository": NAME, "digest": image.digest, "mime_type": image.media_type}
    login = b64encode(b"robot:secret").decode()
    return {"registry": {"url": f"http://{server.address}", "authorization": f"Basic {login}"},
            "artifact": artifact} | members  # fmt: skip


def scanned(on, server, image, accept=REPORT):
    """What becomes of a scan."""
    begun = ask(on, "POST", "/api/v1/scan", wish(server, image))
    assert begun.status == 202
    path = f"/api/v1/scan/{json.loads(begun.body)['id']}/report"
    waiting = ask(on, "GET", path, accept=accept)
    assert (waiting.status, dict(waiting.headers)["Refresh-After"]) == (302, "5")
    work_off_patiently(on)
    return ask(on, "GET", path, accept=accept)


def test_it_says_what_it_can(on):
    answer = ask(on, "GET", "/api/v1/metadata")

    told = scan_reports.read_metadata(answer.body)
    assert told.name.startswith("Holdfast ")
    assert told.updated_at == feeds.AS_OF
    assert told.report_type(builders.OCI_MANIFEST) == REPORT
    assert told.report_type(builders.DOCKER_MANIFEST) == REPORT
    assert told.report_type(builders.OCI_INDEX) is None


@pytest.mark.parametrize("kind", [REPORT, OLD_REPORT])
def test_an_image_of_another_registry_is_scanned(on, server, kind):
    image = add(server, BASE, MODULE)
    server.basic = "robot:secret"

    answer = scanned(on, server, image, kind)

    assert (answer.status, dict(answer.headers)["Content-Type"]) == (200, kind)
    report = json.loads(answer.body)
    assert (report["artifact"]["digest"], report["severity"]) == (image.digest, "Critical")
    items = {one["id"]: one for one in report["vulnerabilities"]}
    assert {name: one["severity"] for name, one in items.items()} == {
        "CVE-2019-10744": "Critical", "CVE-2024-0727": "Medium", "CVE-2010-0928": "Negligible",
        "CVE-2023-5678": "Unknown",
    }  # fmt: skip
    assert (items["CVE-2024-0727"]["package"], items["CVE-2024-0727"]["fix_version"]) == (
        "libssl3", "3.0.13-1~deb12u1",
    )  # fmt: skip
    assert items["CVE-2019-10744"]["layer"]["digest"] == image.json()["layers"][1]["digest"]
    found = scan_reports.findings(answer.body, image.digest, ScanType.ENHANCED, "Holdfast", None, [])
    assert len(found) == 4
    with on.database.snapshot() as tx:
        assert not tx._driver.execute("SELECT 1 FROM harbor_scans WHERE sealed IS NOT NULL").fetchall()


def test_findings_are_had_as_they_are_too(on, server):
    answer = scanned(on, server, add(server, BASE), "application/vnd.scanner.adapter.vuln.report.raw")

    assert json.loads(answer.body)[0]["name"] == "CVE-2024-0727"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"token": "another"}, 401),
        ({"authorization": ""}, 401),
        ({"authorization": "Basic " + b64encode(f"anybody:{TOKEN}".encode()).decode()}, 200),
        ({"authorization": "Basic " + b64encode(f"{TOKEN}:another".encode()).decode()}, 401),
        ({"authorization": "Basic %"}, 401),
        ({"authorization": "", "x_scanneradapter_api_key": TOKEN}, 200),
    ],
)
def test_whoever_asks_has_to_show_the_token(on, headers, status):
    assert ask(on, "GET", "/api/v1/metadata", **headers).status == status


@pytest.mark.parametrize(
    "changed",
    [
        b"no json",
        {"artifact": None},
        {"artifact": {"repository": "../etc", "digest": "sha256:" + "a" * 64}},
        {"artifact": {"repository": NAME, "digest": "latest"}},
        {"artifact": {"repository": NAME, "digest": "sha256:" + "a" * 64, "mime_type": builders.OCI_INDEX}},
        {"registry": {"url": "file:///etc/passwd"}},
        {"registry": {"url": "http://user@host"}},
        {"registry": {"url": "http://host:99999"}},
        {"registry": {"url": "https://host", "authorization": "Bearer token"}},
        {"registry": {"url": "https://host", "authorization": "Basic %"}},
        {"enabled_capabilities": [{"type": "sbom"}]},
    ],
)
def test_what_cannot_be_asked_for_is_refused(on, server, changed):
    body = changed if isinstance(changed, bytes) else wish(server, builders.document(builders.OCI_MANIFEST)) | changed

    answer = ask(on, "POST", "/api/v1/scan", body)

    assert answer.status == 422
    assert json.loads(answer.body)["error"]["message"]


def test_nothing_looks_clean_because_nobody_could_look(on, server):
    image = add(server, BASE)
    server.trick("GET", "/blobs/", lambda one: one.error(404, "BLOB_UNKNOWN"))
    missing = scanned(on, server, image)
    server.behave()
    lying = scanned(on, server, add(server, BASE, diff_ids=["sha256:" + "0" * 64]))
    none = scanned(on, server, add(server, {"x": "y"}))
    other = scanned(on, server, add(server, BASE | {"etc/os-release": layers.os_release("ubuntu", "22.04")}))
    elsewhere = scanned(replace(on, harbors=Harbors(TOKEN)), server, image)

    for answer, text in (
        (missing, "404"), (lying, "unpacks to"), (none, "No packages"), (other, "No advisories for Ubuntu"),
        (elsewhere, "unless --upstream-allow allows"),
    ):  # fmt: skip
        assert answer.status == 500
        assert text in json.loads(answer.body)["error"]["message"]


def test_a_scan_is_known_for_an_hour(on, clock, server):
    begun = ask(on, "POST", "/api/v1/scan", wish(server, add(server, BASE)))
    path = f"/api/v1/scan/{json.loads(begun.body)['id']}/report"
    work_off_patiently(on)

    assert ask(on, "GET", path, accept="text/html").status == 406
    assert ask(on, "GET", path, accept="*/*").status == 200
    clock.pass_(hours=2)
    assert ask(on, "GET", path, accept="*/*").status == 404
    assert ask(on, "GET", "/api/v1/scan/..%2f/report").status == 404
    assert ask(on, "DELETE", path).status == 405


def test_only_so_many_scans_wait(on, server):
    on = replace(on, limits=replace(on.limits, harbor_scans=1))
    image = add(server, BASE)

    answers = [ask(on, "POST", "/api/v1/scan", wish(server, image)).status for _ in range(2)]

    assert answers == [202, 429]
    work_off_patiently(on)
    assert ask(on, "POST", "/api/v1/scan", wish(server, image)).status == 202
    assert registry.harbor_scans.find(on, "nothing") is None
