"""kill -9 under load: what was acknowledged is there, and nothing else."""

from __future__ import annotations

import http.client
import random
import threading
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from holdfast import registry
from holdfast.boot import open_backends
from holdfast.settings import read
from tests import builders
from tests.callers import Registry

ROUNDS = 20
WRITERS = 4
REPOSITORY = "crash/test"
GONE = (ConnectionError, http.client.HTTPException, TimeoutError)


class Ledger:
    """What clients were told, and what they asked for without an answer."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, bytes] = {}
        self.tags: dict[str, str] = {}  # to the digest that was acknowledged last
        self.pending_tags: dict[str, str] = {}  # to the digest that nobody answered for
        self.acknowledged = 0
        self.enough = threading.Event()

    def note(self, kind: dict[str, bytes], key: str, value: bytes) -> None:
        """An answer arrived."""
        with self.lock:
            kind[key] = value
            self.acknowledged += 1
            if self.acknowledged >= self.until:
                self.enough.set()

    def begin_round(self, answers: int) -> None:
        """Say after how many answers the power goes."""
        self.until = self.acknowledged + answers
        self.enough.clear()


class Writer:
    """Pushes images until the server is gone."""

    def __init__(self, ledger: Ledger, target: Registry, number: int, chance: random.Random) -> None:
        self.ledger = ledger
        self.target = target
        self.number = number
        self.chance = chance

    def run(self) -> None:
        try:
            while True:
                self.push_image()
        except GONE:
            return

    def push_image(self) -> None:
        config = self.push(self.chance.randbytes(40))
        layer = self.push(self.chance.randbytes(self.chance.choice([1, 100, 70_000, 1_500_000])))
        manifest = builders.document(
            builders.OCI_MANIFEST,
            config=builders.descriptor(builders.OCI_CONFIG, config),
            layers=[builders.descriptor(builders.OCI_LAYER, layer)],
        )
        tag = f"moving-{self.number}"
        self.ledger.pending_tags[tag] = manifest.digest
        answer = self.target.push_manifest(manifest, tag)
        assert answer.status == 201, answer
        self.ledger.tags[tag] = manifest.digest
        self.ledger.note(self.ledger.manifests, manifest.digest, manifest.body)

    def push(self, data: bytes) -> bytes:
        digest = builders.digest(data)
        way = self.chance.choice(["whole", "put", "stream", "chunks"])
        if way == "whole":
            answer = self.target("POST", f"/blobs/uploads/?digest={digest}", data)
        else:
            location = self.target("POST", "/blobs/uploads/").headers["location"]
            rest = data
            if way == "chunks":
                half = len(data) // 2
                for first, piece in ((0, data[:half]), (half, data[half:])):
                    if piece:
                        span = f"{first}-{first + len(piece) - 1}"
                        answer = self.target.http("PATCH", location, piece, content_range=span)
                        assert answer.status == 202, answer
                rest = b""
            elif way == "stream":
                assert self.target.http("PATCH", location, data).status == 202
                rest = b""
            answer = self.target.http("PUT", f"{location}?digest={digest}", rest)
        assert answer.status == 201, answer
        self.ledger.note(self.ledger.blobs, digest, data)
        return data


def load_until_killed(product, ledger: Ledger, chance: random.Random) -> None:
    writers = [
        Writer(ledger, Registry(product.http(), REPOSITORY), number, random.Random(chance.random()))
        for number in range(WRITERS)
    ]
    ledger.begin_round(chance.randint(1, 60))
    threads = [threading.Thread(target=writer.run) for writer in writers]
    for thread in threads:
        thread.start()
    assert ledger.enough.wait(60)
    product.kill()
    for thread in threads:
        thread.join()


def audit(product, ledger: Ledger) -> None:
    """Every acknowledged thing is there; whatever else is there is whole."""
    target = Registry(product.http(), REPOSITORY)
    for digest, data in ledger.blobs.items():
        answer = target("GET", f"/blobs/{digest}")
        assert (answer.status, answer.body) == (200, data), digest
    for digest, body in ledger.manifests.items():
        answer = target("GET", f"/manifests/{digest}")
        assert (answer.status, answer.body) == (200, body), digest
    assert set(ledger.tags) <= set(target("GET", "/tags/list").json()["tags"]) <= set(ledger.pending_tags)
    for tag, digest in ledger.tags.items():
        answer = target("GET", f"/manifests/{tag}")
        assert answer.headers["docker-content-digest"] in {digest, ledger.pending_tags[tag]}, tag
        ledger.tags[tag] = answer.headers["docker-content-digest"]
        for part in (answer.json()["config"], *answer.json()["layers"]):
            assert builders.digest(target("GET", f"/blobs/{part['digest']}").body) == part["digest"]


@pytest.mark.timeout(600)
def test_acknowledged_pushes_survive_kill_minus_nine(start):
    chance = random.Random(20261124)
    ledger = Ledger()
    product = start()
    product.ecr().create_repository(repositoryName=REPOSITORY)

    for _ in range(ROUNDS):
        load_until_killed(product, ledger, chance)
        product.start()
        audit(product, ledger)

    product.stop()
    assert len(ledger.manifests) > ROUNDS
    assert_nothing_is_left_over(product)


def assert_nothing_is_left_over(product) -> None:
    """A sweep some days later leaves exactly the objects that blobs are made of."""
    on = open_backends(read({"data": str(product.data)}, product.environment))
    object.__setattr__(on, "clock", lambda: datetime.now(UTC) + timedelta(days=30))
    while registry.cleaning.sweep(on):
        pass
    with on.database.migration() as tx:
        kept = set(tx.execute(text("SELECT object_key FROM blobs")).scalars())
        known = set(tx.execute(text("SELECT key FROM objects")).scalars())
        large = set(tx.execute(text("SELECT key FROM objects WHERE sealed IS NULL")).scalars())
        uploads = tx.execute(text("SELECT count(*) FROM uploads")).scalar_one()
    on.database.close()
    files = {path.name for path in (product.data / "objects").rglob("*") if path.is_file()}
    assert kept == known
    assert files == large
    assert large < known
    assert uploads == 0
