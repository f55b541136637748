"""VEX documents are read for what they surely say, and nothing is hidden by a guess."""

from __future__ import annotations

import json
from contextlib import suppress
from copy import deepcopy
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.model import vex
from holdfast.model.image_findings import Vulnerable
from holdfast.model.packages import OperatingSystem
from holdfast.model.vex.statements import BadVex
from tests import documents
from tests.documents import OPENSSL, analysed, attestation, csaf, cyclonedx, openvex, said

DIGEST = "sha256:" + "a" * 64
OTHER = "sha256:" + "b" * 64
AT = vex.Whereabouts("team/app", frozenset({DIGEST}))
DEBIAN = OperatingSystem("debian", "12")
LIBSSL = Vulnerable("deb", "libssl3", "3.0.1-1", "amd64", "var/lib/dpkg/status", "sha256:1", source="openssl")
LODASH = Vulnerable("npm", "lodash", "4.17.10", "", "app/package.json", "sha256:2")
IMAGE = f"pkg:oci/app@{DIGEST.replace(':', '%3A')}?repository_url=registry.example/team/app"


def verdict(data, name="CVE-1", package=LIBSSL, os=DEBIAN, *, is_of_image=False):
    """What a document says of a vulnerability in a package."""
    held = vex.held(package, os)
    found = vex.read(data, is_of_image=is_of_image).statements
    return [one.status.value for one in found if name in one.names and vex.covers(one, AT, held)]


def not_affected(*products, **members):
    return openvex(said("CVE-1", "not_affected", *products, **members))


@pytest.mark.parametrize(
    ("product", "is_meant"),
    [
        (OPENSSL, True),
        ("pkg:deb/debian/openssl", True),
        ("pkg:deb/debian/libssl3@3.0.1-1?arch=amd64&distro=debian-12", True),
        ("pkg:deb/debian/openssl@3.0.1-1?arch=source", True),
        ("pkg:deb/debian/openssl@3.0.1-2", False),
        ("pkg:deb/ubuntu/openssl@3.0.1-1", False),
        ("pkg:deb/debian/libssl3@3.0.1-1?arch=arm64", False),
        ("pkg:deb/debian/libssl3@3.0.1-1?distro=debian-11", False),
        ("pkg:deb/debian/libssl3@3.0.1-1?flavour=fips", False),
        ("pkg:rpm/debian/openssl@3.0.1-1", False),
        (IMAGE, True),
        (f"registry.example/team/app@{DIGEST}", True),
        ("pkg:oci/app?repository_url=registry.example/team/app", True),
        ("pkg:oci/app?repository_url=registry.example/other/app", False),
        ("pkg:oci/app?tag=v1", False),
        ("pkg:oci/other", False),
        (f"pkg:oci/app@{OTHER.replace(':', '%3A')}", False),
        ({"@id": IMAGE, "subcomponents": [{"@id": OPENSSL}]}, True),
        ({"@id": IMAGE, "subcomponents": [{"@id": "pkg:npm/lodash"}]}, False),
        ({"@id": IMAGE, "subcomponents": [{"@id": "some words"}]}, False),
        ({"@id": f"pkg:oci/app@{OTHER.replace(':', '%3A')}", "subcomponents": [{"@id": OPENSSL}]}, False),
        ({"@id": "https://example.com/x", "identifiers": {"purl": OPENSSL}}, True),
        ({"@id": "x", "hashes": {"sha-256": "a" * 64}}, True),
        ({"@id": OPENSSL, "subcomponents": [{"@id": "pkg:deb/debian/zlib"}]}, False),
        ("some words", False),
    ],
)
def test_a_product_is_what_it_says_it_is(product, is_meant):
    assert (verdict(not_affected(product)) == ["not_affected"]) is is_meant


def test_what_names_no_product_is_about_the_image_that_it_was_put_to():
    document = not_affected()

    assert verdict(document, is_of_image=True) == ["not_affected"]
    assert vex.read(document, is_of_image=False).statements == ()
    assert vex.read(document, is_of_image=False).left_out == 1


def test_older_forms_of_openvex_are_read():
    old = {"vulnerability": "CVE-1", "products": [IMAGE], "subcomponents": [OPENSSL], "status": "fixed"}

    assert verdict(openvex(old)) == ["fixed"]
    assert verdict(openvex(old), package=LODASH) == []


def test_aliases_are_names():
    document = openvex({"vulnerability": {"name": "CVE-1", "aliases": ["GHSA-1"]}, "products": [{"@id": OPENSSL}],
                        "status": "under_investigation"})  # fmt: skip

    assert verdict(document, "GHSA-1") == ["under_investigation"]


@pytest.mark.parametrize("state", ["resolved", "resolved_with_pedigree", "false_positive", "not_affected"])
def test_an_analysis_of_cyclonedx_is_a_statement(state):
    lodash = {"bom-ref": "a", "purl": "pkg:npm/lodash@4.17.10"}
    root = {"bom-ref": "root", "purl": IMAGE}
    other = {"bom-ref": "root", "purl": f"pkg:oci/app@{OTHER.replace(':', '%3A')}"}
    document = cyclonedx(analysed("CVE-1", state, "a"), component=root, components=[lodash])

    assert len(verdict(document, package=LODASH)) == 1
    assert verdict(document) == []
    assert verdict(document.replace(DIGEST.encode()[7:], OTHER.encode()[7:]), package=LODASH) == []
    assert len(verdict(cyclonedx(analysed("CVE-1", state, "root"), component=root))) == 1
    assert verdict(cyclonedx(analysed("CVE-1", state, "root"), component=other)) == []
    assert (
        len(verdict(cyclonedx(analysed("CVE-1", state, "urn:cdx:u/1#pkg:npm%2Flodash@4.17.10")), package=LODASH)) == 1
    )


def test_versions_of_cyclonedx_count_where_they_are_exact():
    affects = [{"ref": "pkg:npm/lodash", "versions": [{"version": "4.17.10"}, {"range": "vers:npm/<5"}]}]
    document = cyclonedx({"id": "CVE-1", "analysis": {"state": "not_affected"}, "affects": affects})

    assert verdict(document, package=LODASH) == ["not_affected"]
    assert verdict(document.replace(b"4.17.10", b"4.17.11"), package=LODASH) == []
    assert vex.read(document, is_of_image=False).left_out == 1


def branch(id_, purl, category="product_name", name="x"):
    helper = {"product_identification_helper": {"purl": purl}}
    return {"category": category, "name": name, "product": {"product_id": id_, "name": id_, **helper}}


def test_products_of_csaf_are_found_in_its_tree():
    related = {"category": "default_component_of", "product_reference": "ssl", "relates_to_product_reference": "app",
               "full_product_name": {"product_id": "app:ssl", "name": "ssl of app"}}  # fmt: skip
    of_platform = related | {"relates_to_product_reference": "platform",
                             "full_product_name": {"product_id": "platform:ssl", "name": "ssl"}}  # fmt: skip
    tree = {
        "branches": [
            {"category": "vendor", "name": "v", "branches": [
                branch("ssl", OPENSSL), branch("app", IMAGE),
                branch("range", "pkg:deb/debian/openssl", "product_version_range", "vers:deb/<9"),
                branch("version", "pkg:deb/debian/openssl", "product_version", "3.0.1-1"),
                branch("another", "pkg:deb/debian/openssl", "product_version", "3.0.1-2"),
            ]},
        ],
        "full_product_names": [{"product_id": "platform", "name": "A platform"}],
        "relationships": [related, of_platform],
    }  # fmt: skip

    def of(id_, status="known_not_affected"):
        flags = [{"label": "component_not_present", "product_ids": [id_]}]
        return csaf({"cve": "CVE-1", "product_status": {status: [id_]}, "flags": flags}, tree=tree)

    for id_ in ("ssl", "app", "version", "app:ssl", "platform:ssl"):
        assert verdict(of(id_)) == ["not_affected"], id_
    for id_ in ("range", "another", "platform", "nothing"):
        assert verdict(of(id_)) == [], id_
    assert verdict(of("app:ssl"), package=LODASH) == []
    assert verdict(of("ssl", "known_affected")) == ["affected"]
    [statement] = vex.read(of("ssl"), is_of_image=False).statements
    assert statement.justification == "component_not_present"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b"\xff",
        b"[" * 100_000,
        openvex(said("CVE-1", "harmless", OPENSSL)),
        openvex({"vulnerability": {"name": "CVE-1"}, "products": [{"@id": OPENSSL}], "status": "not_affected"}),
        openvex({"status": 5}),
        cyclonedx(analysed("CVE-1", "maybe", "pkg:npm/lodash")),
        csaf(category="csaf_base"),
        csaf(status="draft"),
        openvex(*(said("CVE-1", "fixed", OPENSSL) for _ in range(20_001))),
        openvex(said("CVE-1", "fixed", *(f"pkg:npm/a{number}" for number in range(2001)))),
    ],
)
def test_what_cannot_be_followed_is_refused(data):
    with pytest.raises(BadVex):
        vex.read(data, is_of_image=True)


COMPONENT = {"bom-ref": "a", "purl": OPENSSL, "hashes": [{"alg": "SHA-256"}]}
GOOD = [
    not_affected({"@id": IMAGE, "identifiers": {"purl": OPENSSL}, "hashes": {}, "subcomponents": [{"@id": OPENSSL}]}),
    cyclonedx(
        analysed("CVE-1", "resolved", "a", references=[{"id": "GHSA-1"}]),
        component={"bom-ref": "r", "purl": IMAGE},
        components=[COMPONENT],
    ),
    csaf(
        {"cve": "CVE-1", "product_status": {"fixed": ["a"]}, "flags": [{"label": "x"}], "ids": [{"text": "y"}]},
        tree={"branches": [{"branches": [branch("a", OPENSSL)]}], "full_product_names": [{"product_id": "b"}]},
    ),
]
ODD = [None, True, -1, 10**400, 1.5, "", "\0", "pkg:", "pkg:oci/a@%00", "9" * 5000, [], {}, [[]], {"@id": []}, "fixed"]


def nodes(document):
    """Every place of a document, as how to reach it."""
    found = []
    for key in document if isinstance(document, dict) else range(len(document)):
        found.append((document, key))
        if isinstance(document[key], dict | list):
            found += nodes(document[key])
    return found


@given(st.sampled_from(GOOD), st.lists(st.tuples(st.integers(0, 200), st.sampled_from(ODD)), max_size=3), st.booleans())
def test_whatever_somebody_sends_is_read_or_refused(data, changes, is_of_image):
    document = json.loads(data)
    for where, odd in changes:
        places = nodes(document)
        holder, key = places[where % len(places)]
        holder[key] = deepcopy(odd)

    try:
        found = vex.read(json.dumps(document).encode(), is_of_image=is_of_image)
    except BadVex:
        return

    for one in found.statements:
        assert one.products
        assert one.names
        vex.covers(one, AT, vex.held(LIBSSL, DEBIAN))


@given(st.sampled_from(GOOD), st.integers(0, 400), st.binary(max_size=3))
def test_whatever_became_of_the_bytes_is_read_or_refused(data, at, instead):
    with suppress(BadVex):
        vex.read(data[:at] + instead + data[at + 2 :], is_of_image=True)


# ---- What is attached


@pytest.mark.parametrize("is_bundle", [False, True])
def test_an_attestation_is_about_its_subject(is_bundle):
    kind = "application/vnd.dev.sigstore.bundle.v0.3+json" if is_bundle else "application/vnd.dsse.envelope.v1+json"
    data = attestation(not_affected(), DIGEST, is_bundle=is_bundle)

    found = vex.read_attached(data, kind, {DIGEST})

    assert [one.status for one in found.statements] == ["not_affected"]
    with pytest.raises(BadVex, match="another image"):
        vex.read_attached(data, kind, {OTHER})
    provenance = b'{"payloadType": "application/vnd.in-toto+json", "payload": "e30="}'
    assert vex.read_attached(provenance, "application/vnd.dsse.envelope.v1+json", {DIGEST}) is None


@pytest.mark.parametrize("data", [b"no json", b'{"payloadType": "application/vnd.in-toto+json", "payload": "%"}'])
def test_an_attestation_that_is_none_is_refused(data):
    with pytest.raises(BadVex):
        vex.read_attached(data, "application/vnd.dsse.envelope.v1+json", {DIGEST})


def test_an_sbom_without_an_analysis_says_nothing():
    assert vex.read_attached(cyclonedx({"id": "CVE-1"}), "application/vnd.cyclonedx+json", {DIGEST}) is None
    assert vex.read_attached(b'{"some": "thing"}', "application/json", {DIGEST}) is None


# ---- Whose word counts

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def word(status, *, repository=None, digest=None, days=0, number=1):
    kept = vex.Kept(number, repository, digest, vex.Form.OPENVEX, "d", "1", "", NOW, "", NOW, None, 1, 0)
    return vex.Said(kept, vex.Statement(("CVE-1",), vex.Status(status), (), NOW - timedelta(days=days)))


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ([word("affected", days=1), word("not_affected")], "not_affected"),
        ([word("affected"), word("not_affected", days=1)], "affected"),
        ([word("affected"), word("not_affected")], "affected"),
        ([word("affected"), word("fixed", repository="app", days=9)], "fixed"),
        ([word("not_affected", repository="app"), word("affected", repository="app", digest="d", days=9)], "affected"),
        ([word("affected", days=2), word("not_affected", days=-5), word("affected", number=2)], "affected"),
    ],
)
def test_the_nearest_word_counts_then_the_last_then_the_worst(words, status):
    assert vex.deciding(words).statement.status == status
    assert vex.deciding(reversed(words)).statement.status == status


def test_the_documents_of_tests_are_read():
    assert vex.read(documents.csaf(), is_of_image=False).issued_at == datetime(2029, 6, 1, 12, 0, 0, 123456, UTC)
