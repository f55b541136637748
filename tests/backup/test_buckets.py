"""Backups in a bucket, and the move between a folder with SQLite and a bucket with PostgreSQL."""

from __future__ import annotations

import os
import random
import signal
import threading

import pytest

from holdfast.blobs.shelves import open_shelf
from holdfast.blobs.vault import Vault, VaultFault
from tests import builders, programs
from tests.backup.test_backup import push_image
from tests.callers import Registry
from tests.postgres import Postgres
from tests.seaweed import BUCKET

pytestmark = [pytest.mark.xdist_group("object stores"), pytest.mark.sqlite]  # PostgreSQL has its part in them


@pytest.fixture(scope="module")
def postgres():
    server = Postgres()
    yield server
    server.close()


@pytest.fixture
def prefix(name):
    return name[-60:].strip("-")


class Shop:
    """A place of backups in a bucket, and whoever uses it."""

    def __init__(self, seaweed, url: str) -> None:
        self.url = url
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(("HOLDFAST_", "AWS_"))}
        self.environment |= seaweed.environment

    def begin(self, *arguments: str):
        return programs.start(arguments, self.environment)

    def run(self, *arguments: str) -> str:
        ended = programs.run(arguments, self.environment)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    def create(self, product, *flags: str) -> str:
        return self.run("backup", "create", self.url, "--data", str(product.data), *flags)


def content_of(product, repository: str) -> dict[str, bytes]:
    """Every manifest and layer that a repository serves, by digest."""
    found, target = {}, Registry(product.http(), repository)
    pages = product.ecr().get_paginator("describe_images").paginate(repositoryName=repository)
    for image in (image for page in pages for image in page["imageDetails"]):
        answer = target("GET", f"/manifests/{image['imageDigest']}")
        found[image["imageDigest"]] = answer.body
        for part in [answer.json()["config"], *answer.json()["layers"]]:
            found[part["digest"]] = target("GET", f"/blobs/{part['digest']}").body
    return found


def require_whole(content: dict[str, bytes]) -> None:
    assert content
    assert [digest for digest, data in content.items() if builders.digest(data) != digest] == []


def push_many(product, repository: str, first: int, count: int) -> None:
    target = Registry(product.http(), repository)
    for seed in range(first, first + count):
        push_image(target, seed, f"v{seed}", random.Random(seed).choice([300, 40_000, 300_000]))


def test_an_installation_moves_to_postgresql_and_a_bucket_and_back(start, seaweed, postgres, prefix, tmp_path):
    shop = Shop(seaweed, seaweed.url(f"{prefix}/backups"))
    old = start("--workers", "1")
    for repository in ("team/app", "team/tool"):
        old.ecr().create_repository(repositoryName=repository)
        push_many(old, repository, 0, 6)
    is_over = threading.Event()

    def go_on() -> None:
        target = Registry(old.http(), "team/app")
        for number in range(100, 200):
            if not is_over.is_set():
                push_image(target, number, f"v{number}", 60_000)

    pushing = threading.Thread(target=go_on)
    pushing.start()
    try:
        shop.create(old, "--with-keys")
    finally:
        is_over.set()
        pushing.join()
    before = {name: content_of(old, name) for name in ("team/app", "team/tool")}
    flags = ["--database", postgres.url(postgres.create()), "--blobs", seaweed.url(f"{prefix}/layers")]

    shop.run("restore", shop.url, "--data", str(tmp_path / "large"), *flags)
    large = start("--workers", "1", *flags, data=tmp_path / "large", **seaweed.environment)
    moved = {name: content_of(large, name) for name in before}
    push_many(large, "team/tool", 50, 3)
    after = {name: content_of(large, name) for name in before}
    shop.create(large, "--with-keys", *flags)
    shop.run("restore", shop.url, "--data", str(tmp_path / "small"))
    small = start("--workers", "1", data=tmp_path / "small")
    back = {name: content_of(small, name) for name in before}

    require_whole(moved["team/app"] | moved["team/tool"])
    assert moved["team/tool"] == before["team/tool"]
    assert moved["team/app"].items() <= before["team/app"].items()
    assert len(moved["team/app"]) >= 12
    assert back == after
    assert small.credentials() == old.credentials()
    push_many(small, "team/tool", 60, 1)


def test_a_backup_in_a_bucket_is_killed_goes_on_and_costs_only_what_is_new(start, seaweed, faults, prefix, tmp_path):
    shop = Shop(seaweed, seaweed.url(prefix, endpoint=faults.endpoint))
    product = start("--workers", "1")
    product.ecr().create_repository(repositoryName="team/app")
    push_many(product, "team/app", 0, 12)
    puts = []

    def kill_at(count: int):
        def spoil(method: str, path: str) -> str | None:
            if method == "PUT" and "/objects/" in path:
                puts.append(path)
                if len(puts) == count:
                    going.send_signal(signal.SIGKILL)
                    return "lost"
            return None

        return spoil

    def manifests() -> list[str]:
        found = seaweed.s3().list_objects_v2(Bucket=BUCKET, Prefix=f"{prefix}/generations/").get("Contents", [])
        return [one["Key"] for one in found if one["Key"].endswith("manifest.json")]

    for count in (3, 6):
        puts.clear()
        faults.spoil = kill_at(count)
        going = shop.begin("backup", "create", shop.url, "--data", str(product.data), "--with-keys")
        assert going.wait(timeout=100) == -signal.SIGKILL
        assert manifests() == []
    faults.heal()

    first = shop.create(product, "--with-keys")
    [name] = manifests()
    push_image(Registry(product.http(), "team/app"), 20, "v20", 300)
    puts.clear()
    faults.spoil = kill_at(-1)
    second = shop.create(product, "--with-keys")
    pruned = shop.run("backup", "prune", shop.url, "--keep", "1")

    assert " 0 were there" not in first.splitlines()[1]
    assert len(puts) == 1  # a pack
    assert "1 small one with" in second
    assert f"removed  {name.split('/')[-2]}" in pruned
    assert len(manifests()) == 1
    shop.run("backup", "verify", shop.url)
    shop.run("restore", shop.url, "--data", str(tmp_path / "new"))  # which opens every blob


def test_only_an_empty_place_of_a_bucket_becomes_one_for_backups(seaweed, prefix, monkeypatch):
    for name, value in seaweed.environment.items():
        monkeypatch.setenv(name, value)
    seaweed.s3().put_object(Bucket=BUCKET, Key=f"{prefix}/something", Body=b"of others")

    with pytest.raises(VaultFault, match="is not empty and holds no backups"):
        Vault.create(open_shelf(seaweed.url(prefix)))
