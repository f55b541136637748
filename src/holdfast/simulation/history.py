"""What happened: every operation with its beginning, its end and its outcome, every fault; and what that proves."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from holdfast.simulation import registers
from holdfast.simulation.registers import Event

if TYPE_CHECKING:
    from collections.abc import Iterator

    from holdfast.simulation.registers import Step, Value

Key = tuple[str, ...]  # of a register: ("tag", repository, tag), ("image", repository, digest), …
FIRST: dict[str, Value] = {  # by the first part of a key: what is there before anything was done
    "tag": (None,),
    "image": (False,),
    "blob": (False,),
    "repository": (False,),
    "grant": (False,),
    "key": (True,),
}


class Violation(BaseException):  # no handler of the program may take it for its own
    """Something that must never happen has happened."""

    def __init__(self, what: str, about: Key | None = None) -> None:
        super().__init__(what)
        self.about = about


@dataclass(slots=True)
class Deed:
    """An operation; what it says of registers is known when it ends."""

    who: str
    what: str
    began: int
    ended: int = 0
    outcome: str = ""
    is_known: bool = False  # whether its end was seen
    is_kept: bool = False  # whether it was acknowledged as kept
    marks: list[tuple[Key, Step]] = field(default_factory=list)

    def mark(self, key: Key, step: Step) -> None:
        """Note what it did to a register, or saw there."""
        self.marks.append((key, step))


@dataclass(frozen=True, slots=True)
class Incident:
    """A fault, or time that passed."""

    moment: int
    what: str
    is_cut: bool = False


class History:
    """Everything that happened, in order."""

    def __init__(self) -> None:
        self.moment = 0
        self.deeds: list[Deed] = []
        self.incidents: list[Incident] = []

    @contextmanager
    def deed(self, who: str, what: str) -> Iterator[Deed]:
        """An operation, from its beginning to its end."""
        self.moment += 1
        deed = Deed(who, what, self.moment)
        self.deeds.append(deed)
        try:
            yield deed
        finally:
            self.moment += 1
            deed.ended = self.moment

    def incident(self, what: str, *, is_cut: bool = False) -> None:
        """A fault."""
        self.moment += 1
        self.incidents.append(Incident(self.moment, what, is_cut))

    def judge(self) -> None:
        """Raise `Violation` if what was seen of a register cannot have happened."""
        events: dict[Key, list[tuple[Event, Deed]]] = {}
        for deed in self.deeds:
            for key, step in deed.marks:
                event = Event(deed.began, deed.ended or self.moment + 1, step, deed.is_known, deed.is_kept)
                events.setdefault(key, []).append((event, deed))
        cuts = [incident.moment for incident in self.incidents if incident.is_cut]
        for key, seen in events.items():
            fault = registers.unexplained([event for event, _ in seen], cuts, FIRST[key[0]])
            if fault is not None:
                [deed] = [deed for event, deed in seen if event is fault]
                told = f"what {deed.who} was told at {deed.ended}: {deed.what}: {deed.outcome}"
                raise Violation(f"no order of events explains {told}", key)

    def lines(self, about: Key | None = None, last: int | None = None) -> list[str]:
        """The history for people; of the operations, those on one register, if one is named."""
        told = [(incident.moment, f"{'':>6} {'':<9} ── {incident.what}") for incident in self.incidents]
        for deed in self.deeds:
            if about is not None and all(key != about for key, _ in deed.marks):
                continue
            end = f"{deed.ended:>6}" if deed.ended else "      "
            told.append((deed.began, f"{end} {deed.who:<9} {deed.what}: {deed.outcome or 'no answer'}"))
        lines = [f"{moment:>6} {line}" for moment, line in sorted(told, key=lambda entry: entry[0])]
        return lines if last is None else lines[-last:]

    def text(self) -> str:
        """All of it, as a text that two runs of one seed have in common."""
        marks = [[deed.began, [list(key) for key, _ in deed.marks]] for deed in self.deeds]
        return "\n".join([*self.lines(), json.dumps(marks)])
