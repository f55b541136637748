"""Backups of a serving registry through the command line: whole, incremental, checked, restored and pruned."""

from __future__ import annotations

import json
import os
import random
import signal
import threading
from pathlib import Path

import pytest

from tests import builders, databases, programs
from tests.conftest import Product
from tests.test_damage import an_image_of, flip

MIB = 1024 * 1024
SMALL = 64 * 1024


class Desk:
    """A product with a folder of backups beside it."""

    def __init__(self, product, folder) -> None:
        self.product = product
        self.target = folder / "backups"
        self.keys = product.data / "keys" / "local.json"

    def create(self, *flags):
        return self.product.cli("backup", "create", str(self.target), *flags)

    def run(self, action, *flags):
        return run("backup", action, str(self.target), *flags)

    def names(self):
        return [one["name"] for one in json.loads(self.run("list", "--json").stdout)]

    def restore(self, data, *flags):
        return run("restore", str(self.target), "--data", str(data), *flags)

    def objects(self):
        """Those that are no packs of small ones."""
        files = (path for path in (self.target / "objects").rglob("*/*") if path.suffix != ".partial")
        return sorted(path for path in files if size_of(path) > SMALL)


def size_of(path):
    """The bytes of a file, none if a backup that goes on has just taken it away."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def environment_of(arguments):
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
    if "--data" in arguments:
        data = Path(arguments[arguments.index("--data") + 1])
        clean |= databases.beside(data, databases.EMPTY)
    return clean


def begin(*arguments):
    return programs.start(arguments, environment_of(arguments))


def run(*arguments):
    return programs.run(arguments, environment_of(arguments))


def push_image(repository, seed, tag, size=MIB):
    data = random.Random(seed).randbytes(size)
    repository.push_blob(b"config")
    repository.push_blob(data)
    image = an_image_of(data)
    assert repository.push_manifest(image, tag).status == 201
    return image, data


@pytest.fixture
def desk(start, tmp_path):
    return Desk(start("--workers", "1"), tmp_path)


def test_a_restored_registry_is_the_one_that_was_backed_up(desk, start, tmp_path):
    repository, ecr = desk.product.registry("team/app"), desk.product.ecr()
    pushed = {f"v{seed}": push_image(repository, seed, f"v{seed}") for seed in range(3)}
    small = repository.push_blob(b"small")
    begun = repository.begin_upload()
    repository.http("PATCH", begun, bytes(MIB), content_type="application/octet-stream")
    policy = json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": "*", "Action": "ecr:BatchGetImage"}]})  # fmt: skip
    ecr.set_repository_policy(repositoryName="team/app", policyText=policy)
    iam = desk.product.aws_client("iam")
    iam.create_user(UserName="ci")
    iam.attach_user_policy(UserName="ci", PolicyArn="arn:aws:iam::aws:policy/AdministratorAccess")
    key = iam.create_access_key(UserName="ci")["AccessKey"]
    kept = {name: state(desk.product, name) for name in ("images", "policy", "users")}

    made = desk.create("--with-keys")
    restored = desk.restore(tmp_path / "new")
    desk.product.stop()
    other = start("--workers", "1", data=tmp_path / "new")

    assert (made.returncode, restored.returncode) == (0, 0), made.stderr + restored.stderr
    assert {name: state(other, name) for name in kept} == kept
    assert other.credentials() == desk.product.credentials()
    there = other.http()
    for tag, (image, data) in pushed.items():
        assert there("GET", f"/v2/team/app/manifests/{tag}").body == image.body
        assert there("GET", f"/v2/team/app/blobs/{builders.digest(data)}").body == data
    assert there("GET", f"/v2/team/app/blobs/{small}").body == b"small"
    assert there("GET", begun).status == 404
    user = other.aws_client("sts", key_id=key["AccessKeyId"], secret=key["SecretAccessKey"])
    assert user.get_caller_identity()["Arn"].endswith(":user/ci")
    other.ecr().create_repository(repositoryName="another")


def state(product, what):
    if what == "images":
        found = product.ecr().describe_images(repositoryName="team/app")["imageDetails"]
        return sorted((one["imageDigest"], one["imagePushedAt"], tuple(one["imageTags"])) for one in found)
    if what == "policy":
        return product.ecr().get_repository_policy(repositoryName="team/app")["policyText"]
    return [
        (one["UserName"], one["UserId"], one["CreateDate"]) for one in product.aws_client("iam").list_users()["Users"]
    ]


def test_the_second_backup_copies_what_is_new_and_pruning_keeps_what_is_needed(desk, tmp_path):
    repository = desk.product.registry("team/app")
    push_image(repository, 1, "v1")
    first = desk.create()
    push_image(repository, 2, "v2")
    second = desk.create()
    first_name, second_name = desk.names()

    pruned = desk.run("prune", "--keep", "1")

    assert "1 object with" in first.stdout
    assert "1 object with 1.0 MiB copied, 1 was there" in second.stdout
    assert "keys are not in it" in second.stderr
    assert f"removed  {first_name}" in pruned.stdout
    assert desk.names() == [second_name]
    assert len(desk.objects()) == 2
    assert desk.run("verify").returncode == 0


def test_pruning_frees_what_no_backup_needs(desk):
    repository = desk.product.registry("team/app")
    push_image(repository, 1, "v1")
    desk.create()
    stray = desk.target / "objects" / "00" / ("0" * 32)
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(bytes(10))

    desk.run("prune", "--keep", "3")

    assert not stray.exists()
    assert len(desk.objects()) == 1


def test_a_backup_that_is_killed_goes_on_and_is_whole_under_load(desk, tmp_path, start):
    repository = desk.product.registry("team/app")
    for seed in range(12):
        push_image(repository, seed, f"v{seed}")
    is_over, pushed = threading.Event(), []

    def load():
        mine = type(repository)(desk.product.http(), "team/app")
        while not is_over.is_set() and len(pushed) < 100:
            pushed.append(push_image(mine, 1000 + len(pushed), f"load{len(pushed)}", 100_000))

    thread = threading.Thread(target=load)
    thread.start()
    for copied in (2, 5, 9):
        going = begin("backup", "create", str(desk.target), "--with-keys", "--data", str(desk.product.data))
        while going.poll() is None and len(desk.objects()) < copied:
            pass
        going.send_signal(signal.SIGKILL)
        going.wait()

    made = desk.create("--with-keys")
    is_over.set()
    thread.join()
    restored = desk.restore(tmp_path / "new")
    other = start("--workers", "1", data=tmp_path / "new")

    assert made.returncode == 0, made.stderr
    assert restored.returncode == 0, restored.stderr
    assert len(desk.names()) in {1, 2, 3, 4}
    there = other.http()
    tags = there("GET", "/v2/team/app/tags/list").json()["tags"]
    assert {f"v{seed}" for seed in range(12)} <= set(tags)
    for tag in tags:
        image = there("GET", f"/v2/team/app/manifests/{tag}").json()
        for part in [image["config"], *image["layers"]]:
            assert builders.digest(there("GET", f"/v2/team/app/blobs/{part['digest']}").body) == part["digest"]


def test_without_the_right_keys_nothing_is_restored(desk, tmp_path, start):
    push_image(desk.product.registry("team/app"), 1, "v1")
    desk.create()
    other = start("--workers", "1")
    new = tmp_path / "new"

    without = desk.restore(new)
    wrong = desk.restore(new, "--key-file", str(other.data / "keys" / "local.json"))
    is_untouched = not new.exists()
    right = desk.restore(new, "--key-file", str(desk.keys))

    assert (without.returncode, wrong.returncode) == (2, 2)
    assert "--key-file" in without.stderr
    assert "not those under which" in wrong.stderr
    assert is_untouched
    assert right.returncode == 0


@pytest.mark.parametrize("what", ["object", "facts.gz", "manifest.json"])
def test_a_backup_that_was_tampered_with_is_noticed_and_does_not_serve(desk, tmp_path, what):
    push_image(desk.product.registry("team/app"), 1, "v1")
    desk.create("--with-keys")
    [name] = desk.names()
    if what == "object":
        flip(desk.objects()[0], 1000)
    elif what == "facts.gz":
        flip(desk.target / "generations" / name / what, 30)
    else:
        file = desk.target / "generations" / name / what
        file.write_text(file.read_text().replace('"accounts": 1', '"accounts": 2'))

    verified = desk.run("verify")
    restored = desk.restore(tmp_path / "new")
    served = run("serve", "--data", str(tmp_path / "new"), "--listen", "127.0.0.1:0") if what == "object" else None

    assert what == "manifest.json" or verified.returncode == 1
    assert restored.returncode == 2
    assert "what was written" in restored.stderr
    assert served is None or (served.returncode == 2 and "half restored" in served.stderr)


def test_what_rotted_in_the_target_is_copied_anew(desk, tmp_path):
    push_image(desk.product.registry("team/app"), 1, "v1")
    desk.create("--with-keys")
    flip(desk.objects()[0], 1000)

    again = desk.create("--with-keys", "--verify")

    assert "1 object with" in again.stdout
    assert desk.run("verify").returncode == 0
    assert desk.restore(tmp_path / "new").returncode == 0


def test_a_damaged_object_is_told_and_the_rest_is_backed_up(desk, tmp_path, start):
    repository = desk.product.registry("team/app")
    push_image(repository, 1, "v1")
    [lost] = [path for path in (desk.product.data / "objects").rglob("*") if path.is_file()]
    _, data = push_image(repository, 2, "v2")
    lost.unlink()

    made = desk.create("--with-keys")
    restored = desk.restore(tmp_path / "new")
    other = start("--workers", "1", data=tmp_path / "new")

    assert made.returncode == 1
    assert "1 object is damaged or missing" in made.stderr
    assert restored.returncode == 0
    assert "1 blob was damaged" in restored.stderr
    assert other.http()("GET", f"/v2/team/app/blobs/{builders.digest(data)}").body == data


def test_a_good_copy_outlives_the_damage_of_the_original(desk, tmp_path, start):
    repository = desk.product.registry("team/app")
    _, data = push_image(repository, 1, "v1")
    desk.create("--with-keys")
    [lost] = [path for path in (desk.product.data / "objects").rglob("*") if path.is_file()]
    lost.unlink()

    made = desk.create("--with-keys")
    restored = desk.restore(tmp_path / "new")
    other = start("--workers", "1", data=tmp_path / "new")

    assert (made.returncode, restored.returncode) == (0, 0)
    assert other.http()("GET", f"/v2/team/app/blobs/{builders.digest(data)}").body == data


def test_only_an_empty_folder_is_restored_into(desk, tmp_path):
    push_image(desk.product.registry("team/app"), 1, "v1")
    desk.create("--with-keys")
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "something").touch()

    into_something = desk.restore(tmp_path / "new")
    into_itself = desk.restore(desk.product.data)
    no_backup = desk.product.cli("backup", "create", str(tmp_path / "new"))

    assert (into_something.returncode, into_itself.returncode, no_backup.returncode) == (2, 2, 2)
    assert "not empty" in into_something.stderr
    assert "not empty" in no_backup.stderr


def test_a_killed_restore_goes_on_and_does_not_serve_before(desk, tmp_path, start):
    repository = desk.product.registry("team/app")
    for seed in range(12):
        push_image(repository, seed, f"v{seed}")
    desk.create("--with-keys")
    new = tmp_path / "new"
    going = begin("restore", str(desk.target), "--data", str(new))
    while going.poll() is None and len(list((new / "objects").rglob("*/*"))) < 4:
        pass
    going.send_signal(signal.SIGKILL)
    going.wait()

    served = run("serve", "--data", str(new), "--listen", "127.0.0.1:0")
    restored = desk.restore(new)
    other = Product(new, "--workers", "1")

    assert going.returncode == 0 or (served.returncode == 2 and "half restored" in served.stderr)
    assert restored.returncode == (0 if going.returncode else 2)
    assert len(other.http()("GET", "/v2/team/app/tags/list").json()["tags"]) == 12
    assert other.stop() == 0
