"""The command line: what its commands say, and what they leave behind."""

import os
import re
import signal
import subprocess
import sys
from contextlib import closing

import pytest

from holdfast import __version__
from tests import databases, programs
from tests.callers import Aws

COMMANDS = ("serve", "worker", "migrate", "check", "account")
ACTIONS = ("create", "list", "create-key", "list-keys", "disable-key", "enable-key", "delete-key")
OTHER = "111122223333"


@pytest.fixture
def run(tmp_path):
    """Run a command with a data folder of the test's own."""

    def run_(*arguments, data=tmp_path / "data", **environment):
        clean = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
        return programs.run(arguments, clean | {"HOLDFAST_DATA": str(data)} | environment)

    return run_


def said(ended):
    """Status, and every line of both streams."""
    return ended.returncode, ended.stdout.splitlines(), ended.stderr.splitlines()


# ---- Help


def test_the_version_is_said(run):
    ended = subprocess.run([sys.executable, "-m", "holdfast", "--version"], capture_output=True, text=True, check=False)

    assert said(ended) == said(run("--version")) == (0, [f"holdfast {__version__}"], [])


def test_help_names_every_command(run):
    ended = run("--help")

    assert ended.returncode == 0
    for command in COMMANDS:
        assert re.search(rf"^ +{command} ", ended.stdout, re.MULTILINE), command


def test_no_command_is_answered_with_help(run):
    ended = run()

    assert ended.returncode == 2
    assert ended.stdout.startswith("usage: holdfast")


@pytest.mark.parametrize("arguments", [(), *((command,) for command in COMMANDS), *(("account", a) for a in ACTIONS)])
def test_every_command_has_help(run, tmp_path, arguments):
    ended = run(*arguments, "--help")

    assert ended.returncode == 0
    assert ended.stdout.startswith(" ".join(("usage: holdfast", *arguments)))
    assert not (tmp_path / "data").exists()


def loaded_for(arguments, *heavy):
    """Which of these packages a command that only says something loads."""
    code = (
        "import sys\nfrom holdfast.cli import main\n"
        f"try:\n    main({arguments})\nexcept SystemExit:\n    pass\n"
        f"print('loaded', *sorted(set({heavy}) & set(sys.modules)))\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return ended.stdout.splitlines()[-1].split()[1:]


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["serve", "--help"]])
def test_help_is_quick_because_little_is_loaded_for_it(arguments):
    assert loaded_for(arguments, "botocore", "alembic", "uvloop", "httptools", "prometheus_client") == []


@pytest.mark.parametrize("arguments", [["--version"], ["--help"]])
def test_help_loads_no_database(arguments):
    assert loaded_for(arguments, "sqlalchemy", "cryptography") == []


@pytest.mark.parametrize("arguments", [["nonsense"], ["serve", "--nonsense"], ["account"], ["account", "create"]])
def test_what_is_no_command_is_refused(run, tmp_path, arguments):
    ended = run(*arguments)

    assert ended.returncode == 2
    assert "usage: holdfast" in ended.stderr
    assert not (tmp_path / "data").exists()


# ---- check


def test_a_folder_that_was_served_passes_every_check(start):
    product = start()

    ended = product.cli("check")

    assert ended.returncode == 0
    lines = [line.split() for line in ended.stdout.splitlines()]
    assert [words[-1] for words in lines] == ["ok"] * len(lines)
    assert [line[:14].strip() for line in ended.stdout.splitlines()] == [
        "settings",
        "data and keys",
        "database",
        "blobs",
    ]


def test_a_check_makes_no_folder(run, tmp_path):
    ended = run("check")

    assert ended.returncode == 1
    assert f"{tmp_path / 'data'} holds no registry yet" in ended.stdout
    assert not (tmp_path / "data").exists()


def test_a_check_makes_nothing_in_an_empty_folder(run, tmp_path):
    (tmp_path / "data").mkdir()

    run("check")

    assert list((tmp_path / "data").iterdir()) == []


def test_a_check_tells_of_missing_keys(start):
    product = start()
    product.stop()
    (product.data / "keys" / "local.json").unlink()

    ended = product.cli("check")

    assert ended.returncode == 1
    assert "The key file" in ended.stdout


def test_a_check_leaves_no_bytes_behind(start):
    product = start()
    before = sorted(path for path in (product.data / "objects").rglob("*") if path.is_file())

    product.cli("check")

    assert sorted(path for path in (product.data / "objects").rglob("*") if path.is_file()) == before


# ---- migrate


def test_a_database_is_migrated_once(run, tmp_path):
    first, second = run("migrate"), run("migrate")

    assert first.stdout.splitlines()[0].startswith("migrated: ")
    assert first.stdout.splitlines()[-1] == "The database has this program's schema."
    assert said(second)[:2] == (0, ["The database has this program's schema."])
    assert (tmp_path / "data" / "holdfast.db").exists()


@pytest.mark.parametrize("command", ["migrate", "serve", "worker"])
def test_a_database_of_a_newer_program_is_left_alone(start, run, command):
    product = start()
    product.stop()
    with closing(databases.look_of(product)) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999_future'")

    listen = {"HOLDFAST_LISTEN": "127.0.0.1:0"} if command == "serve" else {}
    ended = run(command, data=product.data, **product.environment, **listen)

    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("holdfast: The database has the schema '9999_future'")
    with closing(databases.look_of(product)) as database:
        assert database.execute("SELECT version_num FROM alembic_version").fetchall() == [("9999_future",)]


# ---- worker


def test_a_worker_works_until_it_is_told_to_stop(start):
    product = start()
    worker = subprocess.Popen(
        [sys.executable, "-m", "holdfast", "worker", "--data", str(product.data)],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | product.environment,
    )

    with worker:
        first = worker.stderr.readline()
        worker.send_signal(signal.SIGTERM)
        rest = worker.stderr.read()
        status = worker.wait(timeout=30)

    assert f"working in the background on {product.data}" in first
    assert status == 0
    assert "Traceback" not in rest
    assert product.ecr().describe_registry()["registryId"] == "000000000000"


def test_a_worker_needs_a_registry_that_was_served(run, tmp_path):
    ended = run("worker")

    assert ended.returncode == 2
    assert "holds no registry yet" in ended.stderr


# ---- account


def test_an_account_is_made_and_listed(start):
    product = start()

    made = product.cli("account", "create", OTHER)
    again = product.cli("account", "create", OTHER)
    product.cli("account", "create-key", OTHER)
    listed = product.cli("account", "list")

    assert said(made)[:2] == (0, [f"Account {OTHER} is made.", f"Next: holdfast account create-key {OTHER}"])
    assert said(again)[1][0] == f"Account {OTHER} exists already."
    assert said(listed) == (0, ["000000000000  1 access key", f"{OTHER}  1 access key"], [])


@pytest.mark.parametrize("account", ["1234", "x" * 12, "1111222233334"])
def test_an_account_has_twelve_digits(start, account):
    ended = start().cli("account", "create", account)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.splitlines()[-1].startswith("holdfast: ")
    assert "12 digits" in ended.stderr


def test_a_new_key_is_a_credentials_file_that_works(start):
    product = start()

    ended = product.cli("account", "create-key", "000000000000", "--description", "for the build")

    found = re.fullmatch(
        r"\[default\]\naws_access_key_id = (AKIA[A-Z2-7]{16})\naws_secret_access_key = (\S{40})\n", ended.stdout
    )
    assert found
    assert "not shown again" in ended.stderr
    assert Aws(product.address, found[1], found[2])("DescribeRegistry").status == 200


def test_keys_are_listed_with_their_state_and_without_their_secrets(start):
    product = start()
    made = product.cli("account", "create-key", "000000000000", "--description", "for the build").stdout
    key_id, secret = re.search(r"key_id = (\S+)\n.*_key = (\S+)", made).groups()
    product.cli("account", "disable-key", key_id)

    ended = product.cli("account", "list-keys")

    root, other = ended.stdout.splitlines()
    assert re.fullmatch(rf"0{{12}}  {product.credentials()[0]}  active    \d{{4}}-\d\d-\d\d \d\d:\d\d  root", root)
    assert re.fullmatch(rf"0{{12}}  {key_id}  disabled  \d{{4}}-\d\d-\d\d \d\d:\d\d  for the build", other)
    assert secret not in ended.stdout


def test_a_key_is_disabled_enabled_and_forgotten(start):
    product = start()
    key_id = product.credentials()[0]

    ended = [product.cli("account", command, key_id) for command in ("disable-key", "enable-key", "delete-key")]

    assert [said(answer)[:2] for answer in ended] == [
        (0, [f"The key {key_id} is disabled."]),
        (0, [f"The key {key_id} is active."]),
        (0, [f"The key {key_id} is forgotten."]),
    ]


@pytest.mark.parametrize("command", ["disable-key", "enable-key", "delete-key"])
def test_a_key_that_is_not_there_is_named(start, command):
    ended = start().cli("account", command, "AKIANOSUCHKEY")

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.splitlines()[-1] == (
        "holdfast: There is no access key 'AKIANOSUCHKEY'. `holdfast account list-keys` shows those there are."
    )


def test_a_key_of_an_account_that_is_not_there_is_refused(start):
    ended = start().cli("account", "create-key", OTHER)

    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.splitlines()[-1] == (
        f"holdfast: There is no account '{OTHER}'. `holdfast account create {OTHER}` makes it."
    )
