"""Moving what the write-ahead log holds into the file, in a thread of its own: never on a caller's time."""

from __future__ import annotations

import contextlib
import sqlite3
import threading

from toril.store.sqlite.file import DatabaseFile

__all__ = ["Checkpointer"]

INTERVAL = 0.5  # seconds; at 100 MB/s of writes the log stays in the tens of megabytes


class Checkpointer:
    """Runs a passive checkpoint now and then, and truncates the log when the file rests."""

    def __init__(self, file: DatabaseFile) -> None:
        self._link = file.connect()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="toril-checkpoint", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread after a last checkpoint."""
        self._stop.set()
        self._thread.join()
        self._link.close()

    def _work(self) -> None:
        version, idle = -1, True
        while not self._stop.wait(INTERVAL):
            with contextlib.suppress(sqlite3.Error), self._link as connection:  # busy, or the disk is full: next round
                found = connection.execute("PRAGMA data_version").fetchone()[0]
                if found != version:
                    connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
                    version, idle = found, False
                elif not idle:
                    connection.execute("PRAGMA busy_timeout = 0")
                    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
                    idle = True
        with contextlib.suppress(sqlite3.Error), self._link as connection:
            connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
