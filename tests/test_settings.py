"""Every setting by flag, by variable and by default; and a bad one stops the start before anything is made."""

import argparse
import configparser
import os
import stat
from ipaddress import ip_network
from pathlib import Path

import pytest

from holdfast.model import feed_sources
from holdfast.model.key_urls import AwsKmsAt
from holdfast.model.profiles import Profile
from holdfast.settings import CHOICES, BadSetting, Listen, Secret, read
from tests import programs
from tests.callers import Aws, refusal

FLAGS = [choice for choice in CHOICES if choice.flag]
CA_FILE = Path(__file__).parent / "outbound/data/ca.crt"
PAIR = {"HOLDFAST_ROOT_ACCESS_KEY_ID": "AKIAOPERATORSKEY0001", "HOLDFAST_ROOT_SECRET_ACCESS_KEY": "a secret of mine"}

# Setting → its default, a text for it, and what the text means.
VALUES = {
    "data": (Path("./holdfast-data"), "/srv/x", Path("/srv/x")),
    "listen": (
        (Listen("127.0.0.1", 5000),),
        "127.0.0.1:1,[::1]:2, localhost:0",
        (Listen("127.0.0.1", 1), Listen("::1", 2), Listen("localhost", 0)),
    ),
    "tls": ("", "auto", "auto"),
    "tls_names": ((), "a.example, b.example,", ("a.example", "b.example")),
    "insecure_http": (False, "true", True),
    "database": ("", "sqlite:///x.db", "sqlite:///x.db"),
    "blobs": ("", "file:///x", "file:///x"),
    "seal": ("holdfast", "HOLDFAST", "holdfast"),
    "blob_redirect": (False, "OFF", False),
    "keys": (
        None,
        "aws-kms://alias/x?region=eu-west-1&remember=5",
        AwsKmsAt("alias/x", "eu-west-1", None, 5),
    ),
    "account": ("000000000000", "111122223333", "111122223333"),
    "region": ("us-east-1", "eu-central-1", "eu-central-1"),
    "workers": (0, "3", 3),
    "profile": (Profile.SPEC, "ecr-strict", Profile.ECR_STRICT),
    "signature_window": (900, "300", 300),
    "quotas": ({}, "images=5, tags=7", {"images": 5, "tags": 7}),
    "throttle": ({}, "PutImage=0.5,*=100", {"PutImage": 0.5, "*": 100.0}),
    "web_identity_rate": ({"address": 20.0, "provider": 100.0}, "address=0.5", {"address": 0.5}),
    "lifecycle_interval": (3600, "5", 5),
    "keep_deleted": (7, "0", 0),
    "gc": (True, "OFF", False),
    "scrub_rate": (8, "0", 0),
    "gc_quarantine": (7, "30", 30),
    "scan_watch": (14, "0", 0),
    "gc_surprise": (50, "100", 100),
    "background": (True, "OFF", False),
    "advisory_feeds": ((), "kev=https://mirror/kev.json", ((feed_sources.find("kev"), "https://mirror/kev.json"),)),
    "advisory_malware": (False, "ON", True),
    "upstream_allow": ((), "10.0.0.0/8", (ip_network("10.0.0.0/8"),)),
    "advisory_allow": ((), "10.0.0.0/8", (ip_network("10.0.0.0/8"),)),
    "advisory_ca_file": (None, str(CA_FILE), CA_FILE),
    "scanner": ("", "http://10.0.0.5:8080/adapter/", "http://10.0.0.5:8080/adapter"),
    "scanner_beside": (False, "ON", True),
    "scanner_registry": ("", "https://registry.example", "https://registry.example"),
    "scanner_ca_file": (None, str(CA_FILE), CA_FILE),
    "adapter_ca_file": (None, str(CA_FILE), CA_FILE),
    "event_allow": ((), "10.0.0.0/8", (ip_network("10.0.0.0/8"),)),
    "event_ca_file": (None, str(CA_FILE), CA_FILE),
    "oidc_allow": ((), "10.0.0.0/8, ::1,", (ip_network("10.0.0.0/8"), ip_network("::1/128"))),
    "oidc_ca_file": (None, str(CA_FILE), CA_FILE),
    "public_repositories": (False, "ON", True),
    "trusted_proxies": ((), "10.0.0.0/8, 2001:db8::/32,", (ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"))),
    "audit": (True, "OFF", False),
    "audit_pull_sample": (1.0, "0.25", 0.25),
    "audit_file_mib": (64, "1", 1),
    "audit_days": (90, "365", 365),
    "log_level": ("info", "WARNING", "warning"),
}

# Setting → texts that it cannot have.
BAD = {
    "listen": ["", ",", "5000", "127.0.0.1", ":5000", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "127.0.0.1:-1"],
    "tls": ["on", "/no/such/folder"],
    "keys": ["kms", "aws-kms://alias/x", "vault://host/key"],
    "database": ["mysql://x", "sqlite:", "x.db"],
    "blobs": [
        "ftp://x",
        "/x",
        "s3:/x",
        "s3://",
        "s3://X",
        "s3://bucket/../x",
        "s3://bucket/a b",
        "s3://bucket#x",
        "s3://bucket?zone=a",
        "s3://bucket?region=a&region=b",
        "s3://bucket?endpoint=ftp://x",
        "s3://bucket?endpoint",
        "s3://bucket?timeout=0",
        "gs://bucket?region=us",
        "az://container?account=A",
    ],
    "seal": ["", "nobody", "s3"],
    "blob_redirect": ["", "true", "s3"],
    "account": ["", "12345678901", "1234567890123", "12345678901x", "123456789012\n"],
    "region": ["", "x", "EU-WEST-1", "a" * 26, "eu west", "eu-west-1\n"],
    "workers": ["", "-1", "257", "two", "1.5", " 1"],
    "profile": ["", "ecr", "strict"],
    "signature_window": ["", "0", "86401", "15 min"],
    "quotas": ["images", "images=", "=5", "images=0", "images=x", "images=1.5", "pictures=5", "images=5;tags=7"],
    "throttle": ["", "on", "PutImage", "PutImage=", "PutImage=0", "PutImage=-1", "PutImage=nan", "PutImage=inf"],
    "web_identity_rate": ["", "on", "address", "address=0", "role=5", "address=5;provider=6"],
    "gc": ["", "yes"],
    "scrub_rate": ["", "-1", "1000001", "8M"],
    "gc_quarantine": ["", "0", "3651"],
    "scan_watch": ["", "-1", "3651"],
    "gc_surprise": ["", "0", "101", "50%"],
    "keep_deleted": ["", "-1", "3651", "7d"],
    "lifecycle_interval": ["", "0", "86401", "1h"],
    "background": ["", "true", "sometimes"],
    "advisory_feeds": ["all", "osv/cobol", "redhat", "kev=http://mirror/kev.json"],
    "advisory_malware": ["", "true"],
    "upstream_allow": ["localhost", "10.0.0.1/8"],
    "advisory_allow": ["localhost", "10.0.0.1/8"],
    "advisory_ca_file": ["/no/such/file", "/", __file__],
    "scanner": ["scanner:8080", "ftp://x", "https://x?y", "https://x#y", "http://x:65536"],
    "scanner_beside": ["", "true", "sometimes"],
    "scanner_registry": ["registry", "https://a b"],
    "scanner_ca_file": ["/no/such/file", "/", __file__],
    "adapter_ca_file": ["/no/such/file", "/", __file__],
    "event_allow": ["localhost"],
    "event_ca_file": ["/no/such/file"],
    "oidc_allow": ["localhost", "10.0.0.0/33", "10.0.0.1/8", "10.0.0.0/8;::1"],
    "oidc_ca_file": ["/no/such/file", "/", __file__],
    "public_repositories": ["", "true", "all"],
    "trusted_proxies": ["localhost", "10.0.0.0/33", "10.0.0.1/8", "10.0.0.0/8;::1", "*"],
    "audit": ["", "true", "some"],
    "audit_pull_sample": ["", "1.1", "-0.1", "2", "all", "10%", "nan", ".5", "1e-3"],
    "audit_file_mib": ["", "0", "10001", "1.5"],
    "audit_days": ["", "0", "36501", "1w"],
    "log_level": ["", "loud"],
}


def serve(tmp_path, *flags, **environment):
    """Try to start; whoever should not start says so and ends."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("HOLDFAST_")}
    return programs.run(["serve", *flags], clean | environment, tmp_path)


def assert_stopped(tmp_path, ended, *words):
    """One clear line, status 2, and nothing made."""
    assert ended.returncode == 2, ended
    assert ended.stdout == ""
    assert ended.stderr.count("\n") == 1, ended.stderr
    assert ended.stderr.startswith("holdfast: ")
    for word in words:
        assert word in ended.stderr
    assert list(tmp_path.iterdir()) == []


# ---- Every setting


def test_every_setting_is_in_these_tables():
    assert set(VALUES) == {choice.name for choice in FLAGS}


@pytest.mark.parametrize("name", VALUES)
def test_a_setting_has_a_default(name):
    assert getattr(read({}, {}), name) == VALUES[name][0]


@pytest.mark.parametrize("choice", FLAGS, ids=lambda choice: choice.name)
def test_a_setting_is_read_from_its_variable(choice):
    _, text, value = VALUES[choice.name]

    settings = read({}, {choice.variable: text})

    assert getattr(settings, choice.name) == value


@pytest.mark.parametrize("choice", FLAGS, ids=lambda choice: choice.name)
def test_a_flag_wins_over_its_variable(choice):
    _, text, value = VALUES[choice.name]

    settings = read({choice.name: text}, {choice.variable: BAD.get(choice.name, ["false"])[0]})

    assert getattr(settings, choice.name) == value


@pytest.mark.parametrize("choice", FLAGS, ids=lambda choice: choice.name)
def test_a_variable_is_the_name_of_its_flag(choice):
    assert choice.variable == "HOLDFAST_" + choice.name.upper()


@pytest.mark.parametrize(("name", "text"), [(name, text) for name, texts in BAD.items() for text in texts])
@pytest.mark.parametrize("by_flag", [True, False])
def test_a_bad_text_is_named_with_where_it_came_from(name, text, by_flag):
    variable = f"HOLDFAST_{name.upper()}"

    with pytest.raises(BadSetting) as fault:
        read({name: text} if by_flag else {}, {} if by_flag else {variable: text})

    source = f"--{name.replace('_', '-')}" if by_flag else variable
    assert str(fault.value).startswith(f"{source} {text!r}: ")
    assert "\n" not in str(fault.value)


@pytest.mark.parametrize(("text", "value"), [("true", True), ("1", True), ("YES", True), ("no", False), ("0", False)])
def test_a_switch_is_read_from_its_variable(text, value):
    assert read({}, {"HOLDFAST_INSECURE_HTTP": text}).insecure_http is value


def test_the_root_key_comes_from_variables_only():
    settings = read({}, PAIR)

    assert settings.root_access_key_id == "AKIAOPERATORSKEY0001"
    assert settings.root_secret_access_key == Secret("a secret of mine")
    assert not {"root_access_key_id", "root_secret_access_key"} & {choice.name for choice in FLAGS}


def test_a_secret_is_never_shown():
    settings = read({}, PAIR)

    assert "a secret of mine" not in repr(settings)
    assert "a secret of mine" not in str(settings.root_secret_access_key)


@pytest.mark.parametrize("lonely", PAIR)
def test_half_a_root_key_is_refused(lonely):
    with pytest.raises(BadSetting, match="must be set together"):
        read({}, {lonely: PAIR[lonely]})


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        ({"seal": "store"}, "--seal store needs --blobs"),
        ({"seal": "store", "blobs": "file:///x"}, "--seal store needs --blobs"),
        ({"blob_redirect": "on"}, "--blob-redirect on needs --seal store"),
        ({"blob_redirect": "on", "blobs": "s3://bucket"}, "--blob-redirect on needs --seal store"),
    ],
)
def test_what_the_store_does_not_seal_is_not_redirected_to(flags, told):
    with pytest.raises(BadSetting, match=told):
        read(flags, {})


def test_a_password_in_an_address_is_not_shown():
    with pytest.raises(BadSetting) as fault:
        read({"blobs": "s3://me:secret@bucket/x"}, {})

    assert "'s3://…@bucket/x': credentials do not belong into it" in str(fault.value)


def test_bytes_are_kept_in_the_folder_that_an_address_names(start, name, tmp_path):
    running = start("--blobs", f"file://{tmp_path}/elsewhere")

    running.registry(name).push_blob(bytes(100_000))

    assert len(list((tmp_path / "elsewhere").glob("??/*"))) == 1


@pytest.mark.parametrize("text", ["short", "x" * 33, "with space in it", "AKIAAAAAAAAAAAAAAAA/"])
def test_a_bad_root_key_is_named_but_not_shown(text):
    with pytest.raises(BadSetting) as fault:
        read({}, PAIR | {"HOLDFAST_ROOT_ACCESS_KEY_ID": text})

    assert str(fault.value).startswith("HOLDFAST_ROOT_ACCESS_KEY_ID: ")
    assert text not in str(fault.value)


def test_a_variable_that_is_no_setting_is_refused():
    with pytest.raises(BadSetting, match="HOLDFAST_LISTENS is not a setting"):
        read({}, {"HOLDFAST_LISTENS": "127.0.0.1:1"})


def test_variables_of_others_are_left_alone():
    assert read({}, {"HOLDFASTER": "x", "AWS_REGION": "eu-west-1"}).region == "us-east-1"


# ---- Loopback and TLS


@pytest.mark.parametrize(
    ("address", "tls", "insecure", "encrypts"),
    [
        ("127.0.0.1:1", "", "false", False),
        ("localhost:1", "", "false", False),
        ("[::1]:1", "", "false", False),
        ("127.8.9.10:1", "", "false", False),
        ("0.0.0.0:1", "", "false", True),
        ("[::]:1", "", "false", True),
        ("10.0.0.1:1", "", "false", True),
        ("registry.example:1", "", "false", True),
        ("0.0.0.0:1", "", "true", False),
        ("127.0.0.1:1", "auto", "false", True),
        ("127.0.0.1:1", "auto", "true", True),
        ("127.0.0.1:1", "off", "false", False),
        ("0.0.0.0:1", "off", "true", False),
    ],
)
def test_only_loopback_is_served_in_the_clear_unless_told_otherwise(address, tls, insecure, encrypts):
    settings = read({"listen": address, "tls": tls, "insecure_http": insecure}, {})

    assert settings.encrypts(settings.listen[0]) is encrypts


@pytest.mark.parametrize("address", ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "registry.example:1", "127.0.0.1.evil:1"])
def test_another_address_is_not_served_in_the_clear_by_mistake(address):
    with pytest.raises(BadSetting) as fault:
        read({"listen": f"127.0.0.1:2,{address}", "tls": "off"}, {})

    assert str(fault.value).startswith(f"--listen {address} with --tls off would send passwords")


# ---- Nothing is half-started


@pytest.mark.parametrize(("flag", "text"), [(f"--{name.replace('_', '-')}", text) for name, (text, *_) in BAD.items()])
def test_a_bad_flag_stops_the_start_before_anything_is_made(tmp_path, flag, text):
    ended = serve(tmp_path, "--data", str(tmp_path / "data"), f"{flag}={text}")

    assert_stopped(tmp_path, ended, flag)


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("HOLDFAST_PORT", "5000"),
        ("HOLDFAST_ACCOUNT", "12345"),
        ("HOLDFAST_INSECURE_HTTP", "maybe"),
        ("HOLDFAST_ROOT_ACCESS_KEY_ID", "AKIAOPERATORSKEY0001"),
    ],
)
def test_a_bad_variable_stops_the_start_before_anything_is_made(tmp_path, variable, text):
    ended = serve(tmp_path, "--data", str(tmp_path / "data"), **{variable: text})

    assert_stopped(tmp_path, ended, variable)


def test_plain_http_for_a_network_stops_the_start_before_anything_is_made(tmp_path):
    ended = serve(tmp_path, "--data", str(tmp_path / "data"), "--listen", "0.0.0.0:0", "--tls", "off")

    assert_stopped(tmp_path, ended, "--listen 0.0.0.0:0", "--insecure-http")


def test_a_file_in_place_of_the_folder_stops_the_start(tmp_path):
    (tmp_path / "data").write_text("not a folder")

    ended = serve(tmp_path, "--data", str(tmp_path / "data"), "--listen", "127.0.0.1:0")

    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert f"--data {tmp_path / 'data'}" in ended.stderr
    assert (tmp_path / "data").read_text() == "not a folder"


def test_a_host_that_is_not_ours_stops_the_start(tmp_path):
    ended = serve(tmp_path, "--data", str(tmp_path / "data"), "--listen", "203.0.113.7:5000", "--insecure-http")

    assert ended.returncode == 2
    assert "holdfast: --listen 203.0.113.7:5000: " in ended.stderr.splitlines()[-1]


def test_a_host_that_is_not_ours_stops_the_start_before_anything_is_made(tmp_path):
    ended = serve(tmp_path, "--data", str(tmp_path / "data"), "--listen", "203.0.113.7:5000", "--insecure-http")

    assert_stopped(tmp_path, ended, "--listen 203.0.113.7:5000")


def test_certificates_that_cannot_be_used_stop_the_start(tmp_path):
    for name in ("tls.crt", "tls.key"):
        (tmp_path / name).write_text("nonsense")

    ended = serve(tmp_path, "--data", str(tmp_path / "data"), "--listen", "127.0.0.1:0", "--tls", str(tmp_path))

    assert ended.returncode == 2
    assert f"holdfast: --tls {tmp_path}: " in ended.stderr.splitlines()[-1]


# ---- The root key


def test_the_root_key_is_written_for_its_owner_only(start):
    product = start("--region", "eu-north-1")
    path = product.data / "root.credentials"

    parser = configparser.ConfigParser()
    parser.read(path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert parser.sections() == ["default"]
    assert set(parser["default"]) == {"aws_access_key_id", "aws_secret_access_key", "region"}
    assert parser["default"]["region"] == "eu-north-1"
    assert parser["default"]["aws_access_key_id"].startswith("AKIA")
    assert len(parser["default"]["aws_access_key_id"]) == 20
    assert len(parser["default"]["aws_secret_access_key"]) == 40


def test_the_root_key_file_is_one_that_boto3_reads(start, monkeypatch):
    import boto3

    product = start()
    for variable in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(product.data / "root.credentials"))
    client = boto3.Session().client("ecr", region_name="us-east-1", endpoint_url=product.url)

    answer = client.describe_registry()

    client.close()
    assert answer["registryId"] == "000000000000"


def test_the_root_secret_is_not_said_aloud(start):
    product = start("--log-level", "debug")
    product.ecr().describe_registry()

    log = product.log.read_text()

    assert str(product.data / "root.credentials") in log
    assert product.credentials()[1] not in log


def test_a_second_start_keeps_the_root_key(start):
    product = start()
    before = product.credentials()
    product.stop()

    product.start()

    assert product.credentials() == before
    assert product.ecr().describe_registry()["registryId"] == "000000000000"


def test_the_default_account_can_be_chosen(start):
    product = start("--account", "123456789012")

    assert product.ecr().describe_registry()["registryId"] == "123456789012"


def test_a_root_key_that_was_handed_in_is_used_instead(start):
    product = start(**PAIR)

    answer = Aws(product.address, *PAIR.values())("DescribeRegistry")

    assert answer.json()["registryId"] == "000000000000"
    assert not (product.data / "root.credentials").exists()
    assert "a secret of mine" not in product.log.read_text()


def test_a_secret_that_was_handed_in_anew_replaces_the_old_one(start):
    first = start(**PAIR)
    first.stop()
    anew = PAIR | {"HOLDFAST_ROOT_SECRET_ACCESS_KEY": "another secret"}

    second = start(data=first.data, **anew)

    assert Aws(second.address, *anew.values())("DescribeRegistry").status == 200
    assert Aws(second.address, *PAIR.values())("DescribeRegistry").status == 400


def test_a_deleted_root_key_does_not_come_back(start):
    product = start()
    key_id, secret = product.credentials()
    product.cli("account", "delete-key", key_id)
    product.stop()

    product.start()

    answer = refusal(product.ecr(key_id=key_id, secret=secret).describe_registry)
    assert answer[0] == "UnrecognizedClientException"
    assert product.cli("account", "list").stdout == "000000000000  0 access keys\n"


def test_a_credentials_file_that_was_taken_away_is_not_made_again(start):
    product = start()
    pair = product.credentials()
    product.stop()
    (product.data / "root.credentials").unlink()

    product.start()

    assert list(product.data.glob("*.credentials")) == []
    assert Aws(product.address, *pair)("DescribeRegistry").status == 200


def test_no_credentials_file_is_made_once_a_root_key_was_handed_in(start):
    first = start(**PAIR)
    first.stop()

    second = start(data=first.data)

    assert list(second.data.glob("*.credentials")) == []
    assert Aws(second.address, *PAIR.values())("DescribeRegistry").status == 200


def test_another_default_account_has_a_credentials_file_of_its_own(start):
    first = start()
    before = (first.data / "root.credentials").read_bytes()
    first.stop()

    second = start("--account", "123456789012", data=first.data)

    other = configparser.ConfigParser()
    other.read(second.data / "root.123456789012.credentials")
    assert (second.data / "root.credentials").read_bytes() == before
    for pair, account in (
        (second.credentials(), "000000000000"),
        ([other["default"][f"aws_{word}"] for word in ("access_key_id", "secret_access_key")], "123456789012"),
    ):
        assert Aws(second.address, *pair)("DescribeRegistry").json()["registryId"] == account


def test_a_root_key_of_another_account_stops_the_start(start, tmp_path):
    first = start(**PAIR)
    first.stop()

    ended = serve(tmp_path, "--data", str(first.data), "--account", "123456789012", "--listen", "127.0.0.1:0",
                  **first.environment)  # fmt: skip

    assert ended.returncode == 2
    assert "HOLDFAST_ROOT_ACCESS_KEY_ID is a key of another account" in ended.stderr.splitlines()[-1]


def test_a_credentials_file_without_its_profile_stops_the_start(tmp_path):
    (tmp_path / "root.credentials").write_text("# account 000000000000\n[other]\n")

    ended = serve(tmp_path, "--data", str(tmp_path), "--listen", "127.0.0.1:0")

    assert ended.returncode == 2
    assert "profile 'default'" in ended.stderr.splitlines()[-1]


@pytest.mark.parametrize("damage", ["missing", "empty", "not json", "another kind"])
def test_data_without_its_keys_is_not_served(start, tmp_path, damage):
    product = start()
    product.stop()
    path = product.data / "keys" / "local.json"
    if damage == "missing":
        path.unlink()
    else:
        path.write_text({"empty": "", "not json": "{", "another kind": '{"keys": {"1": "c2hvcnQ="}}'}[damage])

    ended = serve(tmp_path, "--data", str(product.data), "--listen", "127.0.0.1:0", **product.environment)

    assert (ended.returncode, ended.stderr.count("\n")) == (2, 1)
    assert ended.stderr.startswith(f"holdfast: The key file {path} ")
    assert path.exists() is (damage != "missing")


def test_the_data_folder_is_for_its_owner_only(start):
    product = start()

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in [product.data, product.data / "keys"]}

    assert modes == {"data0": 0o700, "keys": 0o700}
    assert stat.S_IMODE((product.data / "keys" / "local.json").stat().st_mode) == 0o600


def test_every_flag_is_in_the_help(tmp_path):
    help_ = serve(tmp_path, "--help").stdout

    assert [choice.name for choice in FLAGS if f"--{choice.name.replace('_', '-')}" not in help_] == []
    assert [choice.name for choice in FLAGS if f"({choice.variable})" not in " ".join(help_.split())] == []


def test_a_repeated_listen_flag_is_collected():
    from holdfast.cli import _parser

    options = _parser().parse_args(["serve", "--listen", "127.0.0.1:1", "--listen", "[::1]:2"])

    assert isinstance(options, argparse.Namespace)
    assert read(vars(options), {}).listen == (Listen("127.0.0.1", 1), Listen("::1", 2))
