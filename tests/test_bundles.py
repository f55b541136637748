"""Images carried to a registry without a network: exported, checked, imported; whole, or only what is new."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from datetime import timedelta

import pytest

from holdfast import registry
from holdfast.blobs import signatures
from holdfast.blobs.layouts import VOLUME
from holdfast.model.bundles import BUNDLE, SIGNATURE, BadBundle, blob_name
from holdfast.model.errors import ImageInUse, Refusal
from holdfast.model.images import ImageId
from holdfast.model.names import Registry, RepositoryRef
from holdfast.registry import bundle_imports, exporting
from holdfast.registry.exporting import STATE, Wanted
from holdfast.registry.shadows import Wanted as Brought
from holdfast.simulation.errands.repositories import UNTAGGED_GO
from tests import builders, databases
from tests.registry.ground import AT, HOME, Clock, create, described, open_ground, push, put
from tests.trail import found

LARGE = b"large" * 40_000
THERE = RepositoryRef(Registry("222233334444", "eu-west-1"), AT.name)


@pytest.fixture
def here(tmp_path):
    """A registry with an index, a signature of it, an image of its own large layer, and settings."""
    (tmp_path / "here").mkdir()
    on = open_ground(tmp_path / "here", Clock())
    members = [push(on, AT, seed) for seed in ("amd64", "arm64")]
    index = builders.an_index(*members)
    put(on, AT, index, "v1", "latest")
    push(on, AT, "signature", subject=index.descriptor, artifactType="application/x-signature")
    registry.lifecycle.put(on, AT, UNTAGGED_GO)
    registry.repositories.tag(on, AT, {"team": "red"})
    yield on
    databases.forget(on.database)


@pytest.fixture
def there(tmp_path):
    """An empty registry of another account, elsewhere."""
    (tmp_path / "there").mkdir()
    on = open_ground(tmp_path / "there", Clock())
    registry.accounts.create(on, THERE.registry.account_id)
    yield on
    databases.forget(on.database)


@pytest.fixture
def key(here, tmp_path):
    """The public key of that registry."""
    path = tmp_path / "key.pem"
    path.write_bytes(signatures.public_half(exporting.own_key(here)))
    return path


def export(on, folder, moved=lambda _: None, **wanted):
    return exporting.export(on, folder, Wanted(HOME, **wanted), lambda *_: None, moved)


def bring(on, folder, key, **wanted):
    layout, bundle = bundle_imports.open_bundle(folder, key)
    return bundle_imports.bring(on, layout, bundle, Brought(THERE.registry, at_once=1, **wanted))


def images(on, at):
    return {digest: image.tags for digest, image in described(on, at).items()}


def test_a_bundle_brings_images_tags_signatures_and_settings(here, there, key, tmp_path):
    done = export(here, tmp_path / "bundle")

    came = bring(there, tmp_path / "bundle", key)

    assert (done.left_out, came.faults) == ([], [])
    assert images(there, THERE) == images(here, AT)
    assert registry.lifecycle.get(there, THERE).text == registry.lifecycle.get(here, AT).text
    tags = registry.repositories.tags(there, THERE)
    assert tags == {
        "team": "red",
        "holdfast:shadow-of": f"{HOME.account_id}/{HOME.region}",
        "holdfast:carried-at": "2030-01-01T00:00:00+00:00",
    }
    for digest in images(here, AT):
        referring = [registry.referrers.page(on, at, digest, 0, 10)[0] for on, at in ((here, AT), (there, THERE))]
        assert [one.digest for one in referring[0]] == [one.digest for one in referring[1]]
    again = bring(there, tmp_path / "bundle", key)
    assert (again.brought.images, again.tags, again.faults) == (0, 0, [])
    assert not (tmp_path / "bundle" / STATE).exists()


def test_only_what_is_new_is_in_the_next_bundle_and_a_gap_is_told(here, there, key, tmp_path):
    first = export(here, tmp_path / "first").bundle
    new = push(here, AT, "new", "v2", "latest")
    second = export(here, tmp_path / "second", since=exporting.read_bundle(tmp_path / "first")).bundle
    other = push(here, AT, "other", "v3")
    third = export(here, tmp_path / "third", since=exporting.read_bundle(tmp_path / "second")).bundle

    assert set(second.parts) == {
        new.digest,
        *(layer["digest"] for layer in [new.json()["config"], *new.json()["layers"]]),
    }
    assert other.digest in third.parts
    assert third.parts.keys().isdisjoint({**first.parts, **second.parts})
    early = bring(there, tmp_path / "third", key)
    assert images(there, THERE) == {other.digest: ("v3",)}
    assert any(second.id in why and "import that one first" in why for _, why in early.faults)
    for name in ("first", "second", "third"):
        last = bring(there, tmp_path / name, key)
    assert last.faults == []
    assert images(there, THERE) == images(here, AT)


def test_a_time_parts_old_from_new_too(here, tmp_path):
    then = here.clock()
    here.clock.pass_(days=1)
    new = push(here, AT, "new", "v2")

    bundle = export(here, tmp_path / "bundle", since=then + timedelta(hours=1)).bundle

    assert new.digest in bundle.parts
    assert len(bundle.parts) == 3
    assert len(bundle.repositories[0].images) == 5


@pytest.mark.parametrize("volume_bytes", [None, 64 * 1024])
def test_an_export_that_was_stopped_anywhere_goes_on(here, there, key, tmp_path, volume_bytes):
    push(here, AT, "large", "large", annotations={"a": "b" * 200_000})
    stopped = tmp_path / "stopped"

    def stop_after(steps):
        left = [steps]

        def moved(_):
            left[0] -= 1
            if left[0] == 0:
                raise KeyboardInterrupt

        return moved

    for steps in (1, 3, 6, 9):
        with pytest.raises(KeyboardInterrupt):
            export(here, stopped, stop_after(steps), volume_bytes=volume_bytes)
    done = export(here, stopped, volume_bytes=volume_bytes)
    whole = export(here, tmp_path / "whole", volume_bytes=volume_bytes)

    assert (done.goes_on, whole.goes_on) == (True, False)
    assert done.bundle.parts == whole.bundle.parts
    assert exporting.is_complete(stopped)
    assert list(stopped.rglob("*.partial")) == []
    layout, bundle = bundle_imports.open_bundle(stopped, key)
    assert list(bundle_imports.check(layout, bundle)) == []
    assert bring(there, stopped, key).faults == []
    assert images(there, THERE) == images(here, AT)


def test_what_is_exported_is_held_meanwhile(here, tmp_path):
    [digest] = [digest for digest, tags in images(here, AT).items() if "v1" in tags]

    def moved(_):
        with pytest.raises(ImageInUse, match="export"):
            registry.images.delete_manifest(here, AT, digest)

    export(here, tmp_path / "bundle", moved)

    assert registry.leases.page(here, AT, 0, 10) == ([], False)
    assert registry.images.delete(here, AT, [ImageId(digest)])[1] == []


def test_an_import_that_was_stopped_goes_on(here, there, key, tmp_path):
    export(here, tmp_path / "bundle")
    layout, bundle = bundle_imports.open_bundle(tmp_path / "bundle", key)
    left = [4]

    def moved(_):
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        bundle_imports.bring(there, layout, bundle, Brought(THERE.registry, at_once=1), moved=moved)
    assert bring(there, tmp_path / "bundle", key).faults == []
    assert images(there, THERE) == images(here, AT)


def test_what_was_changed_on_its_way_is_refused(here, there, key, tmp_path):
    bundle = export(here, tmp_path / "good").bundle
    layer = next(digest for digest in bundle.parts if digest not in images(here, AT))
    stranger = tmp_path / "stranger.pem"
    stranger.write_bytes(signatures.public_half(signatures.new_key()))

    def spoiled(name, change):
        folder = tmp_path / "bad"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(tmp_path / "good", folder)
        change(folder / name)
        return folder

    with pytest.raises(BadBundle, match="was not signed by"):
        bring(there, tmp_path / "good", stranger)

    def otherwise(path):
        path.write_bytes(b"bm8=" if path.suffix == ".sig" else path.read_bytes().replace(b"v1", b"v9"))

    for name in (BUNDLE, SIGNATURE, "index.json"):
        with pytest.raises(BadBundle, match="signed"):
            bring(there, spoiled(name, otherwise), key)
    for change in (
        lambda path: path.write_bytes(b"x" * path.stat().st_size),
        lambda path: path.write_bytes(path.read_bytes() + b"x"),
        lambda path: path.unlink(),
        lambda path: (path.unlink(), path.symlink_to("/dev/zero")),
    ):
        folder = spoiled(blob_name(layer), change)
        layout, document = bundle_imports.open_bundle(folder, key)
        assert len(list(bundle_imports.check(layout, document))) == 1
        assert bring(there, folder, key).faults
        assert all(tags == () for tags in images(there, THERE).values() if "v1" in tags)


def test_a_missing_volume_and_a_strange_file_are_named(here, key, tmp_path):
    push(here, AT, "large", "large", annotations={"a": "b" * 200_000})
    export(here, tmp_path / "bundle", volume_bytes=64 * 1024)
    last = max((tmp_path / "bundle").iterdir())
    text = b"".join(path.read_bytes() for path in sorted((tmp_path / "bundle").iterdir()))
    whole = tmp_path / "whole.tar"
    whole.write_bytes(text)
    assert bundle_imports.open_bundle(whole, key)[1].id
    listed = subprocess.run(["tar", "tf", whole], capture_output=True, text=True, check=True).stdout.split()
    assert listed[:4] == ["oci-layout", "index.json", BUNDLE, SIGNATURE]

    last.unlink()
    with pytest.raises(BadBundle, match=f"{last.name} is missing"):
        bundle_imports.open_bundle(tmp_path / "bundle" / VOLUME.format(1), key)
    for name in ("../../etc/passwd", "/etc/passwd", "blobs/sha256/x", "oci-layout"):
        strange = tmp_path / "strange.tar"
        subprocess.run(["tar", "cf", strange, "-P", "--transform", f"s|.*|{name}|", whole, whole], check=True)
        with pytest.raises(BadBundle, match=r"no bundle has|is no file"):
            bundle_imports.open_bundle(strange, key)


def test_what_cannot_be_read_is_left_out_and_named(here, there, key, tmp_path):
    broken = push(here, AT, "broken", "broken")
    layer = broken.json()["layers"][0]["digest"]
    with here.database.transaction() as tx:
        tx._driver.execute(f"UPDATE blobs SET damaged_at = 1 WHERE digest = '{layer}'")

    done = export(here, tmp_path / "bundle")

    [(what, why)] = done.left_out
    assert (what, layer in why) == (f"{AT.name}@{broken.digest}", True)
    assert bring(there, tmp_path / "bundle", key).faults == []
    assert broken.digest not in images(there, THERE)


def test_a_repository_of_its_own_is_left_alone(here, there, key, tmp_path):
    create(there, THERE)
    export(here, tmp_path / "bundle")

    [(what, why)] = bring(there, tmp_path / "bundle", key).faults

    assert (what, "would let it follow" in why) == (AT.name, True)
    assert images(there, THERE) == {}


def test_what_is_gone_goes_there_only_if_it_is_wanted(here, there, key, tmp_path):
    moved, gone, archived, running = (push(here, AT, seed, seed) for seed in ("moved", "gone", "archived", "running"))
    other = RepositoryRef(HOME, "other")
    create(here, other)
    export(here, tmp_path / "first")
    bring(there, tmp_path / "first", key)
    before = images(there, THERE)
    put(here, AT, moved, "also")
    registry.images.delete_tag(here, AT, "moved")
    registry.images.delete(here, AT, [ImageId(gone.digest), ImageId(running.digest)])
    registry.archive.set_storage_class(here, AT, ImageId(archived.digest), "ARCHIVE")
    registry.repositories.delete(here, other)
    here.clock.pass_(minutes=1)
    export(here, tmp_path / "second", since=exporting.read_bundle(tmp_path / "first"))
    lease = [registry.leases.Wish(ImageId(running.digest), "shop/web")]
    registry.leases.put(there, THERE, "prod", "KUBERNETES", "us", timedelta(days=1), lease)

    plain = bring(there, tmp_path / "second", key)
    assert (plain.removed, images(there, THERE)) == (0, before | {moved.digest: ("also", "moved")})
    followed = bring(there, tmp_path / "second", key, follows_deletions=True)
    late = bring(there, tmp_path / "first", key, follows_deletions=True)

    assert followed.removed == 3
    [(what, why)] = followed.faults
    assert (what, "prod (shop/web)" in why) == (f"{AT.name}@{running.digest}", True)
    found = images(there, THERE)
    assert gone.digest in found  # for the first bundle brought it again …
    assert any("nothing goes for this one" in why for _, why in late.faults)  # … and took nothing away
    assert (found[archived.digest], found[running.digest]) == (("archived",), ("running",))


def test_two_exports_do_not_write_into_one_folder(here, tmp_path):
    refused = []

    def moved(_):
        with pytest.raises(BadBundle, match="by another process"):
            export(here, tmp_path / "bundle")
        refused.append(1)

    export(here, tmp_path / "bundle", moved)

    assert refused


def test_an_empty_repository_that_goes_meanwhile_spoils_no_export(here, tmp_path):
    empty = RepositoryRef(HOME, "empty")
    create(here, empty)
    left = [empty]

    def moved(_):
        while left:
            registry.repositories.delete(here, left.pop())

    export(here, tmp_path / "bundle", moved)

    assert exporting.is_complete(tmp_path / "bundle")


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        (b'"MUTABLE"', b'"SOMETIMES"', "Tags cannot be"),
        (b'"name":"some/repository"', b'"name":"../../etc"', ""),
        (b'"v1"', b'"v 1"', "A tag of"),
        (b'"account_id":"000000000000"', b'"account_id":"x"', ""),
        (b'"created_at":"2030-01-01T00:00:00Z"', b'"created_at":"2030-01-01T00:00:00"', "no time zone"),
        (b'"sha256:', b'"md5:', "is no digest"),
    ],
)
def test_a_signed_bundle_that_says_odd_things_is_refused(here, there, key, tmp_path, before, after, why):
    export(here, tmp_path / "bundle")
    document = (tmp_path / "bundle" / BUNDLE).read_bytes()
    changed = document.replace(before, after)
    (tmp_path / "bundle" / BUNDLE).write_bytes(changed)
    signature = base64.b64encode(signatures.sign_with(changed, exporting.own_key(here)))
    (tmp_path / "bundle" / SIGNATURE).write_bytes(signature)

    try:
        told = [text for _, text in bring(there, tmp_path / "bundle", key).faults]
    except Refusal as refusal:
        told = [refusal.message]

    assert changed != document
    assert why in told[0]


@pytest.mark.parametrize("volume_bytes", [None, 64 * 1024])
def test_a_pipe_in_the_place_of_a_file_keeps_nobody_waiting(here, key, tmp_path, volume_bytes):
    export(here, tmp_path / "bundle", volume_bytes=volume_bytes)
    path = tmp_path / "bundle" / (BUNDLE if volume_bytes is None else VOLUME.format(1))
    path.unlink()
    os.mkfifo(path)

    with pytest.raises(BadBundle, match=r"has no|is no file"):
        bundle_imports.open_bundle(tmp_path / "bundle", key)


def test_another_folder_and_other_flags_are_refused(here, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").touch()
    with pytest.raises(BadBundle, match="not empty"):
        export(here, tmp_path / "full")

    def stop(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export(here, tmp_path / "bundle", stop)
    with pytest.raises(BadBundle, match="was stopped; go on without --repositories"):
        export(here, tmp_path / "bundle", prefixes=("some",))


def test_the_command_line_carries_a_bundle_that_skopeo_reads(product, name, start, tmp_path):
    repository = product.registry(name)
    image = repository.push_image("v1")
    bundle, key = tmp_path / "bundle", tmp_path / "key.pem"
    key.write_text(product.cli("export-key").stdout)

    out = product.cli("export", str(bundle), "--repositories", name)
    again = product.cli("export", str(bundle), "--repositories", name)
    other = start()
    checked = other.cli("import", str(bundle), "--key", str(key), "--check")
    came = other.cli("import", str(bundle), "--key", str(key))

    assert (out.returncode, "1 repository with 1 image." in out.stdout) == (0, True), out.stderr
    assert "nothing to do" in again.stdout
    assert "is what was signed: 3 blobs" in checked.stdout, checked.stderr
    assert (came.returncode, "1 image with" in came.stdout) == (0, True), came.stderr
    [exported] = found(product, eventName="BundleExportEvent")
    [imported] = found(other, eventName="BundleImportEvent")
    assert imported["serviceEventDetails"]["bundleId"] == exported["serviceEventDetails"]["bundleId"]
    assert imported["serviceEventDetails"]["images"] == 1
    pulled = other.http()("GET", f"/v2/{name}/manifests/v1")
    assert pulled.body == image.body
    refused = other.cli("import", str(bundle), "--key", str(tmp_path / "none.pem"))
    assert (refused.returncode, "none.pem: No such file" in refused.stderr) == (2, True)
    if shutil.which("skopeo"):
        shown = subprocess.run(
            ["skopeo", "inspect", "--raw", f"oci:{bundle}:{name}:v1"], capture_output=True, text=True, check=False
        )
        assert json.loads(shown.stdout) == image.json(), shown.stderr
