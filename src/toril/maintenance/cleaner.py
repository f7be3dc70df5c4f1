"""Clears away what has run out of time: jobs that nobody started, deduplication keys, budgets."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from toril.errors import StoreUnavailable
from toril.log import JOB_EXPIRED, STORE_NOT_CLEARED
from toril.store.base import Store

__all__ = ["Cleaner"]

PAUSE = 5.0  # seconds between sweeps; a job that is taken in between is checked then


class Cleaner:
    """Looks for what has run out in the queues that this worker serves."""

    def __init__(self, store: Store, queues: Sequence[str]) -> None:
        self._store = store
        self._queues = queues

    async def run(self) -> None:
        """Sweep now and then, until cancelled."""
        while True:
            await asyncio.sleep(PAUSE)
            try:
                await self.sweep()
            except StoreUnavailable as error:
                STORE_NOT_CLEARED(error=error)

    async def sweep(self) -> None:
        """Clear away once."""
        for queue in self._queues:
            for job_id in await self._store.expire(queue):
                JOB_EXPIRED(job=job_id, queue=queue)
