"""Reads beside the writer: one statement at a time, fetched whole, so that no reader holds up a checkpoint."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from toril.clock import Clock
from toril.errors import StoreUnavailable
from toril.store.sqlite.file import DatabaseFile
from toril.store.sqlite.transaction import Transaction

__all__ = ["Reader"]

T = TypeVar("T")


class Reader:
    """A link with a thread of its own, for looking."""

    def __init__(self, file: DatabaseFile, clock: Clock) -> None:
        self._link = file.connect()
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="toril-reader")

    async def call(self, look: Callable[..., T], *arguments: object) -> T:
        """Return what `look(transaction, *arguments)` finds."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._look, look, arguments)

    def close(self) -> None:
        """Let go of the file."""
        self._thread.shutdown()
        self._link.close()

    def _look(self, look: Callable[..., T], arguments: tuple[object, ...]) -> T:
        try:
            with self._link as connection:
                return look(Transaction(connection, self._clock), *arguments)
        except sqlite3.Error as error:
            raise StoreUnavailable(f"the store could not be read: {error}") from None
