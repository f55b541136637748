"""Rules that leave out images by their tags: pushes, tags that come later, deletions, backfills and comparisons."""

from __future__ import annotations

import pytest

from holdfast import registry, store
from holdfast.model.images import ImageId
from holdfast.model.names import Registry, RepositoryRef
from holdfast.model.replication import Choice, Configuration, Filter, FilterType, Rule, TagFilter
from holdfast.model.verification import Counts, State
from holdfast.registry import selection
from tests import builders
from tests.registry.ground import AT, HOME, described, push, put, work_off, work_off_patiently

WEST = Registry(HOME.account_id, "eu-west-1")
THERE = RepositoryRef(WEST, AT.name)


def filters(*, match=(), exclude=()):
    return tuple(
        Filter(kind, pattern)
        for kind, patterns in ((FilterType.TAG_MATCH, match), (FilterType.TAG_EXCLUDE, exclude))
        for pattern in patterns
    )


def configure(on, *, deletes=None, **wanted):
    rule = Rule((WEST,), deletes=deletes, filters=filters(**wanted))
    registry.replication.configure(on, HOME, Configuration((rule,)))


def named(image, end=""):
    """The tag by which something refers to an image."""
    return image.digest.replace(":", "-") + end


def there(on):
    """Each image that was copied, with its tags."""
    if not registry.repositories.names(on, WEST, "", 10)[0]:
        return {}
    return {digest: set(image.tags) for digest, image in described(on, THERE).items()}


def statuses(on, image):
    return [one.status for one in registry.replication.of_image(on, AT, ImageId(image.digest))[1]]


def verify(on, **wanted):
    return registry.verification.verify(on, AT, WEST, **{"repairs": True, "everything": False} | wanted)


@pytest.fixture
def family(on):
    """An index with a member, each with a referrer and a signature by its tag; the referrer of the member has one."""
    member = push(on, AT, "member")
    index = builders.an_index(member)
    put(on, AT, index)
    images = {"member": member, "index": index}
    for name in ("member", "index"):
        images[f"sbom of {name}"] = push(on, AT, f"sbom of {name}", subject=images[name].descriptor)
        images[f"signature of {name}"] = push(on, AT, f"signature of {name}", named(images[name], ".sig"))
    images["of the sbom"] = push(on, AT, "of the sbom", subject=images["sbom of member"].descriptor)
    return images


def expected(family, *tags):
    signed = {family[f"signature of {name}"].digest: {named(family[name], ".sig")} for name in ("member", "index")}
    return {one.digest: set() for one in family.values()} | signed | {family["index"].digest: set(tags)}


def test_an_image_goes_when_a_tag_of_its_own_is_taken_and_only_with_such_tags(on):
    configure(on, match=["v*"], exclude=["*-rc*"])
    good = push(on, AT, "good", "v1", "v1-rc1", "latest")
    left = [push(on, AT, "candidate", "v2-rc1"), push(on, AT, "other", "dev"), push(on, AT, "untagged")]

    work_off(on)

    assert there(on) == {good.digest: {"v1"}}
    assert statuses(on, good) == ["COMPLETE"]
    assert [statuses(on, image) for image in left] == [[], [], []]


def test_all_that_hangs_on_an_image_comes_with_it_whenever_it_was_pushed(on, family):
    configure(on, match=["v*"])
    work_off(on)
    assert there(on) == {}

    put(on, AT, family["index"], "dev")
    work_off(on)
    assert there(on) == {}
    put(on, AT, family["index"], "v1")
    work_off(on)
    late = push(on, AT, "late", subject=family["member"].descriptor)
    signature = push(on, AT, "another signature", named(family["member"], ".sig"))
    work_off(on)

    wanted = expected(family, "v1") | {late.digest: set(), signature.digest: {named(family["member"], ".sig")}}
    wanted[family["signature of member"].digest] = set()  # its tag moved on
    assert there(on) == wanted
    assert {status for image in family.values() for status in statuses(on, image)} == {"COMPLETE"}
    assert verify(on).counts == Counts(agreeing=8 + 3)  # without the old signature


def test_signatures_of_what_is_left_out_stay_and_so_do_those_that_are_left_out_themselves(on, family):
    configure(on, exclude=["dev*", "*.sig"])
    put(on, AT, family["index"], "dev")
    work_off(on)
    assert there(on) == {}

    put(on, AT, family["index"], "v1")
    work_off(on)

    left = {family[f"signature of {name}"].digest for name in ("member", "index")}
    assert there(on) == {digest: tags for digest, tags in expected(family, "v1").items() if digest not in left}


def test_a_signature_of_an_image_that_is_elsewhere_is_an_image_like_any_other(on):
    elsewhere = "sha256-" + "0" * 64
    configure(on, exclude=["dev*"])
    lonely = push(on, AT, "lonely", elsewhere + ".sig")
    work_off(on)
    assert there(on) == {lonely.digest: {elsewhere + ".sig"}}

    configure(on, match=["v*"])
    push(on, AT, "other", elsewhere + ".att")
    work_off(on)
    assert list(there(on)) == [lonely.digest]


def test_a_tag_follows_to_where_it_goes_and_what_lost_it_in_time_does_not_go(on):
    configure(on, match=["v*"])
    push(on, AT, "old", "v1")
    new = push(on, AT, "new", "v1")

    work_off(on)
    assert there(on) == {new.digest: {"v1"}}


@pytest.mark.parametrize("by_digest", [True, False])
def test_deletions_are_followed_of_what_was_to_go_only(on, by_digest):
    configure(on, deletes=True, match=["v*"])
    image = push(on, AT, "image", "v1", "v2", "dev")
    other = push(on, AT, "other", "dev2")
    work_off(on)
    put(on, THERE, image, "dev")  # somebody else's tags
    push(on, THERE, "other", "dev2")

    for tag in ("v1", "dev"):
        registry.images.delete(on, AT, [ImageId(tag=tag)])
    registry.images.delete(on, AT, [ImageId(digest=other.digest)] if by_digest else [ImageId(tag="dev2")])
    work_off(on)
    assert there(on) == {image.digest: {"v2", "dev"}, other.digest: {"dev2"}}

    registry.images.delete_tag(on, AT, "v2")
    work_off(on)
    registry.images.delete(on, AT, [ImageId(digest=image.digest)])  # it has no tag any more that would be taken
    work_off(on)
    assert there(on) == {other.digest: {"dev2"}}


def test_a_backfill_counts_and_copies_what_is_chosen(on, family):
    put(on, AT, family["index"], "v1", "v2", "dev")
    put(on, AT, family["sbom of index"], "dev-sbom", "dev-sbom-2")
    push(on, AT, "other", "dev3")
    configure(on, match=["v*"])

    backfill = registry.backfills.start(on, HOME, WEST)
    work_off_patiently(on)

    ended, results, _ = registry.backfills.get(on, HOME, backfill.id, 0, 100)
    assert there(on) == expected(family, "v1", "v2")
    assert (ended.progress.total, ended.progress.completed, ended.progress.failed) == (8, 8, 0)
    ids = {(one.image_id.digest, one.image_id.tag) for one in results}
    assert ids == {(digest, tag) for digest, tags in there(on).items() for tag in tags or {None}}


def test_what_is_left_out_is_neither_drift_nor_only_there(on, family):
    configure(on, match=["v*"])
    put(on, AT, family["index"], "v1", "dev")
    other = push(on, AT, "other", "dev2")
    work_off(on)
    push(on, THERE, "other", "dev2")
    put(on, THERE, family["index"], "dev")
    push(on, THERE, "stranger", "stranger")
    registry.images.delete(on, THERE, [ImageId(digest=family["sbom of index"].digest)])
    registry.images.delete_tag(on, THERE, "v1")

    assert verify(on, everything=True).counts == Counts(
        agreeing=8, missing_images=1, missing_tags=1, extra=2, repairs=2
    )
    work_off(on)

    assert verify(on).state is State.IN_SYNC
    assert there(on)[family["index"].digest] == {"v1", "dev"}
    assert there(on)[other.digest] == {"dev2"}
    assert statuses(on, other) == []


def test_filters_that_were_changed_hold_for_what_waits(on):
    configure(on, match=["v*"])
    image = push(on, AT, "image", "v1")
    configure(on, match=["w*"])

    work_off(on)

    assert there(on) == {}
    assert statuses(on, image) == []


def test_a_repository_that_is_left_out_is_not_copied(on):
    rule = Rule((WEST,), filters=(Filter(FilterType.REPOSITORY_EXCLUDE, "some/*"),))
    registry.replication.configure(on, HOME, Configuration((rule,)))

    image = push(on, AT, "image", "v1")

    assert statuses(on, image) == []


@pytest.mark.parametrize(
    "choice",
    [
        Choice((TagFilter(("v*",)),)),
        Choice((TagFilter((), ("dev*",)),)),
        Choice((TagFilter((), ("v*", "*.sig")),)),
        Choice((TagFilter(("sha256-*",), ("*.att",)),)),
        Choice((TagFilter(("v*",), ("*.sig",)), TagFilter(("dev*",)))),
        Choice((TagFilter(),)),
    ],
)
def test_one_image_is_judged_as_the_whole_repository_is(on, family, choice):
    put(on, AT, family["index"], "v1")
    put(on, AT, family["of the sbom"], "dev-1", named(push(on, AT, "other", "dev2"), ".att"))
    push(on, AT, "stray", "sha256-" + "0" * 64)
    push(on, AT, "untagged")

    with on.database.snapshot() as tx:
        repository = store.repositories.get(tx, AT)
    chosen = selection.whole(on, repository, choice)

    images = described(on)
    with on.database.snapshot() as tx:
        for digest, image in images.items():
            assert chosen.has_image(digest) is selection.goes(tx, repository, digest, choice)
            found = selection.tags_of(tx, repository, digest, choice)
            assert {tag for tag in image.tags if chosen.has_tag(tag)} == set(image.tags if found is None else found)
