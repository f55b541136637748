"""The list of what refers to an image, as it is kept where a registry keeps none."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.model import manifests, referrer_lists
from holdfast.model.manifests import MANIFEST_TYPES
from holdfast.model.referrer_lists import EMPTY, entry, read, subject_in, tag_of
from tests import builders

IMAGE = builders.an_image(builders.digest, seed="x")
ENTRIES = [builders.descriptor(builders.OCI_MANIFEST, bytes([number])) for number in range(6)]


@pytest.mark.parametrize(
    ("body", "media_type", "listed"),
    [
        (EMPTY.body, builders.OCI_INDEX, []),
        (EMPTY.body, None, []),
        (builders.an_index(IMAGE).body, builders.OCI_INDEX, [IMAGE.digest]),
        (b'{"schemaVersion": 2, "manifests": null}', builders.OCI_INDEX, []),
        (b'{"schemaVersion": 2, "manifests": []}', None, None),
        (IMAGE.body, IMAGE.media_type, None),
        (builders.an_index(IMAGE, media_type=builders.DOCKER_LIST).body, builders.DOCKER_LIST, None),
        (builders.an_index(IMAGE).body, builders.DOCKER_LIST, None),
        (b"no JSON", builders.OCI_INDEX, None),
        (b'{"schemaVersion": 2, "manifests": [{"digest": "x", "size": 1}]}', builders.OCI_INDEX, None),
    ],
)
def test_a_list_is_an_index_of_oci_and_nothing_else(body, media_type, listed):
    found = read(body, media_type)
    assert (None if found is None else found.digests) == listed


def test_members_that_nobody_knows_stay():
    document = {"schemaVersion": 2, "mediaType": builders.OCI_INDEX, "x": [1], "manifests": [{**ENTRIES[0], "y": 2}]}
    found = read(json.dumps(document).encode(), None)
    assert found is not None
    assert json.loads(found.adding(ENTRIES[1:2]).body) == document | {"manifests": [*document["manifests"], ENTRIES[1]]}


some = st.lists(st.sampled_from(ENTRIES), max_size=8)


@given(some, some, some)
def test_entries_are_there_once_in_any_order_of_coming_and_going(first, second, gone):
    digests = {one["digest"] for one in gone}
    found = EMPTY.adding(first).adding(second).without(digests)

    assert sorted(found.digests) == sorted({one["digest"] for one in (*first, *second)} - digests)
    assert found.adding(one for one in first if one["digest"] not in digests) == found
    assert read(found.body, builders.OCI_INDEX) == found


@pytest.mark.parametrize(
    ("document", "kind"),
    [
        (builders.an_image(builders.digest, artifactType="application/sig"), "application/sig"),
        (builders.an_image(builders.digest), builders.OCI_CONFIG),
        (builders.an_index(IMAGE, artifactType="application/sig"), "application/sig"),
        (builders.an_index(IMAGE), None),
    ],
)
def test_an_entry_says_what_kind_of_artifact_it_is(document, kind):
    told = entry(manifests.parse(document.body, document.media_type))

    assert told.get("artifactType") == kind
    assert {name: told[name] for name in document.descriptor} == document.descriptor
    assert told["mediaType"] in MANIFEST_TYPES


def test_a_subject_is_found_whatever_else_a_manifest_says():
    assert subject_in(builders.an_image(builders.digest, subject=IMAGE.descriptor).body) == IMAGE.digest
    assert subject_in(IMAGE.body) is None
    assert subject_in(b"[") is None


def test_a_tag_stands_for_each_subject():
    assert referrer_lists.is_tag(tag_of(IMAGE.digest))
    assert tag_of(IMAGE.digest) == IMAGE.digest.replace(":", "-")
    long = builders.digest(b"", "sha512")
    assert (tag_of(long), referrer_lists.is_tag(tag_of(long))) == (f"sha512-{long[7:71]}", True)
    assert not referrer_lists.is_tag(f"{tag_of(IMAGE.digest)}.sig")
