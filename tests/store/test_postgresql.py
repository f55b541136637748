"""PostgreSQL as the database."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from holdfast.store.statements import Statement
from holdfast.store.tables import blobs
from tests.registry.ground import AT, push_blob


def test_a_push_and_a_pull(start, url):
    product = start("--database", url)
    target = product.registry("hello")

    image = target.push_image("v1")

    assert target("GET", "/manifests/v1").body == image.body
    product.kill()
    product.start()
    assert product.http()("GET", "/v2/hello/manifests/v1").body == image.body


def test_names_are_sorted_by_their_bytes_whatever_the_language_of_the_database(start, url):
    target = start("--database", url).registry("sorted")
    tags = ["b", "a-1", "a", "B", "a.b", "A", "a_b", "1"]
    image = target.push_image("b")
    for tag in tags:
        target.push_manifest(image, tag)

    assert target("GET", "/tags/list").json()["tags"] == sorted(tags)


def test_sums_are_whole_numbers_as_on_sqlite(one):
    push_blob(one, AT, b"a layer")

    with one.database.snapshot() as tx:
        total = tx.value(Statement(select(func.sum(blobs.c.size_bytes))))

    assert (total, type(total)) == (7, int)


def test_two_nodes_share_what_they_keep(start, url):
    one = start("--database", url)
    two = start("--database", url, "--blobs", f"file://{one.data}/objects", data=one.data)
    image = one.registry("shared").push_image("v1")

    answer = two.http()("GET", "/v2/shared/manifests/v1")

    assert answer.body == image.body


def test_a_node_without_the_key_of_the_others_does_not_start(start, url, tmp_path):
    start("--database", url)

    with pytest.raises(AssertionError, match=r"copy it from another node"):
        start("--database", url, data=tmp_path / "other")


def test_a_node_with_another_key_does_not_start(start, url, tmp_path):
    other = start()
    other.stop()
    start("--database", url)

    with pytest.raises(AssertionError, match=r"keys of this node are not those of the database"):
        start("--database", url, data=other.data)


def test_a_database_that_cannot_be_had_is_told_in_a_line(start):
    with pytest.raises(AssertionError, match=r"holdfast: --database: .*Connection refused"):
        start("--database", "postgresql://nobody@127.0.0.1:1/none")
