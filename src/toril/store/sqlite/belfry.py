"""All bells: those of each event loop of this process, and those that other processes have hung beside the file."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3

from toril.store.sqlite.bells import Bells, ring_sockets
from toril.store.sqlite.file import DatabaseFile
from toril.store.sqlite.queries import SQL
from toril.store.sqlite.transaction import Transaction

__all__ = ["EVENTS", "Belfry"]

EVENTS = ""  # the topic of those who listen to events; all others are queues, and no queue is called so


class Belfry:
    """Gives each loop its bells, and rings for what a transaction has committed."""

    def __init__(self, file: DatabaseFile) -> None:
        self._file = file
        self._bells: dict[asyncio.AbstractEventLoop, Bells] = {}

    def bells(self) -> Bells:
        """Return the bells of this loop."""
        loop = asyncio.get_running_loop()
        found = self._bells.get(loop)
        if found is None:
            for old in list(self._bells):  # a caller may make a loop per call, as `async_to_sync` does
                if old.is_closed() and (left := self._bells.pop(old, None)):
                    left.close()
            found = self._bells[loop] = Bells(self._file)
        return found

    def ring(self, tx: Transaction) -> None:
        """Wake up whoever waits for what a transaction has just committed; runs on the writer's thread."""
        topics = tx.ready_names()
        if tx.told:
            topics.append(EVENTS)
        if not topics:
            return
        own = set()
        for bells in list(self._bells.values()):
            bells.ring_from_thread(topics)
            own.add(bells.path)
        if not self._file.memory:
            news = tx.ready | {0} if tx.told else tx.ready
            paths = {path for path, queue in tx.rows("bells") if queue in news} - own
            if paths:
                ring_sockets(paths, lambda path: _unhang(tx, path))

    def close(self) -> None:
        """Hear nothing more."""
        for bells in self._bells.values():
            bells.close()
        self._bells.clear()

    def forget(self) -> None:
        """Drop what a parent process had hung."""
        self._bells = {}


def _unhang(tx: Transaction, path: str) -> None:
    with contextlib.suppress(sqlite3.Error):
        tx.execute(SQL["unhang_bell"], (path,))
