"""A first look at a file that somebody else has for himself for a moment."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing

from toril.store.sqlite.file import DatabaseFile


def test_who_opens_a_file_waits_for_it_even_if_it_would_not_wait_later(tmp_path):
    file = DatabaseFile(f"sqlite:///{tmp_path / 'jobs.db'}", "NORMAL")
    file.prepare()
    path = tmp_path / "jobs.db"
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as stranger:
        stranger.execute("PRAGMA locking_mode = EXCLUSIVE")
        stranger.execute("BEGIN EXCLUSIVE")
        threading.Timer(0.3, stranger.close).start()
        link = file.connect(timeout=0)
        with link as connection:
            assert connection.execute("PRAGMA busy_timeout").fetchone() == (0,)
        link.close()
    file.release()
