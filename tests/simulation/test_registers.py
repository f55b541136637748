"""The judge: what can have happened, and what cannot."""

from __future__ import annotations

from holdfast.simulation.registers import Event, becomes, may_turn, sees, turns, unexplained

NOTHING = (None,)


def wrote(value, began, ended, **how):
    return Event(began, ended, becomes(value), **{"is_certain": True, "is_kept": True} | how)


def lost(value, began, ended):
    """Written, and nobody knows whether it was."""
    return wrote(value, began, ended, is_certain=False, is_kept=False)


def read(value, began, ended):
    return Event(began, ended, sees(value), is_certain=True, is_kept=False)


def is_possible(*events, cuts=()):
    return unexplained(events, cuts, NOTHING) is None


def test_a_read_sees_the_last_write():
    assert is_possible(wrote("a", 1, 2), read("a", 3, 4))
    assert not is_possible(wrote("a", 1, 2), read(None, 3, 4))
    assert not is_possible(wrote("a", 1, 2), wrote("b", 3, 4), read("a", 5, 6))


def test_what_happens_at_the_same_time_may_have_happened_in_any_order():
    assert is_possible(wrote("a", 1, 4), wrote("b", 2, 3), read("a", 5, 6))
    assert is_possible(wrote("a", 1, 4), wrote("b", 2, 3), read("b", 5, 6))
    assert is_possible(wrote("a", 1, 4), read(None, 2, 3))
    assert is_possible(wrote("a", 1, 4), read("a", 2, 3))


def test_what_one_reader_saw_is_not_undone_for_the_next():
    assert not is_possible(wrote("a", 1, 6), read("a", 2, 3), read(None, 4, 5))
    assert not is_possible(
        wrote("a", 1, 2), wrote("b", 3, 10), wrote("c", 4, 11), read("b", 5, 6), read("c", 7, 8), read("b", 12, 13)
    )


def test_a_write_without_an_answer_may_have_happened_until_its_process_was_gone():
    assert is_possible(lost("a", 1, 2), read("a", 3, 4))
    assert is_possible(lost("a", 1, 2), read(None, 3, 4))
    assert not is_possible(lost("a", 1, 2), read(None, 3, 4), read("a", 5, 6))


def test_a_power_cut_takes_what_was_not_acknowledged_even_if_it_was_seen():
    assert is_possible(lost("a", 1, 4), read("a", 2, 3), read(None, 6, 7), cuts=[5])
    assert is_possible(lost("a", 1, 4), read("a", 2, 3), read("a", 6, 7), cuts=[5])
    assert not is_possible(lost("a", 1, 4), read("a", 2, 3), read(None, 6, 7), cuts=[8])


def test_a_power_cut_takes_nothing_that_was_acknowledged_nor_what_was_before():
    assert not is_possible(wrote("a", 1, 2), read(None, 4, 5), cuts=[3])
    assert not is_possible(lost("a", 1, 2), read("a", 3, 4), wrote("b", 5, 6), read("a", 8, 9), cuts=[7])
    assert is_possible(wrote("a", 1, 2), lost("b", 3, 4), read("a", 6, 7), cuts=[5])


def test_a_step_may_depend_on_the_value():
    when_a = Event(3, 4, turns("a", None), is_certain=True, is_kept=True)
    perhaps = Event(3, 4, may_turn("a", None), is_certain=True, is_kept=True)

    assert not is_possible(wrote("a", 1, 2), when_a, read("a", 5, 6))
    assert is_possible(wrote("b", 1, 2), when_a, read("b", 5, 6))
    assert is_possible(wrote("a", 1, 2), perhaps, read("a", 5, 6))
    assert is_possible(wrote("a", 1, 2), perhaps, read(None, 5, 6))
