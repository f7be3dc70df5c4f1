"""A named line of jobs: policy here, then one verb of the store."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, Unpack

from toril.adding import add
from toril.checks import instance, optional, whole
from toril.controls import BULK, ENDED, QueueControls
from toril.errors import InvalidData, InvalidOption, JobNotFound, PartlyAdded, StoreError
from toril.filter import parse
from toril.handle import Job
from toril.insight import QueueInsight
from toril.job import JobState, NewJob, check_name, check_state
from toril.json import check_integers, encode
from toril.limits import Limits, Rate
from toril.options import Options, Policy, TaskOptions, carried, declared, resolve
from toril.task import Call, new_job
from toril.timetable import Bounds
from toril.tracing import carrier

if TYPE_CHECKING:
    from toril.app import Toril

__all__ = ["JobPage", "Queue", "SearchPage", "add_all"]

R = TypeVar("R")
SLOTS = 10  # jobs at once
BY_OFFSET = 10_000  # jobs that can be reached by their number in line


class JobPage(NamedTuple):
    """Some jobs of a queue; pass `after` to `jobs()` for the next page (None: there is none)."""

    jobs: Sequence[Job[Any]]
    after: str | None


class SearchPage(NamedTuple):
    """Jobs that were found; `looked` of `total` have been looked at since the first page. `after`: as in JobPage."""

    jobs: Sequence[Job[Any]]
    after: str | None
    looked: int
    total: int


class Queue(QueueControls, QueueInsight):
    """A named line of jobs with its own defaults and controls.

    slots: how many of its jobs a worker process that is told no number runs at once; may be set.
    """

    def __init__(self, app: Toril, name: str) -> None:
        if ":" in check_name("queue", name):
            raise InvalidOption(f"queue {name!r}: expected a name without a colon, which divides BullMQ's keys")
        self.app = app
        self.name = name
        self.slots = SLOTS
        size = app.settings.max_job_size
        self._base: Mapping[str, Any] = {} if size is None else {"max_size": size}
        self.options = self._base

    def __repr__(self) -> str:
        return f"<Queue {self.name}>"

    def declare(self, **options: Unpack[TaskOptions]) -> Queue:
        """Set the defaults of jobs that are added from now on; raise InvalidOption."""
        resolve(declared(options))
        self.options = {**self._base, **options}
        return self

    async def add(self, name: str, data: object = None, **options: Unpack[Options]) -> Job[Any]:
        """Add a job by name, with any JSON as its data, and return it.

        If this application has a task of that name, the data are checked as its arguments. Raises InvalidData,
        InvalidArguments, InvalidOption, DataTooLarge, StoreUnavailable, QueueFull, BudgetExceeded.
        """
        return (await self._add([self._new_job(name, data, options)]))[0]

    async def add_many(self, jobs: Iterable[tuple[str, object]], **options: Unpack[Options]) -> list[Job[Any]]:
        """Add jobs given as (name, data); all are checked first. Atomic up to 1,000, see `Toril.enqueue_many`."""
        if options.get("job_id") is not None:
            raise InvalidOption("job_id: belongs to one job, expected in add(...)")
        return await self._add([self._new_job(*_pair(job), options) for job in jobs])

    async def enqueue(self, call: Call[R]) -> Job[R]:
        """Add one validated call."""
        ids = await add(self.app.store, (call.new_job(self.app.clock.now()),))
        return Job(self, ids[0], call.task.name)

    async def get(self, job_id: str) -> Job[Any] | None:
        """Return a job as it stands now, or None; raise InvalidOption for an id that is no text."""
        instance(str, "text")("job_id", job_id)
        record = await self.app.store.get(self.name, job_id)
        return None if record is None else Job(self, record.id, record.name, record)

    async def jobs(
        self,
        state: JobState | str,
        *,
        limit: int = 100,
        after: str | None = None,
        offset: int = 0,
        newest: bool = False,
    ) -> JobPage:
        """Return a page of the jobs in one state: in the order in which they are taken or ended, or newest first.

        after: where the page before ended; pages keep their place while jobs come and go. offset: leave out so many
        instead, within the first 10,000. Raises InvalidOption.
        """
        state = check_state(state)
        whole(1, BULK)("limit", limit)
        whole(0, BY_OFFSET - limit)("offset", offset)
        if offset and after is not None:
            raise InvalidOption("after, offset: expected one of them, got both")
        page = await self.app.store.list(self.name, state, limit, after, newest=newest, offset=offset)
        return JobPage([Job(self, record.id, record.name, record) for record in page.jobs], page.after)

    async def search(self, text: str, *, limit: int = 100, after: str | None = None) -> SearchPage:
        """Return jobs that match a filter such as `state:failed name:report* error:timeout since:1h`, newest first.

        The language stands in `toril.filter`. Id, state, time and name are looked up; for the rest a page looks at the
        newest 10,000 jobs or for 0.06 s, says how far it came, and `after` goes on from there. Raises InvalidFilter,
        InvalidOption.
        """
        whole(1, BULK)("limit", limit)
        found = await self.app.store.search(self.name, parse(text, self.app.clock.now()), limit, after)
        jobs: list[Job[Any]] = [Job(self, record.id, record.name, record) for record in found.jobs]
        return SearchPage(jobs, found.after, found.looked, found.total)

    async def counts(self) -> dict[str, int]:
        """Return how many jobs are in each state, and `ready`: those that could be taken now."""
        counts = (await self.app.store.info(self.name)).counts
        ready = counts[JobState.WAITING] + counts[JobState.PRIORITIZED]
        return {**{state.value: count for state, count in counts.items()}, "ready": ready}

    async def pause(self, *, by: str = "", why: str = "") -> None:
        """Let no more jobs be taken, until `resume`; those that run go on."""
        await self.app.store.pause(self.name, by, why)

    async def resume(self) -> None:
        """Let jobs be taken again."""
        await self.app.store.resume(self.name)

    async def set_limits(self, *, concurrency: int | None = None, rate: Rate | None = None) -> None:
        """Limit what all workers together run of this queue; the limits are kept in the store until set anew.

        concurrency: jobs that are active at once. rate: jobs that are started in a time. None: no limit.
        Raises InvalidOption.
        """
        await self.app.store.set_limits(self.name, Limits(concurrency, rate))

    async def limits(self) -> Limits:
        """Return the limits that hold for all workers together."""
        return (await self.app.store.info(self.name)).limits

    async def paused(self) -> Mapping[str, Any] | None:
        """Return `by`, `why` and `at` (epoch ms) of a pause, or None."""
        return (await self.app.store.info(self.name)).paused

    async def limit_length(self, max_length: int | None) -> None:
        """Let no more than `max_length` jobs wait or be delayed here, whoever adds them; None: as many as come.

        An add beyond it raises QueueFull. Jobs that come back (retries, hand-backs), ticks of schedules and jobs that
        are kept for another's end are let in. Raises InvalidOption.
        """
        optional(whole(1))("max_length", max_length)
        await self.app.store.limit_length(self.name, max_length)

    async def max_length(self) -> int | None:
        """Return how many jobs may wait or be delayed here at most; None: there is no limit."""
        return (await self.app.store.info(self.name)).max_length

    async def retry(self, job_id: str) -> Job[Any]:
        """Let a failed or completed job run again: one more attempt. Raises JobNotFound, WrongState."""
        job = await self.get(job_id)
        if job is None:
            raise JobNotFound(f"queue {self.name} has no job {job_id}")
        await job.retry()
        return job

    async def retry_all(self, state: JobState | str = JobState.FAILED) -> int:
        """Let all jobs that have failed (or completed) until now run again; return how many. Raises InvalidOption."""
        state = check_state(state, ENDED)
        left, done = (await self.app.store.info(self.name)).counts[state], 0
        while done < left and (ids := await self.app.store.retry(self.name, state, None)):
            done += len(ids)
        return done

    async def dedup_owner(self, dedup_id: str) -> str | None:
        """Return the id of the job that holds a deduplication key now, or None."""
        return await self.app.store.dedup_owner(self.name, dedup_id)

    async def forget_dedup(self, dedup_id: str) -> bool:
        """Free a deduplication key and forget what was kept for its job's end; return whether it was held."""
        return await self.app.store.forget_dedup(self.name, dedup_id)

    async def schedule(
        self,
        name: str,
        data: object = None,
        *,
        id: str,  # noqa: A002
        cron: str | None = None,
        every: float | timedelta | None = None,
        tz: str | None = None,
        **bounds: Unpack[Bounds],
    ) -> bool:
        """Let a job be added by name, with any JSON, at the times of a cron line or `every` so many seconds.

        As `Toril.schedule` otherwise; the options are those that the queue and a task of that name declare. Raises
        InvalidData, InvalidArguments, DataTooLarge, InvalidSchedule, StoreUnavailable.
        """
        policy, text = self._carried(name, data, {})
        plan = self.app.plan(cron=cron, every=every, tz=tz, **bounds)
        record = plan.named(id, self.name, name, text, dataclasses.replace(policy, link=carrier()), declared=False)
        return await self.app.store.put_schedule(record, immediately=plan.immediately)

    def text_of(self, name: str, data: object) -> str:
        """Return data as jobs of that name carry them, as JSON; raise InvalidData, InvalidArguments."""
        text = check_integers(encode({} if data is None else data), self.app.store.largest, "data")
        return self.app.check(name, text)

    def _new_job(self, name: str, data: object, options: Options) -> NewJob:
        policy, text = self._carried(name, data, options)
        return new_job(self.name, name, text, policy, policy.to_json(), self.app.clock.now())

    def _carried(self, name: str, data: object, options: Options) -> tuple[Policy, str]:
        """Return what a job of that name is told and given."""
        check_name("job", name)
        policy = resolve(self.options, self.app.task_options(name), carried(options))
        text = self.text_of(name, data)
        policy.check_size(name, text)
        return policy, text

    async def _add(self, jobs: Sequence[NewJob]) -> list[Job[Any]]:
        ids = await add_all(self.app, jobs)
        return [Job(self, job_id, job.name) for job_id, job in zip(ids, jobs, strict=True)]


def _pair(job: tuple[str, object]) -> tuple[str, object]:
    if not isinstance(job, (tuple, list)) or len(job) != 2:  # noqa: PLR2004
        raise InvalidData(f"add_many: expected (name, data), got {job!r}")
    return job[0], job[1]


async def add_all(app: Toril, jobs: Sequence[NewJob]) -> list[str]:
    """Add jobs in calls of 1,000, in order; raise PartlyAdded if one of several calls fails."""
    ids: list[str] = []
    for start in range(0, len(jobs), BULK):
        try:
            ids += await add(app.store, jobs[start : start + BULK])
        except StoreError as error:
            if not ids:
                raise
            raise PartlyAdded(ids, len(jobs)) from error
    return ids
