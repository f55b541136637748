"""The bell that wakes the processes of a server."""

from __future__ import annotations

import os

from holdfast.http.bell import Bell


def test_a_ring_of_another_process_is_heard():
    bell = Bell()
    before = bell.rung

    pid = os.fork()
    if pid == 0:
        bell.ring()
        os._exit(0)
    os.waitpid(pid, 0)

    assert bell.rung != before
