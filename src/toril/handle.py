"""The handle of one job: what it knows of it, and its verbs."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from pydantic import TypeAdapter

from toril.checks import optional, seconds
from toril.controls import ENDED, JobControls
from toril.errors import InvalidOption, JobCancelled, JobFailed, JobNotFound, ResultTimeout, WrongState
from toril.family import Children, Tree, read_children, read_tree
from toril.job import CANCELLED, JobRecord, JobState
from toril.json import decode_or
from toril.store.views import Event

if TYPE_CHECKING:
    from toril.queue import Queue

__all__ = ["Job"]

R_co = TypeVar("R_co", covariant=True)
LOOK_AGAIN = 10.0  # seconds
_ANY: TypeAdapter[Any] = TypeAdapter(Any)


class Job(JobControls, Generic[R_co]):
    """The handle of one job. What it knows is what it last read: `refresh` reads again."""

    __slots__ = ("_record", "id", "name", "queue")

    def __init__(self, queue: Queue, job_id: str, name: str, record: JobRecord | None = None) -> None:
        self.queue = queue
        self.id = job_id
        self.name = name
        self._record = record

    def __repr__(self) -> str:
        return f"<Job {self.name} {self.id} on {self.queue.name}>"

    async def refresh(self) -> JobRecord:
        """Read the job again and return its row; raise JobNotFound if it is gone."""
        self._record = await self.queue.app.store.get(self.queue.name, self.id)
        if self._record is None:
            raise self._gone()
        return self._record

    @property
    def record(self) -> JobRecord:
        """The row as last read; raise JobNotFound if it was never read."""
        if self._record is None:
            raise JobNotFound(f"job {self.id} has not been read: await job.refresh()")
        return self._record

    async def state(self) -> JobState:
        """Return its state now."""
        return (await self.refresh()).state

    async def progress(self) -> Any:
        """Return the progress that its run last reported, or None."""
        return decode_or((await self.refresh()).progress, None)

    async def log(self) -> Sequence[str]:
        """Return its log lines, oldest first."""
        return await self.queue.app.store.logs(self.queue.name, self.id)

    async def children(self) -> Children:
        """Return its children in a flow: their results and failures, and what it waits for."""
        return await read_children(self)

    async def tree(self) -> Tree:
        """Return it with all that is below it; raise JobNotFound."""
        return await read_tree(self, (await self.refresh()).state)

    async def parent(self) -> Job[Any] | None:
        """Return the job that waits for it in a flow, or None; raise JobNotFound."""
        place = (await self.refresh()).parent
        if place is None:
            return None
        queue, _, job_id = place.partition(":")
        return await self.queue.app.queue(queue).get(job_id)

    async def retry(self) -> None:
        """Let it run again after it has ended; raise JobNotFound or WrongState."""
        state = await self.state()
        if state not in ENDED or not await self.queue.app.store.retry(self.queue.name, state, [self.id]):
            raise WrongState(f"job {self.id} is {state}: expected failed or completed")

    async def cancel(self, *, by: str) -> None:
        """Let it fail as cancelled, without a retry; `by` (who asks) is kept with it.

        A job that waits fails at once. One that runs is cancelled within two seconds: an async task at its next
        await, a process by a kill; a thread can only be asked (JobContext.cancelled), and its job ends with it.
        Raises JobNotFound, WrongState if it has ended.
        """
        if not isinstance(by, str) or not by:
            raise InvalidOption(f"by: expected the name of who cancels, got {by!r}")
        state = await self.queue.app.store.cancel(self.queue.name, self.id, by)
        if state is None:
            raise self._gone()
        if state in ENDED:
            raise WrongState(f"job {self.id} is {state}: it has ended")

    async def result(self, timeout: float | timedelta | None = None) -> R_co:
        """Wait until it has ended and return what it returned.

        timeout: seconds or a timedelta to wait; None: for ever. Raises JobFailed with the recorded reason (of a
        cancelled job JobCancelled), ResultTimeout, InvalidOption, and JobNotFound if the job is gone and its end was
        not seen.
        """
        ended: asyncio.Future[Event] = asyncio.get_running_loop().create_future()

        def hear(event: Event) -> None:
            if event.kind in {"completed", "failed", "removed"} and not ended.done():
                ended.set_result(event)

        patience = optional(seconds)("timeout", timeout)
        try:
            async with (
                asyncio.timeout(patience),
                self.queue.app.listener().subscribed(self.queue.name, self.id, hear),
            ):
                while not ended.done():  # events are kept for a while only: look again now and then
                    record = await self.refresh()
                    if record.state is JobState.COMPLETED:
                        return self._read(record.result)
                    if record.state is JobState.FAILED:
                        raise self._failure(record.reason or "")
                    await asyncio.wait([ended], timeout=LOOK_AGAIN)
                event = ended.result()
        except TimeoutError:
            raise ResultTimeout(f"job {self.id} did not end within {patience:g} s") from None
        if event.kind == "removed":
            raise JobNotFound(f"job {self.id} was removed before it ended")
        if event.kind == "failed":
            raise self._failure(event.body["failedReason"])
        return self._read(event.body["returnvalue"])

    def _failure(self, reason: str) -> JobFailed:
        return (JobCancelled if reason.startswith(CANCELLED) else JobFailed)(self.id, reason)

    def _read(self, text: str | None) -> R_co:
        task = self.queue.app.tasks.get(self.name)
        adapter = _ANY if task is None else task.result_type
        result: R_co = adapter.validate_json(text or "null")
        return result
