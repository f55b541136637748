"""Layers on each other show what somebody would see who unpacked them all."""

from __future__ import annotations

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.inventory import Limits
from holdfast.inventory.layer import read_layer
from holdfast.model import inventory
from tests import layers
from tests.layers import FOLDER, Link

STATUS, INFO, PIP = "var/lib/dpkg/status", "var/lib/dpkg/info", "usr/lib/python3/dist-packages/pip-20.egg-info/PKG-INFO"
PKG = "Name: {}\nVersion: 1\n"


def merged(*contents):
    return inventory.merge([read_layer(io.BytesIO(layers.tar(files)), Limits()) for files in contents])


def named(found):
    return {(one.package.name, one.package.version, one.layer) for one in found.packages}


def test_a_database_of_a_later_layer_takes_the_place_of_the_first_one():
    found = merged(
        {
            STATUS: layers.dpkg(("kept", "1"), ("upgraded", "1"), ("removed", "1")),
            "etc/os-release": layers.os_release(),
        },
        {"unrelated": "x"},
        {STATUS: layers.dpkg(("kept", "1"), ("upgraded", "2"), ("added", "1"))},
    )

    assert named(found) == {("kept", "1", 0), ("upgraded", "2", 2), ("added", "1", 2)}
    assert found.os.ecosystem == "Debian:12"
    assert {layer: len(members) for layer, members in found.sets().items()} == {0: 1, 2: 2}


def test_images_on_the_same_base_share_its_set():
    base = {STATUS: layers.dpkg(("a", "1")), "etc/os-release": layers.os_release()}
    first, second = merged(base), merged(base, {"lib/x.dist-info/METADATA": PKG.format("x")})
    other = merged({**base, "etc/os-release": layers.os_release(version="11")})

    digests = [one.set_digest(one.sets()[0]) for one in (first, second, other)]

    assert digests[0] == digests[1] != digests[2]


def test_a_file_of_a_language_that_the_system_owns_is_the_systems():
    owned = {
        STATUS: layers.dpkg(("python3-pip", "20.3.4-4"), ("tool", "1")),
        f"{INFO}/python3-pip.list": f"/.\n/usr\n/{PIP}\n",
        PIP: PKG.format("pip"),
        "usr/local/lib/x.dist-info/METADATA": PKG.format("x"),
        "usr/bin/tool": layers.go_program("mod\ttool\tv1"),
        f"{INFO}/tool.list": "/bin/tool\n",
    }

    assert named(merged(owned)) == {("python3-pip", "20.3.4-4", 0), ("tool", "1", 0), ("x", "1", 0)}


def test_a_list_of_files_of_no_package_hides_nothing():
    jar = {f"{INFO}/nothing.list": f"/{PIP}\n", PIP: PKG.format("pip")}

    assert ("pip", "1", 0) in named(merged({STATUS: layers.dpkg(("python3-pip", "1")), **jar}))
    assert ("pip", "1", 0) not in named(merged({STATUS: layers.dpkg(("nothing", "1")), **jar}))


JARS = {
    "usr/share/tool/x.jar": layers.jar(layers.pom("org.example", "x", "1")),
    "opt/tool/y.jar": layers.jar(layers.pom("org.example", "y", "1")),
    "usr/lib/python3/dist-packages/z.egg-info/PKG-INFO": PKG.format("z"),
}


@pytest.mark.parametrize(
    ("maker", "shown"),
    [
        ("Maintainer: Debian Java Maintainers <pkg-java-maintainers@lists.alioth.debian.org>", "y"),
        ("Maintainer: Ubuntu Developers <ubuntu-devel-discuss@lists.ubuntu.com>\nOrigin: Ubuntu", "y"),
        ("Maintainer: Docker <support@docker.com>", "xy"),
        ("Maintainer: <not-debian.org@evildebian.org>", "xy"),
        ("Maintainer: Kept <kept@debian.org>\nVendor: Elastic", "xy"),
        ("Maintainer: Kept <kept@debian.org>\nOrigin: Elsewhere", "xy"),
    ],
)
def test_files_in_a_package_of_somebody_else_are_told(maker, shown):
    lists = {f"{INFO}/tool.list": "".join(f"/{path}\n" for path in JARS)}

    found = merged({STATUS: layers.dpkg(("tool", "1"), maker=maker), **lists, **JARS})

    names = {one.package.name.removeprefix("org.example:") for one in found.packages} - {"tool"}
    assert names == set(shown)


@pytest.mark.parametrize(
    ("vendor", "release", "shown"),
    [
        ("Red Hat, Inc.", "1.el9", ""), ("", "1", ""), ("Fedora Project", "1.fc40", ""),
        ("Fedora Project", "1.el9", "xyz"), ("Elastic", "1", "xyz"),
    ],
)  # fmt: skip
def test_files_in_an_rpm_of_somebody_else_are_told(vendor, release, shown):
    header = layers.rpm_header("tool", "1", release, vendor=vendor, files=tuple(f"/{path}" for path in JARS))

    found = merged({"var/lib/rpm/rpmdb.sqlite": layers.rpm_sqlite(header), **JARS})

    names = {one.package.name.removeprefix("org.example:") for one in found.packages} - {"tool"}
    assert names == set(shown)


def test_what_is_owned_no_more_counts():
    owned = {STATUS: layers.dpkg(("a", "1")), f"{INFO}/pip.list": f"/{PIP}\n", PIP: PKG.format("pip")}

    found = merged(owned, {f"{INFO}/.wh.pip.list": ""})

    assert ("pip", "1", 0) in named(found)


PARTS = ("a", "b", "x.dist-info", "METADATA")
PATHS = [path for depth in range(1, 4) for path in ("/".join(PARTS[start : start + depth]) for start in range(4))]
PATHS += ["b/x.dist-info/METADATA", "a/x.dist-info/METADATA", "x.dist-info/METADATA", "a/b/METADATA"]
THINGS = st.sampled_from(["one", "two", "", "folder", "link", "whiteout", "opaque"])
LAYERS = st.lists(st.lists(st.tuples(st.sampled_from(sorted(set(PATHS))), THINGS), max_size=6), min_size=1, max_size=4)


@settings(max_examples=300, deadline=None)
@given(drawn=LAYERS)
def test_merged_layers_show_what_unpacking_them_would_leave(drawn):
    archives = [_layer(entries) for entries in drawn]
    seen: dict[str, object] = {}
    for files in archives:
        seen = _unpack(seen, files)

    found = merged(*archives)

    expected = {
        (path, text) for path, text in seen.items() if path.endswith("x.dist-info/METADATA") and type(text) is str
    }
    assert {(one.path, PKG.format(one.package.name)) for one in found.packages} == {one for one in expected if one[1]}


def _layer(entries):
    """An archive that could be of a layer: nothing below what is no folder, and every name once."""
    files: dict[str, object] = {}
    for path, thing in entries:
        folder, _, base = path.rpartition("/")
        if thing == "opaque":
            files[f"{path}/.wh..wh..opq"] = ""
            continue
        if thing == "whiteout":
            files[f"{folder}/.wh.{base}".lstrip("/")] = ""
            continue
        files[path] = {"folder": FOLDER, "link": Link("elsewhere")}.get(thing, thing and PKG.format(thing))
    solid = {path for path, thing in files.items() if thing is not FOLDER and ".wh." not in path}
    return {path: thing for path, thing in files.items() if not any(path.startswith(f"{one}/") for one in solid)}


def _unpack(lower, files):
    """What is there after a layer was unpacked over others."""
    seen = dict(lower)
    for path in files:
        folder, _, base = path.rpartition("/")
        if base == ".wh..wh..opq":
            _remove(seen, folder, itself=False)
        elif base.startswith(".wh."):
            _remove(seen, f"{folder}/{base[4:]}".lstrip("/"))
    for path, thing in files.items():
        if ".wh." in path:
            continue
        parts = path.split("/")
        for ancestor in ("/".join(parts[:count]) for count in range(1, len(parts))):
            if seen.get(ancestor, FOLDER) is not FOLDER:
                del seen[ancestor]
        if thing is not FOLDER or seen.get(path, FOLDER) is not FOLDER:
            _remove(seen, path)
        seen[path] = thing
    return seen


def _remove(seen, path, *, itself=True):
    for one in list(seen):
        if one.startswith(f"{path}/") or (itself and one == path):
            del seen[one]
