"""Packages by the names that advisories and package URLs have for them."""

from __future__ import annotations

import pytest

from holdfast.model.packages import OperatingSystem, Package, osv

DEBIAN = OperatingSystem("debian", "12")
ALPINE = OperatingSystem("alpine", "3.19.1")
LIBSSL = Package("deb", "libssl3", "3.0.1-1+b1", "amd64", "openssl", "3.0.1-1")


@pytest.mark.parametrize(
    ("id_", "version", "ecosystem"),
    [
        ("debian", "12", "Debian:12"),
        ("ubuntu", "22.04", "Ubuntu:22.04:LTS"),
        ("ubuntu", "23.10", "Ubuntu:23.10"),
        ("ubuntu", "21.04", "Ubuntu:21.04"),
        ("alpine", "3.19.1", "Alpine:v3.19"),
        ("alpine", "", None),
        ("wolfi", "20230201", "Wolfi"),
        ("rocky", "9.3", "Rocky Linux:9"),
        ("almalinux", "8.10", "AlmaLinux:8"),
        ("amzn", "2023", "Amazon Linux:2023"),
        ("sles", "15.5", None),
        ("opensuse-leap", "15.5", None),
        ("plan9", "4", None),
    ],
)
def test_a_system_has_the_name_that_its_feed_gives_it(id_, version, ecosystem):
    assert OperatingSystem(id_, version).ecosystem == ecosystem


def test_a_testing_release_of_debian_is_known_by_its_codename():
    assert OperatingSystem("debian", codename="trixie").ecosystem == "Debian:13"


@pytest.mark.parametrize(
    ("os", "package", "known_as"),
    [
        (DEBIAN, LIBSSL, ("Debian:12", "openssl", "3.0.1-1")),
        (DEBIAN, Package("deb", "bash", "5.2"), ("Debian:12", "bash", "5.2")),
        (ALPINE, Package("apk", "libcrypto3", "3.1.4-r5", "", "openssl"), ("Alpine:v3.19", "openssl", "3.1.4-r5")),
        (OperatingSystem("rocky", "9.3"), Package("rpm", "openssl-libs", "1:3.0.7-1.el9", "x86_64", "openssl"),
         ("Rocky Linux:9", "openssl-libs", "1:3.0.7-1.el9")),
        (None, LIBSSL, ("deb", "openssl", "3.0.1-1")),
        (DEBIAN, Package("pypi", "Zope.Interface_x", "1"), ("PyPI", "zope-interface-x", "1")),
        (None, Package("golang", "golang.org/x/net", "v0.1.0"), ("Go", "golang.org/x/net", "0.1.0")),
        (None, Package("golang", "stdlib", "1.19.4"), ("Go", "stdlib", "1.19.4")),
        (None, Package("composer", "Monolog/Monolog", "v1.2"), ("Packagist", "monolog/monolog", "1.2")),
        (None, Package("maven", "org.a:b", "1"), ("Maven", "org.a:b", "1")),
        (None, Package("cargo", "libc", "1"), ("crates.io", "libc", "1")),
        (None, Package("gem", "rack", "1"), ("RubyGems", "rack", "1")),
        (None, Package("nuget", "Some.Thing", "1"), ("NuGet", "Some.Thing", "1")),
        (None, Package("hex", "phoenix", "1"), ("hex", "phoenix", "1")),
    ],
)  # fmt: skip
def test_a_package_has_the_name_that_its_advisories_give_it(os, package, known_as):
    assert osv(os, package) == known_as


@pytest.mark.parametrize(
    ("os", "package", "purl"),
    [
        (DEBIAN, LIBSSL, "pkg:deb/debian/libssl3@3.0.1-1%2Bb1?arch=amd64&distro=debian-12&upstream=openssl%403.0.1-1"),
        (OperatingSystem("rocky", "9.3"), Package("rpm", "openssl-libs", "1:3.0.7-1.el9", "x86_64"),
         "pkg:rpm/rocky/openssl-libs@3.0.7-1.el9?arch=x86_64&distro=rocky-9.3&epoch=1"),
        (None, Package("npm", "@babel/core", "7.1.0"), "pkg:npm/%40babel/core@7.1.0"),
        (None, Package("maven", "org.a:b", "1"), "pkg:maven/org.a/b@1"),
        (None, Package("golang", "golang.org/x/net", "v0.1.0"), "pkg:golang/golang.org/x/net@v0.1.0"),
    ],
)  # fmt: skip
def test_a_package_has_a_package_url(os, package, purl):
    assert package.purl(os) == purl
