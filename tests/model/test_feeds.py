"""Files of feeds become advisories; what is bad in them is counted, or refuses the file, and harms nobody."""

import gzip
import io
import json
import tarfile
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.model import cvss, feed_sources, feeds
from holdfast.model.advisories import BadFeed, Problems, Status
from holdfast.model.feeds import osv, reading
from holdfast.model.severities import Severity, of_score
from holdfast.model.versions import sort_key


def read(name, content, problems=None):
    """What a file of a source says."""
    file = io.BytesIO(content if isinstance(content, bytes) else json.dumps(content).encode())
    return list(feeds.read(feed_sources.find(name), file, problems if problems is not None else Problems()))


def ranges(advisory):
    """The ranges of an advisory, as a table has them."""
    return [(one.ecosystem, one.name, one.fixed, one.status, one.severity) for one in advisory.ranges]


def test_the_debian_tracker_tells_what_is_fixed_and_what_never_will_be():
    problems = Problems()
    releases = {
        "bookworm": {"status": "resolved", "fixed_version": "1-2", "urgency": "high"},
        "bullseye": {"status": "open", "urgency": "not yet assigned", "nodsa": "Minor issue", "nodsa_reason": ""},
        "buster": {"status": "open", "urgency": "end-of-life"},
        "trixie": {"status": "resolved", "fixed_version": "0", "urgency": "unimportant"},
        "forky": {"status": "undetermined", "urgency": "unimportant"},
        "sid": {"status": "open", "urgency": "low"},
    }
    bad = {"CVE-2020-2222": {"releases": {"bookworm": {"status": "unheard of"}}}}

    found = read(
        "debian", {"p": {"CVE-2020-1111": {"description": "d\x1b[31m", "releases": releases}}, "q": bad}, problems
    )

    assert ranges(found[0]) == [
        ("Debian:12", "p", "1-2", Status.FIXED, Severity.HIGH),
        ("Debian:11", "p", None, Status.NO_DSA, Severity.UNDEFINED),
        ("Debian:10", "p", None, Status.WILL_NOT_FIX, Severity.UNDEFINED),
        ("Debian:14", "p", None, Status.UNDER_INVESTIGATION, Severity.INFORMATIONAL),
    ]
    assert found[0].description == "d [31m"
    assert found[0].url == "https://security-tracker.debian.org/tracker/CVE-2020-1111"
    assert problems.told == ["q CVE-2020-2222: nobody knows the status 'unheard of'"]


def test_alpine_tells_the_last_fix_of_each_package():
    fixes = {"0": ["CVE-2020-1111"], "1.0-r1": ["CVE-2020-2222 XSA-260"], "1.2-r0": ["CVE-2020-2222"], "2-r0": None}
    package = {"pkg": {"name": "p", "secfixes": fixes}}

    found = read("alpine/v3.19/main", {"distroversion": "v3.19", "packages": [package]})

    assert [(one.ident, ranges(one)) for one in found] == [
        ("CVE-2020-2222", [("Alpine:v3.19", "p", "1.2-r0", Status.FIXED, Severity.UNDEFINED)]),
        ("XSA-260", [("Alpine:v3.19", "p", "1.0-r1", Status.FIXED, Severity.UNDEFINED)]),
    ]


UPDATE = """<?xml version="1.0"?><updates><update><id>ALAS2023-2023-001</id><title>p</title>
<issued date="2023-02-17 10:00"/><severity>important</severity><description>d</description>
<references><reference href="x" id="CVE-2020-1111" type="cve"/><reference id="CVE-2020-2222" type="cve"/></references>
<pkglist><collection><package name="p" version="1" release="2.amzn2023" epoch="1" arch="x86_64"/>
<package name="p" version="1" release="2.amzn2023" epoch="1" arch="aarch64"/></collection></pkglist></update></updates>
"""


def test_an_erratum_of_amazon_is_about_each_of_its_packages():
    (found,) = read("amazon/2023/core", gzip.compress(UPDATE.encode()))

    assert ranges(found) == [("Amazon Linux:2023", "p", "1:1-2.amzn2023", Status.FIXED, Severity.HIGH)]
    assert found.covers == ("CVE-2020-1111", "CVE-2020-2222")
    assert found.published_at.year == 2023
    assert found.url == "https://alas.aws.amazon.com/AL2023/ALAS-2023-001.html"


def product(name, **helper):
    return {"product": {"product_id": name, "name": name, "product_identification_helper": helper}}


def vex():
    """A document as Red Hat writes them: fixed for 9, not to be fixed for 8, and something of extended support."""
    products = {
        "nine": "cpe:/a:redhat:enterprise_linux:9::appstream",
        "eight": "cpe:/o:redhat:enterprise_linux:8",
        "eus": "cpe:/a:redhat:rhel_eus:9.0::appstream",
    }
    components = {
        "new": "pkg:rpm/redhat/p@1.0-2.el9?arch=x86_64&epoch=1",
        "newer": "pkg:rpm/redhat/p@1.0-3.el9_0?arch=x86_64&epoch=1",
        "old": "pkg:rpm/redhat/p",
        "module": "pkg:rpmmod/redhat/p@2:9020020240101:0123abcd",
        "in-module": "pkg:rpm/redhat/p@2.0-1.module%2Bel9.2.0%2B1%2B2?arch=x86_64",
        "in-other": "pkg:rpm/redhat/p@3?arch=src&rpmmod=p:3",
        "flatpak": "pkg:rpm/redhat/p@9?arch=src&rpmmod=rhel9",
    }
    pairs = [("nine", "new"), ("eus", "newer"), ("eight", "old"), ("nine", "old"), ("nine", "module")]
    pairs += [("nine:module", "in-module"), ("nine", "in-other"), ("nine", "flatpak")]
    branches = [product(name, cpe=cpe) for name, cpe in products.items()]
    branches += [{"branches": [product(name, purl=purl)]} for name, purl in components.items()]
    relationships = [
        {
            "category": "default_component_of",
            "full_product_name": {"product_id": f"{one}:{other}", "name": ""},
            "product_reference": other,
            "relates_to_product_reference": one,
        }
        for one, other in pairs
    ]
    return {
        "document": {
            "aggregate_severity": {"text": "Important"},
            "tracking": {"current_release_date": "2024-01-01T00:00:00Z"},
        },
        "product_tree": {"branches": branches, "relationships": relationships},
        "vulnerabilities": [
            {
                "cve": "CVE-2020-1111",
                "notes": [{"category": "description", "text": "d"}],
                "product_status": {
                    "fixed": ["nine:new", "eus:newer", "nine:module:in-module", "nine:flatpak"],
                    "known_affected": ["eight:old", "nine:old", "nine:in-other"],
                },
                "remediations": [{"category": "no_fix_planned", "product_ids": ["eight:old"]}],
                "scores": [{"cvss_v3": {"vectorString": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}}],
            }
        ],
    }


def tar(*documents):
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as made:
        for number, one in enumerate(documents):
            member = tarfile.TarInfo(f"../2020/cve-{number}.json")
            member.size = len(one)
            made.addfile(member, io.BytesIO(one))
    return content.getvalue()


def test_red_hat_tells_what_is_fixed_and_what_is_not_to_be():
    problems = Problems()

    (found,) = read("redhat", tar(json.dumps(vex()).encode(), b"{}"), problems)

    assert ranges(found) == [
        ("Red Hat:9", "p", "1:1.0-2.el9", Status.FIXED, Severity.HIGH),
        ("Red Hat:9", "p", "0:2.0-1.module+el9.2.0+1+2", Status.FIXED, Severity.HIGH),
        ("Red Hat:8", "p", None, Status.WILL_NOT_FIX, Severity.HIGH),
        ("Red Hat:9", "p", None, Status.AFFECTED, Severity.HIGH),
    ]
    assert [one.module for one in found.ranges] == ["", "p:2", "", "p:3"]
    assert found.cvss[0].score == 9.8
    assert problems.count == 1


def test_what_is_known_of_cves_is_read():
    epss = b"#model_version:v2025.03.14\ncve,epss,percentile\nCVE-2020-1111,0.97,0.999\nCVE-2020-2222,2,0.5\n"
    metric = {"cvssData": {"vectorString": "AV:N/AC:L/Au:N/C:P/I:P/A:P", "baseScore": 7.5}}
    four = {
        "cvssData": {
            "vectorString": "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N",
            "baseScore": 9.3,
        }
    }
    nvd = {"cve": {"id": "CVE-2020-1111", "metrics": {"cvssMetricV2": [metric], "cvssMetricV40": [four]}}}
    problems = Problems()

    (likely,) = read("epss", gzip.compress(epss), problems)
    (scored,) = read("nvd/2020", {"vulnerabilities": [nvd]})

    assert (likely.cve, likely.likelihood, likely.percentile) == ("CVE-2020-1111", 0.97, 0.999)
    assert problems.count == 1
    assert [(one.version, one.score) for one in scored.cvss] == [("4.0", 9.3), ("2.0", 7.5)]


@pytest.mark.parametrize(
    ("vector", "score"),
    [
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", 10.0),
        ("CVSS:3.1/AV:N/AC:L/PR:N/UI:R/S:C/C:L/I:L/A:N", 6.1),
        ("CVSS:3.1/AV:L/AC:L/PR:L/UI:N/S:U/C:H/I:H/A:H", 7.8),
        ("CVSS:3.0/AV:N/AC:H/PR:N/UI:N/S:U/C:H/I:N/A:N", 5.9),
        ("CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:U/C:N/I:N/A:N", 0.0),
        ("AV:N/AC:L/Au:N/C:C/I:C/A:C", 10.0),
        ("(AV:L/AC:H/Au:N/C:P/I:N/A:N)", 1.2),
        ("AV:N/AC:M/Au:N/C:N/I:P/A:N", 4.3),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N", 9.3),
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:S/SA:N", None),
        ("CVSS:4.0/AV:N/AC:L", None),
        # As the calculator of Red Hat's product security scores them (PyPI: cvss 3.6).
        ("CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:N/VI:N/VA:N/SC:N/SI:N/SA:N/U:Amber", 0.0),
        ("CVSS:4.0/AV:L/AC:H/AT:P/PR:H/UI:N/VC:H/VI:N/VA:N/SC:N/SI:H/SA:H/E:U/MAC:H/MPR:X/MUI:P/MSC:X/MSA:N", 1.3),
        ("CVSS:4.0/AV:L/AC:L/AT:P/PR:N/UI:A/VC:N/VI:N/VA:N/SC:N/SI:L/SA:L/MPR:L/MUI:A/MSC:H", 2.1),
        ("CVSS:4.0/AV:N/AC:L/AT:P/PR:H/UI:N/VC:L/VI:H/VA:N/SC:H/SI:H/SA:H/E:X/IR:M/AR:L/MAV:P/MAC:H/MVI:N", 2.4),
        ("CVSS:4.0/AV:A/AC:H/AT:P/PR:N/UI:A/VC:L/VI:H/VA:L/SC:H/SI:L/SA:N/E:U/IR:X/AR:X/MSC:X/MSI:X", 3.7),
        ("CVSS:4.0/AV:P/AC:L/AT:P/PR:H/UI:N/VC:N/VI:H/VA:N/SC:L/SI:H/SA:N/MPR:H/MVA:N/MSI:L", 4.1),
        ("CVSS:4.0/AV:A/AC:L/AT:N/PR:H/UI:P/VC:L/VI:N/VA:L/SC:H/SI:N/SA:L", 4.2),
        ("CVSS:4.0/AV:A/AC:H/AT:P/PR:N/UI:A/VC:L/VI:L/VA:L/SC:H/SI:H/SA:H", 5.2),
        ("CVSS:4.0/AV:P/AC:H/AT:P/PR:H/UI:A/VC:H/VI:H/VA:N/SC:L/SI:N/SA:N", 5.3),
        ("CVSS:4.0/AV:N/AC:H/AT:P/PR:L/UI:A/VC:H/VI:N/VA:H/SC:N/SI:L/SA:L", 5.8),
        ("CVSS:4.0/AV:A/AC:H/AT:P/PR:L/UI:A/VC:L/VI:L/VA:H/SC:N/SI:H/SA:H/CR:X/MVA:X", 5.9),
        ("CVSS:4.0/AV:A/AC:L/AT:P/PR:L/UI:A/VC:H/VI:L/VA:H/SC:H/SI:H/SA:H/CR:L/IR:L/AR:H/MAT:N/MVI:H/MSC:N/MSA:S", 9.1),
    ],
)
def test_vectors_have_the_scores_of_the_specification(vector, score):
    assert cvss.parse(vector).score == score


@pytest.mark.parametrize(
    "vector",
    [
        "",
        "high",
        "CVSS:3.1/AV:N",
        "CVSS:9.9/AV:N/AC:L",
        "AV:N/AC:L/" * 100,
        "CVSS:3.1/AV:Z/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H",
    ],
)
def test_what_is_no_vector_is_none(vector):
    assert cvss.parse(vector) is None


@pytest.mark.parametrize(
    ("score", "severity"),
    [
        (9.0, "CRITICAL"),
        (8.9, "HIGH"),
        (7.0, "HIGH"),
        (6.9, "MEDIUM"),
        (4.0, "MEDIUM"),
        (3.9, "LOW"),
        (0.1, "LOW"),
        (0.0, "INFORMATIONAL"),
        (None, "UNDEFINED"),
    ],
)
def test_scores_are_severities(score, severity):
    assert of_score(score) == severity


DEEP = b"[" * 200_000
BOMB = gzip.compress(b" " * 2_000_000)
HOSTILE = {
    "debian": [b"", b"[]", DEEP, b'{"p": {"CVE-2020-1111": ' + DEEP, BOMB, b"\x1f\x8b\x08", b'{"p": 1}'],
    "alpine/v3.19/main": [b"", b'{"distroversion": "edge", "packages": []}', DEEP, b'{"distroversion": "v3.19"}'],
    "amazon/2/core": [
        b"",
        b"<updates>",
        b"<a>" * 50,
        b'<!DOCTYPE x [<!ENTITY a "a"><!ENTITY b "&a;&a;">]><updates>&b;</updates>',
        b'<!DOCTYPE x SYSTEM "file:///etc/passwd"><updates/>',
    ],
    "redhat": [b"", b"PK\x03\x04", b"a tar it is not", BOMB],
    "osv/npm": [b"", b"PK\x03\x04", b"PK\x03\x04" + bytes(100), BOMB],
    "kev": [b"", b"{}", DEEP, b'{"vulnerabilities": {}}'],
    "epss": [b"", b"cve,score\n", b"#" + b"a" * 10_000, b"\x1f\x8b\x08\x00"],
    "nvd/2020": [b"", b"{}", DEEP],
}


@pytest.mark.parametrize(("name", "content"), [(name, one) for name, some in HOSTILE.items() for one in some])
def test_a_file_of_another_kind_is_refused(monkeypatch, name, content):
    monkeypatch.setattr(reading, "DOCUMENT_BYTES", 1_000_000)

    with pytest.raises(BadFeed):
        read(name, content)


def test_a_record_that_is_too_large_is_left_out(monkeypatch):
    monkeypatch.setattr(reading, "RECORD_BYTES", 100_000)
    problems = Problems()

    found = read("redhat", tar(json.dumps(vex()).encode(), b"[" * 200_000), problems)

    assert [one.ident for one in found] == ["CVE-2020-1111"]
    assert "more than 100000 bytes" in problems.told[0]


@given(
    st.sampled_from(["debian", "alpine/v3.19/main", "amazon/2/core", "kev", "epss", "nvd/2020", "osv/npm", "redhat"]),
    st.binary(max_size=200),
)
def test_no_bytes_are_anything_but_a_bad_feed(name, content):
    with suppress(BadFeed):
        assert read(name, content) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "id",
                    "affected",
                    "package",
                    "ecosystem",
                    "name",
                    "ranges",
                    "type",
                    "events",
                    "introduced",
                    "fixed",
                    "aliases",
                    "severity",
                    "score",
                    "versions",
                ]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_whatever_a_record_says_is_an_advisory_or_a_problem(content):
    try:
        found = osv.parse(json.dumps(content).encode(), "npm")
    except reading.FAULTS:
        return
    assert found.ident == content["id"]


def test_a_bound_that_is_no_version_is_nearly_one():
    package = {"pkg": {"name": "p", "secfixes": {"1.9.5p2-r0": ["CVE-2020-1111"]}}}

    (found,) = read("alpine/v3.19/main", {"distroversion": "v3.19", "packages": [package]})

    first, second = found.ranges
    assert (first.high, second.low, second.high) == (
        *[sort_key("Alpine:v3.19", "1.9.5")] * 2,
        sort_key("Alpine:v3.19", "1.9.6"),
    )
    assert (first.is_exact, second.is_exact) == (True, False)
