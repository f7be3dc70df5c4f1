"""An application's schedules: made, changed, run once more, removed."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Unpack

from toril.adding import add
from toril.checks import instance
from toril.clock import Clock
from toril.errors import InvalidOption, InvalidSchedule, ScheduleNotFound
from toril.handle import Job
from toril.options import Policy
from toril.registry import Registry
from toril.schedule import Cron
from toril.store.base import Store
from toril.store.views import ScheduleInfo
from toril.task import Call, new_job
from toril.timetable import Bounds, Plan, Scheduled, distance, scheduled
from toril.tracing import carrier

__all__ = ["Scheduling"]


class Scheduling(Registry):
    """The part of an application that is about schedules."""

    store: Store
    clock: Clock

    def plan(
        self,
        *,
        cron: str | None = None,
        every: float | timedelta | None = None,
        tz: str | None = None,
        **bounds: Unpack[Bounds],
    ) -> Plan:
        """Return the times that a cron line, or `every` so many seconds, stands for; raise InvalidSchedule."""
        if (cron is None) == (every is None):
            raise InvalidSchedule("cron, every: expected one of them")
        if tz is not None and cron is None:
            raise InvalidSchedule("tz: belongs to cron")
        rule = Cron(cron, tz or self.settings.timezone) if cron is not None else distance(every or 0)
        plan = Plan.make(rule, bounds)
        if plan.end is not None and plan.end < self.clock.now():
            raise InvalidSchedule(f"end: expected a moment to come, got {bounds['end']!r}")
        return plan

    async def schedule(
        self,
        call: Call[Any],
        *,
        id: str,  # noqa: A002
        cron: str | None = None,
        every: float | timedelta | None = None,
        tz: str | None = None,
        **bounds: Unpack[Bounds],
    ) -> bool:
        """Let a call be made at the times of a cron line, or `every` so many seconds, until `unschedule(id)`.

        A schedule of that id is changed; if it is stored so already, nothing is touched and this returns False.
        Raises InvalidSchedule, InvalidOption, StoreUnavailable.
        """
        instance(Call, "task.call(…)")("call", call)
        plan = self.plan(cron=cron, every=every, tz=tz, **bounds)
        record = plan.record(id, call, declared=False, link=carrier())
        return await self.store.put_schedule(record, immediately=plan.immediately)

    async def reschedule(
        self,
        schedule_id: str,
        data: object,
        *,
        queue: str | None = None,
        cron: str | None = None,
        every: float | timedelta | None = None,
        tz: str | None = None,
        **bounds: Unpack[Bounds],
    ) -> bool:
        """Give a schedule other times and data, whoever made it; return whether anything changed.

        The options of its jobs stay; what is not given is as for a new schedule. Raises InvalidSchedule, also for one
        that code declares (a worker's start would put it back), InvalidData, InvalidArguments, and what `get_schedule`
        raises, of which `queue` is.
        """
        plan = self.plan(cron=cron, every=every, tz=tz, **bounds)
        old = (await self._stored(schedule_id, queue)).schedule
        if old.declared:
            raise InvalidSchedule(f"id: schedule {schedule_id!r} is declared by code: change it there")
        record = plan.over(old, self.queue(old.queue).text_of(old.name, data))
        return await self.store.put_schedule(record, immediately=plan.immediately)

    async def unschedule(self, schedule_id: str, *, queue: str | None = None) -> bool:
        """Remove a schedule and its next job, unless that is ready to run; return False if there is none of that id.

        queue: as of `get_schedule`. Raises InvalidOption, StoreUnavailable.
        """
        if queue is None:
            try:
                queue = (await self.get_schedule(schedule_id)).queue
            except ScheduleNotFound:
                return False
        return await self.store.remove_schedule(self.queue(queue).name, schedule_id)

    async def run_schedule(self, schedule_id: str, *, queue: str | None = None) -> Job[Any]:
        """Add one more job of a schedule, to run now, and return it; the schedule's own times stay as they are.

        Raises what `get_schedule` raises, of which `queue` is, and what adding a job does.
        """
        found = (await self._stored(schedule_id, queue)).schedule
        policy = dataclasses.replace(Policy.from_json(found.opts), missed=None, link=None)
        job = new_job(found.queue, found.name, found.data, policy, policy.to_json(), self.clock.now())
        (job_id,) = await add(self.store, [job])
        return Job(self.queue(found.queue), job_id, found.name)

    async def schedules(self) -> list[Scheduled]:
        """Return all schedules of the store, by id, with their next and last times."""
        return [scheduled(info) for info in await self.store.schedules()]

    async def get_schedule(self, schedule_id: str, *, queue: str | None = None) -> Scheduled:
        """Return the schedule of that id.

        queue: its queue's name; needed only where several have one of that id, as BullMQ's may. Raises
        ScheduleNotFound, InvalidOption if it is needed and not given, StoreUnavailable.
        """
        return scheduled(await self._stored(schedule_id, queue))

    async def prune_schedules(self, queues: Iterable[str] | None = None) -> list[str]:
        """Remove schedules that code once declared and this application does not; return their ids.

        queues: whose schedules to look at, default those that the application serves: other applications may share
        the store. What `schedule` has made stays.
        """
        stale = self.stale_schedules(await self.store.schedules(), queues)
        return [one.id for one in stale if await self.store.remove_schedule(one.queue, one.id)]

    async def put_schedules(self) -> None:
        """See that every declared schedule is stored as declared; what is so already is not touched."""
        for task, plan in self.declared_schedules():
            record = plan.record(task.name, task.call(), declared=True)
            await self.store.put_schedule(record, immediately=plan.immediately)

    async def _stored(self, schedule_id: str, queue: str | None) -> ScheduleInfo:
        there = {info.schedule.queue: info for info in await self.store.schedules(schedule_id)}
        if queue is None and len(there) > 1:
            raise InvalidOption(f"queue: schedule {schedule_id!r} is in {', '.join(there)}: expected one of them")
        found = there.get(queue) if queue is not None else next(iter(there.values()), None)
        if found is None:
            raise ScheduleNotFound(schedule_id, queue, list(there))
        return found
