"""What is in an image is held against advisories: as it was at the scan, or as it is now."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from holdfast import registry, store
from holdfast.inventory import LayerReader, Limits
from holdfast.model.errors import ScanNotFound
from holdfast.model.image_findings import FIRST
from holdfast.model.images import ImageId
from holdfast.model.names import RepositoryRef
from holdfast.model.scanning import Configuration, Frequency, Rule, ScanType
from holdfast.model.severities import Severity
from holdfast.model.supplied_sboms import Mode
from holdfast.model.suppressions import Suppression
from tests import feeds, layers
from tests.advisories.given import record
from tests.registry.ground import AT, HOME, create, described, put, told, work_off, work_off_patiently
from tests.registry.test_inventories import BASE, MODULE, push

OTHER = RepositoryRef(HOME, "not/watched")
LODASH = feeds.archive(feeds.LODASH)


def everything(on):
    for _ in range(3):
        work_off(on)
        work_off_patiently(on)


def tagged(on, document, *tags):
    put(on, AT, document, *tags)
    return document


def enhanced(on, frequency="CONTINUOUS_SCAN", pattern=AT.name):
    rules = (Rule(Frequency(frequency), (pattern,)),)
    registry.scanning.configure(on, HOME, Configuration(ScanType.ENHANCED, rules))


def scanned(on, document, at=AT):
    """Scan an image as one asks for it."""
    registry.scanning.start(on, at, ImageId(document.digest))
    everything(on)
    return report(on, document, at)


def report(on, document, at=AT, *, after=FIRST, limit=100):
    return registry.scanning.report(on, at, ImageId(document.digest), after, limit)


def names(found):
    return [(one.name, one.severity.value) for one in found.findings]


def listed(on, document):
    """The scan and its counts as lists of images show them."""
    page, _ = registry.images.page(on, AT, 0, 100, status="ANY")
    image = next(one for one in page if one.digest == document.digest)
    return registry.scanning.of_images(on, AT, page)[image.id]


def test_a_basic_scan_finds_what_is_wrong_with_the_system(on):
    feeds.load(on, debian=feeds.debian(**feeds.OPENSSL), npm=LODASH)
    image = push(on, BASE, MODULE)

    found = scanned(on, image)

    assert found.scan.status == "COMPLETE"
    assert found.scan.description == "The scan was completed successfully."
    assert names(found) == [
        ("CVE-2024-0727", "MEDIUM"),
        ("CVE-2010-0928", "INFORMATIONAL"),
        ("CVE-2023-5678", "UNDEFINED"),
    ]
    assert {(one.package, one.version) for one in found.findings} == {("openssl", "3.0.1-1")}
    counts = {"MEDIUM": 1, "INFORMATIONAL": 1, "UNDEFINED": 1}
    assert dict(found.scan.counts) == dict(listed(on, image).counts) == counts
    assert found.scan.source_updated_at == feeds.AS_OF
    [event] = told(on, "ECR Image Scan")
    assert event["scan-status"] == "COMPLETE"
    assert event["finding-severity-counts"] == counts


def test_an_enhanced_scan_finds_what_is_wrong_with_languages_too(on):
    feeds.load(on, debian=feeds.debian(**feeds.OPENSSL), npm=LODASH, kev=feeds.kev("CVE-2019-10744"))
    enhanced(on)
    image = tagged(on, push(on, BASE, MODULE), "v1")
    everything(on)

    found = report(on, image)

    assert found.scan.status == "ACTIVE"
    assert names(found)[0] == ("CVE-2019-10744", "CRITICAL")
    worst = found.findings[0]
    assert (worst.aliases, worst.title, worst.fix_available) == (
        ("GHSA-jf85-cpcp-j695",),
        "Prototype Pollution in lodash",
        "YES",
    )
    assert worst.exploited_since is not None
    [package] = worst.packages
    assert (package.name, package.version, package.fixed) == ("lodash", "4.17.10", "4.17.12")
    assert package.layer_digest == image.json()["layers"][1]["digest"]
    counts = {"CRITICAL": 1, "MEDIUM": 1, "INFORMATIONAL": 1, "UNDEFINED": 1}
    assert dict(found.scan.counts) == dict(listed(on, image).counts) == counts
    [event] = told(on, "Inspector2 Scan")
    assert event["finding-severity-counts"] == counts | {"TOTAL": 4}


def test_new_advisories_change_what_is_watched_and_nothing_else(on, clock):
    feeds.load(on, debian=feeds.debian(**feeds.OPENSSL), npm=LODASH)
    create(on, OTHER)
    basic = push(on, BASE, at=OTHER)
    before = scanned(on, basic, OTHER)
    enhanced(on)
    watched, untagged = tagged(on, push(on, BASE, MODULE), "v1"), push(on, BASE, {"x": "z"})
    everything(on)

    new = {"CVE_2030_0001": ("openssl", None, "high"), "CVE_2030_0002": ("openssl", None, "low")}
    feeds.load(on, 1, debian=feeds.debian(**feeds.OPENSSL, **new))
    everything(on)

    assert names(report(on, basic, OTHER)) == names(before)
    for image in (watched, untagged):
        assert ("CVE-2030-0001", "HIGH") in names(report(on, image))
        assert dict(report(on, image).scan.counts) == dict(listed(on, image).counts)
    [event] = told(on, "Inspector2 Finding")
    assert (event["severity"], event["vulnerability-ids"]) == ("HIGH", ["CVE-2030-0001", "CVE-2030-0002"])
    assert event["resources"][0]["details"]["awsEcrContainerImage"]["imageHash"] == watched.digest
    [digest] = told(on, "New Vulnerabilities")
    assert digest["vulnerabilities"][0] == {"vulnerability-id": "CVE-2030-0001", "severity": "HIGH", "image-count": 1}

    feeds.load(on, 2, debian=feeds.debian(**feeds.OPENSSL))
    everything(on)

    assert ("CVE-2030-0001", "HIGH") not in names(report(on, watched))
    assert dict(report(on, watched).scan.counts) == dict(listed(on, watched).counts)
    _, closed = told(on, "Inspector2 Finding")
    assert (closed["status"], closed["severity"]) == ("CLOSED", "HIGH")
    assert closed["vulnerability-ids"] == ["CVE-2030-0001", "CVE-2030-0002"]


def test_what_two_feeds_tell_for_the_first_time_is_told_once(on):
    feeds.load(on, debian=feeds.debian(**feeds.OPENSSL))
    enhanced(on)
    tagged(on, push(on, BASE, MODULE), "v1")
    everything(on)
    other = feeds.LODASH | {"id": "GHSA-aaaa-bbbb-cccc", "aliases": ["CVE-2019-10744"]}

    feeds.load(on, npm=feeds.archive(feeds.LODASH, other))
    everything(on)
    feeds.load(on, 1, npm=feeds.archive(feeds.LODASH))
    everything(on)

    assert [event["vulnerability-ids"] for event in told(on, "Inspector2 Finding")] == [["CVE-2019-10744"]]


def test_what_another_feed_or_another_layer_still_has_is_not_closed(on):
    other = feeds.LODASH | {"id": "GHSA-aaaa-bbbb-cccc", "aliases": ["CVE-2019-10744"]}
    feeds.load(on, debian=feeds.debian(**feeds.OPENSSL), npm=feeds.archive(feeds.LODASH, other))
    enhanced(on)
    older = {"srv/node_modules/lodash/package.json": '{"name": "lodash", "version": "4.17.9"}'}
    tagged(on, push(on, BASE, MODULE, older), "v1")
    everything(on)

    feeds.load(on, 1, npm=feeds.archive(other))
    everything(on)
    narrow = feeds.LODASH | {"affected": [{
        "package": {"ecosystem": "npm", "name": "lodash"},
        "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "4.17.10"}]}],
    }]}  # fmt: skip
    feeds.load(on, 2, npm=feeds.archive(narrow))
    everything(on)
    assert told(on, "Inspector2 Finding") == []

    feeds.load(on, 3, npm=feeds.archive(feeds.LODASH | {"withdrawn": "2025-01-01T00:00:00Z"}))
    everything(on)
    [event] = told(on, "Inspector2 Finding")
    assert (event["status"], event["severity"], event["vulnerability-ids"]) == (
        "CLOSED",
        "CRITICAL",
        ["CVE-2019-10744"],
    )


def test_findings_are_read_page_by_page(on):
    many = {f"CVE_2030_{number:04}": ("openssl", None, "low") for number in range(25)}
    feeds.load(on, debian=feeds.debian(**feeds.OPENSSL, **many))
    image = push(on, BASE)
    scanned(on, image)

    found, after, has_more = [], FIRST, True
    while has_more:
        page = report(on, image, after=after, limit=10)
        found += names(page)
        after, has_more = page.findings[-1].place, page.has_more

    assert found == names(report(on, image))
    assert len(found) == 28


def test_a_package_of_a_module_is_held_against_the_advisories_of_its_stream(on):
    erratum = {"database_specific": {"severity": "Important"}}
    feeds.load(on, **{"osv/Rocky Linux": feeds.archive(*(
        record(f"RLSA-2024:{number}", "nodejs", {"introduced": "0"}, {"fixed": fixed}, ecosystem="Rocky Linux:8",
               summary=f"Important: {title} security update", related=[f"CVE-2024-{number}"], **erratum)
        for number, title, fixed in (
            (1000, "nodejs:16", "1:16.20.2-3.module+el8.9.0+1234+abcd"),
            (2000, "nodejs:18", "1:18.19.1-1.module+el8.9.0+1234+abcd"),
            (3000, "nodejs", "1:20.0.0-1.el8"),
            (4000, "nodejs", "1:21.0.0-1.module+el8.9.0+1234+abcd"),
        )
    ))})  # fmt: skip
    found = []
    for version, module in (
        ("14.21.3", "nodejs:14:8070:1"),
        ("16.19.1", "nodejs:16:8070:1"),
        ("16.19.0", ""),
        ("15", None),
    ):
        release = "1.el8" if module is None else "1.module+el8.7.0+1+2"
        header = layers.rpm_header("nodejs", version, release, epoch=1, module=module or "")
        files = {
            "etc/os-release": layers.os_release("rocky", "8"),
            "var/lib/rpm/rpmdb.sqlite": layers.rpm_sqlite(header),
        }
        found.append([name for name, _ in names(scanned(on, push(on, files)))])

    of_unknown = "CVE-2024-4000"
    assert found == [
        [of_unknown],
        ["CVE-2024-1000", of_unknown],
        ["CVE-2024-1000", "CVE-2024-2000", "CVE-2024-3000", of_unknown],
        ["CVE-2024-3000", of_unknown],
    ]


# ---- No image looks clean because nobody could look


def test_without_advisories_nothing_is_said_to_be_right(on, clock):
    image = push(on, BASE)

    found = scanned(on, image)
    feeds.load(on, debian=feeds.debian(**feeds.OPENSSL))
    again = scanned(on, image)

    assert (found.scan.status, found.scan.has_findings) == ("FAILED", False)
    assert "No advisories for Debian:12 are loaded" in found.scan.description
    assert again.scan.status == "COMPLETE", "a scan that had nothing to look with is none of the day's"


def test_a_watched_image_waits_for_the_advisories_of_its_system(on):
    enhanced(on)
    image = tagged(on, push(on, BASE, MODULE), "v1")
    everything(on)
    none = report(on, image).scan
    feeds.load(on, debian=feeds.debian(**feeds.OPENSSL))
    everything(on)

    some = report(on, image).scan

    assert (none.status, listed(on, image).status) == ("FINDINGS_UNAVAILABLE", "ACTIVE")
    assert some.status == "ACTIVE"
    assert "No advisories for npm are loaded" in some.description


def test_a_watched_image_whose_packages_are_read_again_does_not_look_clean(on):
    feeds.load(on, debian=feeds.debian(**feeds.OPENSSL))
    enhanced(on)
    image = push(on, BASE)
    everything(on)
    before = dict(listed(on, image).counts)
    with on.database.transaction() as tx:
        tx._driver.execute("DELETE FROM package_set_counts")
    recounted = dict(listed(on, image).counts)
    [row] = [one.id for one in described(on).values()]
    with on.database.transaction() as tx:
        store.inventories.forget(tx, row)

    assert recounted == before
    assert report(on, image).scan.status == listed(on, image).status == "FINDINGS_UNAVAILABLE"


@pytest.mark.parametrize(
    ("contents", "status", "text"),
    [
        ({"x": "y"}, "UNSUPPORTED_IMAGE", "no operating system was recognised"),
        (MODULE, "UNSUPPORTED_IMAGE", "no operating system was recognised"),
        ({"etc/os-release": layers.os_release()}, "UNSUPPORTED_IMAGE", "no packages of its operating system"),
    ],
)
def test_what_a_basic_scan_cannot_judge(on, contents, status, text):
    feeds.load(on, debian=feeds.debian(**feeds.OPENSSL))

    scan = scanned(on, push(on, contents)).scan

    assert scan.status == status
    assert text in scan.description


def test_an_image_that_cannot_be_read_fails(on):
    feeds.load(on, debian=feeds.debian(**feeds.OPENSSL))

    scan = scanned(on, push(on, b"no archive")).scan

    assert scan.status == "FAILED"
    assert scan.description.startswith("The image was not scanned: ")


@pytest.mark.parametrize("limit", [Limits(layer_bytes=1000), None])
def test_an_image_that_is_too_large_says_so(on, limit):
    feeds.load(on, debian=feeds.debian(**feeds.OPENSSL))
    on = replace(on, layer_reader=LayerReader(limit), limits=replace(on.limits, scan_image_bytes=1000))

    scan = scanned(on, push(on, BASE)).scan

    assert scan.status == "IMAGE_SIZE_EXCEEDED"
    assert "unpacks to more than 1000 bytes" in scan.description
    assert not scan.has_findings


def test_a_scan_is_tried_three_times(on, clock, monkeypatch):
    feeds.load(on, debian=feeds.debian(**feeds.OPENSSL))
    image = push(on, BASE)
    tries = []

    def fall(*_, **__):
        tries.append(1)
        raise OSError("no memory")

    monkeypatch.setattr(registry.inventories, "take", fall)
    registry.scanning.start(on, AT, ImageId(image.digest))
    for _ in range(6):
        everything(on)
        clock.pass_(minutes=5)

    scan = report(on, image).scan
    assert len(tries) == 3
    assert scan.status == "FAILED"
    assert "tried 3 times, the last time with: OSError: no memory" in scan.description


# ---- What somebody else says is in an image

TOLD = json.dumps({"artifacts": [
    {"purl": "pkg:npm/lodash@4.17.10"}, {"purl": "pkg:deb/debian/openssl@3.0.1-1?distro=debian-12"},
]}).encode()  # fmt: skip


def supply(on, document, mode=Mode.ADD):
    registry.sboms.supply(on, AT, ImageId(document.digest), TOLD, mode)


@pytest.mark.parametrize("contents", [BASE, b"no archive"])
def test_a_watched_image_is_scanned_again_when_an_sbom_of_it_comes(on, contents):
    feeds.load(on, debian=feeds.debian(**feeds.OPENSSL), npm=LODASH)
    enhanced(on)
    image = tagged(on, push(on, contents), "v1")
    everything(on)

    supply(on, image, Mode.REPLACE)
    everything(on)

    found = report(on, image)
    assert (found.scan.status, names(found)[0]) == ("ACTIVE", ("CVE-2019-10744", "CRITICAL"))
    assert found.scan.ecosystems == ("Debian:12", "npm")
    assert told(on, "Inspector2 Scan")[-1]["finding-severity-counts"]["CRITICAL"] == 1


def test_an_sbom_that_comes_during_a_scan_is_used(on, monkeypatch):
    feeds.load(on, debian=feeds.debian(**feeds.OPENSSL))
    image = push(on, {"x": "y"})
    take, waiting = registry.inventories.take, [supply]

    def slowly(*args, **options):
        taken = take(*args, **options)
        while waiting:
            waiting.pop()(on, image)
        return taken

    monkeypatch.setattr(registry.inventories, "take", slowly)

    found = scanned(on, image)

    assert (found.scan.status, len(found.findings)) == ("COMPLETE", 3)
    assert [event["scan-status"] for event in told(on, "ECR Image Scan")] == ["COMPLETE"]


# ---- How long an image is watched


def test_an_image_that_nobody_uses_is_watched_no_more(on, clock):
    feeds.load(on, debian=feeds.debian(**feeds.OPENSSL), npm=LODASH)
    enhanced(on)
    image = tagged(on, push(on, BASE, MODULE), "v1")
    everything(on)

    clock.pass_(days=15)
    new = {"CVE_2030_0001": ("openssl", None, "high")}
    feeds.load(on, 1, debian=feeds.debian(**feeds.OPENSSL, **new))
    everything(on)

    assert report(on, image).scan.status == listed(on, image).status == "SCAN_ELIGIBILITY_EXPIRED"
    assert report(on, image).findings == ()
    assert told(on, "Inspector2 Finding") == []


def test_images_of_before_are_scanned_when_their_repository_is_to_be(on, clock):
    feeds.load(on, debian=feeds.debian(**feeds.OPENSSL), npm=LODASH)
    old = push(on, BASE, {"x": "old"})
    clock.pass_(days=15)
    image = push(on, BASE, MODULE)
    scanned(on, image)

    enhanced(on)
    everything(on)

    assert report(on, image).scan.status == "ACTIVE"
    with pytest.raises(ScanNotFound):
        report(on, old)


def test_a_scan_on_push_alone_keeps_what_it_found(on):
    feeds.load(on, debian=feeds.debian(**feeds.OPENSSL), npm=LODASH)
    enhanced(on, "SCAN_ON_PUSH")
    image = tagged(on, push(on, BASE, MODULE), "v1")
    everything(on)
    before = names(report(on, image))

    feeds.load(on, 1, debian=feeds.debian(CVE_2030_0001=("openssl", None, "high")))
    everything(on)

    assert names(report(on, image)) == before
    assert report(on, image).scan.status == "ACTIVE"
    assert told(on, "Inspector2 Finding") == []


@pytest.mark.parametrize("kind", ["BASIC", "ENHANCED"])
def test_a_deleted_image_comes_back_with_what_was_found(on, kind):
    feeds.load(on, debian=feeds.debian(**feeds.OPENSSL), npm=LODASH)
    if kind == "ENHANCED":
        enhanced(on)
        image = push(on, BASE)
        everything(on)
    else:
        image = push(on, BASE)
        scanned(on, image)
    before = names(report(on, image))
    registry.images.delete(on, AT, [ImageId(image.digest)])

    registry.undelete.restore_image(on, AT, image.digest)
    everything(on)

    assert names(report(on, image)) == before


# ---- What somebody decided does not count


def suppress(on, clock, where=AT, **members):
    plain = {"repository": None, "package": None, "version": None, "digest": None, "maximum": None,
             "reason": "not loaded", "owner": "arn:of:somebody"}  # fmt: skip
    times = {"created_at": clock(), "expires_at": clock() + timedelta(days=10)}
    return registry.suppressions.put(on, where, Suppression(0, **{**plain, **times, **members}))


@pytest.mark.parametrize("kind", ["BASIC", "CONTINUOUS_SCAN", "SCAN_ON_PUSH"])
def test_what_is_suppressed_does_not_count_until_it_expires(on, clock, kind):
    feeds.load(on, debian=feeds.debian(**feeds.OPENSSL), npm=LODASH)
    image = push(on, BASE, MODULE)
    if kind == "BASIC":
        scanned(on, image)
    else:
        enhanced(on, kind)
        everything(on)
    before = names(report(on, image))

    suppress(on, clock, vulnerability="CVE-2024-0727")
    during, counts = report(on, image), dict(listed(on, image).counts)
    clock.pass_(days=11)

    assert names(during) == [one for one in before if one[0] != "CVE-2024-0727"]
    assert dict(during.scan.counts) == counts
    assert "MEDIUM" not in counts
    assert names(report(on, image)) == before
    assert listed(on, image).counts["MEDIUM"] == 1


@pytest.mark.parametrize(
    ("members", "is_suppressed"),
    [
        ({"package": "openssl"}, True),
        ({"package": "bash"}, False),
        ({"package": "openssl", "version": "3.0.1-1"}, True),
        ({"package": "openssl", "version": "3.0.1-2"}, False),
        ({"where": HOME}, True),
        ({"where": HOME, "vulnerability": "CVE-2023-5678"}, False),
        ({"digest": "sha256:" + "0" * 64}, False),
        ({"maximum": Severity.MEDIUM}, True),
        ({"maximum": Severity.LOW}, False),
        ({"vulnerability": "CVE-2024-072"}, False),
    ],
)
@pytest.mark.parametrize("is_live", [True, False])
def test_a_suppression_covers_what_it_names_and_nothing_worse(on, clock, members, is_suppressed, is_live):
    feeds.load(on, debian=feeds.debian(**feeds.OPENSSL))
    if is_live:
        enhanced(on)
    image = push(on, BASE)
    if is_live:
        everything(on)
    else:
        scanned(on, image)

    kept = suppress(on, clock, **{"vulnerability": "CVE-2024-0727", **members})

    shown = [name for name, _ in names(report(on, image))]
    assert ("CVE-2024-0727" not in shown) is is_suppressed
    registry.suppressions.delete(on, members.get("where", AT), kept.id)
    assert "CVE-2024-0727" in [name for name, _ in names(report(on, image))]
