"""Another Holdfast as the registry elsewhere: the client of remotes against our own server."""

from __future__ import annotations

import os
from ipaddress import ip_network

from holdfast.model.remotes import AccessKey, Remote
from holdfast.outbound.distribution import Pusher, Wire
from tests import builders


def test_an_image_goes_to_another_holdfast_and_comes_back(product, name):
    key_id, secret = product.credentials()
    product.ecr().create_repository(repositoryName=name)
    remote = Pusher(
        Remote(product.address, is_plain=True),
        AccessKey(key_id, secret, "us-east-1"),
        wire=Wire([ip_network("127.0.0.0/8")]),
    )
    large = os.urandom(300_000)

    def push(data):
        remote.push_blob(name, builders.digest(data), len(data), lambda at: [data[at:]], chunk_bytes=100_000)
        return builders.digest(data)

    image = builders.an_image(push)
    push(large)
    remote.push_manifest(name, "v1", image.media_type, image.body)
    signature = builders.an_image(push, seed="signature", subject=image.descriptor, artifactType="application/sig")
    assert remote.push_manifest(name, signature.digest, signature.media_type, signature.body).knows_subject

    assert remote.manifest(name, "v1").body == image.body
    assert remote.stat_manifest(name, "v1").digest == image.digest
    assert b"".join(remote.read_blob(name, builders.digest(large), 150_000)) == large[150_000:]
    assert list(remote.tags(name)) == ["v1"]
    assert [one.digest for one in remote.referrers(name, image.digest)] == [signature.digest]
    assert remote.delete_manifest(name, "v1")
    assert list(remote.tags(name)) == []
