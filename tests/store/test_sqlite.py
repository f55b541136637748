"""Connections to SQLite: each thread has its own, and takes it along."""

from __future__ import annotations

import os
import threading

from holdfast.store import SqliteDatabase
from holdfast.store.migrations import migrate


def test_threads_that_ended_leave_no_connections(tmp_path):
    database = SqliteDatabase(tmp_path / "holdfast.db")
    migrate(database)

    def use():
        with database.snapshot():
            database.hot.access_version("000000000000")

    for _ in range(40):
        thread = threading.Thread(target=use)
        thread.start()
        thread.join()

    opened = [os.path.realpath(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")]
    assert sum(path.startswith(str(tmp_path)) for path in opened) < 20
    database.close()
