"""Feeds are imported beside requests, and every package version is told what is wrong with it."""

import json
from datetime import timedelta

import pytest

from holdfast import registry, store
from holdfast.model.advisories import Status
from holdfast.model.severities import Severity
from holdfast.worker import Runner
from holdfast.worker.handlers import HANDLERS
from tests.advisories.given import (
    AS_OF,
    GOLDEN,
    Quiet,
    archive,
    ensure,
    excerpts,
    findings,
    given,
    load,
    names,
    record,
)

ZERO = {"introduced": "0"}


def osv(*records, ecosystem="npm", as_of=AS_OF):
    return given(f"osv/{ecosystem}", archive(*records), as_of)


def settle(on):
    """Do the work that an import leaves behind; the package versions that were told of."""
    told = []

    def tell(on, _job, feed):
        with on.database.snapshot() as tx:
            told.extend(sorted(store.advisories.touched(tx, feed)))

    def handle(on, job):
        registry.advisories.settle(on, job, tell)

    Runner(on, HANDLERS | {"SettleAdvisories": handle}).tick()
    return told


@pytest.mark.parametrize("known_before", [True, False])
def test_real_package_versions_have_the_vulnerabilities_that_other_matchers_find(on, known_before):
    if known_before:
        ensure(on, *GOLDEN)
    load(on, *excerpts())

    found = findings(on, *GOLDEN)

    told = {key: sorted(one.name for one in some) for key, some in zip(GOLDEN, found, strict=True)}
    assert told == {key: sorted(some) for key, some in GOLDEN.items()}


def test_findings_say_how_bad_they_are_and_what_helps(on):
    load(on, *excerpts())

    openssl, log4j = findings(
        on, ("Debian:11", "openssl", "1.1.1w-0+deb11u1"), ("Maven", "org.apache.logging.log4j:log4j-core", "2.14.1")
    )

    by_name = {one.name: one for one in openssl}
    assert by_name["CVE-2024-0727"].fixed == "1.1.1w-0+deb11u2"
    assert by_name["CVE-2010-0928"].status is Status.AFFECTED
    assert by_name["CVE-2010-0928"].severity is Severity.INFORMATIONAL
    assert log4j[0].name == "CVE-2021-44228"
    assert log4j[0].severity is Severity.CRITICAL
    with on.database.snapshot() as tx:
        facts = registry.advisories.facts_of(tx, log4j)
        bodies = registry.advisories.bodies_of(tx, log4j)
    assert facts["CVE-2021-44228"].exploited_since.isoformat() == "2021-12-10"
    body = bodies[log4j[0].matches[0].advisory_id]
    assert body.url == "https://github.com/advisories/GHSA-jfh8-c2jp-5v3q"
    assert body.cvss[0][:1] + body.cvss[0][2:] == ("3.1", 10.0)


@pytest.mark.parametrize(
    ("ecosystem", "events", "inside", "outside"),
    [
        ("npm", [ZERO, {"fixed": "1.2.0"}], ["1.1.9", "1.2.0-rc.1"], ["1.2.0", "2.0.0"]),
        ("npm", [ZERO, {"last_affected": "1.2.0"}], ["1.2.0", "0.0.1"], ["1.2.1"]),
        (
            "Go",
            [{"introduced": "1.20.0-0"}, {"fixed": "1.20.1"}, ZERO, {"fixed": "1.19.6"}],
            ["1.19.5", "1.20.0"],
            ["1.19.6", "1.19.9", "1.20.1"],
        ),
        ("Debian:12", [ZERO, {"fixed": "1.0-2"}], ["1.0-1+b1", "1.0-2~bpo1", "1.0~rc1-9"], ["1.0-2+b1", "1:0.1-1"]),
        ("Rocky Linux:9", [ZERO, {"fixed": "0:1.0^git1-1"}], ["1.0-9", "1.0~rc1-1"], ["1.0^git1-1", "1:0-1"]),
        ("PyPI", [{"introduced": "2.0"}], ["2.0", "99"], ["2.0rc1", "1"]),
    ],
)
def test_versions_are_affected_from_where_it_came_up_to_where_it_was_fixed(on, ecosystem, events, inside, outside):
    load(on, osv(record("CVE-2020-1", "p", *events, ecosystem=ecosystem), ecosystem=ecosystem.split(":")[0]))

    told = {version: names(on, ecosystem, "p", version) for version in inside + outside}

    assert told == {version: ["CVE-2020-1"] if version in inside else [] for version in inside + outside}


def test_a_fix_of_one_release_says_nothing_of_another(on):
    one = record("CVE-2020-1", "p", ZERO, {"fixed": "1-2"}, ecosystem="Debian:12")
    one["affected"] += record("", "p", ZERO, {"fixed": "1-1+deb11u1"}, ecosystem="Debian:11")["affected"]
    load(on, osv(one, ecosystem="Debian"))

    assert names(on, "Debian:11", "p", "1-1+deb11u1") == []
    assert names(on, "Debian:12", "p", "1-1+deb11u1") == ["CVE-2020-1"]
    assert names(on, "Debian:13", "p", "1-1") == []


def test_advisories_of_one_vulnerability_are_one_finding(on):
    load(
        on,
        osv(
            record("GHSA-aaaa-bbbb-cccc", "p", ZERO, {"fixed": "2"}, aliases=["CVE-2020-1"], ecosystem="PyPI",
                   database_specific={"severity": "HIGH"}),
            record("PYSEC-2020-1", "p", ZERO, {"fixed": "2"}, aliases=["CVE-2020-1", "GHSA-aaaa-bbbb-cccc"],
                   ecosystem="PyPI"),
            ecosystem="PyPI",
        ),
    )  # fmt: skip

    (finding,) = findings(on, ("PyPI", "p", "1"))[0]

    assert finding.name == "CVE-2020-1"
    assert finding.aliases == ("GHSA-aaaa-bbbb-cccc", "PYSEC-2020-1")
    assert finding.severity is Severity.HIGH


def test_an_erratum_that_fixes_several_vulnerabilities_is_a_finding_for_each(on):
    one = record("RLSA-2023:1", "p", ZERO, {"fixed": "0:2-1"}, ecosystem="Rocky Linux:9",
                 related=["CVE-2023-1111", "CVE-2023-2222"], summary="Important: p security update")  # fmt: skip
    load(on, osv(one, ecosystem="Rocky Linux"))

    found = findings(on, ("Rocky Linux:9", "p", "1-1"))[0]

    assert [(one.name, one.severity) for one in found] == [
        ("CVE-2023-1111", Severity.HIGH),
        ("CVE-2023-2222", Severity.HIGH),
    ]


def test_a_version_that_has_no_place_in_the_order_is_told_as_uncertain(on):
    load(on, osv(record("CVE-2020-1", "p", ZERO, {"fixed": "1.0"}, database_specific={"severity": "HIGH"})))

    (finding,) = findings(on, ("npm", "p", "file:../p"))[0]

    assert finding.severity is Severity.UNDEFINED
    assert finding.status is Status.UNDER_INVESTIGATION
    assert not finding.is_certain


def test_a_bound_that_has_no_place_in_the_order_leaves_only_its_neighbours_uncertain(on):
    libretls = [line for line in excerpts() if line.source.name == "alpine/v3.14/main"]
    load(on, *libretls)

    found = findings(on, *[("Alpine:v3.14", "libretls", version) for version in ("3.3.2-r0", "3.3.3-r0", "3.3.4-r0")])

    assert [[(one.name, one.is_certain) for one in some] for some in found] == [
        [("CVE-2022-0778", True)],
        [("CVE-2022-0778", False)],
        [],
    ]


def test_who_says_nothing_of_severity_leaves_it_to_others_and_to_nvd(on):
    vector = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"
    nvd = {"cve": {"id": "CVE-2020-2222", "metrics": {"cvssMetricV31": [{"cvssData": {"vectorString": vector}}]}}}
    load(
        on,
        osv(
            record("GO-1", "p", ZERO, ecosystem="Go", aliases=["CVE-2020-1111"]),
            record("GO-2", "p", ZERO, ecosystem="Go", aliases=["CVE-2020-2222"]),
            record("GHSA-aaaa-bbbb-cccc", "q", ZERO, ecosystem="Go", aliases=["CVE-2020-1111"],
                   database_specific={"severity": "LOW"}),
            ecosystem="Go",
        ),
        given("nvd/2020", json.dumps({"vulnerabilities": [nvd]}).encode()),
    )  # fmt: skip

    assert [(one.name, one.severity) for one in findings(on, ("Go", "p", "1"))[0]] == [
        ("CVE-2020-2222", Severity.CRITICAL),
        ("CVE-2020-1111", Severity.LOW),
    ]


def test_an_advisory_that_is_withdrawn_or_gone_closes_its_findings(on):
    load(on, osv(*(record(f"CVE-2020-{number}", "p", ZERO) for number in (1111, 2222, 3333))))
    ensure(on, ("npm", "p", "1.0.0"))

    withdrawn = record("CVE-2020-2222", "p", ZERO, withdrawn="2025-01-02T00:00:00Z")
    (done,) = load(on, osv(record("CVE-2020-1111", "p", ZERO), withdrawn))

    assert names(on, "npm", "p", "1.0.0") == ["CVE-2020-1111"]
    assert (done.records, done.changed, done.closed) == (2, 0, 2)


def test_an_import_tells_of_the_packages_of_which_it_says_something_else(on, clock):
    one, other, third = ensure(on, ("npm", "p", "1.0.0"), ("npm", "p", "2.0.0"), ("npm", "q", "1.0.0"))
    before = [record("CVE-2020-1111", "p", ZERO, {"fixed": "2.0.0"}), record("CVE-2020-2222", "q", ZERO)]
    load(on, osv(*before))
    assert settle(on) == [one, third]
    clock.pass_(hours=1)

    # One says more of the same package, one nothing new of it, and one is gone.
    renamed = record("CVE-2020-1111", "p", ZERO, {"fixed": "2.0.0"}, summary="in other words")
    load(on, osv(renamed, record("CVE-2020-4444", "p", ZERO, {"fixed": "3.0.0"})))

    assert settle(on) == [one, other, third]
    assert settle(on) == []
    seen = {finding.name: finding.first_seen_at for finding in findings(on, ("npm", "p", "1.0.0"))[0]}
    assert seen == {"CVE-2020-1111": clock() - timedelta(hours=1), "CVE-2020-4444": clock()}
    with on.database.snapshot() as tx:
        assert store.advisories.affected(tx, "CVE-2020-4444", 0, 10) == [one, other]


def test_new_words_alone_are_no_news(on):
    ensure(on, ("npm", "p", "1.0.0"))
    load(on, osv(record("CVE-2020-1111", "p", ZERO)))
    settle(on)

    load(on, osv(record("CVE-2020-1111", "p", ZERO, summary="in other words")))

    assert settle(on) == []
    with on.database.snapshot() as tx:
        (body,) = registry.advisories.bodies_of(tx, registry.advisories.findings_of(tx, [1])[1]).values()
    assert body.title == "in other words"


def test_what_counts_no_more_is_removed(on):
    for number in (1111, 2222, 3333):
        load(on, osv(record(f"CVE-2020-{number}", "p", ZERO)), given("kev", kev(f"CVE-2020-{number}")))
        settle(on)

    with on.database.snapshot() as tx:
        assert store.advisories.affected(tx, "CVE-2020-2222", 0, 10) == []
        assert list(store.advisories.facts(tx, ["CVE-2020-2222", "CVE-2020-3333"])) == ["CVE-2020-3333"]
    with on.database.migration() as tx:
        counts = [tx.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar() for table in ("advisories", "cve_facts")]
    assert counts == [1, 1]


def kev(*cves):
    return json.dumps({"vulnerabilities": [{"cveID": cve, "dateAdded": "2025-01-01"} for cve in cves]}).encode()


BAD = {
    "no archive": b"<html>not found</html>",
    "cut off": archive(record("CVE-2020-2222", "p", ZERO))[:-30],
    "empty": archive(),
    "of another kind": archive(*[{"cve": number} for number in range(10)]),
    "nested": archive(b'{"id": "CVE-2020-2222", "affected": ' + b"[" * 100_000),
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
def test_a_bad_file_changes_nothing_of_any_feed(on, content):
    ensure(on, ("npm", "p", "1.0.0"))
    load(on, osv(record("CVE-2020-1111", "p", ZERO)), given("kev", kev("CVE-2020-1111")))

    with pytest.raises(registry.advisories.BadAdvisories, match="osv/npm"):
        load(on, given("kev", kev("CVE-2020-2222")), osv(record("GO-1", "p", ZERO, ecosystem="Go"), ecosystem="Go"),
             given("osv/npm", content))  # fmt: skip

    assert names(on, "npm", "p", "1.0.0") == ["CVE-2020-1111"]
    assert names(on, "Go", "p", "1.0.0") == []
    with on.database.snapshot() as tx:
        assert list(store.advisories.facts(tx, ["CVE-2020-1111", "CVE-2020-2222"])) == ["CVE-2020-1111"]
        assert [feed.loading for feed in store.feeds.every(tx)] == [None, None, None]


def test_one_bad_record_is_counted_and_told_and_the_others_count(on):
    good = [record(f"CVE-2020-{number}", "p", ZERO) for number in range(1111, 1121)]

    (done,) = load(on, osv(*good, b"{", {"id": "two words"}))

    assert (done.records, done.problems.count) == (10, 2)
    assert done.problems.told[1].startswith('11.json: "two words"')
    assert len(names(on, "npm", "p", "1.0.0")) == 10


def test_an_older_file_is_refused_unless_it_is_forced(on):
    load(on, osv(record("CVE-2020-1111", "p", ZERO)))
    older = AS_OF - timedelta(days=1)

    with pytest.raises(registry.advisories.AdvisoriesOlder, match="--force"):
        load(on, osv(record("CVE-2020-2222", "p", ZERO), as_of=older))
    load(on, osv(record("CVE-2020-3333", "p", ZERO), as_of=older), force=True)

    assert names(on, "npm", "p", "1.0.0") == ["CVE-2020-3333"]


def test_an_import_that_died_is_taken_up_by_the_next_one(on):
    load(on, osv(record("CVE-2020-1111", "p", ZERO)))
    with on.database.transaction() as tx:  # what a killed process leaves: an advisory of a generation that nobody ends
        feed = store.feeds.begin(tx, "osv/npm")
    died = registry.advisories.Imported("osv/npm")
    file = osv(record("CVE-2020-1111", "p", ZERO, {"fixed": "1"}), record("CVE-2020-2222", "p", ZERO))
    registry.advisories._write(on, file, feed, died, Quiet(), malware=False)
    ensure(on, ("npm", "p", "1.0.0"))
    assert names(on, "npm", "p", "1.0.0") == ["CVE-2020-1111"]

    load(on, osv(record("CVE-2020-1111", "p", ZERO)))

    assert names(on, "npm", "p", "1.0.0") == ["CVE-2020-1111"]
    with pytest.raises(registry.advisories.ImportTakenOver):
        registry.advisories._make_current(on, [(file, feed, died)])


@pytest.mark.parametrize("begun", [1, 2], ids=["as it begins", "as it is given up"])
def test_an_import_that_was_taken_over_removes_nothing_of_the_one_that_counts(on, monkeypatch, begun):
    load(on, osv(record("CVE-2020-1111", "p", ZERO)))
    ensure(on, ("npm", "p", "1.0.0"))
    remove, calls = registry.advisories._remove_written, []

    def slowly(*args):
        calls.append(args)
        if len(calls) == begun:
            load(on, osv(record("CVE-2020-2222", "p", ZERO)))
        remove(*args)

    monkeypatch.setattr(registry.advisories, "_remove_written", slowly)

    with pytest.raises((registry.advisories.ImportTakenOver, registry.advisories.BadAdvisories)):
        load(on, given("osv/npm", b"no archive"))

    assert names(on, "npm", "p", "1.0.0") == ["CVE-2020-2222"]


def test_no_generation_is_begun_twice(on):
    load(on, osv(record("CVE-2020-1111", "p", ZERO)))
    with on.database.transaction() as tx:
        slow = store.feeds.begin(tx, "osv/npm")
    with pytest.raises(registry.advisories.BadAdvisories):
        load(on, given("osv/npm", b"no archive"))
    with on.database.transaction() as tx:
        store.feeds.begin(tx, "osv/npm")

    with pytest.raises(registry.advisories.ImportTakenOver):
        registry.advisories._write(on, osv(record("CVE-2020-2222", "p", ZERO)), slow,
                                   registry.advisories.Imported("osv/npm"), Quiet(), malware=False)  # fmt: skip


def test_malware_is_imported_only_when_it_is_wanted(on):
    malware = osv(record("MAL-2024-1", "p", ZERO), record("CVE-2020-1111", "p", ZERO))
    load(on, malware)
    assert names(on, "npm", "p", "1.0.0") == ["CVE-2020-1111"]

    malware.file.seek(0)
    load(on, malware, malware=True)

    assert findings(on, ("npm", "p", "1.0.0"))[0][0].severity is Severity.CRITICAL
