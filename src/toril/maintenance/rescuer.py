"""Gives jobs of lost workers back to their queues."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

from toril.job import JobRecord
from toril.log import JOB_RESCUED
from toril.store.base import Store

__all__ = ["Rescuer"]


class Rescuer:
    """Looks for active jobs whose lease has run out, in the queues that this worker serves."""

    def __init__(self, store: Store, queues: Sequence[str], tell: Callable[[JobRecord], None] | None = None) -> None:
        self._store = store
        self._queues = queues
        self._tell = tell

    async def sweep(self) -> None:
        """Rescue once. Call it only while this worker's own contact with the store is unbroken."""
        # all asked at one moment: behind a sweep that was held up, contact is not proven any more
        rescued = await asyncio.gather(*(self._store.rescue(queue) for queue in self._queues))
        for queue, job_ids in zip(self._queues, rescued, strict=True):
            for job_id in job_ids:
                JOB_RESCUED(job=job_id, queue=queue)
                if self._tell is not None and (record := await self._store.get(queue, job_id)):
                    self._tell(record)
