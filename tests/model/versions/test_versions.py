"""The bytes of versions are ordered as those who made the schemes order the versions."""

import json
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.version import Version
from univers.gem import GemVersion
from univers.versions import AlpineLinuxVersion, NugetVersion, RpmVersion

from holdfast.model import versions
from holdfast.model.versions import apk, composer, deb, gem, maven, nuget, python, rpm, semver

# What dpkg 1.21, librpm 4.18, node-semver 7.8 and Maven 3.9.6 say of versions made by chance.
ORDERS = json.loads(Path(__file__).with_name("orders.json").read_text())
KEYS = {"deb": deb.key, "maven": maven.key, "rpm": rpm.key, "semver": semver.key}


def order(one, other):
    return (one > other) - (one < other)


@pytest.mark.parametrize("scheme", KEYS)
def test_keys_have_the_order_of_the_recorded_tools(scheme):
    key = KEYS[scheme]

    wrong = [(one, other) for one, other, is_ in ORDERS[scheme] if order(key(one), key(other)) != is_]

    assert len(ORDERS[scheme]) == 150
    assert wrong == []


def chosen(*parts):
    """A version of which each part is one of several."""
    return st.tuples(*map(st.sampled_from, parts)).map("".join)


NUMBERS = ("0", "1", "2", "10", "1.0", "1.2.3", "0.0.1", "1.10", "2.0.0")
WORDS = {
    "PyPI": (
        chosen(
            ("", "1!"),
            NUMBERS,
            ("", "a1", "b2", "rc1", "-alpha"),
            ("", ".post1", "-1"),
            ("", ".dev1"),
            ("", "+a.1", "+2"),
        ),
        python.key,
        Version,
    ),
    "RubyGems": (chosen(NUMBERS, ("", ".a", ".rc1", ".0.b", ".pre.2", ".0")), gem.key, GemVersion),
    "Alpine": (
        chosen(NUMBERS, ("", "a", "b"), ("", "_alpha", "_rc1", "_p2", "_p10"), ("-r0", "-r10")),
        apk.key,
        AlpineLinuxVersion,
    ),
    "NuGet": (chosen(NUMBERS, ("", ".4"), ("", "-alpha", "-Beta.1", "-beta.2", "-1")), nuget.key, NugetVersion),
    "Rocky Linux": (
        chosen(("", "1:"), NUMBERS, ("", "~rc1", "^git1", "a"), ("-1", "-2.el9", "-1.el8_1")),
        rpm.key,
        RpmVersion,
    ),
}


@pytest.mark.parametrize("ecosystem", WORDS)
def test_keys_have_the_order_of_another_implementation(ecosystem):
    words, key, other = WORDS[ecosystem]

    @given(words, words)
    def compare(one, two):
        expected = 0 if other(one) == other(two) else -1 if other(one) < other(two) else 1
        assert order(key(one), key(two)) == expected, (one, two)

    compare()


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="there is no dpkg; its answers are recorded in orders.json")
def test_debian_keys_have_the_order_of_dpkg():
    chance = random.Random(3)
    made = ["1" + "".join(chance.choices("0129.+~-abzZ", k=chance.randint(0, 6))) + "0" for _ in range(60)]

    for one, other in zip(made[::2], made[1::2], strict=True):
        relation = {-1: "lt", 0: "eq", 1: "gt"}[order(deb.key(one), deb.key(other))]
        assert subprocess.run(["dpkg", "--compare-versions", one, relation, other], check=False).returncode == 0


@pytest.mark.parametrize(
    ("key", "ascending"),
    [
        (deb.key, ["1~~", "1~", "1-0~1", "1", "1-1", "1-1+b1", "1-1+deb11u1", "1+dfsg-1", "1:0"]),
        (rpm.key, ["1~rc1-1", "1-1.el9", "1-1.el9_2", "1^git1-1", "1a-1", "1.1-1", "1:0-1"]),
        (apk.key, ["1_alpha", "1_rc1", "1", "1-r1", "1_p1", "1a", "1.00", "1.0", "1.1"]),
        (semver.key, ["1.0.0-1", "1.0.0-2", "1.0.0-a", "1.0.0-a.1", "v1.0.0", "1.0.1-0", "1.1"]),
        (gem.key, ["1.a", "1", "1.0.1", "1.1.rc1", "1.1"]),
        (composer.key, ["1.0-dev", "1.0.0-alpha1", "1.0-beta", "1.0-beta2", "1.0RC1", "v1.0.0.0", "1.0-p1", "1.1"]),
        (maven.key, ["1-alpha-1", "1.0-SNAPSHOT", "1", "1-sp", "1-jre", "1-1", "1.1"]),
    ],
)
def test_versions_ascend(key, ascending):
    assert sorted(ascending, key=key) == ascending
    assert len(set(map(key, ascending))) == len(ascending)


@pytest.mark.parametrize(
    ("key", "same"),
    [
        (deb.key, ["0:1.0-0", "1.0", "1.00-0"]),
        (maven.key, ["1.0.0", "1", "1.ga", "1.0-final"]),
        (composer.key, ["1.0", "v1.0.0.0", "1.0-stable"]),
        (semver.key, ["1.2.3+build", "v1.2.3", "1.2.3"]),
        (python.key, ["1.0", "1", "v1.0.0"]),
    ],
)
def test_two_spellings_are_one_version(key, same):
    assert len({key(one) for one in same}) == 1


ANY = st.sampled_from(sorted(versions.SCHEMES)), st.text("012.-~+^_:abrcdevpost", min_size=1, max_size=12)


@given(ANY[0], ANY[1], ANY[1])
def test_no_key_is_the_beginning_of_another(ecosystem, one, other):
    first, second = versions.sort_key(ecosystem, one), versions.sort_key(ecosystem, other)

    if first is not None and second is not None and first != second:
        assert not second.startswith(first)
        assert (first < second) == (versions.after(first) <= second)


@pytest.mark.parametrize(
    ("ecosystem", "version"),
    [
        ("npm", "latest"),
        ("PyPI", "1.0-final-of-sorts"),
        ("Alpine:v3.19", "3.3.3p1-r3"),
        ("Packagist", "dev-master"),
        ("Debian:12", "1 2"),
        ("npm", "1" * 201),
        ("Nobody's", "1.0"),
        ("Go", ""),
        ("PyPI", "1\0"),
    ],
)
def test_what_is_no_version_has_no_key(ecosystem, version):
    assert versions.sort_key(ecosystem, version) is None
