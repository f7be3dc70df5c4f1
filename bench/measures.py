"""What is measured: each function does its work once and returns a figure."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from toril import Toril, Worker
from toril.settings import Settings

JOBS = 10_000
ONE_BY_ONE = 2_000
AT_ONCE = 100


def make_app(folder: Path) -> Toril:
    """Return an application on a file in `folder`, with the settings of nobody's environment."""
    return Toril(f"sqlite:///{folder / 'bench.db'}", settings=Settings(env={}, dotenv=None))


async def bare_loop(tasks: int = 100_000) -> float:
    """Return tasks per second that the event loop alone creates, runs and gathers, 100 at a time."""

    async def nothing() -> None: ...

    begin = time.perf_counter()
    for _ in range(0, tasks, AT_ONCE):
        await asyncio.gather(*(asyncio.create_task(nothing()) for _ in range(AT_ONCE)))
    return tasks / (time.perf_counter() - begin)


class Jobs:
    """The same no-op task, added and drained in several ways; figures are jobs per second."""

    def __init__(self, app: Toril) -> None:
        self.app = app

        @app.task(queue="noop")
        async def noop(n: int) -> None: ...

        self.noop = noop

    async def bulk(self) -> float:
        """Add 10,000 validated calls in one `enqueue_many`."""
        begin = time.perf_counter()
        await self.app.enqueue_many(self.noop.call(n=n) for n in range(JOBS))
        return JOBS / (time.perf_counter() - begin)

    async def drain(self) -> float:
        """Run what `bulk` added: one worker, concurrency 100, events, retention and validation on."""
        worker = Worker(self.app, {"noop": AT_ONCE}, burst=True)
        begin = time.perf_counter()
        await worker.run()
        return JOBS / (time.perf_counter() - begin)

    async def one_by_one(self) -> float:
        """Await one `enqueue` after the other."""
        begin = time.perf_counter()
        for n in range(ONE_BY_ONE):
            await self.noop.enqueue(n=n)
        return await self._emptied(ONE_BY_ONE / (time.perf_counter() - begin))

    async def together(self) -> float:
        """Await 100 concurrent `enqueue` calls at a time: they share commits."""
        begin = time.perf_counter()
        for _ in range(0, JOBS, AT_ONCE):
            await asyncio.gather(*(self.noop.enqueue(n=n) for n in range(AT_ONCE)))
        return await self._emptied(JOBS / (time.perf_counter() - begin))

    async def _emptied(self, figure: float) -> float:
        await Worker(self.app, {"noop": AT_ONCE}, burst=True).run()
        return figure
