"""kill -9 at each step of garbage collection: what an image needs is there, and the next run does the rest."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import count

from holdfast import registry
from tests import databases
from tests.registry.ground import AT, Clock, open_ground, push_blob, work_off
from tests.registry.test_garbage import LARGE, days, files, holds, image_of
from tests.registry.test_undelete import rows


class Steps:
    """A database and a store for bytes that kill the process after so many of what they do."""

    def __init__(self, on, left) -> None:
        self.left = left
        self.on = replace(on, database=_Database(on.database, self), blobs=_Blobs(on.blobs, self))

    def step(self) -> None:
        self.left -= 1
        if not self.left:
            os.kill(os.getpid(), signal.SIGKILL)


class _Database:
    def __init__(self, database, steps) -> None:
        self._database, self._steps = database, steps

    def __getattr__(self, name):
        return getattr(self._database, name)

    @contextmanager
    def transaction(self, **how):
        with self._database.transaction(**how) as tx:
            self._steps.step()
            yield tx
            self._steps.step()
        self._steps.step()


class _Blobs:
    def __init__(self, blobs, steps) -> None:
        self._blobs, self._steps = blobs, steps

    def __getattr__(self, name):
        return getattr(self._blobs, name)

    def delete(self, key) -> None:
        self._steps.step()
        self._blobs.delete(key)
        self._steps.step()


def is_killed(on, step) -> bool:
    """Collect garbage in a process that is killed at a step; False if it came to its end before."""
    on.database.close()  # processes must not share a connection
    child = os.fork()
    if child == 0:
        with suppress(BaseException):
            registry.garbage.run(Steps(replace(on, database=databases.again(on.database)), step).on)
            os._exit(0)
        os._exit(1)
    _, status = os.waitpid(child, 0)
    assert status in {0, signal.SIGKILL}
    return status != 0


def test_whatever_step_is_the_last_one_nothing_is_lost_and_the_next_run_goes_on(tmp_path):
    clock = Clock()
    on = open_ground(tmp_path, clock)
    image_of(on, LARGE, "latest")
    shared = b"what both need"
    image_of(on, shared, "other", seed=1)
    for step in count(1):
        push_blob(on, AT, LARGE + b"to be deleted %d" % step)
        push_blob(on, AT, b"small %d" % step)
        clock.pass_(days=2)
        registry.garbage.run(on)
        push_blob(on, AT, LARGE + b"to be quarantined %d" % step)
        clock.pass_(days=8)

        was_killed = is_killed(on, step)
        on = replace(on, database=databases.again(on.database))

        assert holds(on, LARGE)
        assert holds(on, shared)
        clock.pass_(hours=1)
        assert registry.garbage.run(on).halted is None
        work_off(on)
        assert rows(on, "quarantined_links") == 1
        if not was_killed:
            break
    days(on, clock, 9)

    assert holds(on, LARGE)
    assert len(files(tmp_path)) == 1
    assert rows(on, "blobs") == rows(on, "objects") == 4
    assert step > 15
    databases.forget(on.database)
