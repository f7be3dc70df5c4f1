"""Adding to a Redis that fails now and then, and what must be true of it afterwards."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ledger import Ledger
from toril import Queue, StoreUnavailable

__all__ = ["Load"]


class Load:
    """Adds jobs that do next to nothing, one at a time from several callers and in bulk, and keeps the books.

    delay: seconds for which single jobs wait in the store, so that they are there when it fails.
    """

    def __init__(self, queue: Queue, ledger: Ledger, *, callers: int = 4, delay: float = 0.0) -> None:
        self.queue, self.ledger = queue, ledger
        self.acknowledged: list[str] = []
        self.refused = 0
        self.longest = 0.0  # seconds that one add took, whatever came of it
        self._callers, self._delay = callers, delay
        self._stopped = False

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Add jobs within the context."""
        callers = [asyncio.create_task(self._add()) for _ in range(self._callers)]
        callers.append(asyncio.create_task(self._add_many()))
        try:
            yield
        finally:
            self._stopped = True
            await asyncio.gather(*callers)

    async def _add(self) -> None:
        while not self._stopped:
            await self._counted(self._one())
            await asyncio.sleep(0.002)

    async def _add_many(self) -> None:
        while not self._stopped:
            await self._counted(self._some())
            await asyncio.sleep(0.1)

    async def _one(self) -> list[str]:
        return [(await self.queue.add("nap", {"seconds": 0}, delay=self._delay)).id]

    async def _some(self) -> list[str]:
        return [job.id for job in await self.queue.add_many([("nap", {"seconds": 0})] * 20)]

    async def _counted(self, adding: object) -> None:
        begin = time.monotonic()
        try:
            self.acknowledged += await adding
        except StoreUnavailable:
            self.refused += 1
            await asyncio.sleep(0.02)
        self.longest = max(self.longest, time.monotonic() - begin)

    def unfinished(self) -> set[str]:
        """Return the acknowledged jobs that no worker has brought to an end yet."""
        return set(self.acknowledged) - {entry.job for entry in self.ledger.entries("end")}

    async def finished(self, timeout: float = 60.0) -> None:
        """Wait until every acknowledged job has run; fail with what is known of those that have not."""
        deadline = time.monotonic() + timeout
        while left := self.unfinished():
            if time.monotonic() > deadline:
                states = [(job_id, await self._state(job_id)) for job_id in sorted(left)[:10]]
                counts = await self.queue.counts()
                raise AssertionError(f"{len(left)} of {len(self.acknowledged)} did not run: {states}; {counts}")
            await asyncio.sleep(0.2)

    async def _state(self, job_id: str) -> str:
        job = await self.queue.get(job_id)
        return "gone" if job is None else str(await job.state())

    def twice(self) -> list[str]:
        """Return the jobs that were started more than once."""
        return [job for job, starts in self.ledger.starts_by_job().items() if len(starts) > 1]
