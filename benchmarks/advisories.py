"""How long advisories take: to import, to import again, to change, and to tell what is wrong with an image.

    python benchmarks/advisories.py FOLDER [--versions 991045]

FOLDER has the files of feeds under their names, such as osv_npm.zip, as `holdfast advisories pull` leaves them.
Versions of packages are made of those that the feeds name, and of packages that nothing is known of: as many as 100,000
images of 159 packages have in all.
"""

import argparse
import random
import statistics
import sys
import tempfile
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from holdfast import registry, store
from holdfast.blobs import FileStore, KeyFile, SealedStore
from holdfast.model import feed_sources, feeds
from holdfast.model.advisories import Advisory, Problems
from holdfast.store import SqliteDatabase
from holdfast.store.migrations import migrate

AS_OF = datetime(2030, 1, 1, tzinfo=UTC)
PACKAGES = 159  # of an image
CHANGED = 500  # advisories of a day


class Quiet:
    def begin(self, what, count, size_bytes=0):
        pass

    def add(self, count=0, size_bytes=0):
        pass


@contextmanager
def told(what, count=0):
    began, used = time.perf_counter(), time.process_time()
    yield
    seconds, cpu = time.perf_counter() - began, time.process_time() - used
    each = f", {count / seconds:,.0f}/s" if count else ""
    print(f"{what:<58} {seconds:8.2f} s  {cpu:8.2f} s of processor{each}", flush=True)


def sources(folder):
    for path in sorted(folder.iterdir()):
        name = path.name.split(".json")[0].split(".zip")[0].split(".csv")[0].replace("_", "/")
        source = feed_sources.find(name) or feed_sources.find(name.replace("-", " "))
        if source is not None:
            yield source, path


def given(folder):
    return [
        registry.advisories.Given(source, path.open("rb"), path.stat().st_size, AS_OF)
        for source, path in sources(folder)
    ]


def load(on, folder):
    files = given(folder)
    try:
        return registry.advisories.load(on, files, Quiet())
    finally:
        for one in files:
            one.file.close()


def named(folder):
    """The versions of packages that feeds name as those that fix something."""
    found = set()
    for source, path in sources(folder):
        with path.open("rb") as file:
            for one in feeds.read(source, file, Problems()):
                if isinstance(one, Advisory):
                    found |= {(at.ecosystem, at.name, at.fixed) for at in one.ranges if at.fixed}
    return sorted(found)


def made(known, amount, chance):
    """So many package versions: those that are known, others near them, and packages that nothing is known of."""
    known = chance.sample(known, min(len(known), amount // 20))
    found = dict.fromkeys(known)
    for ecosystem, name, version in known:
        found.setdefault((ecosystem, name, f"{version}.{chance.randint(1, 99)}"))
    for number in range(max(amount - len(found), 0)):
        found.setdefault(("npm", f"unheard-of-{number // 20}", f"1.{number % 20}.0"))
    return list(found)[:amount]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--versions", type=int, default=991_045)
    options = parser.parse_args()
    chance = random.Random(1)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        database = SqliteDatabase(path / "holdfast.db")
        migrate(database)
        keys = registry.keys.Keys(database, KeyFile.create(path / "keys" / "local.json", AS_OF))
        on = registry.Backends(database, SealedStore(FileStore(path / "objects")), keys, lambda: AS_OF)
        with told("import into an empty registry"):
            records = sum(one.records for one in load(on, options.folder))
        packages = made(named(options.folder), options.versions, chance)
        with told(f"first sight of {len(packages):,} package versions, with matching", len(packages)):
            numbers = []
            for start in range(0, len(packages), 2000):
                with database.transaction(durable=False) as tx:
                    numbers += store.package_versions.ensure(tx, packages[start : start + 2000])
        with told(f"import of the same {records:,} records again", records):
            load(on, options.folder)
        with database.migration() as tx:
            matches = tx.exec_driver_sql("SELECT count(*) FROM advisory_matches").scalar()
            size = (path / "holdfast.db").stat().st_size
        print(f"{matches:,} matches, {size / 1e6:,.0f} MB")
        change(on, options.folder, chance)
        read(database, numbers, chance)


def change(on, folder, chance):
    """As a day's feed does: some advisories say something else."""
    source, path = max(sources(folder), key=lambda one: one[1].stat().st_size)
    with path.open("rb") as file:
        advisories = [one for one in feeds.read(source, file, Problems()) if isinstance(one, Advisory)]
    with on.database.transaction() as tx:
        feed = store.feeds.begin(tx, source.name)
    some = [(one, b"changed") for one in chance.sample(advisories, min(CHANGED, len(advisories)))]
    with told(f"{len(some)} changed advisories, written and matched"), on.database.transaction() as tx:
        store.advisories.put(tx, feed, some, AS_OF)
    spent = []
    for one in chance.sample(advisories, 50):
        began = time.perf_counter()
        with on.database.transaction(durable=False) as tx:
            store.advisories.put(tx, feed, [(one, b"again")], AS_OF)
        spent.append(time.perf_counter() - began)
    print(f"one changed advisory: {statistics.median(spent) * 1000:.1f} ms, at most {max(spent) * 1000:.1f} ms")


def read(database, numbers, chance):
    """What is wrong with an image."""
    spent, counts = [], []
    for _ in range(50):
        image = chance.sample(numbers[: len(numbers) // 2], PACKAGES)
        began = time.perf_counter()
        with database.snapshot() as tx:
            found = registry.advisories.findings_of(tx, image)
        spent.append(time.perf_counter() - began)
        counts.append(sum(map(len, found.values())))
    middle = statistics.median(spent) * 1000
    print(f"findings of an image of {PACKAGES}: {middle:.1f} ms, at most {max(spent) * 1000:.1f} ms; "
          f"{statistics.median(counts):.0f} findings")  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
