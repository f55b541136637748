"""The blob store beside the database, where the store is a bucket."""

from __future__ import annotations

from dataclasses import replace

import pytest

from holdfast import registry
from holdfast.blobs import SealedStore
from holdfast.blobs.remote import RemoteStore
from holdfast.model import object_stores
from tests import builders
from tests.registry.ground import AT, push_blob
from tests.seaweed import BUCKET

LARGE = bytes(40_000)


@pytest.mark.xdist_group("object stores")
def test_a_bucket_and_the_database_are_compared_both_ways(on, seaweed, name, monkeypatch):
    for variable, value in seaweed.environment.items():
        monkeypatch.setenv(variable, value)
    on = replace(on, blobs=SealedStore(RemoteStore(object_stores.parse(seaweed.url(name)))))
    for data in (LARGE, LARGE + b"1"):
        push_blob(on, AT, data)
    s3 = seaweed.s3()
    lost, kept = (key.removeprefix(f"{name}/") for key in keys(s3, name))
    s3.delete_object(Bucket=BUCKET, Key=f"{name}/{lost}")
    stray, foreign = "0" * 32, "README"
    for key in (stray, foreign):
        s3.put_object(Bucket=BUCKET, Key=f"{name}/{key}", Body=b"left by a fault")

    found = registry.orphans.compare(on)

    assert (found.unknown, found.missing) == ([stray], [lost])
    assert registry.orphans.compare(on, delete_unknown=True).unknown == [stray]
    assert keys(s3, name) == sorted(f"{name}/{key}" for key in (kept, foreign))
    for data in (LARGE, LARGE + b"1"):
        push_blob(on, AT, data)  # which heals what was lost
        assert registry.layers.size(on, AT, builders.digest(data)) == len(data)
    assert registry.orphans.compare(on).missing == []


def keys(s3, prefix):
    return [one["Key"] for one in s3.list_objects_v2(Bucket=BUCKET, Prefix=f"{prefix}/")["Contents"]]
