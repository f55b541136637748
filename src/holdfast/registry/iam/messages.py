"""Explanations of refusals as texts that only this installation can read, for the account whose caller was refused."""

from __future__ import annotations

import base64
import binascii
import zlib
from typing import TYPE_CHECKING, Any

import msgspec

from holdfast.blobs.keys import WrongKey
from holdfast.model.errors import InvalidAuthorizationMessage

if TYPE_CHECKING:
    from collections.abc import Mapping

    from holdfast.registry.backends import Backends

CONTEXT = "authorization-message"
MESSAGE_CHARACTERS = 10_240  # STS API, "encodedMessageType"
EXPLANATION_BYTES = 64 * 1024


def encode(on: Backends, account_id: str, explanation: Mapping[str, Any], characters: int = MESSAGE_CHARACTERS) -> str:
    """Seal an explanation; one that is too long for a message loses its context, then all but its outcome."""
    for leaving_out in ((), ("context",), tuple(key for key in explanation if key != "outcome")):
        kept = {key: value for key, value in explanation.items() if key not in leaving_out}
        text = msgspec.json.encode(kept)
        sealed = on.keys.wrap(zlib.compress(text), f"{CONTEXT} {account_id}")
        message = base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()
        if len(message) <= characters and len(text) <= EXPLANATION_BYTES:
            break
    return message


def decode(on: Backends, account_id: str, message: str) -> str:
    """The explanation that was sealed for an account, as JSON; or `InvalidAuthorizationMessage`."""
    try:
        sealed = base64.urlsafe_b64decode(message + "=" * (-len(message) % 4))
        packed = on.keys.unwrap(sealed, f"{CONTEXT} {account_id}")
        return zlib.decompressobj().decompress(packed, EXPLANATION_BYTES).decode()
    except (binascii.Error, ValueError, WrongKey, zlib.error):
        raise InvalidAuthorizationMessage from None
