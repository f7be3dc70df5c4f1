"""Schedules on BullMQ's layout: each has one job waiting for its next tick; taking that job makes the one after it.

What the next tick is, is computed here; the scripts write it if nobody else was faster.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from toril.job import JobRecord
from toril.json import decode, decode_or, dump
from toril.options import Policy
from toril.store.redis.records import number, pairs
from toril.store.ticks import is_same, keeps_overdue, next_tick, start_of, tick_after
from toril.store.views import ScheduleInfo, ScheduleRecord

__all__ = ["Schedules"]

_NO_JOB = ("", "", "", "", "")
Run = Callable[[str, str, Sequence[Any]], Awaitable[Any]]  # script, queue, arguments behind `now`


class Schedules:
    """The schedules of a store, whose scripts `run` carries out."""

    def __init__(self, run: Run, now: Callable[[], int]) -> None:
        self._run = run
        self._now = now

    async def put(self, schedule: ScheduleRecord, *, immediately: bool) -> bool:
        """See Store.put_schedule."""
        while True:
            old = await self.read(schedule.queue, schedule.id)
            same = old is not None and is_same(old.info.schedule, schedule)
            if same and old is not None and (old.waits or not old.goes_on):
                return False
            if await self._put(schedule, old, same=same, immediately=immediately):
                return True

    async def _put(self, schedule: ScheduleRecord, old: _Stored | None, *, same: bool, immediately: bool) -> bool:
        """Write a schedule over what was read; return False if that has changed meanwhile."""
        now = self._now()
        stays = old is not None and old.waits and keeps_overdue(schedule, old.tick, now)
        tick: int | None
        if stays and old is not None:
            tick, ticks = old.tick, 1
            job = ("", "", dump(old.opts | _repeats(schedule, old.tick, 1)), "", "")  # it counts anew, by the new rule
        else:
            known = ScheduleInfo(schedule, old.tick, None, 0) if same and old is not None else None
            tick = start_of(schedule, known, now, immediately=immediately)
            ticks = (old.info.ticks if same and old is not None else 0) + 1
            tick = _within(schedule, tick)
            job = _NO_JOB if tick is None else _job(schedule, tick, ticks, now)
        goes = "1" if old is not None and old.waits and not stays else ""
        had = "" if old is None else str(old.tick)
        while True:
            counted = ticks if tick is not None else ticks - 1
            own = {"last": "" if old is None else str(old.info.last or ""), "ticks": str(counted)}
            own["declared"] = "1" if schedule.declared else ""
            definition = _definition(schedule, tick, old)
            shown = "" if tick is None else str(tick)
            arguments = (schedule.id, had, goes, shown, *job, dump(definition), dump(own))
            answer = await self._run("schedule_put", schedule.queue, arguments)
            if answer != -1:
                return bool(answer)
            assert tick is not None  # that tick has had its job already
            tick = _within(schedule, tick_after(schedule, tick))
            job = _NO_JOB if tick is None else _job(schedule, tick, ticks, now)

    async def advance(self, job: JobRecord) -> None:
        """Make the next job of the schedule that made `job`, which has been taken; whoever is first does."""
        if job.schedule is None or job.tick is None:
            return
        old = await self.read(job.queue, job.schedule)
        if old is None or old.tick != job.tick:
            return
        schedule, ticks = old.info.schedule, old.info.ticks
        over = schedule.limit is not None and ticks >= schedule.limit
        tick: int | None = None if over else _within(schedule, next_tick(schedule, job.tick, self._now()))
        while True:
            new = _NO_JOB if tick is None else _job(schedule, tick, ticks + 1, self._now())
            shown = "" if tick is None else str(tick)
            arguments = (schedule.id, str(job.tick), shown, *new, str(ticks + 1))
            if await self._run("schedule_advance", job.queue, arguments) != -1:
                return
            assert tick is not None
            tick = _within(schedule, tick_after(schedule, tick))

    async def read(self, queue: str, schedule_id: str) -> _Stored | None:
        """Return a schedule as it is stored, or None."""
        found = await self._run("schedule_read", queue, (schedule_id,))
        return None if found is None else _Stored(queue, schedule_id, found)

    async def of(self, queue: str, schedule_id: str | None) -> list[ScheduleInfo]:
        """Return the schedules of a queue, or the one of that id."""
        ids = await self._run("schedule_ids", queue, ()) if schedule_id is None else [schedule_id]
        found = [await self.read(queue, schedule_id) for schedule_id in ids]
        return [stored.info if stored.waits else stored.info._replace(next=None) for stored in found if stored]

    async def remove(self, queue: str, schedule_id: str) -> bool:
        """Forget a schedule; return False if the queue has none of that id."""
        return bool(await self._run("schedule_remove", queue, (schedule_id,)))


class _Stored:
    """A schedule as Redis has it."""

    def __init__(self, queue: str, schedule_id: str, found: Sequence[Any]) -> None:
        definition, tick, state, opts, own = found
        fields, ours = pairs(definition), pairs(own)
        self.tick = int(tick)
        self.opts = _object(opts)
        count = _object(self.opts.get("repeat")).get("count") or ours.get("ticks") or fields.get("ic")
        last = ours.get("last")
        self.is_ours = "declared" in ours  # put by Toril, by code or not
        self.waits = state != "" and last != tick  # retried, the last tick of a schedule that has ended runs by itself
        record = _record(queue, schedule_id, fields, declared=bool(ours.get("declared")))
        self.info = ScheduleInfo(record, self.tick, int(last) if last else None, number(count) or 0)

    @property
    def goes_on(self) -> bool:
        """Whether there is another tick after the one that was taken last."""
        schedule = self.info.schedule
        if self.info.last is None or self.info.last != self.tick:
            return True
        return not (schedule.limit is not None and self.info.ticks >= schedule.limit) and (
            _within(schedule, tick_after(schedule, self.tick)) is not None
        )


def _object(value: Any) -> dict[str, Any]:
    """Return an object that others may have written, as text or within another; empty: it is none."""
    value = decode_or(value, None) if isinstance(value, str) else value
    return value if isinstance(value, dict) else {}


def _record(queue: str, schedule_id: str, fields: dict[str, str], *, declared: bool) -> ScheduleRecord:
    def whole(name: str) -> int | None:
        return number(fields.get(name) or None)

    opts = fields.get("opts", "{}")
    missed = _object(_object(opts).get("toril")).get("missed") or "once"
    return ScheduleRecord(
        schedule_id, queue, fields.get("pattern"), fields.get("tz"), whole("every"), missed,
        fields.get("name", schedule_id), fields.get("data", "{}"), opts, whole("startDate"), whole("endDate"),
        whole("limit"), declared,
    )  # fmt: skip


def _definition(schedule: ScheduleRecord, tick: int | None, old: _Stored | None) -> dict[str, str]:
    offset = 0 if schedule.every is None else (tick or 0) % schedule.every
    fields: dict[str, Any] = {
        "name": schedule.name, "pattern": schedule.cron, "tz": schedule.tz, "every": schedule.every,
        "offset": offset, "startDate": schedule.start, "endDate": schedule.end, "limit": schedule.limit,
        "data": None if schedule.data == "{}" else schedule.data, "opts": schedule.opts, "ic": 1,
    }  # fmt: skip
    if old is not None:
        fields["ic"] = old.info.ticks + 1
    return {name: str(value) for name, value in fields.items() if value is not None}


def _within(schedule: ScheduleRecord, tick: int | None) -> int | None:
    return None if tick is None or (schedule.end is not None and tick > schedule.end) else tick


def _repeats(schedule: ScheduleRecord, tick: int, count: int) -> dict[str, Any]:
    """Return the options of a tick's job by which BullMQ's workers make the next one."""
    repeat: dict[str, Any] = {"count": count}
    names = {"every": schedule.every, "pattern": schedule.cron, "tz": schedule.tz, "limit": schedule.limit}
    names |= {"startDate": schedule.start, "endDate": schedule.end}
    repeat |= {name: value for name, value in names.items() if value is not None}
    if schedule.every is not None:
        repeat["offset"] = tick % schedule.every
    return {"repeat": repeat} | ({} if schedule.cron is None else {"prevMillis": tick})


def _job(schedule: ScheduleRecord, tick: int, count: int, now: int) -> tuple[str, str, str, str, str]:
    """Return name, data, opts, priority and expiry of a tick's job, as BullMQ's workers want them."""
    opts = decode(schedule.opts) | {
        "jobId": f"repeat:{schedule.id}:{tick}",
        "repeatJobKey": schedule.id,
        "timestamp": now,
        "delay": max(tick - now, 0),
        **_repeats(schedule, tick, count),
    }
    policy = Policy.from_json(schedule.opts)
    expires = policy.expires_at(tick)
    return schedule.name, schedule.data, dump(opts), str(policy.priority), "" if expires is None else str(expires)
