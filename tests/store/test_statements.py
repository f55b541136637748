"""Every statement has its words in both databases."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

from holdfast import store
from holdfast.store.statements import Statement

MODULES = [found.name for found in pkgutil.iter_modules(store.__path__, "holdfast.store.") if not found.ispkg]


@pytest.mark.parametrize("words", ["for_sqlite", "for_postgresql"])
def test_every_statement_can_be_worded(words):
    statements = [one for name in MODULES for one in vars(importlib.import_module(name)).values()]
    statements = [one for one in statements if isinstance(one, Statement)]

    assert len(statements) > 400
    for statement in statements:
        assert getattr(statement, words)
