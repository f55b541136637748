"""Room in a cache: what is over its budget leaves the disk soon, but nothing goes that nobody can bring back."""

from __future__ import annotations

from holdfast import registry, store
from holdfast.model.names import RepositoryRef
from tests import builders
from tests.caches import LARGE, with_large_layer
from tests.registry.ground import put, work_off


def evict(cache):
    registry.pull_through.evicting.evict_all(cache.on)


def is_kept(cache, document):
    """Whether the bytes of an image's layer are on disk."""
    with cache.on.database.snapshot() as tx:
        repository = store.repositories.get(tx, cache.at)
        digest = document.json()["layers"][0]["digest"]
        return store.blobs.find_in_scope(tx, repository, digest) is not None


def restorable(cache):
    found, _ = registry.undelete.deleted_images(cache.on, cache.at, 0, 100)
    return {image.digest for image in found}


def full(cache, upstream):
    """Two cached images, and room for one."""
    images = [with_large_layer(upstream, f"v{n}", data=f"{cache.prefix} {n}".encode() + LARGE) for n in (1, 2)]
    for number in (1, 2):
        cache.cached(f"v{number}")
    cache.options(budget_bytes=len(LARGE) + 100_000)
    return images


def test_the_bytes_of_what_goes_for_room_are_freed_after_an_hour(cache, upstream):
    first, second = full(cache, upstream)
    evict(cache)
    assert set(cache.images()) == {second.digest}
    assert is_kept(cache, first)
    assert restorable(cache) == set()

    cache.clock.pass_(hours=1)
    evict(cache)

    assert not is_kept(cache, first)
    assert is_kept(cache, second)
    assert cache.pull("/manifests/v1").body == first.body  # and it comes again


def test_a_push_that_was_told_of_a_layer_may_name_it_when_it_went_for_room(cache, upstream):
    first, _ = full(cache, upstream)
    assert cache.pull(f"/blobs/{first.json()['layers'][0]['digest']}", "HEAD").status == 200
    evict(cache)
    ours = builders.document(builders.OCI_MANIFEST, annotations={"a": "b"},
                             **{part: first.json()[part] for part in ("config", "layers")})  # fmt: skip

    put(cache.on, cache.at, ours, "ours")

    cache.clock.pass_(hours=2)
    evict(cache)
    assert is_kept(cache, first)


def test_what_the_upstream_has_no_more_can_be_restored(cache, upstream):
    first, second = full(cache, upstream)
    upstream.manifests.clear()

    evict(cache)

    assert set(cache.images()) == {second.digest}
    assert restorable(cache) == {first.digest}


def test_nothing_goes_while_the_upstream_cannot_be_asked(cache, upstream):
    images = full(cache, upstream)
    upstream.trick("HEAD", "", lambda handler: handler.error(500, "UNKNOWN"))

    evict(cache)

    assert set(cache.images()) == {image.digest for image in images}


def test_what_somebody_signed_stays_with_its_signature(cache, upstream):
    first, _ = full(cache, upstream)
    signature = builders.an_image(cache.upload, seed="sig", subject=first.descriptor)
    put(cache.on, cache.at, signature)

    evict(cache)

    cache.clock.pass_(hours=3)
    work_off(cache.on)
    assert set(cache.images()) == {first.digest, signature.digest}


def test_a_layer_that_another_repository_has_is_not_freed(cache, upstream):
    first, _ = full(cache, upstream)
    layer = first.json()["layers"][0]["digest"]
    elsewhere = RepositoryRef(cache.at.registry, f"mine/{cache.prefix}")
    cache.call("CreateRepository", repositoryName=elsewhere.name)
    registry.uploads.mount(cache.on, elsewhere, cache.at, layer)

    evict(cache)
    cache.clock.pass_(hours=2)
    evict(cache)

    assert registry.layers.size(cache.on, elsewhere, layer)
