"""One digest of all that a repository holds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.model.merkle import EMPTY, Growing, image_bucket, tag_bucket

contents = st.dictionaries(st.text("abc", min_size=1, max_size=3), st.sampled_from(["sha256:1", "sha256:2"]))


def tree(images, tags):
    growing = Growing()
    growing.add((digest, "") for digest in sorted(images))
    growing.add((digest, tag) for tag, digest in sorted(tags.items()))
    return growing.tree()


@given(contents, contents)
def test_trees_agree_where_contents_do_and_differ_in_the_buckets_of_what_differs(one, other):
    images = {"sha256:1", "sha256:2"}
    first, second = tree(images, one), tree(images, other)

    differing = {tag for tag in one.keys() | other.keys() if one.get(tag) != other.get(tag)}
    assert first.differing(second) == {tag_bucket(tag) for tag in differing}
    assert (first.root == second.root) is (one == other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (tree({"sha256:1"}, {}), EMPTY),
        (tree({"sha256:1"}, {}), tree({"sha256:2"}, {})),
        (tree({"sha256:1"}, {}), tree({"sha256:1"}, {"v1": "sha256:1"})),
    ],
    ids=["something and nothing", "images", "an image with and without a tag"],
)
def test_what_is_not_the_same_has_another_root(one, other):
    assert one.root != other.root


def test_an_image_is_found_by_its_bucket():
    assert tree({"sha256:1"}, {}).differing(EMPTY) == {image_bucket("sha256:1")}
