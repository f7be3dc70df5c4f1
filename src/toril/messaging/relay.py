"""The relay: sees that every mail that is not final has a job, whatever became of the one it had."""

from __future__ import annotations

import asyncio
import logging

from toril import JobState, Queue
from toril.errors import StoreError
from toril.messaging.delivery import DeliveryLog
from toril.messaging.models import EmailLog

__all__ = ["TASK", "Relay"]

log = logging.getLogger("toril.mail")

TASK = "send-email"
PAUSE = 1.0  # seconds between two rounds
ROUND = 200  # rows of one


class Relay:
    """Offers mails to their queue: at once when they are made, and again when their `look_at` has come."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    async def offer(self, mail: EmailLog) -> None:
        """Add the job of a mail, which holds the row's id and nothing else; one that exists stays as it is."""
        await self._queue.add(TASK, {"id": mail.id}, job_id=mail.id, priority=mail.priority)

    async def run(self, mails: DeliveryLog) -> None:
        """Look again and again. An outage of either store is reported once and waited for."""
        trouble = False
        while True:
            try:
                full = await self.round(mails) == ROUND
                trouble = False
            except StoreError as error:
                full = False
                if not trouble:
                    log.warning("the relay waits for its stores: %s", error)
                trouble = True
            await asyncio.sleep(0 if full else PAUSE)

    async def round(self, mails: DeliveryLog) -> int:
        """Look at the rows that are due, a round's worth at most, and return how many there were."""
        due = await mails.claim_due(ROUND)
        await asyncio.gather(*(self._look(mail, mails) for mail in due))
        return len(due)

    async def _look(self, mail: EmailLog, mails: DeliveryLog) -> None:
        job = await self._queue.get(mail.id)
        if job is None:
            await self.offer(mail)
        elif job.record.state is JobState.COMPLETED:
            await job.retry()
        elif job.record.state is JobState.FAILED:
            await mails.abandoned(mail, f"its job failed: {job.record.reason}")
        # Any other job will run and see what the row asks for.
