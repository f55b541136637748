"""Keys of AWS KMS, or of anything that speaks its API: LocalStack, moto, a gateway to an HSM.

Credentials come from where every AWS tool looks for them: the environment, a profile, or the role of the machine.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from holdfast.outbound.key_service import KeyRefused, KeyServiceDown

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.model.key_urls import AwsKmsAt

# Two attempts of at most so many seconds: whoever waits for a push must be told in time.
CONFIG = Config(
    connect_timeout=2,
    read_timeout=3,
    retries={"mode": "standard", "total_max_attempts": 2},
    max_pool_connections=16,
    user_agent_extra="holdfast",
)
# Answers that say nothing about the key: the service has trouble, or our own credentials are wrong.
TROUBLE = {
    "DependencyTimeoutException",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "KMSInternalException",
    "KeyUnavailableException",
    "MissingAuthenticationToken",
    "SignatureDoesNotMatch",
    "ThrottlingException",
    "UnrecognizedClientException",
}
STATES = {  # of a key that cannot be used: what KMS answers (KMS API, "DescribeKey")
    "Disabled": ("DisabledException", "is disabled."),
    "PendingDeletion": ("KMSInvalidStateException", "is pending deletion."),
    "PendingImport": ("KMSInvalidStateException", "is pending import."),
    "Unavailable": ("KMSInvalidStateException", "is unavailable."),
}


class AwsKms:
    """A client of AWS KMS in one region; each process connects for itself."""

    keeps_named_keys = True

    def __init__(self, at: AwsKmsAt) -> None:
        self.own_key = at.key
        self._at = at
        self._lock = threading.Lock()
        self._made: tuple[int, Any] = (-1, None)

    def describe(self, name: str) -> str:
        """The ARN of an enabled symmetric key, by its id, ARN or an alias."""
        told = self._call("describe_key", KeyId=name)["KeyMetadata"]
        arn: str = told["Arn"]
        if told["KeyState"] != "Enabled":
            code, words = STATES.get(told["KeyState"], ("KMSInvalidStateException", f"is {told['KeyState']}."))
            raise KeyRefused(code, f"{arn} {words}")
        if told.get("KeyUsage", "ENCRYPT_DECRYPT") != "ENCRYPT_DECRYPT" or (
            told.get("KeySpec", "SYMMETRIC_DEFAULT") != "SYMMETRIC_DEFAULT"
        ):
            raise KeyRefused("InvalidKeyUsageException", f"{arn} is not a symmetric key for encryption.")
        return arn

    def generate(self, key: str, context: Mapping[str, str]) -> tuple[bytes, bytes]:
        """A fresh 256-bit secret, and the same sealed."""
        made = self._call("generate_data_key", KeyId=key, KeySpec="AES_256", EncryptionContext=context)
        return made["Plaintext"], made["CiphertextBlob"]

    def decrypt(self, key: str, sealed: bytes, context: Mapping[str, str]) -> bytes:
        """What was sealed."""
        opened = self._call("decrypt", KeyId=key, CiphertextBlob=sealed, EncryptionContext=context)
        plain: bytes = opened["Plaintext"]
        return plain

    def encrypt(self, key: str, secret: bytes, context: Mapping[str, str]) -> bytes:
        """A secret sealed."""
        made: bytes = self._call("encrypt", KeyId=key, Plaintext=secret, EncryptionContext=context)["CiphertextBlob"]
        return made

    def reencrypt(self, key: str, sealed: bytes, new_key: str, context: Mapping[str, str]) -> bytes:
        """The same secret under another key, which never leaves KMS in between."""
        made = self._call(
            "re_encrypt",
            CiphertextBlob=sealed,
            SourceKeyId=key,
            SourceEncryptionContext=context,
            DestinationKeyId=new_key,
            DestinationEncryptionContext=context,
        )
        moved: bytes = made["CiphertextBlob"]
        return moved

    def _call(self, operation: str, **members: Any) -> Any:
        try:
            return getattr(self._client(), operation)(**members)
        except ClientError as fault:
            error = fault.response["Error"]
            status = fault.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
            if error["Code"] in TROUBLE or status >= 500:
                raise KeyServiceDown(f"AWS KMS: {fault}") from None
            raise KeyRefused(error["Code"], error.get("Message") or error["Code"]) from None
        except BotoCoreError as fault:
            raise KeyServiceDown(f"AWS KMS: {fault}") from None

    def _client(self) -> Any:
        with self._lock:
            pid, client = self._made
            if pid != os.getpid():  # a forked process must not share connections
                client = botocore.session.get_session().create_client(
                    "kms", region_name=self._at.region, endpoint_url=self._at.endpoint, config=CONFIG
                )
                self._made = os.getpid(), client
            return client
