"""Write transactions of the delivery log, each one blocking function.

A driver that is awaited statement by statement costs a log more than the statements themselves. So a transaction is
a plain function of a connection: on SQLite it runs in one thread that keeps one connection, on others under the
async driver.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.ext.asyncio import AsyncEngine

from toril.turn import Turn

__all__ = ["OnLoop", "OnThread", "Transactions"]

T = TypeVar("T")


class Transactions(Protocol):
    """Runs functions in transactions of their own."""

    async def run(self, work: Callable[[Connection], T]) -> T:
        """Return what `work` returns, once it is committed; raises what it raises, and then nothing has changed."""

    async def close(self) -> None:
        """Let go of what is held open."""


class OnLoop:
    """On an async engine, which somebody else closes."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def run(self, work: Callable[[Connection], T]) -> T:
        """See `Transactions.run`."""
        async with self._engine.begin() as connection:
            return await connection.run_sync(work)

    async def close(self) -> None:
        """The engine is not ours."""


class OnThread:
    """One after another in a thread, each in its turn among the processes that share the file."""

    def __init__(self, engine: Engine, turn: Turn) -> None:
        self._engine, self._turn = engine, turn
        self._thread = ThreadPoolExecutor(1, "toril-mail-log")

    async def run(self, work: Callable[[Connection], T]) -> T:
        """See `Transactions.run`."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._transact, work)

    async def close(self) -> None:
        """Close the connection and end the thread."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._engine.dispose)
        self._thread.shutdown()
        self._turn.close()

    def _transact(self, work: Callable[[Connection], T]) -> T:
        self._turn.take(wait=True)
        try:
            with self._engine.begin() as connection:
                return work(connection)
        finally:
            self._turn.give()
