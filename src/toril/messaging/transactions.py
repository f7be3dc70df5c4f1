"""Transactions of the delivery log, each one blocking function of a connection.

A driver that is awaited statement by statement costs a log more than the statements themselves, and so does a thread:
it has to get hold of the interpreter again after each of them, which takes milliseconds on a busy machine. So on SQLite
what is light runs on the event loop itself, and its commit too while the disk is quick; the commit to a slow disk, and
what is heavy or has to wait for its turn, runs in a thread. Other databases have their async driver.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Protocol, TypeVar

from sqlalchemy import URL, Connection, Engine, Transaction
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncEngine

from toril.messaging.database import blocking_engine, in_memory, reading
from toril.messaging.presence import answered
from toril.turn import Turn

__all__ = ["InPlace", "OnLoop", "Transactions", "WithThread", "writer_and_reader"]

T = TypeVar("T")
_QUICK = 0.002  # seconds of a commit that an event loop can spare
_TRUST = 0.97  # of what was known before each commit in the thread: sooner or later the loop tries again


class Transactions(Protocol):
    """Runs functions in transactions of their own."""

    async def run(self, work: Callable[[Connection], T], *, light: bool = False) -> T:
        """Return what `work` returns, once it is committed; raises what it raises, and then nothing has changed.

        light: it takes a few milliseconds at most, and may be begun twice.
        """

    async def close(self) -> None:
        """Let go of what is held open."""


class OnLoop:
    """On an async engine, which somebody else closes."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def run(self, work: Callable[[Connection], T], *, light: bool = False) -> T:
        """See `Transactions.run`."""
        del light
        return await answered(self._engine, self._run(work))

    async def _run(self, work: Callable[[Connection], T]) -> T:
        async with self._engine.begin() as connection:
            return await connection.run_sync(work)

    async def close(self) -> None:
        """The engine is not ours."""


class InPlace:
    """Reads of a SQLite file, which wait for nobody: a few rows by key cost less than to ask a thread for them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def run(self, work: Callable[[Connection], T], *, light: bool = False) -> T:
        """See `Transactions.run`; nothing is committed."""
        del light
        with self._engine.connect() as connection:
            return work(connection)

    async def close(self) -> None:
        """Close the connection."""
        self._engine.dispose()


class WithThread:
    """Writes to a SQLite file, one after another, each in its turn among the processes that share the file.

    hasty: an engine that does not wait for a file that is locked. patient: one that does.
    """

    def __init__(self, hasty: Engine, patient: Engine, turn: Turn) -> None:
        self._hasty, self._patient, self._turn = hasty, patient, turn
        self._alone = asyncio.Lock()
        self._thread = ThreadPoolExecutor(1, "toril-mail-log")
        self._commits_take = 0.0  # seconds, as far as the loop knows

    async def run(self, work: Callable[[Connection], T], *, light: bool = False) -> T:
        """See `Transactions.run`."""
        async with self._alone:
            if light and self._turn.take(wait=False):
                try:
                    return await self._here(work)
                except OperationalError:  # somebody who takes no turns has locked it: wait for him in the thread
                    pass
                finally:
                    self._turn.give()
            return await self._in_thread(lambda: self._there(work))

    async def close(self) -> None:
        """Close the connections and end the thread."""
        async with self._alone:
            self._hasty.dispose()
            await self._in_thread(self._patient.dispose)
            self._thread.shutdown()
            self._turn.close()

    async def _here(self, work: Callable[[Connection], T]) -> T:
        with self._hasty.connect() as connection:
            with connection.begin() as transaction:
                result = work(connection)
                await self._commit(transaction)
            return result

    async def _commit(self, transaction: Transaction) -> None:
        if self._commits_take > _QUICK:
            self._commits_take *= _TRUST
            await self._in_thread(transaction.commit)
            return
        begin = time.perf_counter()
        transaction.commit()
        self._commits_take += (time.perf_counter() - begin - self._commits_take) / 4

    def _there(self, work: Callable[[Connection], T]) -> T:
        self._turn.take(wait=True)
        try:
            with self._patient.begin() as connection:
                return work(connection)
        finally:
            self._turn.give()

    async def _in_thread(self, call: Callable[[], T]) -> T:
        """Return what `call` returns; if we are cancelled, once it has: it uses what would be closed under it."""
        answer = asyncio.get_running_loop().run_in_executor(self._thread, call)
        try:
            return await asyncio.shield(answer)
        except asyncio.CancelledError:
            await asyncio.wait([answer])
            raise


def writer_and_reader(url: URL, engine: AsyncEngine) -> tuple[Transactions, Transactions]:
    """Return what writes, and what reads single rows beside it."""
    if url.get_backend_name() != "sqlite" or in_memory(url):
        return OnLoop(engine), OnLoop(reading(engine))
    hasty, patient = blocking_engine(url, wait=False), blocking_engine(url)
    writes = WithThread(hasty, patient, Turn(Path(f"{url.database}-lock")))
    return writes, InPlace(reading(blocking_engine(url)))
