"""Which tick of a schedule comes next: the rules that all stores share."""

from __future__ import annotations

from toril.json import decode, dump
from toril.schedule import Cron, Every, Schedule
from toril.store.views import ScheduleInfo, ScheduleRecord

__all__ = ["is_same", "keeps_overdue", "next_tick", "start_of", "tick_after"]


def is_same(stored: ScheduleRecord, given: ScheduleRecord) -> bool:
    """Return whether two schedules are the same, from whatever trace they were made."""
    return stored._replace(opts=_unlinked(stored.opts)) == given._replace(opts=_unlinked(given.opts))


def _unlinked(opts: str) -> str:
    if '"link":' not in opts:
        return opts
    body = decode(opts)
    body["toril"].pop("link")
    return dump(body)


def _rule_of(schedule: ScheduleRecord) -> Schedule:
    if schedule.every is not None:
        return Every(schedule.every)
    return Cron(schedule.cron or "", schedule.tz or "UTC")


def _first_tick(schedule: ScheduleRecord, now: int, *, immediately: bool) -> int | None:
    """Return the first tick of a schedule that is new or changed."""
    rule, start = _rule_of(schedule), schedule.start
    if immediately:
        return now
    if isinstance(rule, Every):
        return rule.first(now, start)
    return rule.next_after(now if start is None else max(now, start - 1))


def next_tick(schedule: ScheduleRecord, tick: int, now: int) -> int | None:
    """Return the tick after `tick`: each one, or the first that is not past."""
    rule = _rule_of(schedule)
    if schedule.missed == "all":
        return tick_after(schedule, tick)
    if isinstance(rule, Every):
        return rule.anchored(tick).following(tick, now)
    return rule.next_after(max(tick, now))


def tick_after(schedule: ScheduleRecord, tick: int) -> int | None:
    """Return the very next tick after `tick`, past or not."""
    rule = _rule_of(schedule)
    return rule.anchored(tick).next_after(tick) if isinstance(rule, Every) else rule.next_after(tick)


def start_of(schedule: ScheduleRecord, old: ScheduleInfo | None, now: int, *, immediately: bool) -> int | None:
    """Return the tick with which a schedule that is put goes on; `old`: the same one, as it is stored."""
    if old is not None and old.next:
        return next_tick(schedule, old.next, now)
    return _first_tick(schedule, now, immediately=immediately)


def keeps_overdue(schedule: ScheduleRecord, tick: int | None, now: int) -> bool:
    """Return whether the job of a tick stays though its schedule changes: it is overdue and must not be lost."""
    return tick is not None and tick <= now and schedule.missed != "skip"
