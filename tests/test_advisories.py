"""Advisories from outside: fetched from a mirror, carried in a bundle, imported and told of by the command line."""

import io
import json
import tarfile

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from holdfast import registry
from holdfast.cli import main
from tests.advisories.given import archive, record
from tests.issuer import Authority, Https

ZERO = {"introduced": "0"}
KEV = json.dumps({"vulnerabilities": [{"cveID": "CVE-2020-1111", "dateAdded": "2025-01-01"}]}).encode()


@pytest.fixture(scope="module")
def mirror(tmp_path_factory):
    authority = Authority(tmp_path_factory.mktemp("authority"))
    with Https(authority.server("localhost")) as running:
        running.authority = authority
        yield running


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """An installation of its own: feeds are those of all accounts, and other tests import some as well."""
    folder = tmp_path_factory.mktemp("advisories")
    assert main(["migrate", "--data", str(folder)]) == 0
    return folder


@pytest.fixture
def run(data, mirror, capsys):
    """Run a command, by which some feeds are wanted; its status, its output and its complaints."""

    def command(*arguments, feeds=()):
        at = f"https://localhost:{mirror.port}"
        wanted = {
            "HOLDFAST_ADVISORY_FEEDS": ",".join(f"{name}={at}/{name}" for name in feeds),
            "HOLDFAST_ADVISORY_ALLOW": "127.0.0.0/8",
            "HOLDFAST_ADVISORY_CA_FILE": str(mirror.authority.file),
        }
        # In this process: a start of the interpreter takes longer than all else.
        with pytest.MonkeyPatch.context() as patch:
            for name, value in wanted.items():
                patch.setenv(name, value)
            status = main(["advisories", *map(str, arguments), "--data", str(data)])
        told = capsys.readouterr()
        return status, told.out, told.err

    return command


def keys(folder):
    """A pair of Ed25519 keys in files."""
    key = Ed25519PrivateKey.generate()
    private, public = folder / "key.pem", folder / "key.pub"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public


def rewritten(bundle, change):
    """A bundle with members changed by a function of their name and content."""
    target = bundle.with_name("changed.tar.gz")
    with tarfile.open(bundle) as old, tarfile.open(target, "w:gz") as new:
        for member in old.getmembers():
            name, content = change(member.name, old.extractfile(member).read())
            changed = tarfile.TarInfo(name)
            changed.size = len(content)
            new.addfile(changed, io.BytesIO(content))
    return target


def test_feeds_are_fetched_imported_and_told_of(run, mirror):
    feeds = ("osv/npm", "kev")
    mirror.answers["/osv/npm"] = (200, {}, archive(record("CVE-2020-1111", "p", ZERO)))
    mirror.answers["/kev"] = (200, {"Last-Modified": "Wed, 01 Jan 2025 00:00:00 GMT"}, KEV)

    status, told, complaints = run("pull", feeds=feeds)

    assert (status, complaints) == (0, "")
    assert told == "osv/npm: 1 record, 1 new or changed, 0 closed\nkev: 1 record, 0 new or changed, 0 closed\n"
    assert run("pull", feeds=feeds)[1] == "osv/npm: nothing new\nkev: nothing new\n"
    found = {one["name"]: one for one in json.loads(run("status", "--json")[1])}
    assert found["osv/npm"]["licence"] == "CC-BY 4.0"
    assert found["osv/npm"]["url"].endswith("/osv/npm")
    assert found["kev"]["as_of"] == "2025-01-01 00:00:00+00:00"
    assert "CISA; terms: CC0 1.0" in run("status")[1]

    mirror.answers["/osv/npm"] = (200, {}, b"<html>")
    del mirror.answers["/kev"]
    status, told, complaints = run("pull", feeds=feeds)

    assert (status, told) == (1, "")
    assert "The advisories of osv/npm were not imported" in complaints
    assert "kev was not fetched" in complaints


def test_nothing_is_fetched_unless_it_is_wanted(run, mirror):
    before = len(mirror.asked)

    for action in (["pull"], ["bundle", "never.tar.gz"]):
        status, _, complaints = run(*action)
        assert (status, complaints[:18]) == (2, "Nothing is fetched")

    assert len(mirror.asked) == before


def test_a_bundle_carries_feeds_to_where_there_is_no_network(run, mirror, tmp_path, monkeypatch):
    mirror.answers["/osv/Go"] = (200, {}, archive(record("GO-2020-1", "p", ZERO, ecosystem="Go")))
    mirror.answers["/epss"] = (
        200,
        {},
        b"#model_version:v2025,score_date:x\ncve,epss,percentile\nCVE-2020-1111,0.5,0.9\n",
    )
    bundle, (private, public) = tmp_path / "bundle.tar.gz", keys(tmp_path)
    status, told, _ = run("bundle", bundle, "--sign", private, feeds=("osv/Go", "epss"))
    assert status == 0
    assert "CC-BY 4.0" in told

    status, told, complaints = run("import", bundle, "--verify", public)

    assert (status, complaints) == (0, "")
    assert told.startswith("osv/Go: 1 record, 1 new or changed")

    with pytest.raises(registry.advisories.BadAdvisories, match="not by the key"):
        unpack(bundle, keys(tmp_path)[1])
    for change, why in (
        (lambda name, some: (name, some[::-1] if name == "epss" else some), "its SHA-256"),
        (lambda name, some: (name, some + b"!" if name == "epss" else some), "another size"),
        (lambda name, some: ("../epss" if name == "epss" else name, some), r"does not have '\.\./epss'"),
        (lambda name, some: ("another" if "json" in name else name, some), "does not begin"),
        (lambda name, some: (name.replace("manifest.sig", "another"), some), "does not have 'another'"),
    ):
        with pytest.raises(registry.advisories.BadAdvisories, match=why):
            unpack(rewritten(bundle, change))
    with monkeypatch.context() as patch:
        patch.setattr(registry.advisory_files, "BUNDLE_BYTES", 100)
        with pytest.raises(registry.advisories.BadAdvisories, match="more than 500 files or 100 bytes"):
            unpack(bundle)
    bundle.write_bytes(bundle.read_bytes()[:600])
    with pytest.raises(registry.advisories.BadAdvisories, match=r"files are missing|no bundle"):
        unpack(bundle)


def unpack(bundle, key=None):
    with bundle.open("rb") as file, registry.advisory_files.unpacked(file, bundle.parent, key):
        pass


def test_a_file_of_one_feed_is_imported_by_its_name(run, tmp_path):
    file = tmp_path / "secdb.json"
    file.write_bytes(
        b'{"distroversion": "v3.19", "packages": [{"pkg": {"name": "p", "secfixes": {"1-r1": ["CVE-2020-1"]}}}]}'
    )
    name = "alpine/v3.19/main"

    assert run("import", file, "--feed", name)[1] == f"{name}: 1 record, 1 new or changed, 0 closed\n"
    status, _, complaints = run("import", file, "--feed", "osv/cobol")

    assert status == 2
    assert "there is no 'osv/cobol'" in complaints
