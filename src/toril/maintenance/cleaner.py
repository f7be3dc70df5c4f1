"""Clears away what has run out of time: jobs that nobody started, deduplication keys, budgets."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from toril.errors import StoreUnavailable
from toril.store.base import Store

__all__ = ["Cleaner"]

log = logging.getLogger("toril.worker")

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
                log.warning("what has run out of time could not be cleared away: %s", error)

    async def sweep(self) -> None:
        """Clear away once."""
        for queue in self._queues:
            for job_id in await self._store.expire(queue):
                log.warning("job %s of queue %s was not started in time", job_id, queue)
