"""Garbage collection from outside: the command line, the figures for machines, and the store beside the database."""

from __future__ import annotations

import json
import os

import pytest

from tests import builders

LARGE = 40_000


def cli(product, *arguments):
    ended = product.cli(*arguments)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.fixture
def stored(start):
    """A product of the test's own with one image, its large layer and the file of that layer."""
    product = start()
    repository = product.registry("some/repository")
    layer = os.urandom(LARGE)
    repository.push_blob(layer)
    repository.push_blob(b"{}")
    repository.push_manifest(
        builders.document(
            builders.OCI_MANIFEST,
            config=builders.descriptor(builders.OCI_CONFIG, b"{}"),
            layers=[builders.descriptor(builders.OCI_LAYER, layer)],
        ),
        "latest",
    )
    [file] = [path for path in (product.data / "objects").rglob("*") if path.is_file()]
    return product, repository, layer, file


def test_the_command_line_tells_how_it_stands(stored):
    product, *_ = stored

    assert "0 layers in quarantine" in cli(product, "gc", "status")
    assert json.loads(cli(product, "gc", "plan", "--json"))["unneeded"] == []
    assert "0 blobs of 0 bytes went" in cli(product, "gc", "run")
    assert cli(product, "gc", "repair") == "0 layers are linked again.\n"
    ended = product.cli("gc", "confirm")
    assert (ended.returncode, ended.stderr) == (
        1, "holdfast: Garbage collection is not halted: there is nothing to confirm\n"
    )  # fmt: skip


def test_machines_are_told_how_it_stands(stored):
    product, *_ = stored

    text = product.http("")("GET", "/metrics").body.decode()

    assert "\nholdfast_gc_halted 0.0\n" in text
    assert "\nholdfast_gc_backlog_seconds 0.0\n" in text


def test_an_object_that_no_row_knows_is_reported_and_deleted_on_command(stored):
    product, repository, layer, file = stored
    stray = file.parent.parent / "00" / ("0" * 32)
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"left by a fault")
    young = file.parent.parent / "11" / ("1" * 32)
    young.parent.mkdir(exist_ok=True)
    young.write_bytes(b"a moment ago")
    foreign = file.parent / "README"
    foreign.write_bytes(b"not ours")
    for path in (file, stray, foreign):
        os.utime(path, (0, 0))

    found = json.loads(cli(product, "gc", "orphans", "--json"))
    assert (found["unknown"], found["missing"]) == ([stray.name], [])
    assert stray.exists()
    assert f"unknown  {stray.name}  deleted" in cli(product, "gc", "orphans", "--delete-unknown")

    assert not stray.exists()
    assert young.exists()
    assert foreign.exists()
    assert repository("GET", f"/blobs/{builders.digest(layer)}").body == layer


def test_a_row_whose_object_is_missing_is_reported_and_nothing_is_changed(stored):
    product, repository, layer, file = stored
    file.unlink()

    found = json.loads(cli(product, "gc", "orphans", "--json", "--delete-unknown"))
    assert found["missing"] == [file.name]
    repository.push_blob(layer)

    assert json.loads(cli(product, "gc", "orphans", "--json"))["missing"] == []
    assert repository("GET", f"/blobs/{builders.digest(layer)}").body == layer
