"""Schedules as an application gives them: rules, bounds, and what they call."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, TypedDict, get_args

from toril.checks import Check, moment, optional, span, whole
from toril.clock import utc
from toril.errors import InvalidOption, InvalidSchedule
from toril.json import clean, decode, decode_or, dump
from toril.options import Options, Policy, TaskOptions
from toril.schedule import Cron, Every
from toril.store.ticks import start_of, tick_after
from toril.store.views import ScheduleInfo, ScheduleRecord
from toril.task import Call

__all__ = ["Bounds", "Missed", "Plan", "Scheduled", "check_schedule_id", "distance", "scheduled"]

Missed = Literal["once", "skip", "all"]
_LONGEST_ID = 255
_OF_ONE_JOB = {
    name: getattr(Policy(), name) for name in Options.__annotations__ if name not in TaskOptions.__annotations__
}


class Bounds(TypedDict, total=False):
    """When a schedule begins and ends.

    start, end: moments with a time zone; no tick is before or after them.
    limit: ticks at most, counted from when the schedule was last changed; one that is skipped counts.
    immediately: the first tick is now, once, when the schedule is new or changed.
    missed: what becomes of times at which no worker ran: `once` (default) runs the last one late, `skip` none, `all`
        each.
    """

    start: datetime | None
    end: datetime | None
    limit: int | None
    immediately: bool
    missed: Missed


@dataclass(frozen=True, slots=True)
class Plan:
    """A rule with its bounds, checked; times in epoch milliseconds."""

    rule: Cron | Every
    start: int | None = None
    end: int | None = None
    limit: int | None = None
    immediately: bool = False
    missed: Missed = "once"

    @staticmethod
    def make(rule: Cron | Every, bounds: Bounds) -> Plan:
        """Return a plan; raise InvalidSchedule that names the field."""
        for name in bounds.keys() - Bounds.__annotations__.keys():
            raise InvalidSchedule(f"{name}: no such option of a schedule (known: {', '.join(Bounds.__annotations__)})")
        start, end = (_checked(optional(moment), name, bounds.get(name)) for name in ("start", "end"))
        limit, missed = _checked(optional(whole(1)), "limit", bounds.get("limit")), bounds.get("missed", "once")
        if start is not None and end is not None and start > end:
            raise InvalidSchedule("end: expected a moment after start")
        if missed not in get_args(Missed):
            raise InvalidSchedule(f"missed: expected once, skip or all, got {missed!r}")
        if bounds.get("immediately") and start is not None:
            raise InvalidSchedule("immediately, start: expected one of them, got both")
        return Plan(rule, start, end, limit, bool(bounds.get("immediately")), missed)

    def record(self, schedule_id: str, call: Call[Any], *, declared: bool, link: str | None = None) -> ScheduleRecord:
        """Return what a store keeps; raise InvalidOption for an option that a schedule's jobs cannot have.

        link: the trace context from which it is made.
        """
        task, policy = call.task, dataclasses.replace(call.policy, link=link)
        return self.named(schedule_id, task.queue.name, task.name, call.data, policy, declared=declared)

    def named(
        self, schedule_id: str, queue: str, task: str, data: str, policy: Policy, *, declared: bool
    ) -> ScheduleRecord:
        """Return what a store keeps of a schedule of any task's name; raise InvalidOption as `record` does."""
        for name, default in _OF_ONE_JOB.items():
            if getattr(policy, name) != default:
                raise InvalidOption(f"{name}: belongs to one job, and a schedule makes many")
        if isinstance(policy.expires, datetime):
            raise InvalidOption("expires: a moment belongs to one job; seconds count from each time of the schedule")
        opts = dataclasses.replace(policy, missed=None if self.missed == "once" else self.missed).to_json()
        blank = ScheduleRecord(check_schedule_id(schedule_id), queue, None, None, None, "", task, data, opts)
        return self._timed(blank)._replace(declared=declared)

    def over(self, old: ScheduleRecord, data: str) -> ScheduleRecord:
        """Return a stored schedule with these times, and other data; its jobs' options stay, whoever wrote them."""
        opts = old.opts if self.missed == old.missed else _missing(old.opts, self.missed)
        return self._timed(old)._replace(data=data, opts=opts)

    def times(self, now: int, most: int) -> list[int]:
        """Return its first moments, were it stored at `now`; times in epoch milliseconds."""
        record = self._timed(ScheduleRecord("", "", None, None, None, "", "", "", ""))
        found: list[int] = []
        tick = start_of(record, None, now, immediately=self.immediately)
        while tick is not None and tick <= (self.end or tick) and len(found) < min(most, self.limit or most):
            found.append(tick)
            tick = tick_after(record, tick)
        return found

    def _timed(self, record: ScheduleRecord) -> ScheduleRecord:
        cron = self.rule if isinstance(self.rule, Cron) else None
        return record._replace(
            cron=cron.expression if cron else None,
            tz=cron.tz if cron else None,
            every=self.rule.milliseconds if isinstance(self.rule, Every) else None,
            missed=self.missed,
            start=self.start,
            end=self.end,
            limit=self.limit,
        )


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A schedule as it stands in the store.

    cron (with tz) or every (seconds): its rule. task, data: what it calls. next: the time of the job that waits (None:
    it has ended). last: the time of the last job that was taken. ticks: made since it was last changed. declared: by
    code, not by `app.schedule(...)`.
    """

    id: str
    queue: str
    task: str
    data: Any
    cron: str | None
    tz: str | None
    every: float | None
    missed: str
    start: datetime | None
    end: datetime | None
    limit: int | None
    next: datetime | None
    last: datetime | None
    ticks: int
    declared: bool


def scheduled(info: ScheduleInfo) -> Scheduled:
    """Return a store's schedule as people read it."""
    found = info.schedule
    return Scheduled(
        id=found.id,
        queue=found.queue,
        task=found.name,
        data=decode_or(found.data, found.data),
        cron=found.cron,
        tz=found.tz,
        every=None if found.every is None else found.every / 1000,
        missed=found.missed,
        start=_time(found.start),
        end=_time(found.end),
        limit=found.limit,
        next=_time(info.next),
        last=_time(info.last),
        ticks=info.ticks,
        declared=found.declared,
    )


def distance(value: float | timedelta) -> Every:
    """Return the rule for a fixed distance; raise InvalidSchedule."""
    return Every(round(_checked(span, "every", value) * 1000))


def check_schedule_id(value: str) -> str:
    """Return the id if every store can carry it; raise InvalidSchedule."""
    if not isinstance(value, str) or not 1 <= len(value) <= _LONGEST_ID or ":" in value or value != clean(value):
        raise InvalidSchedule(f"id: expected text of 1 to {_LONGEST_ID} characters without a colon, got {value!r}")
    return value


def _missing(opts: str, missed: str) -> str:
    """Return a job's options with another word on missed times."""
    body = decode(opts)
    own = {key: value for key, value in (body.pop("toril", None) or {}).items() if key != "missed"}
    return dump({**body, "toril": own if missed == "once" else {**own, "missed": missed}})


def _checked(check: Check, name: str, value: object) -> Any:
    try:
        return check(name, value)
    except InvalidOption as error:
        raise InvalidSchedule(str(error)) from None


def _time(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else utc(milliseconds)
