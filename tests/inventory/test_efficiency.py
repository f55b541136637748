"""What an image wastes is told by the layer that brought it, and adds up to what somebody would see who unpacked it."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.inventory import Limits
from holdfast.inventory.layer import read_layer
from holdfast.model import efficiency, inventory
from holdfast.model.efficiency import Kind
from tests import layers
from tests.layers import FOLDER, HardLink, Link

KIB = b"x" * 1024
PAGE = bytes(range(256)) * 16  # large enough to be compared


def judged(*contents):
    records = [read_layer(io.BytesIO(layers.tar(files)), Limits()) for files in contents]
    return efficiency.judge(records, inventory.merge(records).packages)


def told(report):
    return {(one.kind, one.layer, one.hidden_by): one for one in report.advice}


def test_bytes_that_a_later_layer_hides_are_wasted_by_the_layer_that_brought_them():
    report = judged(
        {"a/kept": KIB, "a/deleted": KIB * 2, "b/one": KIB * 3, "b/two": KIB * 4, "c": KIB * 5, "d/x": KIB * 6},
        {"a/.wh.deleted": "", "b/.wh..wh..opq": "", "b/new": KIB, "c": KIB * 7, "d": "a file instead of a folder"},
    )

    assert report.stored_bytes == 29 * 1024 + len("a file instead of a folder")
    assert report.wasted_bytes == (2 + 3 + 4 + 5 + 6) * 1024
    assert [share.wasted_bytes for share in report.layers] == [20 * 1024, 0]
    found = told(report)
    deleted = found[Kind.DELETED_LATER, 0, 1]
    assert (deleted.size_bytes, deleted.count) == (15 * 1024, 4)
    assert deleted.paths == ("d/x", "b/two", "b/one", "a/deleted")
    assert found[Kind.REPLACED, 0, 1].paths == ("c",)
    assert report.score == pytest.approx(1 - 20 * 1024 / report.stored_bytes)


def test_the_same_contents_again_mean_that_only_the_mode_changed():
    report = judged({"program": PAGE, "small": "1"}, {"program": PAGE, "small": "1"})

    assert told(report)[Kind.SAME_AGAIN, 0, 1].paths == ("program",)
    assert told(report)[Kind.REPLACED, 0, 1].paths == ("small",)  # too small to be compared


def test_a_secret_that_a_later_layer_deletes_is_the_first_thing_told():
    report = judged(
        {"root/.npmrc": "//registry/:_authToken=1", "app/.env": "KEY=1", "app/.env.example": "KEY=", "big": PAGE * 9},
        {"root/.wh..npmrc": "", ".wh.big": ""},
    )

    assert [(one.kind, one.paths, one.hidden_by) for one in report.advice if one.is_severe] == [
        (Kind.SECRET_DELETED, ("root/.npmrc",), 1),
        (Kind.SECRET, ("app/.env",), None),
    ]
    assert all(one.is_severe for one in report.advice[:2])
    assert not any("example" in path for one in report.advice for path in one.paths)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("var/lib/apt/lists/deb.example_dists_InRelease", Kind.CACHE),
        ("var/cache/apt/archives/curl.deb", Kind.CACHE),
        ("root/.cache/pip/http/1", Kind.CACHE),
        ("home/app/.npm/_cacache/content", Kind.CACHE),
        ("usr/share/doc/curl/README", Kind.DOCUMENTATION),
        ("usr/share/locale/de/LC_MESSAGES/x.mo", Kind.DOCUMENTATION),
        ("tmp/build.log", Kind.TEMPORARY),
        ("src/.git/objects/pack/1.pack", Kind.REPOSITORY),
        ("root/.ssh/id_ed25519", Kind.SECRET),
        ("usr/bin/curl", None),
        ("var/lib/apt/lists/lock", None),
        ("usr/lib/python3/test/keys/id_rsa", None),
    ],
)
def test_what_should_not_be_in_an_image_is_told_by_its_path(path, kind):
    assert [one.kind for one in judged({path: KIB}).advice] == [kind] * (kind is not None)


def test_copies_of_large_files_are_told_and_links_are_not():
    report = judged({"bin/git": PAGE, "bin/git-add": PAGE, "bin/git-rm": HardLink("bin/git"), "bin/g": Link("git")})

    [duplicate] = report.advice
    assert (duplicate.kind, duplicate.paths, duplicate.size_bytes) == (Kind.DUPLICATE, ("bin/git-add",), len(PAGE))


def test_build_tools_and_empty_layers_are_told():
    report = judged(
        {"var/lib/dpkg/status": layers.dpkg(("gcc-12", "12"), ("libc6-dev", "2"), ("libc6", "2"), ("makedev", "1"))},
        {},
    )

    found = told(report)
    assert set(found[Kind.BUILD_TOOLS, 0, None].paths) == {"gcc-12", "libc6-dev"}
    assert (Kind.EMPTY_LAYER, 1, None) in found


def test_an_image_without_layers_wastes_nothing():
    assert (judged().score, judged().advice) == (1, ())


NAMES = st.lists(st.sampled_from("abc"), min_size=1, max_size=3).map("/".join)
CONTENTS = st.one_of(st.binary(max_size=5), st.sampled_from([FOLDER, "whiteout", "opaque"]))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.dictionaries(NAMES, CONTENTS, max_size=5), min_size=1, max_size=4))
def test_what_is_stored_and_not_wasted_is_what_can_be_seen(wishes):
    contents, seen = [], {}
    for wish in wishes:
        solid = [path for path, wanted in wish.items() if isinstance(wanted, bytes)]
        layer = {}
        for path, wanted in wish.items():
            if any(path.startswith(f"{one}/") for one in solid):
                continue  # a file is no folder
            folder, _, name = path.rpartition("/")
            if wanted == "opaque":
                layer[f"{path}/.wh..wh..opq"] = b""
            elif wanted == "whiteout":
                layer[f"{folder}/.wh.{name}".lstrip("/")] = b""
            else:
                layer[path] = wanted
            seen = {
                one: size
                for one, size in seen.items()
                if not (one == path and wanted != "opaque")
                and not (one.startswith(f"{path}/") and wanted is not FOLDER)
            }
        seen |= {
            path: len(wanted) for path, wanted in layer.items() if isinstance(wanted, bytes) and ".wh." not in path
        }
        contents.append(layer)

    report = judged(*contents)

    assert report.stored_bytes - report.wasted_bytes == sum(seen.values())
    assert report.wasted_bytes == sum(share.wasted_bytes for share in report.layers)
