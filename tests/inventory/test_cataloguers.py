"""Each kind of evidence tells its packages; what makes no sense is noted or refused, and never breaks anything."""

from __future__ import annotations

import io
import json

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from holdfast.inventory import Limits, cataloguers
from holdfast.inventory.layer import read_layer
from holdfast.inventory.limits import Malformed, OverLimit
from holdfast.model import inventory
from tests import layers
from tests.layers import HardLink

GO = ("path\tapp", "mod\texample.org/app\t(devel)\t", "dep\tgolang.org/x/net\tv0.1.0\th1:x",
      "dep\texample.org/old\tv1.0.0", "=>\texample.org/new\tv2.0.0\th1:y", "build\tvcs=git")  # fmt: skip
CRATES = (
    {"name": "libc", "version": "0.2.1", "source": "crates.io"},
    {"name": "cc", "version": "1.0", "kind": "build"},
)
MANY = ("/usr/lib/x", *(f"/usr/share/doc/{number:05}" for number in range(2000)))
BASH = layers.rpm_header("bash", "5.1.8", "6.el9", source="bash-5.1.8-6.el9.src.rpm", files=("/usr/bin/bash",))
OPENSSL = layers.rpm_header("openssl-libs", "3.0.7", "1.el9", epoch=1, source="openssl-3.0.7-1.el9.src.rpm",
                            files=MANY)  # fmt: skip
RPM = {("rpm", "bash", "5.1.8-6.el9"), ("rpm", "openssl-libs", "1:3.0.7-1.el9")}
LOG4J = layers.pom("org.apache.logging.log4j", "log4j-core", "2.14.1")
NESTED = {"BOOT-INF/lib/log4j-core-2.14.1.jar": layers.jar(LOG4J), **layers.pom("com.example", "app", "1.0")}
MANIFEST = "Manifest-Version: 1.0\r\nImplementation-Title: spring\r\n -core\r\nImplementation-Version: 5.3.17\r\n\r\n"
APK = ("C:Q1x=\nP:libcrypto1.1\nV:1.1.1k-r0\nA:x86_64\no:openssl\nF:lib\nR:libcrypto.so.1.1\n\n"
       "P:musl\nV:1.2.2-r3\nA:x86_64\no:musl\n\n")  # fmt: skip

CASES = {
    "dpkg": ("var/lib/dpkg/status", layers.dpkg(("libssl3", "3.0.1-1+b1", "openssl (3.0.1-1)")),
             {("deb", "libssl3", "3.0.1-1+b1")}),
    "dpkg of distroless": ("var/lib/dpkg/status.d/base", "Package: base-files\nVersion: 12\n",
                           {("deb", "base-files", "12")}),
    "dpkg, removed": ("var/lib/dpkg/status", layers.dpkg(("a", "1"), status="deinstall ok config-files"), set()),
    "apk": ("lib/apk/db/installed", APK, {("apk", "libcrypto1.1", "1.1.1k-r0"), ("apk", "musl", "1.2.2-r3")}),
    "rpm in SQLite": ("var/lib/rpm/rpmdb.sqlite", layers.rpm_sqlite(BASH, OPENSSL), RPM),
    "rpm in SQLite with a log": ("usr/lib/sysimage/rpm/rpmdb.sqlite", layers.rpm_sqlite(BASH, OPENSSL, wal=True), RPM),
    "rpm in ndb": ("var/lib/rpm/Packages.db", layers.rpm_ndb(BASH, OPENSSL), RPM),
    "rpm in Berkeley DB": ("var/lib/rpm/Packages", layers.rpm_berkeley(BASH, OPENSSL), RPM),
    "rpm in Berkeley DB, big-endian": ("var/lib/rpm/Packages", layers.rpm_berkeley(BASH, OPENSSL, order=">"), RPM),
    "Python": ("opt/lib/Django-3.2.dist-info/METADATA",
               "Metadata-Version: 2.1\nName: Django\nVersion: 3.2\n\nVersion: 9\n",
               {("pypi", "Django", "3.2")}),
    "Python egg": ("lib/six-1.egg-info", "Name: six\r\nVersion: 1.16\r\n", {("pypi", "six", "1.16")}),
    "npm": ("app/node_modules/@babel/core/package.json", '{"name": "@babel/core", "version": "7.1.0", "x": [{}]}',
            {("npm", "@babel/core", "7.1.0")}),
    "npm, not a module": ("app/package.json", '{"name": "app", "version": "1"}', set()),
    "gem": ("usr/lib/ruby/gems/3.0/specifications/rack-2.2.3.gemspec",
            'Gem::Specification.new do |s|\n  s.name = "rack".freeze\n  s.version = "2.2.3"\n  s.name = "no"\nend\n',
            {("gem", "rack", "2.2.3")}),
    "composer 2": ("app/vendor/composer/installed.json", '{"packages": [{"name": "a/b", "version": "v1.2"}]}',
                   {("composer", "a/b", "v1.2")}),
    "composer 1": ("app/vendor/composer/installed.json", '[{"name": "a/b", "version": "1.2"}]',
                   {("composer", "a/b", "1.2")}),
    "NuGet": ("app/app.deps.json", json.dumps({"libraries": {"Newtonsoft.Json/12.0.1": {"type": "package"},
                                                             "app/1.0": {"type": "project"}}}),
              {("nuget", "Newtonsoft.Json", "12.0.1")}),
    "jar": ("app/x.jar", layers.jar(LOG4J), {("maven", "org.apache.logging.log4j:log4j-core", "2.14.1")}),
    "jar in jar": ("app/app.jar", layers.jar(NESTED), {("maven", "com.example:app", "1.0"),
                   ("maven", "org.apache.logging.log4j:log4j-core", "2.14.1")}),
    "jar by its manifest": ("app/core.jar", layers.jar({"META-INF/MANIFEST.MF": MANIFEST}),
                            {("maven", "spring-core:spring-core", "5.3.17")}),
    "jar by its name": ("app/some-thing-1.2.jar", layers.jar({"A.class": b"x"}),
                        {("maven", "some-thing:some-thing", "1.2")}),
    **{f"Go, {bits} bits, {order}": ("usr/bin/app", layers.go_program(*GO, bits=bits, order=order), {
        ("golang", "stdlib", "1.19.4"), ("golang", "example.org/app", "(devel)"),
        ("golang", "golang.org/x/net", "v0.1.0"), ("golang", "example.org/new", "v2.0.0")})
       for bits in (32, 64) for order in "<>"},
    "Rust": ("usr/bin/rg", layers.rust_program(*CRATES), {("cargo", "libc", "0.2.1")}),
}  # fmt: skip


def read(files, **limits):
    return read_layer(io.BytesIO(layers.tar(files)), Limits(**limits))


def told(record):
    return {(one.type, one.name, one.version) for found in record.evidence.values() for one in found.packages}


@pytest.mark.parametrize(("path", "contents", "packages"), CASES.values(), ids=CASES)
def test_evidence_tells_its_packages(path, contents, packages):
    record = read({"etc/passwd": "root", path: contents, "z": b"z" * 9000})

    assert told(record) == packages
    assert record.notes == ()


def test_a_package_of_deb_and_apk_names_its_source():
    record = read({"var/lib/dpkg/status": CASES["dpkg"][1], "lib/apk/db/installed": APK})

    sources = {
        one.name: (one.source_name, one.source_version) for found in record.evidence.values() for one in found.packages
    }
    assert sources == {"libssl3": ("openssl", "3.0.1-1"), "libcrypto1.1": ("openssl", ""), "musl": ("", "")}


def test_a_library_in_a_fat_jar_says_where_it_is():
    [found] = read({"app.jar": CASES["jar in jar"][1]}).evidence.values()

    assert {one.name.partition(":")[2]: one.within for one in found.packages} == {
        "app": "",
        "log4j-core": "BOOT-INF/lib/log4j-core-2.14.1.jar",
    }


def test_a_library_that_is_none_does_not_hide_the_others():
    jar = layers.jar({
        "BOOT-INF/lib/log4j-core-2.14.1.jar": layers.jar(layers.pom("org.apache", "log4j-core", "2.14.1")),
        "classes/x.jar": b"",
        "META-INF/MANIFEST.MF": b"x" * (1024 * 1024 + 1),
    })  # fmt: skip

    record = read({"app.jar": jar})

    assert [one.name for found in record.evidence.values() for one in found.packages] == ["org.apache:log4j-core"]
    assert len(record.notes) == 2
    assert any("classes/x.jar: it is not an archive" in note for note in record.notes)


@pytest.mark.parametrize(
    ("flags", "version"),
    [
        ('"-s -w -X main.version=1.2.3 -X main.date=x"', "v1.2.3"),
        ("-Xmain.version=1.2.3", "(devel)"),
        ("\"-X 'example.org/app/internal/build.Version=v2.0.0-rc.1'\"", "v2.0.0-rc.1"),
        ('"-X=example.org/app.appVersion=1.0.0"', "v1.0.0"),
        ('"-X example.org/other.Version=9.9.9"', "(devel)"),
        ('"-X main.goVersion=1.22.0 -X main.version=latest"', "(devel)"),
        ('"-X main.version=1.2.3.4"', "(devel)"),
    ],
)
def test_the_version_of_a_program_is_what_its_linker_was_told(flags, version):
    lines = ("path\texample.org/app", "mod\texample.org/app\t(devel)\t", f"build\t-ldflags={flags}")

    [evidence] = read({"usr/bin/app": layers.go_program(*lines)}).evidence.values()

    assert ("example.org/app", version) in {(one.name, one.version) for one in evidence.packages}


def test_a_hard_link_tells_what_its_target_does():
    program = layers.go_program(*GO)

    record = read(
        {"usr/bin/app": program, "usr/bin/other": HardLink("usr/bin/app"), "usr/x.jar": HardLink("usr/bin/app")}
    )

    assert set(record.evidence) == {"usr/bin/app", "usr/bin/other"}


# ---- What makes no sense


@pytest.mark.parametrize(
    ("path", "contents"),
    [
        ("app/node_modules/x/package.json", '{"name": ' + "[" * 200_000),
        ("app/node_modules/x/package.json", '{"x": ' + "[" * 200_000 + "]" * 200_000 + "}"),
        ("app/app.jar", b"not an archive"),
        ("app/app.jar", layers.jar(NESTED)[:-30]),
        ("vendor/composer/installed.json", "{}"),
    ],
)
def test_a_file_of_a_language_that_makes_no_sense_is_noted(path, contents):
    record = read({path: contents, "lib/a.dist-info/METADATA": "Name: a\nVersion: 1\n"})

    assert told(record) == {("pypi", "a", "1")}
    assert len(record.notes) == 1
    assert record.notes[0].startswith(path)


@pytest.mark.parametrize(
    ("path", "contents"),
    [
        ("var/lib/dpkg/status", "Package: a\n\nPackage: b\nVersion: 1\n"),
        ("lib/apk/db/installed", "P:a\n\n"),
        ("var/lib/rpm/rpmdb.sqlite", layers.rpm_sqlite(b"\0\0\0\1\0\0\0\1")),
        ("var/lib/rpm/rpmdb.sqlite", layers.rpm_sqlite(BASH)[:5000]),
        ("var/lib/rpm/Packages.db", layers.rpm_ndb(BASH)[:-100]),
        ("var/lib/rpm/Packages", layers.rpm_berkeley(OPENSSL)[:-4096]),
        ("var/lib/rpm/Packages", b"something"),
    ],
)
def test_a_database_that_makes_no_sense_is_refused(path, contents):
    with pytest.raises(Malformed, match=path):
        read({path: contents})


def test_a_sqlite_view_in_place_of_the_packages_is_refused():
    import sqlite3

    database = sqlite3.connect(":memory:")
    database.execute(
        "CREATE VIEW Packages AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x FROM c) SELECT x AS blob FROM c"
    )

    with pytest.raises(Malformed, match="no table of packages"):
        read({"var/lib/rpm/rpmdb.sqlite": database.serialize()})


@pytest.mark.parametrize(
    ("files", "limits", "text"),
    [
        ({"a.jar": layers.jar({"b.jar": layers.jar({"c.jar": layers.jar({"d.jar": b""})})})}, {}, "deeper than 3"),
        (
            {"a.jar": layers.jar({str(number): b"" for number in range(20)})},
            {"archive_entries": 10},
            "more than 10 entries",
        ),
        (
            {"a.jar": layers.jar({"b.jar": bytes(3_000_000)})},
            {"archive_bytes": 2_000_000},
            "unpacks to more than 2000000",
        ),
        ({"a.jar": layers.jar(NESTED)}, {"archive_seconds": -1.0}, "seconds"),
        ({"var/lib/dpkg/status": "x" * 2000}, {"manifest_bytes": 1000}, "more than 1000 bytes"),
        ({"lib/apk/db/installed": APK}, {"packages": 1}, "more than 1 packages"),
    ],
)
def test_what_goes_beyond_a_limit_is_refused(files, limits, text):
    with pytest.raises(OverLimit, match=text):
        read(files, **limits)


def test_a_program_that_is_too_large_is_noted():
    record = read({"usr/bin/app": layers.go_program(*GO)}, program_bytes=1000)

    assert told(record) == set()
    assert "too large" in record.notes[0]


@settings(max_examples=30, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("kind", CASES)
def test_any_bytes_give_packages_or_a_clean_refusal(kind, data):
    path, contents, _ = CASES[kind]
    good = contents.encode() if isinstance(contents, str) else contents
    start = data.draw(st.integers(0, max(len(good) - 1, 0)), label="start")
    size = data.draw(st.integers(0, 40), label="size")
    bad = good[:start] + data.draw(st.binary(max_size=12), label="bytes") + good[start + size :]
    reader = cataloguers.of_path(path) or cataloguers.PROGRAM

    try:
        found = reader.read(bad, path, Limits())
    except (Malformed, OverLimit):
        return

    sane = tuple(package for package in found.packages if package.is_sane)
    record = inventory.LayerRecord("sha256:0", 0, {path: msgspec.structs.replace(found, packages=sane)})
    assert inventory.unpack(inventory.pack(record)) == record
