"""The judge of histories can say no."""

from __future__ import annotations

import pytest

from tests.chaos.register import Operation, contradiction


def write(value, began, ended=float("inf")):
    return Operation(True, value, began, ended)


def read(value, began, ended):
    return Operation(False, value, began, ended)


@pytest.mark.parametrize(
    "history",
    [
        [write("a", 0, 1), read("a", 2, 3), write("b", 4, 5), read("b", 6, 7)],
        [write("a", 0, 1), write("b", 2, 9), read("a", 3, 4), read("b", 5, 6)],  # a write takes effect between its ends
        [write("a", 0, 1), write("b", 2, 9), write("c", 2, 9), read("c", 3, 4), read("b", 5, 6)],
        [write("a", 0, 1), write("lost", 2), read("a", 3, 4)],  # nobody answered: it may never have happened
        [write("a", 0, 1), write("late", 2), read("a", 3, 4), read("late", 5, 6)],
    ],
)
def test_what_could_have_happened_one_after_the_other(history):
    assert contradiction(history) is None


@pytest.mark.parametrize(
    "history",
    [
        [write("a", 0, 1), write("b", 2, 3), read("a", 4, 5)],  # stale
        [write("a", 0, 1), write("b", 2, 9), read("b", 3, 4), read("a", 5, 6)],  # new, then old
        [write("a", 0, 1), read("b", 2, 3), write("b", 4, 5)],  # from the future
        [write("a", 0, 1), write("late", 2), read("late", 3, 4), read("a", 5, 6)],
        [read("a", 0, 1)],
    ],
)
def test_what_could_not(history):
    assert contradiction(history) is not None
