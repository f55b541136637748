"""What VEX documents say hides findings, and they count again when it is no longer said."""

from __future__ import annotations

from datetime import timedelta

import pytest

from holdfast import registry
from holdfast.model import manifests
from holdfast.model.errors import InvalidParameter, LimitExceeded, VexDocumentNotFound
from holdfast.model.image_findings import FIRST
from holdfast.model.images import ImageId
from tests import builders, databases, feeds, layers
from tests.documents import OPENSSL, attestation, openvex, said
from tests.registry.ground import AT, HOME, create, open_ground, push_blob, put, told
from tests.registry.test_image_scans import LODASH, OTHER, enhanced, everything, listed, names, report, scanned, tagged
from tests.registry.test_inventories import BASE, MODULE, push

CVE = "CVE-2024-0727"
NOT_AFFECTED = openvex(said(CVE, "not_affected", OPENSSL))
LATER = "2029-07-01T00:00:00Z"
WHO = "arn:aws:iam::000000000000:user/ann"


def vouch(on, data=NOT_AFFECTED, where=AT, image=None, **more):
    return registry.vex.put(on, where, ImageId(image.digest) if image else None, data, WHO, **more)


def is_hidden(on, image):
    """Whether a finding is nowhere but in the list of those that do not count."""
    found, counts = report(on, image), dict(listed(on, image).counts)
    _, hidden = registry.scanning.suppressed(on, AT, ImageId(image.digest), FIRST, 100)
    is_shown = CVE in [name for name, _ in names(found)]
    assert counts == dict(found.scan.counts)
    assert is_shown == ("MEDIUM" in counts)
    assert is_shown != (CVE in [one.finding.name for one in hidden])
    return not is_shown


@pytest.fixture(params=["BASIC", "CONTINUOUS_SCAN", "SCAN_ON_PUSH"])
def image(on, request):
    """One that was scanned."""
    feeds.load(on, debian=feeds.debian(**feeds.OPENSSL), npm=LODASH)
    pushed = push(on, BASE, MODULE)
    if request.param == "BASIC":
        scanned(on, pushed)
    else:
        enhanced(on, request.param)
        everything(on)
    return pushed


@pytest.fixture
def live(on):
    """One that is watched."""
    feeds.load(on, debian=feeds.debian(**feeds.OPENSSL), npm=LODASH)
    enhanced(on)
    pushed = tagged(on, push(on, BASE, MODULE), "v1")
    everything(on)
    return pushed


@pytest.mark.parametrize("scope", ["registry", "repository", "image"])
def test_a_document_hides_a_finding_until_it_is_taken_back(on, image, scope):
    where = HOME if scope == "registry" else AT
    kept = vouch(on, where=where, image=image if scope == "image" else None)

    assert is_hidden(on, image)
    _, [hidden] = registry.scanning.suppressed(on, AT, ImageId(image.digest), FIRST, 100)
    [why] = hidden.verdicts
    assert (why.kind, why.number, why.owner, why.author) == ("VEX", kept.id, WHO, "Team Blue")
    assert (why.status, why.justification) == ("not_affected", "vulnerable_code_not_present")

    registry.vex.delete(on, where, kept.id)

    assert not is_hidden(on, image)


def test_a_document_of_one_place_says_nothing_of_another(on, live):
    create(on, OTHER)
    elsewhere = vouch(on, where=OTHER)
    vouch(on, openvex(said(CVE, "not_affected", "pkg:deb/debian/openssl@3.0.1-2")))
    other = push(on, BASE, {"x": "y"})
    everything(on)
    vouch(on, openvex(said(CVE, "not_affected")), image=other)

    assert not is_hidden(on, live)
    assert is_hidden(on, other)
    with pytest.raises(VexDocumentNotFound):
        registry.vex.delete(on, AT, elsewhere.id)


def test_what_is_said_of_one_package_does_not_hide_another_of_the_same_source(on):
    feeds.load(on, debian=feeds.debian(**feeds.OPENSSL))
    both = BASE | {
        "var/lib/dpkg/status": layers.dpkg(("libssl3", "3.0.1-1", "openssl"), ("libcrypto3", "3.0.1-1", "openssl"))
    }
    image = push(on, both)
    scanned(on, image)
    first = "pkg:deb/debian/libssl3@3.0.1-1"

    vouch(on, openvex(said(CVE, "not_affected", first)))
    assert not is_hidden(on, image)
    vouch(on, openvex(said(CVE, "not_affected", first, "pkg:deb/debian/libcrypto3"), said_at=LATER))
    assert is_hidden(on, image)


@pytest.mark.parametrize("status", ["affected", "under_investigation"])
def test_a_later_statement_takes_the_place_of_an_earlier_one(on, live, status):
    vouch(on)
    vouch(on, openvex(said(CVE, status, OPENSSL), ident="another", said_at=LATER))

    assert not is_hidden(on, live)
    vouch(on, openvex(said(CVE, "not_affected", OPENSSL)), image=live)
    assert is_hidden(on, live), "what is said of the image counts, whatever is said of its repository"


def test_a_later_version_of_a_document_takes_its_place(on, live):
    vouch(on)
    vouch(on, openvex(said("CVE-1", "fixed", OPENSSL), said_at=LATER))

    assert not is_hidden(on, live)
    assert len(registry.vex.page(on, AT, 0, 10)[0]) == 1
    with pytest.raises(InvalidParameter, match="A later version"):
        vouch(on)


def test_a_document_counts_until_it_expires(on, clock, live):
    vouch(on, expires_at=clock() + timedelta(days=1))

    assert is_hidden(on, live)
    clock.pass_(days=2)
    assert not is_hidden(on, live)
    with pytest.raises(InvalidParameter):
        vouch(on, expires_at=clock())


def test_a_new_version_of_a_package_is_not_what_was_spoken_of(on, live):
    vouch(on)
    newer = push(on, BASE | {"var/lib/dpkg/status": layers.dpkg(("libssl3", "3.0.1-2", "openssl"))})
    everything(on)

    assert is_hidden(on, live)
    assert not is_hidden(on, newer)


def test_what_is_hidden_is_no_news(on, clock):
    feeds.load(on, debian=feeds.debian(**feeds.OPENSSL))
    enhanced(on)
    tagged(on, push(on, BASE), "v1")
    everything(on)
    vouch(on, openvex(said("CVE-2030-0001", "not_affected", OPENSSL)), where=HOME)
    new = {"CVE_2030_0001": ("openssl", None, "high")}

    feeds.load(on, 1, debian=feeds.debian(**feeds.OPENSSL, **new))
    everything(on)
    assert told(on, "Inspector2 Finding") == told(on, "New Vulnerabilities") == []

    feeds.load(on, 2, debian=feeds.debian(**feeds.OPENSSL, **new, CVE_2030_0002=("openssl", None, "low")))
    everything(on)
    [event] = told(on, "Inspector2 Finding")
    assert (event["severity"], event["finding-count"], event["vulnerability-ids"]) == ("LOW", 1, ["CVE-2030-0002"])


def test_the_event_of_a_scan_counts_what_counts(on):
    feeds.load(on, debian=feeds.debian(**feeds.OPENSSL))
    vouch(on)

    scanned(on, push(on, BASE))

    [event] = told(on, "ECR Image Scan")
    assert event["finding-severity-counts"] == {"INFORMATIONAL": 1, "UNDEFINED": 1}


# ---- Referrers


def referrer(on, subject, data, media_type, *tags):
    """Push something that refers to an image; what the door does with it."""
    for blob in (b"{}", data):
        push_blob(on, AT, blob)
    members = {} if tags else {"subject": subject.descriptor}
    document = builders.document(
        builders.OCI_MANIFEST,
        artifactType=media_type,
        config=builders.descriptor("application/vnd.oci.empty.v1+json", b"{}"),
        layers=[builders.descriptor(media_type, data)],
        **members,
    )
    put(on, AT, document, *tags)
    registry.vex.pushed(on, AT, manifests.parse(document.body, document.media_type), tags, WHO)
    return document


def test_a_referrer_counts_while_it_is_there(on, live):
    about = said(CVE, "not_affected", f"pkg:oci/repository@{live.digest.replace(':', '%3A')}")
    pushed = referrer(on, live, openvex(about), "application/openvex+json")

    assert is_hidden(on, live)
    [kept], _ = registry.vex.page(on, AT, 0, 10)
    assert (kept.digest, kept.origin_digest, kept.owner) == (live.digest, pushed.digest, WHO)

    registry.images.delete(on, AT, [ImageId(pushed.digest)])
    assert not is_hidden(on, live)
    assert registry.vex.page(on, AT, 0, 10) == ([], False)

    registry.undelete.restore_image(on, AT, pushed.digest)
    assert is_hidden(on, live)


@pytest.mark.parametrize("is_tag", [False, True])
def test_attestations_of_cosign_count(on, live, is_tag):
    tags = [live.digest.replace(":", "-") + ".att"] if is_tag else []
    kind = "application/vnd.dsse.envelope.v1+json"
    referrer(on, live, attestation(openvex(said(CVE, "fixed")), live.digest), kind, *tags)
    assert is_hidden(on, live)

    later = openvex(said(CVE, "affected"), said_at=LATER)
    referrer(on, live, attestation(later, live.digest), kind, *tags)
    assert not is_hidden(on, live)
    assert len(registry.vex.page(on, AT, 0, 10)[0]) == (1 if is_tag else 2)


def test_an_attestation_counts_while_its_tag_names_it(on, live):
    tag = live.digest.replace(":", "-") + ".att"
    kind = "application/vnd.dsse.envelope.v1+json"
    referrer(on, live, attestation(openvex(said(CVE, "fixed")), live.digest), kind, tag)
    assert is_hidden(on, live)

    registry.images.delete_tag(on, AT, tag)

    assert not is_hidden(on, live)
    assert registry.vex.page(on, AT, 0, 10) == ([], False)


def test_an_attestation_of_another_image_says_nothing(on, live):
    kind = "application/vnd.dsse.envelope.v1+json"
    pushed = referrer(on, live, attestation(openvex(said(CVE, "fixed")), "sha256:" + "0" * 64), kind)

    assert not is_hidden(on, live)
    with pytest.raises(InvalidParameter, match="another image"):
        registry.vex.put_referrer(on, AT, pushed.digest, WHO)


def test_a_document_of_an_index_is_about_its_images(on, live):
    index = builders.an_index(live)
    put(on, AT, index)
    vouch(on, openvex(said(CVE, "not_affected")), image=index)

    assert is_hidden(on, live)


def test_there_are_only_so_many(tmp_path, clock):
    on = open_ground(tmp_path, clock, vex_documents=1, vex_referrers=1)
    image = push(on, BASE)
    vouch(on)
    first = referrer(on, image, openvex(said(CVE, "fixed")), "application/openvex+json")
    second = referrer(on, image, openvex(said(CVE, "affected")), "application/openvex+json")

    with pytest.raises(LimitExceeded):
        vouch(on, openvex(said(CVE, "fixed", OPENSSL), ident="another"))
    assert [one.origin_digest for one in registry.vex.page(on, AT, 0, 10)[0]] == [None, first.digest]
    assert second.digest != first.digest
    databases.forget(on.database)
