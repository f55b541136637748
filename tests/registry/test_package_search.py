"""Whoever hears of a hole is told at once which images have it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from holdfast import registry, store
from holdfast.model.errors import InvalidParameter
from holdfast.model.images import ImageId
from holdfast.model.names import Registry, RepositoryRef
from holdfast.registry.leases import Wish
from holdfast.registry.package_search import Wanted
from tests import builders, layers
from tests.advisories.given import excerpts, load
from tests.registry.ground import AT, HOME, create, put
from tests.registry.test_inventories import push, take

DEBIAN = {"etc/os-release": layers.os_release(version="11")}
STATUS = "var/lib/dpkg/status"
OPENSSL = ("libssl1.1", "1.1.1w-0+deb11u1", "openssl")


def module(name, version):
    return {f"app/node_modules/{name}/package.json": f'{{"name": "{name}", "version": "{version}"}}'}


@pytest.fixture(params=[20_000, 1], ids=["rare", "everywhere"])
def on(on, request, monkeypatch):
    """A registry, in which packages are followed either way."""
    monkeypatch.setattr(store.package_search, "MANY_LINKS", request.param)
    return on


@pytest.fixture
def images(on):
    """What a test calls some images, with their digests."""
    contents = {
        "old": ({**DEBIAN, STATUS: layers.dpkg(OPENSSL, ("openssl", "1.1.1w-0+deb11u1"))}, module("lodash", "4.17.10")),
        "new": ({**DEBIAN, STATUS: layers.dpkg(("openssl", "3.0.9-1"))}, module("lodash", "4.17.21")),
        "odd": (module("lodash", "not a version"),),
        "none": (module("left-pad", "1.0.0"),),
    }
    found = {}
    for name, files in contents.items():
        document = push(on, *files)
        take(on, document)
        found[document.digest] = name
    return found


def named(images, answer):
    return [images[one.image.digest] for one in answer.images]


def find(on, *wanted, after=0, limit=100, at=HOME, **more):
    return registry.package_search.holding(on, at, Wanted(*wanted, **more), after, limit, is_counted=True)


@pytest.mark.parametrize(
    ("wanted", "more", "expected"),
    [
        (("openssl",), {}, ["old", "new"]),
        (("openssl", "Debian"), {}, ["old", "new"]),
        (("openssl", "Debian:12"), {}, []),
        (("openssl", "Deb"), {}, []),
        (("openssl",), {"below": "1.1.1w-0+deb11u2"}, ["old"]),
        (("openssl",), {"at_least": "1.1.1w-0+deb11u2"}, ["new"]),
        (("openssl",), {"version": "3.0.9-1"}, ["new"]),
        (("lodash", "npm"), {"at_least": "4.17.10", "below": "4.17.21"}, ["old", "odd"]),
        (("lodash", "npm"), {"version": "not a version"}, ["odd"]),
        (("libssl1.1",), {}, []),
    ],
)
def test_images_are_found_by_what_they_hold(on, images, wanted, more, expected):
    answer = find(on, *wanted, **more)

    assert named(images, answer) == expected
    assert (answer.count, answer.more) == (len(expected), False)


def test_an_image_is_told_once_with_its_versions_and_pages_go_on(on, images):
    first = find(on, "lodash", limit=1)
    second = find(on, "lodash", limit=1, after=first.images[0].image.id)
    third = find(on, "lodash", limit=1, after=second.images[0].image.id)

    assert [(first.more, second.more, third.more), first.count] == [(True, True, False), 3]
    assert [named(images, answer) for answer in (first, second, third)] == [["old"], ["new"], ["odd"]]
    [held] = find(on, "openssl", "", version="1.1.1w-0+deb11u1").images
    assert [(one.ecosystem, one.name, one.version) for one in held.versions] == [
        ("Debian:11", "openssl", "1.1.1w-0+deb11u1")
    ]
    assert held.at == AT


def test_neither_other_registries_nor_deleted_images_are_told(on, images):
    assert find(on, "lodash", at=Registry(HOME.account_id, "eu-west-1")).images == []
    other = RepositoryRef(HOME, "other/repository")
    create(on, other)
    take(on, push(on, module("lodash", "4.17.10"), at=other), other)
    assert find(on, "lodash").count == 4

    registry.repositories.delete(on, other, force=True)

    assert find(on, "lodash").count == 3


def test_a_bound_that_is_no_version_is_refused(on, images):
    with pytest.raises(InvalidParameter, match="versionBelow"):
        find(on, "lodash", "npm", below="not a version")


def test_images_are_found_by_what_is_wrong_with_them(on, images):
    load(on, *excerpts())

    answers = {
        name: registry.package_search.affected(on, HOME, name, 0, 100, is_counted=True)
        for name in ("CVE-2024-0727", "CVE-2019-10744", "CVE-0000-0000")
    }

    assert {name: (named(images, answer), answer.count) for name, answer in answers.items()} == {
        "CVE-2024-0727": (["old"], 1),
        "CVE-2019-10744": (["old", "odd"], 2),
        "CVE-0000-0000": ([], 0),
    }


def test_whoever_pulled_what_is_affected_since_it_was_published_is_told(on, clock, images):
    load(on, *excerpts())
    digest = next(digest for digest, name in images.items() if name == "old")
    registry.images.find_stored(on, AT, digest, by_tag=False, puller="arn:aws:iam::000000000000:user/alice")
    registry.pulls.record(on)

    def told(**since):
        answer = registry.package_search.affected(on, HOME, "CVE-2019-10744", 0, 100, with_pullers=True, **since)
        return [[puller.principal for puller in one.pullers] for one in answer.images], answer.since

    pullers, since = told()
    later, _ = told(since=clock() + timedelta(seconds=1))

    assert pullers == [["arn:aws:iam::000000000000:user/alice"], []]
    assert since.year == 2019
    assert later == [[], []]


def test_what_other_registries_hold_neither_shows_nor_stands_in_the_way(on, images, monkeypatch):
    other = RepositoryRef(Registry(HOME.account_id, "eu-west-1"), "their/repository")
    create(on, other)
    many = {path: text for number in range(6) for path, text in _nested("lodash", number).items()}
    unknown = {"etc/os-release": layers.os_release("unheard-of"), STATUS: layers.dpkg(("lodash", "1"))}
    for files in (many, unknown):
        take(on, push(on, files, at=other), other)
    monkeypatch.setattr(registry.package_search, "VERSIONS", 5)

    assert find(on, "lodash", at_least="4.17.10", below="4.17.21").count == 2


def _nested(name, number):
    return {f"app/{number}/node_modules/{name}/package.json": f'{{"name": "{name}", "version": "9.{number}.0"}}'}


def test_what_runs_an_image_is_told(on, images):
    member = push(on, {**DEBIAN, STATUS: layers.dpkg(("curl", "7.1"))})
    take(on, member)
    index = builders.an_index(member)
    put(on, AT, index)
    for holder, digest in (("prod", index.digest), ("test", member.digest)):
        wishes = [Wish(ImageId(digest), "default/web")]
        registry.leases.put(on, AT, holder, "KUBERNETES", "arn", timedelta(hours=1), wishes)

    [found] = find(on, "curl").images
    others = find(on, "openssl").images

    assert sorted(lease.holder for lease in found.leases) == ["prod", "test"]
    assert [one.leases for one in others] == [(), ()]
