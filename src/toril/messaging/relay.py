"""The relay: sees that every mail that is not final has a job, whatever became of the one it had."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from itertools import groupby
from typing import Any

from toril import Call, JobContext, JobState, Task, Toril
from toril.errors import StoreError
from toril.log import MAIL_LEFT_TO_RELAY, MAIL_RELAY_WAITING
from toril.messaging.delivery import DeliveryLog
from toril.messaging.models import EmailLog, Status
from toril.messaging.policy import Policy
from toril.tracing import continued

__all__ = ["Relay", "sending_tasks"]

PAUSE = 1.0  # seconds between two rounds
ROUND = 200  # rows of one


def sending_tasks(
    app: Toril, queue: str, policy: Policy, send: Callable[[JobContext, str], Coroutine[Any, Any, None]]
) -> dict[str, Task[..., None]]:
    """Declare the tasks that send the mails of each kind, each on a queue of its own, and return them by kind.

    policy: that of the mails. The row counts their attempts and the job only faults in between, but it is the job's
    policy that a worker tells at its start.
    """
    tasks: dict[str, Task[..., None]] = {}
    for kind, name, place in (
        ("transactional", "send-email", queue),
        ("subscribed", "send-bulk-email", f"{queue}-bulk"),
    ):
        make = app.task(name=name, queue=place, attempts=policy.attempts, backoff=policy.backoff, keep_completed=0)
        tasks[kind] = make(send)
        app.queue(place).slots = app.settings.email_queue_concurrency
    return tasks


class Relay:
    """Offers mails to their queue: at once when they are made, and again when their `look_at` has come.

    tasks: what sends the mails of a kind. A job holds the row's id, which is also its own, and nothing else.
    """

    def __init__(self, app: Toril, tasks: Mapping[str, Task[..., None]]) -> None:
        self._app, self._tasks = app, tasks
        self.on_failed: Callable[[str, DeliveryLog], Awaitable[None]] | None = None
        self._missed = False  # in this round, a job that had to be there

    async def offer(self, mails: Sequence[EmailLog]) -> None:
        """Add the jobs of mails, each to the trace that its mail is part of; those that exist stay as they are."""
        for trace, group in groupby(mails, _trace_of):
            with continued(trace):
                await self._app.enqueue_many([self._call(mail) for mail in group])

    async def try_to_offer(self, mails: Sequence[EmailLog]) -> None:
        """Add the jobs of mails, or leave them to the rounds if the store cannot take them now."""
        try:
            await self.offer(mails)
        except StoreError as error:
            MAIL_LEFT_TO_RELAY(mails=len(mails), mail=mails[0].id, error=error)

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
                    MAIL_RELAY_WAITING(error=error)
                trouble = True
            await asyncio.sleep(0 if busy else PAUSE)

    async def round(self, mails: DeliveryLog) -> int:
        """Look at the rows that are due, a round's worth at most, and return how many there were."""
        self._missed = False
        due = await mails.claim_due(ROUND)
        looks = await asyncio.gather(*(self.look(mail, mails) for mail in due))
        if missing := [mail for mail, found in zip(due, looks, strict=True) if not found]:
            await self.offer(missing)
        return len(due)

    async def again(self, mail: EmailLog) -> None:
        """See that a mail which is tried anew has a job that can run."""
        job = await self._tasks[mail.kind].queue.get(mail.id)
        if job is None:
            await self.offer([mail])
        elif job.record.state in {JobState.COMPLETED, JobState.FAILED}:
            await job.retry()

    async def look(self, mail: EmailLog, mails: DeliveryLog) -> bool:
        """See that the job of a mail runs if it can; return False if there is none."""
        job = await self._tasks[mail.kind].queue.get(mail.id)
        failed = job is not None and job.record.state is JobState.FAILED
        self._missed |= job is None or failed or job.record.state is JobState.COMPLETED
        if job is None:
            return False
        if job.record.state is JobState.COMPLETED or (failed and (job.record.finished_on or 0) < mail.send_at):
            await job.retry()  # it ended before the row was to be sent: somebody has let the row be tried anew
        elif failed:
            await self._abandon(mail, mails, f"its job failed: {job.record.reason}")
        # Any other job will run and see what the row asks for.
        return True

    async def _abandon(self, mail: EmailLog, mails: DeliveryLog, why: str) -> None:
        took = await mails.abandoned(mail, why)
        if took and mail.status == Status.PENDING and self.on_failed is not None:
            await self.on_failed(mail.id, mails)

    def _call(self, mail: EmailLog) -> Call[None]:
        return self._tasks[mail.kind].using(job_id=mail.id, priority=mail.priority).call(mail.id)


def _trace_of(mail: EmailLog) -> str | None:
    return mail.trace
