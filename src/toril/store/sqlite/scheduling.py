"""Schedules: each has one job waiting for its next time; taking that job makes the one after it."""

from __future__ import annotations

from toril.job import JobRecord
from toril.options import Policy
from toril.schedule import Cron, Every, Schedule
from toril.store.base import ScheduleRecord
from toril.store.sqlite.transaction import ACTIVE, DELAYED, PRIORITIZED, WAITING, Transaction

__all__ = ["advance", "put_schedule", "schedules"]


def advance(tx: Transaction, job: JobRecord) -> None:
    """Make the next job of the schedule that made `job`, which has just been taken."""
    found = tx.rows("read_schedule", id=job.schedule)
    if not found or job.tick is None:
        return
    schedule = ScheduleRecord(*found[0])
    _make(tx, schedule, _next(schedule, job.tick, tx.now))


def put_schedule(tx: Transaction, schedule: ScheduleRecord) -> bool:
    """Store a schedule and see that it has a job; touch nothing if it is stored so already."""
    found = tx.rows("read_schedule", id=schedule.id)
    same = bool(found) and ScheduleRecord(*found[0]) == schedule
    queue = tx.queue(found[0][1] if found else schedule.queue)
    prefix = f"repeat:{schedule.id}:"
    pending = tx.rows("pending_tick", queue=queue, first=prefix, last=prefix[:-1] + ";")
    if same and pending:
        return False
    tx.many("put_schedule", [(schedule.id, tx.queue(schedule.queue), *schedule[2:])])
    for row, logs, state, tick in pending:
        overdue = tick <= tx.now and schedule.missed != "skip"
        if state == ACTIVE or overdue:  # it runs, or must not be lost: taking it makes the next by the new rule
            if state != ACTIVE:
                return True
            continue
        tx.forget_logs([(row, logs)])
        tx.run("remove_job", row=row)
        tx.count(queue, {state: -1})
    rule = _rule(schedule)
    _make(tx, schedule, rule.first(tx.now) if isinstance(rule, Every) else rule.next_after(tx.now))
    return True


def schedules(tx: Transaction) -> list[ScheduleRecord]:
    """Return all schedules, by id."""
    return [ScheduleRecord(*row) for row in tx.rows("all_schedules")]


def _rule(schedule: ScheduleRecord) -> Schedule:
    if schedule.every is not None:
        return Every(schedule.every)
    return Cron(schedule.cron or "", schedule.tz or "UTC")


def _next(schedule: ScheduleRecord, tick: int, now: int) -> int | None:
    """Return the tick after `tick`: each one, or the first that is not past."""
    rule = _rule(schedule)
    if schedule.missed == "all":
        return rule.anchored(tick).next_after(tick) if isinstance(rule, Every) else rule.next_after(tick)
    if isinstance(rule, Every):
        return rule.anchored(tick).following(tick, now)
    return rule.next_after(max(tick, now))


def _make(tx: Transaction, schedule: ScheduleRecord, tick: int | None) -> None:
    """Insert the job of one tick, once: its id names the tick."""
    if tick is None:
        return
    queue = tx.queue(schedule.queue)
    key = f"repeat:{schedule.id}:{tick}"
    if tx.run("find_key", queue=queue, key=key).fetchone():
        return
    number = tx.numbers(1)
    policy = Policy.from_json(schedule.opts)
    priority = policy.priority
    state, rank = (DELAYED, tick) if tick > tx.now else tx.ready_place(priority, number)
    row = (number, queue, state, rank, key, schedule.name, schedule.data, schedule.opts, priority, tx.now)
    tx.many("insert_job", [(*row, schedule.id, tick)])
    if (expires := policy.expires_at(tick)) is not None:
        tx.many("set_expiry", [(queue, expires, number)])
    tx.count(queue, {state: 1})
    tx.tell_all(queue, "added", [key])
    if state in (WAITING, PRIORITIZED):
        tx.ready.add(queue)
