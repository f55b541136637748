"""A registry whose keys are kept by a key service, through its front doors."""

from __future__ import annotations

import pytest

from holdfast.model.uploads import SMALL_BYTES
from tests import builders, key_services
from tests.callers import Registry
from tests.test_kms import LARGE, SMALL, pull, refused


@pytest.fixture(scope="module")
def kms():
    with key_services.aws_kms() as (url, client):
        yield url, client


@pytest.fixture
def keys(kms):
    """What --keys says, with nothing remembered; KMS's client; and the key of the registry itself."""
    url, client = kms
    arn = client.create_key()["KeyMetadata"]["Arn"]
    return f"aws-kms://{arn}?endpoint={url}&remember=0", client, arn


def test_a_registry_under_aws_kms_serves_and_its_repositories_name_keys_there(start, keys):
    url, kms, _ = keys
    product = start("--workers", "2", HOLDFAST_KEYS=url, **key_services.CREDENTIALS)
    arn = kms.create_key()["KeyMetadata"]["Arn"]
    plain = product.registry("plain")
    product.ecr().create_repository(
        repositoryName="named", encryptionConfiguration={"encryptionType": "KMS_DSSE", "kmsKey": arn}
    )
    named = Registry(product.http(), "named")
    for registry in (plain, named):
        for data in (SMALL, LARGE):
            registry.push_blob(data)

    kms.disable_key(KeyId=arn.rpartition("/")[2])
    pulled = named("GET", f"/blobs/{builders.digest(LARGE)}")
    answer = refused(product.ecr().initiate_layer_upload, repositoryName="named")
    assert (pulled.status, pulled.code, pulled.message) == (403, "DENIED", f"{arn} is disabled.")
    assert answer == ("KmsException", f"{arn} is disabled.", "DisabledException")
    assert pull(plain, LARGE) == LARGE

    kms.enable_key(KeyId=arn.rpartition("/")[2])
    assert [pull(named, data) for data in (SMALL, LARGE)] == [SMALL, LARGE]
    assert not (product.data / "keys").exists()


def test_an_absent_key_of_aws_kms_is_told_in_its_words(start, keys):
    url, _, arn = keys
    product = start(HOLDFAST_KEYS=url, **key_services.CREDENTIALS)
    absent = arn.rpartition("/")[0] + "/00000000-0000-0000-0000-000000000000"

    code, message, kms_error = refused(
        product.ecr().create_repository,
        repositoryName="named",
        encryptionConfiguration={"encryptionType": "KMS", "kmsKey": absent},
    )

    assert (code, kms_error) == ("KmsException", "NotFoundException")
    assert absent in message


def test_a_registry_moves_to_aws_kms_rotates_there_and_opens_after_a_restart(start, keys):
    url, _, _ = keys
    product = start(**key_services.CREDENTIALS)
    registry = product.registry("some/repository")
    registry.push_blob(LARGE)

    moved = product.cli("kms", "move", url)
    product.stop()

    assert moved.returncode == 0, moved.stderr
    refused_start = product.cli("kms", "status")
    assert refused_start.returncode == 2
    assert "the registry's keys were moved to arn:aws:kms:" in refused_start.stderr
    (product.data / "keys" / "local.json").unlink()
    product = start(data=product.data, HOLDFAST_KEYS=url, **key_services.CREDENTIALS)
    registry = Registry(product.http(), "some/repository")
    assert pull(registry, LARGE) == LARGE
    assert product.cli("kms", "rotate").returncode == 0
    registry.push_blob(b"after" * SMALL_BYTES)
    assert product.cli("kms", "rewrap").stdout == "1 object and all secrets are under the newest versions.\n"
    assert pull(registry, LARGE) == LARGE


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        (
            "aws-kms://alias/x?region=us-east-1&endpoint=http://127.0.0.1:9",
            "AWS KMS: Could not connect to the endpoint",
        ),
        ("vault://127.0.0.1:9/transit/holdfast?plain-http=yes", "Vault at http://127.0.0.1:9: "),
    ],
    ids=["aws", "vault"],
)
def test_a_start_without_its_key_service_says_so_in_one_line(start, keys, words):
    product = start()
    product.stop()

    answer = product.cli("kms", "move", keys, VAULT_TOKEN="x", **key_services.CREDENTIALS)

    assert answer.returncode == 2
    assert answer.stderr.startswith(f"holdfast: {words}")
    assert answer.stderr.count("\n") == 1


def test_a_registry_under_vault_serves_and_is_rewrapped_there(start):
    with key_services.vault() as (address, transit):
        url = f"vault://{address}/transit/holdfast?plain-http=yes&remember=0"
        product = start(HOLDFAST_KEYS=url, **key_services.ROLE)
        registry = product.registry("some/repository")
        registry.push_blob(LARGE)
        transit.rotate()

        assert product.cli("kms", "rewrap").returncode == 0
        del transit.keys["holdfast"][0]
        transit.keys["holdfast"].insert(0, b"gone" * 8)

        assert pull(registry, LARGE) == LARGE
        assert product.ecr().describe_repositories()["repositories"]
        transit.is_sealed = True
        answer = registry("GET", f"/blobs/{builders.digest(LARGE)}")
        assert (answer.status, answer.code) == (503, "UNAVAILABLE")
        transit.is_sealed = False
        assert pull(registry, LARGE) == LARGE
