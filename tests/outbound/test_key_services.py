"""Clients of key services: AWS KMS as moto has it, and Vault's transit engine as its API documents it."""

from __future__ import annotations

import pytest

from holdfast.model import key_urls
from holdfast.outbound import KeyRefused, KeyServiceDown, open_service
from tests import key_services

CONTEXT, OTHER = {"holdfast:key-scope": "AES256"}, {"holdfast:key-scope": "another"}


@pytest.fixture(scope="module")
def kms():
    with key_services.aws_kms() as (url, client):
        yield url, client


@pytest.fixture
def aws(kms, monkeypatch):
    """A client of ours, KMS's own client, and a key."""
    url, client = kms
    for name, value in key_services.CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    arn = client.create_key()["KeyMetadata"]["Arn"]
    return open_service(key_urls.parse(f"aws-kms://{arn}?endpoint={url}"), {}), client, arn


@pytest.fixture
def vault():
    """A client of ours, and what the stub keeps."""
    with key_services.vault() as (address, transit):
        at = key_urls.parse(f"vault://{address}/transit/holdfast?plain-http=yes")
        yield open_service(at, {"VAULT_TOKEN": "root-token"}), transit, at


@pytest.fixture(params=["aws", "vault"])
def service(request):
    client, *_ = request.getfixturevalue(request.param)
    return client


def test_a_secret_opens_in_its_own_context_only(service):
    key = service.describe(service.own_key)
    secret, generated = service.generate(key, CONTEXT)
    encrypted = service.encrypt(key, secret, CONTEXT)

    assert len(secret) == 32
    assert service.decrypt(key, generated, CONTEXT) == service.decrypt(key, encrypted, CONTEXT) == secret
    for sealed in (generated, encrypted):
        assert secret not in sealed
        with pytest.raises(KeyRefused, match="InvalidCiphertextException"):
            service.decrypt(key, sealed, OTHER)


def test_a_secret_that_was_sealed_again_stays_the_same(service):
    key = service.describe(service.own_key)
    secret, sealed = service.generate(key, CONTEXT)

    again = service.reencrypt(key, sealed, key, CONTEXT)

    assert again != sealed
    assert service.decrypt(key, again, CONTEXT) == secret


# ---- AWS KMS


@pytest.mark.parametrize(
    ("spoil", "code", "words"),
    [
        (lambda kms, arn: kms.disable_key(KeyId=arn.rpartition("/")[2]), "DisabledException", "{arn} is disabled."),
        (
            lambda kms, arn: kms.schedule_key_deletion(KeyId=arn.rpartition("/")[2]),
            "KMSInvalidStateException",
            "{arn} is pending deletion.",
        ),
    ],
    ids=["disabled", "going"],
)
def test_a_key_that_cannot_be_used_is_told_in_the_words_of_kms(aws, spoil, code, words):
    service, kms, arn = aws
    spoil(kms, arn)

    with pytest.raises(KeyRefused) as described:
        service.describe(arn)

    assert (described.value.code, described.value.message) == (code, words.format(arn=arn))


def test_an_alias_is_followed_and_a_key_for_signatures_refused(aws):
    service, kms, arn = aws
    kms.create_alias(AliasName="alias/of-a-test", TargetKeyId=arn)
    signs = kms.create_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_NIST_P256")["KeyMetadata"]["Arn"]

    assert service.describe("alias/of-a-test") == arn
    with pytest.raises(KeyRefused, match="InvalidKeyUsageException"):
        service.describe(signs)
    with pytest.raises(KeyRefused, match="NotFoundException"):
        service.describe("alias/absent")


def test_another_key_may_take_over(aws):
    service, kms, arn = aws
    other = kms.create_key()["KeyMetadata"]["Arn"]
    secret, sealed = service.generate(arn, CONTEXT)

    moved = service.reencrypt(arn, sealed, other, CONTEXT)
    kms.disable_key(KeyId=arn.rpartition("/")[2])

    assert service.decrypt(other, moved, CONTEXT) == secret


def test_a_service_that_is_not_there_is_down_and_not_a_refusal(monkeypatch):
    for name, value in key_services.CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    service = open_service(key_urls.parse("aws-kms://alias/x?region=us-east-1&endpoint=http://127.0.0.1:9"), {})

    with pytest.raises(KeyServiceDown, match=r"127\.0\.0\.1:9"):
        service.describe("alias/x")


# ---- Vault


def test_a_secret_is_rewrapped_in_vault(vault):
    service, transit, _ = vault
    key = service.describe(service.own_key)
    secret, sealed = service.generate(key, CONTEXT)
    transit.rotate()

    again = service.reencrypt(key, sealed, key, CONTEXT)

    assert (sealed[:9], again[:9]) == (b"vault:v1:", b"vault:v2:")
    assert service.decrypt(key, again, CONTEXT) == secret
    assert transit.asked[-2:] == [("POST", "/v1/transit/rewrap/holdfast"), ("POST", "/v1/transit/decrypt/holdfast")]


def test_a_role_logs_in_and_logs_in_again_when_its_token_ends(vault):
    _, transit, at = vault
    service = open_service(at, key_services.ROLE)
    secret, sealed = service.generate(service.own_key, CONTEXT)

    transit.tokens.clear()

    assert service.decrypt(service.own_key, sealed, CONTEXT) == secret
    assert [path for _, path in transit.asked].count("/v1/auth/approle/login") == 2


def test_a_token_file_is_read_each_time(vault, tmp_path):
    _, transit, at = vault
    (tmp_path / "token").write_text("root-token\n")
    service = open_service(at, {"VAULT_TOKEN_FILE": str(tmp_path / "token")})
    service.describe(service.own_key)
    transit.tokens = {"renewed"}

    (tmp_path / "token").write_text("renewed\n")

    assert service.describe(service.own_key) == "vault:transit/holdfast"


def test_a_wrong_token_a_sealed_vault_and_none_at_all_are_told_apart(vault):
    service, transit, at = vault
    with pytest.raises(KeyRefused, match="permission denied"):
        open_service(at, {"VAULT_TOKEN": "wrong"}).describe(service.own_key)
    with pytest.raises(KeyServiceDown, match="set VAULT_TOKEN"):
        open_service(at, {})
    transit.is_sealed = True
    with pytest.raises(KeyServiceDown, match="Vault is sealed"):
        service.describe(service.own_key)
    with pytest.raises(KeyServiceDown, match=r"127\.0\.0\.1"):
        open_service(key_urls.parse("vault://127.0.0.1:9/a/b"), {"VAULT_TOKEN": "x"}).describe("vault:a/b")


# ---- URLs


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("aws-kms://", "an ARN"),
        ("aws-kms://alias/x", "region"),
        ("aws-kms://alias/x?region=us-east-1&endpoint=http://kms.example", "not sent in the clear"),
        ("aws-kms://alias/x?region=us-east-1&endpoint=ftp://127.0.0.1", "plain URL"),
        ("aws-kms://alias/x?region=us-east-1&remember=301", "up to 300"),
        ("aws-kms://alias/x?region=us-east-1&secret=x", "may stand"),
        ("vault://host/key", "MOUNT"),
        ("vault://user@host/transit/key", "MOUNT"),
        ("vault://host/../key/x", "MOUNT"),
        ("vault://host/transit/key?plain-http=yes", "not sent in the clear"),
        ("https://host", "must be local"),
    ],
)
def test_a_url_that_cannot_be_meant_is_refused(text, words):
    with pytest.raises(ValueError, match=words):
        key_urls.parse(text)
