"""Ids of access keys hold their account."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.model.access_key_ids import CHANCE_BYTES, LONG_TERM, TEMPORARY, account_of, compose

ACCOUNTS = st.integers(0, 10**12 - 1).map(lambda number: f"{number:012}")


@given(st.sampled_from([LONG_TERM, TEMPORARY]), ACCOUNTS, st.binary(min_size=CHANCE_BYTES, max_size=CHANCE_BYTES))
def test_an_id_tells_its_account(prefix, account, chance):
    made = compose(prefix, account, chance)

    assert re.fullmatch(f"{prefix}[A-Z2-7]{{16}}", made)
    assert account_of(made) == account


@given(ACCOUNTS, st.integers(0, 2**39 - 1), st.integers(0, 2**39 - 1))
def test_another_chance_is_another_id(account, one, other):
    made = {compose(LONG_TERM, account, chance.to_bytes(CHANCE_BYTES)) for chance in (one, other)}

    assert len(made) == len({one, other})


@pytest.mark.parametrize(
    ("key_id", "account"),
    [
        ("ASIAQNZGKIQY56JQ7WML", "029608264753"),  # of AWS's own, from its docs
        ("AKIAIOSFODNN7EXAMPLE", None),  # from before accounts were in ids
        ("AKIA7777777777777777", None),  # no account has so many digits
        ("AKIAQAAAAAAAAAAAAAA1", None),
        ("AKIAQAAAAAAAAAAAAAA", None),
        ("AKIAQAAAAAAAAAAAAAAAA", None),
        ("akiaqaaaaaaaaaaaaaaa", None),
        ("AIDAQAAAAAAAAAAAAAAA", None),
        ("root", None),
        ("", None),
        ("AKIAQAAAAAAAAAAAAAAA\n", None),
    ],
)
def test_what_holds_no_account_tells_none(key_id, account):
    assert account_of(key_id) == account
