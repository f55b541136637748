"""Connections to SQLite: each thread has its own, and takes it along."""

from __future__ import annotations

import threading
from pathlib import Path

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

    opened = [str(one.resolve()) for one in Path("/proc/self/fd").iterdir()]
    assert sum(path.startswith(str(tmp_path)) for path in opened) < 20
    database.close()
