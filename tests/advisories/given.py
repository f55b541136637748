"""Files of feeds, made in a test or cut from real ones."""

from __future__ import annotations

import io
import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path

from holdfast import registry, store
from holdfast.model import feed_sources
from holdfast.model.names import Registry

HERE = Path(__file__).parent
AS_OF = datetime(2030, 1, 1, tzinfo=UTC)
GOLDEN = {tuple(key.split("|")): names for key, names in json.loads((HERE / "golden.json").read_text()).items()}
HOME = Registry("000000000000", "us-east-1")


class Quiet:
    def begin(self, what, count, size_bytes=0):
        pass

    def add(self, count=0, size_bytes=0):
        pass


def record(name, package, *events, ecosystem="npm", **members):
    """An OSV record of one package, with events such as {"introduced": "0"}."""
    ranges = [{"type": "ECOSYSTEM", "events": list(events)}]
    affected = {"package": {"ecosystem": ecosystem, "name": package}, "ranges": ranges}
    return {"id": name, "modified": "2025-01-01T00:00:00Z", "affected": [affected], **members}


def archive(*records):
    """An archive of OSV records, as osv.dev has them."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as made:
        for number, one in enumerate(records):
            made.writestr(f"{number}.json", one if isinstance(one, bytes) else json.dumps(one))
    return content.getvalue()


def given(name, content, as_of=AS_OF):
    """A file of a source."""
    source = feed_sources.find(name)
    assert source is not None
    return registry.advisories.Given(source, io.BytesIO(content), len(content), as_of)


def excerpts():
    """The real advisories among the test data, as the files of feeds."""
    records = [json.loads(line) for line in (HERE / "osv.jsonl").read_text().splitlines()]
    named = {"CVE": "Debian", "GO": "Go"}
    found = [given("kev", (HERE / "kev.json").read_bytes())]
    for ecosystem in ("Debian", "Go", "Maven", "PyPI", "npm"):
        mine = [one for one in records if named.get(one["id"].split("-")[0], ecosystem) == ecosystem]
        mine = [one for one in mine if one["affected"][0]["package"]["ecosystem"].split(":")[0] == ecosystem]
        found.append(given(f"osv/{ecosystem}", archive(*mine)))
    branches = (HERE / "alpine.jsonl").read_bytes().splitlines()
    return found + [given(f"alpine/{json.loads(line)['distroversion']}/main", line) for line in branches]


def load(on, *files, **choices):
    """Import files."""
    return registry.advisories.load(on, files, Quiet(), **choices)


def ensure(on, *packages):
    """The numbers of package versions."""
    with on.database.transaction() as tx:
        return store.package_versions.ensure(tx, packages)


def findings(on, *packages):
    """What is wrong with package versions, each in a list of its own."""
    numbers = ensure(on, *packages)
    with on.database.snapshot() as tx:
        found = registry.advisories.findings_of(tx, numbers)
    return [found.get(number, []) for number in numbers]


def names(on, *package):
    """The names of what is wrong with a package version."""
    return [one.name for one in findings(on, package)[0]]
