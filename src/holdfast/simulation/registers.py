"""Could it have happened so? A search for an order of operations that explains what everybody saw of one thing.

A register is one thing with a value: a tag, or whether a blob is there. Each operation on it took effect at one moment
between its beginning and its end (linearizability; the search is that of Wing and Gong, "Testing and Verifying
Concurrent Objects", in the form of Lowe, "Testing for Linearizability": operations are placed when they end at the
latest, and all values that the register may have by then are carried along).

An operation whose end nobody saw may have taken effect or not. A power cut may undo the last effects, in the order of
their commits, back to the last one that was acknowledged as kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Value = tuple[object, ...]  # what it is now; then what was buried with its repository, the last one first
# The values that may follow a value; none if the operation cannot have ended as it did with that one.
Step = Callable[[Value], "tuple[Value, ...]"]


@dataclass(frozen=True, slots=True, eq=False)
class Event:
    """An operation on one register, between two moments of a history."""

    began: int
    ended: int
    step: Step
    is_certain: bool  # it took effect; else perhaps
    is_kept: bool  # acknowledged as kept: neither it nor what was before is undone by a power cut


@dataclass(frozen=True, slots=True)
class _Place:
    """One way in which it may have happened so far."""

    value: Value
    done: frozenset[Event]  # of those operations that have not ended
    survivors: frozenset[Value]  # what a power cut may leave


def unexplained(events: Iterable[Event], cuts: Sequence[int], first: Value) -> Event | None:
    """The first operation whose end no order of operations explains; None if all can be explained."""
    moments: list[tuple[int, int, Event | None]] = [(cut, 1, None) for cut in cuts]
    for one in events:
        moments += [(one.began, 0, one), (one.ended, 2, one)]
    places = {_Place(first, frozenset(), frozenset({first}))}
    running: list[Event] = []
    for _, kind, event in sorted(moments, key=lambda moment: moment[:2]):
        if event is None:  # a power cut, which everybody saw as the end of what he did
            places = {_Place(value, frozenset(), frozenset({value})) for place in places for value in place.survivors}
        elif kind == 0:
            running.append(event)
        else:
            running.remove(event)
            after = _with(places, event, running)
            if not event.is_certain:
                after |= places
            if not after:
                return event
            places = {_Place(place.value, place.done - {event}, place.survivors) for place in after}
    return None


def _with(places: set[_Place], event: Event, running: Sequence[Event]) -> set[_Place]:
    """Every way on from some places in which an operation has taken effect, perhaps after others that are running."""
    found: set[_Place] = set()
    seen, left = set(places), list(places)
    while left:
        place = left.pop()
        if event in place.done:
            found.add(place)
            continue
        for candidate in (event, *running):
            if candidate in place.done:
                continue
            for value in candidate.step(place.value):
                survivors = frozenset({value}) if candidate.is_kept else place.survivors | {value}
                following = _Place(value, place.done | {candidate}, survivors)
                if following not in seen:
                    seen.add(following)
                    left.append(following)
    return found


# ---- Steps


def sees(*values: object) -> Step:
    """The register had one of these values, and keeps it."""
    return lambda value: (value,) if value[0] in values else ()


def sees_other_than(*values: object) -> Step:
    """The register had none of these values, and keeps its own."""
    return lambda value: () if value[0] in values else (value,)


def becomes(new: object, *, was: Sequence[object] | None = None) -> Step:
    """The register got a value; where `was` is given, it had one of those before."""
    return lambda value: ((new, *value[1:]),) if was is None or value[0] in was else ()


def turns(old: object, new: object) -> Step:
    """The register got a value if it had another one; else it was left alone."""
    return lambda value: ((new, *value[1:]),) if value[0] == old else (value,)


def may_turn(old: object, new: object) -> Step:
    """The register may have got a value if it had another one."""
    return lambda value: (value, (new, *value[1:])) if value[0] == old else (value,)


def is_buried(new: object) -> Step:
    """The register got a value, and the one that it had is kept for later."""
    return lambda value: ((new, *value),)


def comes_back() -> Step:
    """The register got the value that was buried last, which nobody may have seen expire."""
    return lambda value: (value[1:],) if len(value) > 1 else ()
