"""A scanner that is plugged in looks at images; what it does wrong never makes an image look clean."""

from __future__ import annotations

from dataclasses import replace

import pytest

from holdfast import registry
from holdfast.model.callers import Caller, scanner
from holdfast.model.errors import AccessDenied, TokenExpired
from holdfast.model.image_findings import FIRST
from holdfast.model.images import ImageId
from holdfast.model.names import RepositoryRef
from holdfast.model.scan_reports import DATABASE_UPDATED_AT
from holdfast.model.scanning import Configuration, Frequency, Rule, ScanType
from holdfast.outbound import Scanner
from holdfast.outbound import scanner as outbound
from holdfast.registry.accounts import Tokens
from tests import feeds, layers
from tests.adapter import METADATA, Adapter, item
from tests.registry.ground import AT, HOME, put, told, work_off_patiently
from tests.registry.test_image_scans import listed
from tests.registry.test_inventories import BASE, MODULE, push

OPENSSL = item(
    "CVE-2024-0727", "libssl3", "3.0.1-1", "Medium", fix_version="3.0.13", links=["https://example.com/0727"]
)


@pytest.fixture
def adapter():
    with Adapter() as running:
        yield running


@pytest.fixture
def on(on, adapter):
    return replace(on, scanner=Scanner(adapter.url, "a-secret", registry_url="https://registry.example"))


def scan(on, clock, image, seconds=0):
    registry.scanning.start(on, AT, ImageId(image.digest))
    return go_on(on, clock, image, seconds)


def go_on(on, clock, image, seconds=0):
    for _ in range(8):
        work_off_patiently(on)
        clock.pass_(seconds=seconds or 15)
    return registry.scanning.report(on, AT, ImageId(image.digest), FIRST, 100)


def shown(report):
    return [(one.name, one.severity.value, one.package) for one in report.findings]


def test_what_it_finds_is_shown_with_what_the_inventory_knows_of_the_package(on, clock, adapter):
    image = push(on, BASE, MODULE)
    adapter.finds(
        item("CVE-1", "lodash", "4.17.10", "Critical"),
        item("CVE-2", "nobody-knows", "1", "Negligible"),
        item("CVE-3", "nobody-knows", "1", "Unknown"),
        OPENSSL,
        digest=image.digest,
    )
    adapter.reports.insert(0, (302, {"Refresh-After": "20", "Location": "http://169.254.169.254/latest"}, b""))

    found = scan(on, clock, image)

    assert found.scan.status == "COMPLETE"
    assert found.scan.description == "The image was scanned once, by Probe 1.2."
    assert f"{found.scan.source_updated_at:%Y-%m-%d %H:%M}" == "2026-11-27 06:10"
    assert shown(found) == [
        ("CVE-1", "CRITICAL", "lodash"),
        ("CVE-2024-0727", "MEDIUM", "openssl"),
        ("CVE-2", "INFORMATIONAL", "nobody-knows"),
        ("CVE-3", "UNDEFINED", "nobody-knows"),
    ]
    [package] = found.findings[0].packages
    assert (package.type, package.path) == ("npm", "app/node_modules/lodash/package.json")
    assert found.findings[1].packages[0].fixed == "3.0.13"
    assert adapter.tokens == {"Bearer a-secret"}
    assert [one for one in adapter.asked if one != "/api/v1/metadata"] == [
        "/api/v1/scan", "/api/v1/scan/scan-1/report", "/api/v1/scan/scan-1/report",
    ]  # fmt: skip


def test_an_enhanced_scan_has_one_finding_for_each_vulnerability(on, clock, adapter):
    rules = (Rule(Frequency.CONTINUOUS_SCAN, ("*",)),)
    registry.scanning.configure(on, HOME, Configuration(ScanType.ENHANCED, rules))
    adapter.finds(OPENSSL, item("CVE-2024-0727", "libcrypto", "3", "High"))

    found = go_on(on, clock, push(on, BASE))

    assert found.scan.status == "ACTIVE"
    assert [(one.name, one.severity.value, len(one.packages)) for one in found.findings] == [
        ("CVE-2024-0727", "HIGH", 2)
    ]


def test_it_is_told_what_to_pull_and_with_a_password_of_half_an_hour(on, clock, adapter):
    image = push(on, BASE)
    adapter.finds()
    scan(on, clock, image)
    [asked] = adapter.requests

    assert asked["registry"]["url"] == "https://registry.example"
    assert asked["artifact"] == {"repository": AT.name, "digest": image.digest, "mime_type": image.media_type}
    tokens = Tokens(on)
    clock.pass_(hours=1)
    with pytest.raises(TokenExpired):
        tokens.login(asked["registry"]["authorization"])
    clock.pass_(hours=-1, minutes=-2)
    assert tokens.login(asked["registry"]["authorization"]).caller == scanner(AT.arn, HOME.account_id)


class Asked:
    id, peer, is_secure = "request", "127.0.0.1", True

    def header(self, _name):
        return None


def test_its_password_is_for_pulling_from_one_repository_whatever_policies_say(on):
    denied = '{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "ecr:*"}]}'
    root = Caller(HOME.account_id, "AKIA")
    registry.policies.set_on_repository(on, root, AT, denied, Asked(), force=True)
    caller = scanner(AT.arn, HOME.account_id)

    registry.access.require(on, caller, "ecr:BatchGetImage", AT, Asked())
    for action, at in (
        ("ecr:PutImage", AT),
        ("ecr:BatchDeleteImage", AT),
        ("ecr:BatchGetImage", RepositoryRef(HOME, "another")),
        ("ecr:BatchGetImage", HOME),
    ):
        with pytest.raises(AccessDenied):
            registry.access.require(on, caller, action, at, Asked())


@pytest.mark.parametrize(
    ("report", "text"),
    [
        ((200, {}, b"{}"), "missing required field `vulnerabilities`"),
        ((200, {}, b"[" * 100_000), "cannot be understood"),
        ((200, {}, {"artifact": {"digest": "sha256:other"}, "vulnerabilities": []}), "is about sha256:other"),
        ((200, {"Content-Type": "text/html"}, {"vulnerabilities": []}), "of the type 'text/html'"),
        ((200, {"Content-Encoding": "gzip"}, b"x"), "in an encoding that was not asked for"),
        ((200, {}, [b" " * 1_000_000] * 34), "limit: its answer has more than 33554432 bytes"),
        ((500, {}, {"error": {"message": "no space left"}}), "answered 500"),
        ((301, {"Location": "http://169.254.169.254/latest/meta-data"}, b""), "answered 301"),
        ((404, {}, b""), "did not know the scan any more, 3 times"),
    ],
)
def test_a_scanner_that_lies_or_fails_ends_the_scan_with_the_reason(on, clock, adapter, report, text):
    adapter.reports = [report]

    found = scan(on, clock, push(on, BASE), seconds=61)

    assert found.scan.status == "FAILED"
    assert text in found.scan.description
    assert not found.scan.was_begun, "it may be scanned again today"
    assert not found.findings


def test_an_answer_that_does_not_end_is_cut(on, clock, adapter, monkeypatch):
    monkeypatch.setattr(outbound, "ANSWER_SECONDS", 0.02)
    adapter.may_answer.clear()

    found = scan(on, clock, push(on, BASE), seconds=400)

    assert found.scan.status == "FAILED"
    assert "did not answer within 60 seconds" in found.scan.description


def test_a_scan_that_never_ends_is_given_up(on, clock, adapter):
    adapter.reports = [(302, {"Refresh-After": "99999999"}, b"")]

    found = scan(on, clock, push(on, BASE), seconds=400)

    assert (found.scan.status, "did not end within" in found.scan.description) == ("FAILED", True)


@pytest.mark.parametrize("id_", ["../../x", "", "a/b", "a" * 300])
def test_its_name_of_a_scan_leads_nowhere_else(on, clock, adapter, id_):
    adapter.accepts = (202, {}, {"id": id_})

    found = scan(on, clock, push(on, BASE))

    assert found.scan.status == "FAILED"
    assert [one for one in adapter.asked if one != "/api/v1/metadata"] == ["/api/v1/scan"]


@pytest.mark.parametrize("host", ["169.254.169.254", "[fe80::1]", "0.0.0.0"])
def test_where_machines_ask_for_their_credentials_no_scanner_is(on, clock, host):
    on = replace(on, scanner=Scanner(f"http://{host}", registry_url="https://registry.example"))

    found = scan(on, clock, push(on, BASE), seconds=400)

    assert found.scan.status == "FAILED"
    assert "no address that may be reached" in found.scan.description


def test_an_image_that_it_does_not_know_the_type_of_is_not_scanned(on, clock, adapter):
    adapter.metadata = (200, {}, {**adapter.metadata[2], "capabilities": []})

    found = scan(on, clock, push(on, BASE))

    assert found.scan.status == "UNSUPPORTED_IMAGE"
    assert "Probe 1.2 does not scan" in found.scan.description


# ---- Beside our own engine


@pytest.fixture
def beside(on, adapter):
    """A registry whose own engine looks as well, and has advisories."""
    feeds.load(on, debian=feeds.debian(**feeds.OPENSSL))
    return replace(on, scanner=Scanner(adapter.url, registry_url="https://registry.example", is_beside=True))


@pytest.mark.parametrize("is_live", [False, True])
def test_two_scanners_find_what_either_of_them_finds(beside, clock, adapter, is_live):
    on = beside
    adapter.finds(OPENSSL, item("CVE-2030-9", "libssl3", "3.0.1-1", "High"))
    if is_live:
        watch(on)
        image = push(on, BASE)
        found = go_on(on, clock, image)
    else:
        image = push(on, BASE)
        found = scan(on, clock, image)

    assert [name for name, *_ in shown(found)] == ["CVE-2030-9", "CVE-2024-0727", "CVE-2010-0928", "CVE-2023-5678"]
    assert dict(found.scan.counts) == dict(listed(on, image).counts)
    if is_live:
        feeds.load(on, 1, debian=feeds.debian(CVE_2030_0001=("openssl", None, "low")))
        found = go_on(on, clock, image)
        assert [name for name, *_ in shown(found)] == ["CVE-2030-9", "CVE-2024-0727", "CVE-2030-0001"]
        assert dict(found.scan.counts)["HIGH"] == 1


def test_if_one_of_two_scanners_did_not_look_that_is_said(beside, clock, adapter):
    adapter.reports = [(500, {}, b"no")]
    own = scan(beside, clock, push(beside, BASE))
    adapter.finds(item("CVE-2030-9", "musl", "1", "High"))
    other = scan(beside, clock, push(beside, BASE | {"etc/os-release": layers.os_release("alpine", "3.19")}))
    adapter.reports = [(500, {}, b"no")]
    none = scan(beside, clock, push(beside, BASE | {"etc/os-release": layers.os_release("alpine", "3.18")}))

    assert len(own.findings) == 3
    assert "The other scanner did not look: the scanner answered 500" in own.scan.description
    assert shown(other) == [("CVE-2030-9", "HIGH", "musl")]
    assert "Our own engine did not look: No advisories" in other.scan.description
    assert (none.scan.status, none.findings) == ("FAILED", ())


# ---- Once more


def watch(on):
    rules = (Rule(Frequency.CONTINUOUS_SCAN, ("*",)),)
    registry.scanning.configure(on, HOME, Configuration(ScanType.ENHANCED, rules))


def pass_an_hour(on, clock):
    clock.pass_(hours=1)
    registry.work.begin_recurring(on)
    for _ in range(8):
        work_off_patiently(on)
        clock.pass_(seconds=15)


def updated(told):
    return (200, {}, METADATA | {"properties": {DATABASE_UPDATED_AT: told}})


def test_watched_images_are_looked_at_once_more_when_the_scanner_has_other_advisories(on, clock, adapter):
    watch(on)
    adapter.finds(OPENSSL, item("CVE-1", "libssl3", "3.0.1-1", "Low"))
    image = push(on, BASE)
    put(on, AT, image, "v1")
    first = go_on(on, clock, image)
    pass_an_hour(on, clock)
    adapter.finds(OPENSSL, item("CVE-2", "libssl3", "3.0.1-1", "Critical"))
    pass_an_hour(on, clock)
    same = registry.scanning.report(on, AT, ImageId(image.digest), FIRST, 100)
    adapter.metadata = updated("2026-11-28T00:00:00Z")
    pass_an_hour(on, clock)
    again = registry.scanning.report(on, AT, ImageId(image.digest), FIRST, 100)

    assert "will be again when that has other advisories" in first.scan.description
    assert shown(same) == shown(first)
    assert [name for name, *_ in shown(again)] == ["CVE-2", "CVE-2024-0727"]
    assert f"{again.scan.source_updated_at:%Y-%m-%d}" == "2026-11-28"
    assert [(one["status"], one["vulnerability-ids"]) for one in told(on, "Inspector2 Finding")] == [
        ("ACTIVE", ["CVE-2"]), ("CLOSED", ["CVE-1"]),
    ]  # fmt: skip


def test_what_was_found_stays_if_the_scanner_fails_later(on, clock, adapter):
    watch(on)
    adapter.finds(OPENSSL)
    image = push(on, BASE)
    go_on(on, clock, image)
    pass_an_hour(on, clock)
    adapter.metadata = updated("2026-11-28T00:00:00Z")
    adapter.reports = [(500, {}, b"no")]
    pass_an_hour(on, clock)

    found = registry.scanning.report(on, AT, ImageId(image.digest), FIRST, 100)
    assert (found.scan.status, len(found.findings)) == ("ACTIVE", 1)
