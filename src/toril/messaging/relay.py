"""The relay: sees that every mail that is not final has a job, whatever became of the one it had."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from toril import JobState, Queue
from toril.errors import StoreError
from toril.messaging.delivery import DeliveryLog
from toril.messaging.models import EmailLog, Status

__all__ = ["TASK", "Relay"]

log = logging.getLogger("toril.mail")

TASK = "send-email"
PAUSE = 1.0  # seconds between two rounds
ROUND = 200  # rows of one


class Relay:
    """Offers mails to their queue: at once when they are made, and again when their `look_at` has come."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self.on_failed: Callable[[str, DeliveryLog], Awaitable[None]] | None = None
        self._missed = False  # in this round, a job that had to be there

    async def offer(self, mail: EmailLog) -> None:
        """Add the job of a mail, which holds the row's id and nothing else; one that exists stays as it is."""
        await self._queue.add(TASK, {"id": mail.id}, job_id=mail.id, priority=mail.priority)

    async def run(self, mails: DeliveryLog) -> None:
        """Look again and again. An outage of either store is reported once and waited for."""
        trouble = False
        while True:
            try:
                # Where jobs wait in a long queue none is missing, and their rows are worth a look in a while.
                busy = await self.round(mails) == ROUND and self._missed
                trouble = False
            except StoreError as error:
                busy = False
                if not trouble:
                    log.warning("the relay waits for its stores: %s", error)
                trouble = True
            await asyncio.sleep(0 if busy else PAUSE)

    async def round(self, mails: DeliveryLog) -> int:
        """Look at the rows that are due, a round's worth at most, and return how many there were."""
        self._missed = False
        due = await mails.claim_due(ROUND)
        await asyncio.gather(*(self._look(mail, mails) for mail in due))
        return len(due)

    async def _look(self, mail: EmailLog, mails: DeliveryLog) -> None:
        job = await self._queue.get(mail.id)
        self._missed |= job is None or job.record.state in {JobState.COMPLETED, JobState.FAILED}
        if job is None:
            await self.offer(mail)
        elif job.record.state is JobState.COMPLETED:
            await job.retry()
        elif job.record.state is JobState.FAILED:
            being_sent = mail.status == Status.SENDING
            if (
                await mails.abandoned(mail, f"its job failed: {job.record.reason}")
                and not being_sent
                and self.on_failed
            ):
                await self.on_failed(mail.id, mails)
        # Any other job will run and see what the row asks for.
