"""Tells an application's handlers what became of jobs, beside the lanes and one event after the other."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from toril.handlers import Handler, JobEvent
from toril.job import JobRecord, JobState
from toril.json import decode
from toril.log import WORKER_HANDLER_FAILED, WORKER_HANDLERS_BEHIND, WORKER_HANDLERS_CUT_OFF
from toril.store.runs import Completed, Delayed, Failed, Note, Outcome, Run, Step
from toril.worker.outcomes import is_our_end
from toril.worker.threads import caught

if TYPE_CHECKING:
    from toril.app import Toril

__all__ = ["Announcer"]

MOST = 10_000  # events that may wait for slow handlers; what is more is dropped, and said so
LAST = 5.0  # seconds that handlers have for what waits when the worker stops


class Announcer:
    """Calls handlers. One that raises is logged, one that is slow delays other events and nothing else."""

    def __init__(self, app: Toril) -> None:
        self._app = app
        self._waiting: asyncio.Queue[JobEvent] = asyncio.Queue(MOST)
        self._records: dict[Run, JobRecord] = {}
        self._loop = asyncio.get_running_loop()
        self._consumer = self._loop.create_task(self._work(), name="toril-handlers")

    @staticmethod
    def is_wanted(app: Toril) -> bool:
        """Return whether there is anybody to be told of anything."""
        return bool(app.handlers.by_kind) or any(task.failed_handlers for task in app.tasks.values())

    async def stop(self) -> None:
        """Let handlers finish with what has happened, for a while."""
        try:
            await asyncio.wait_for(self._waiting.join(), LAST)
        except TimeoutError:
            WORKER_HANDLERS_CUT_OFF(events=self._waiting.qsize())
        self._consumer.cancel()
        await asyncio.gather(self._consumer, return_exceptions=True)

    def taken(self, run: Run, record: JobRecord) -> None:
        """Remember a job until its outcome is recorded."""
        self._records[run] = record

    def recorded(self, outcomes: Sequence[Outcome], notes: Iterable[Note], step: Step) -> None:
        """Tell of what a step has recorded."""
        for note in notes:
            record = self._records.get(note.run)
            if record is not None and note.progress is not None:
                self._put(JobEvent("progress", record, progress=decode(note.progress)))
        refused, failed = set(step.refused), dict(step.failed)
        for outcome in outcomes:
            record = self._records.pop(outcome.run, None)
            if record is None or outcome.run in refused:
                continue
            if outcome.run in failed:
                self._put(JobEvent("failed", record, failed[outcome.run]))
            elif event := _event(outcome, record):
                self._put(event)

    def forget(self, run: Run) -> None:
        """Forget a job that another worker has taken over."""
        self._records.pop(run, None)

    def stalled(self, record: JobRecord) -> None:
        """Tell of a job whose worker was lost; called from the heartbeat's thread."""
        events = [JobEvent("stalled", record, record.reason)]
        if record.state is JobState.FAILED:
            events.append(JobEvent("failed", record, record.reason))
        for event in events:
            self._loop.call_soon_threadsafe(self._put, event)

    def _put(self, event: JobEvent) -> None:
        if not self._handlers(event):
            return
        if self._waiting.full():
            WORKER_HANDLERS_BEHIND(job=event.job.id, kind=event.kind, waiting=MOST)
        else:
            self._waiting.put_nowait(event)

    def _handlers(self, event: JobEvent) -> list[Handler]:
        handlers = self._app.handlers.by_kind.get(event.kind, [])
        task = self._app.tasks.get(event.job.name) if event.kind == "failed" else None
        return [*task.failed_handlers, *handlers] if task else handlers

    async def _work(self) -> None:
        while True:
            event = await self._waiting.get()
            for handler in self._handlers(event):
                try:
                    await _call(handler, event)
                except BaseException as error:  # its fault changes nothing
                    if is_our_end(error):
                        raise
                    WORKER_HANDLER_FAILED.raised(error, job=event.job.id, kind=event.kind, handler=handler)
            self._waiting.task_done()


async def _call(handler: Handler, event: JobEvent) -> None:
    if inspect.iscoroutinefunction(handler):
        await handler(event)
        return
    _, error = await asyncio.to_thread(caught, handler, event)
    if error is not None:
        raise error


def _event(outcome: Outcome, record: JobRecord) -> JobEvent | None:
    match outcome:
        case Completed(_, result, _):
            return JobEvent("completed", record, result=decode(result))
        case Failed(_, reason):
            return JobEvent("failed", record, reason)
        case Delayed(_, due, reason, _, attempts) if attempts:
            return JobEvent("attempt_failed", record, reason, retry_at=due)
    return None
