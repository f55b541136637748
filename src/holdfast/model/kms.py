"""Under which keys bytes lie: key scopes, and the keys that encryptionConfiguration names.

    data key of an object ◄─ wrapped by ─ a wrapping key of its key scope ◄─ sealed by ─ the scope's master key

The master key is that of the registry or a named one; a scope has several versions of its wrapping key, and the newest
wraps.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

STORE = "STORE"  # that of an object which the blob store seals itself: none of our keys
OWN = "AES256"  # the key scope of what lies under the registry's own key
DEFAULT_ALIAS = "alias/aws/ecr"  # the key of those who name none (ECR API, "EncryptionConfiguration")
ALIAS = re.compile(r"alias/[a-zA-Z0-9/_-]{1,250}", re.ASCII)
KEY_ARN = re.compile(
    r"arn:aws[a-z0-9-]*:kms:(?P<region>[a-z0-9-]+):(?P<account>[0-9]{12}):"
    r"(?P<resource>key/[a-zA-Z0-9-]{1,64}|alias/[a-zA-Z0-9/_-]{1,250})",
    re.ASCII,
)
DESCRIPTION_CHARACTERS = 256


@dataclass(frozen=True, slots=True)
class KmsKey:
    """A key that repositories may name, kept here."""

    arn: str
    description: str
    is_enabled: bool
    created_at: datetime


def named_key(scope: str) -> str:
    """The key that is the master key of a scope other than the registry's own."""
    return scope.partition(":")[2]


def layers(scope: str) -> int:
    """How many times what lies in a scope is sealed."""
    return 2 if scope.startswith("KMS_DSSE:") else 1


@dataclass(frozen=True, slots=True)
class Seal:
    """How the data keys of an object are wrapped."""

    scope: str
    version: int
    wrapped: bytes


@dataclass(frozen=True, slots=True)
class Sealed:
    """A small object, sealed."""

    data: bytes = field(repr=False)
    seal: Seal
