"""What is done by hand to a queue and to one job: policy here, then verbs of the store."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from datetime import timedelta
from typing import TYPE_CHECKING

from toril.checks import optional, seconds, whole
from toril.errors import JobNotFound, WrongState
from toril.job import JobRecord, JobState, check_state
from toril.json import check_integers, encode
from toril.options import check_options
from toril.why import Why, explain

if TYPE_CHECKING:
    from toril.app import Toril
    from toril.queue import Queue

__all__ = ["BULK", "ENDED", "JobControls", "QueueControls"]

BULK = 1_000  # jobs that one call of the store touches
ENDED = (JobState.COMPLETED, JobState.FAILED)
_CLEANABLE = (JobState.WAITING, JobState.PRIORITIZED, JobState.DELAYED, *ENDED)


class QueueControls:
    """The part of a Queue that changes many jobs. Each thousand is one atomic step, safe beside workers."""

    app: Toril
    name: str

    async def promote_all(self) -> int:
        """Let all delayed jobs be taken now, whatever they were waiting for; return how many."""
        left, done = (await self.app.store.info(self.name)).counts[JobState.DELAYED], 0
        while done < left and (ids := await self.app.store.promote(self.name, None)):
            done += len(ids)
        return done

    async def retry_many(self, job_ids: Iterable[str], state: JobState | str = JobState.FAILED) -> list[str]:
        """Let those of these jobs that have failed (or completed) run again; return their ids. Raises InvalidOption."""
        state = check_state(state, ENDED)
        chosen, done = list(job_ids), list[str]()
        for start in range(0, len(chosen), BULK):
            done += await self.app.store.retry(self.name, state, chosen[start : start + BULK])
        return done

    async def remove_many(self, job_ids: Iterable[str], *, children: bool = True) -> list[str]:
        """Remove jobs, with what is below them unless told otherwise; return the ids of those that could be removed.

        See Job.remove for those that could not.
        """
        chosen, done = list(job_ids), list[str]()
        for start in range(0, len(chosen), BULK):
            done += await self.app.store.remove(self.name, chosen[start : start + BULK], children=children)
        return done

    async def clean(
        self, state: JobState | str, *, older_than: float | timedelta = 0.0, limit: int | None = None
    ) -> int:
        """Remove old jobs of one state, the first in its order first; return how many.

        older_than: seconds or a timedelta since they ended or, not ended, were last taken or else added. limit: how
        many at most; None: all. The next jobs of schedules stay. Raises InvalidOption.
        """
        state = check_state(state, _CLEANABLE)
        optional(whole(1))("limit", limit)
        before = self.app.clock.now() - round(seconds("older_than", older_than) * 1000)
        return await self._clean(state, before, limit)

    async def drain(self, *, delayed: bool = False) -> int:
        """Remove all jobs that are ready now (and those delayed); return how many. Active ones go on."""
        states = [JobState.WAITING, JobState.PRIORITIZED, *([JobState.DELAYED] if delayed else [])]
        now = self.app.clock.now()
        return sum([await self._clean(state, now, None) for state in states])

    async def obliterate(self, *, force: bool = False) -> int:
        """Remove the queue: its jobs in every state, schedules, metrics and controls; return how many jobs.

        It must be paused first. force: remove active jobs too; what their workers report is refused. Raises
        WrongState if it is not paused, or has active jobs.
        """
        done = 0
        while removed := await self.app.store.obliterate(self.name, force=force):
            done += removed
        return done

    async def _clean(self, state: JobState, before: int, limit: int | None) -> int:
        done, after = 0, None
        while limit is None or done < limit:
            most = BULK if limit is None else min(BULK, limit - done)
            cleaned = await self.app.store.clean(self.name, state, before, most, after)
            done, after = done + len(cleaned.ids), cleaned.after
            if after is None:
                break
        return done


class JobControls:
    """The part of a Job that changes it before it runs, or asks why it does not."""

    __slots__ = ()
    id: str
    name: str
    queue: Queue

    @abstractmethod
    async def refresh(self) -> JobRecord:
        """Read the job again and return its row; raise JobNotFound if it is gone."""

    async def promote(self) -> None:
        """Let it be taken now although it is delayed; raise JobNotFound or WrongState."""
        if not await self.queue.app.store.promote(self.queue.name, [self.id]):
            raise WrongState(f"job {self.id} is {(await self.refresh()).state}: expected delayed")

    async def change(
        self, *, delay: float | timedelta | None = None, priority: int | None = None, data: object = None
    ) -> None:
        """Change what is given, all at once; a job with another priority stands behind all that have it.

        delay: seconds or a timedelta from now; the job must be delayed. data: checked as when it was added; a run that
        goes on keeps what it has. Raises InvalidOption, InvalidData, InvalidArguments, JobNotFound, WrongState.
        """
        app = self.queue.app
        checked = check_options(delay=delay, priority=priority)
        text = None if data is None else encode(data)
        if text is not None:
            text = app.check(self.name, check_integers(text, app.store.largest, "data"))
        due = None if delay is None else app.clock.now() + round(checked["delay"] * 1000)
        if not await app.store.change(self.queue.name, self.id, due, priority, text):
            raise WrongState(f"job {self.id} is {(await self.refresh()).state}: expected delayed to change its delay")

    async def remove(self, *, children: bool = True) -> None:
        """Remove it with its logs, and the whole tree of jobs below it; a parent that waits for it goes on without it.

        children: False leaves what is below it as it is. Raises JobNotFound, or WrongState, and then nothing is
        removed: it or a job below it runs on a live worker, or a schedule waits for it.
        """
        if await self.queue.app.store.remove(self.queue.name, [self.id], children=children):
            return
        record = await self.refresh()
        if record.tick is not None and not record.starts:
            raise WrongState(
                f"job {self.id} is the next one of schedule {record.schedule}: remove the schedule instead"
            )
        below = "" if record.state is JobState.ACTIVE or not children else ": a job below it"
        raise WrongState(f"job {self.id}{below} is active on a live worker: expected it to have ended")

    async def remove_unprocessed_children(self) -> int:
        """Give up the children that it waits for, and likewise theirs; return how many jobs were removed.

        Those that have failed or run now stay. It goes on when it waits for none any more. Raises JobNotFound.
        """
        removed = await self.queue.app.store.remove_children(self.queue.name, self.id)
        if removed is None:
            raise self._gone()
        return removed

    async def detach(self) -> bool:
        """Let its parent go on without it, and be its parent no longer; it runs all the same.

        Return False, and change nothing, if no parent waits for it. Raises JobNotFound.
        """
        detached = await self.queue.app.store.detach(self.queue.name, self.id)
        if detached is None:
            raise self._gone()
        return detached

    def _gone(self) -> JobNotFound:
        return JobNotFound(f"queue {self.queue.name} has no job {self.id}: never added, or removed since")

    async def why(self) -> Why:
        """Return why it is not running, or where it runs; raise JobNotFound."""
        app = self.queue.app
        info, workers, record = await app.store.info(self.queue.name), await app.store.workers(), await self.refresh()
        waits = record.state is JobState.WAITING_CHILDREN
        children = await app.store.children(self.queue.name, self.id) if waits else ()
        return explain(record, info, workers, children, app.clock.now())
