"""Threads of which exactly one runs at a time; chance decides who goes on at each switch.

a task ── switch() ──► who is next? ──► another task runs … until chance gives the turn back
                           │
                           └ first those whose process was killed, until all of them have unwound;
                             then what was to happen after that (a power cut, say); then anybody who is ready
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from datetime import datetime

    from holdfast.simulation.nodes import Node

STUCK_SECONDS = 60.0  # of real time, in which no task came to its next switch


class Killed(BaseException):
    """Unwinds what ran in a process that was killed; nothing that it tries on its way has an effect."""


class Over(BaseException):
    """Unwinds every task when the run has failed."""


class Stuck(Exception):
    """Tasks wait for each other, or for something that the simulation does not know."""


class Task:
    """One thread of the simulation."""

    def __init__(self, name: str, run: Callable[[], None]) -> None:
        self.name = name
        self.run = run
        self.turn = threading.Semaphore(0)
        self.is_ready: Callable[[], bool] = _always
        self.is_doomed = False  # its process was killed, and it has not unwound yet
        self.is_over = False
        self.node: Node | None = None  # the process in which it runs just now
        self.began_at: datetime | None = None  # when it came there
        self.faults = 0  # that were put in its way since then


def _always() -> bool:
    return True


class Scheduler:
    """Gives turns."""

    def __init__(self, chance: random.Random, eagerness: float) -> None:
        self._chance = chance
        self._eagerness = eagerness  # how often a switch changes to another task
        self.tasks: list[Task] = []
        self.current = Task("main", lambda: None)
        self.afterwards: list[Callable[[], None]] = []
        self.when_idle: Callable[[], bool] = lambda: False
        self.fault: BaseException | None = None
        self.switches = 0
        self._ended = threading.Event()

    def add(self, name: str, run: Callable[[], None]) -> None:
        """Have a task run, once `run` is called."""
        self.tasks.append(Task(name, run))

    def run(self) -> None:
        """Run every task to its end. Raises what a task raised."""
        main, seen = self.current, -1
        threads = [threading.Thread(target=self._live, args=(task,), name=task.name, daemon=True)
                   for task in self.tasks]  # fmt: skip
        for thread in threads:
            thread.start()
        self._pass_on()
        while not self._ended.wait(STUCK_SECONDS):
            if seen == self.switches:
                raise Stuck(f"{self.current.name} does not come to its next switch")
            seen = self.switches
        for thread in threads:
            thread.join()
        self.current, self.tasks = main, []
        if self.fault is not None:
            raise self.fault

    def switch(self) -> None:
        """Let chance decide who goes on; returns when it is this task's turn again."""
        me = self.current
        if me.is_doomed:
            raise Killed
        if self.fault is not None:
            raise Over
        self.switches += 1
        following = self._choose(me)
        if following is not None and following is not me:
            self.current = following
            following.turn.release()
            me.turn.acquire()
        if self.fault is not None:
            raise Over
        if me.is_doomed:
            raise Killed

    def wait(self, is_ready: Callable[[], bool]) -> None:
        """Go on when what was killed has unwound, and something has come true by the deed of another task."""
        me = self.current
        me.is_ready = is_ready
        try:
            while self.afterwards or not is_ready():
                self.switch()
        finally:
            me.is_ready = _always

    def _live(self, task: Task) -> None:
        task.turn.acquire()
        try:
            if self.fault is None:
                task.run()
        except Over:
            pass
        except BaseException as fault:  # noqa: BLE001 - whatever it is, the main thread is told
            self.fault = self.fault or fault
        task.is_over, task.is_doomed = True, False
        self._pass_on()

    def _pass_on(self) -> None:
        try:
            following = self._choose(None)
        except BaseException as fault:  # noqa: BLE001 - likewise
            self.fault = self.fault or fault
            following = self._choose(None)
        if following is None:
            self._ended.set()
            return
        self.current = following
        following.turn.release()

    def _choose(self, me: Task | None) -> Task | None:
        living = [task for task in self.tasks if not task.is_over]
        if self.fault is not None:
            return living[0] if living else None
        doomed = [task for task in living if task.is_doomed]
        if doomed:
            return doomed[0]
        while self.afterwards:
            self.afterwards.pop(0)()
        if me is not None and me.is_ready() and self._chance.random() >= self._eagerness:
            return me
        while living:
            ready = [task for task in living if task.is_ready()]
            if ready:
                return self._chance.choice(ready)
            if not self.when_idle():
                raise Stuck("every task waits for another: " + ", ".join(task.name for task in living))
        return None
