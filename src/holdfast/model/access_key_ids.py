"""Ids of access keys: a prefix and sixteen characters of base32, of which the first nine hold the account.

┌────────┬─────────────────────┬───────────────┐
│  1 bit │ 40 bits             │ 39 bits       │   base32 writes five bits a character
│  is 1  │ the account, binary │ chance        │   ids from before the account was in them begin with 0
└────────┴─────────────────────┴───────────────┘
"""

from __future__ import annotations

import base64
import re

LONG_TERM = "AKIA"
TEMPORARY = "ASIA"
CHANCE_BYTES = 5
_FORM = re.compile(r"A[KS]IA[A-Z2-7]{16}", re.ASCII)
_CHANCE_BITS = 39
_LARGEST_ACCOUNT = 10**12 - 1


def compose(prefix: str, account_id: str, chance: bytes) -> str:
    """The id of a key of an account, made with `CHANCE_BYTES` of chance."""
    chance_bits = int.from_bytes(chance) & (1 << _CHANCE_BITS) - 1
    bits = (1 << 40 | int(account_id)) << _CHANCE_BITS | chance_bits
    return prefix + base64.b32encode(bits.to_bytes(10)).decode()


def account_of(access_key_id: str) -> str | None:
    """The account that an id holds; None if it holds none, as one that an operator chose need not."""
    if not _FORM.fullmatch(access_key_id):
        return None
    bits = int.from_bytes(base64.b32decode(access_key_id[4:])) >> _CHANCE_BITS
    account = bits & (1 << 40) - 1
    return f"{account:012}" if bits >> 40 and account <= _LARGEST_ACCOUNT else None
