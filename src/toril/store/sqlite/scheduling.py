"""Schedules: each has one job waiting for its next time; taking that job makes the one after it."""

from __future__ import annotations

from toril.job import JobRecord, JobState
from toril.json import dump
from toril.options import Policy
from toril.store.sqlite.transaction import DELAYED, PRIORITIZED, WAITING, Row, Transaction
from toril.store.ticks import is_same, keeps_overdue, next_tick, start_of, tick_after
from toril.store.views import ScheduleInfo, ScheduleRecord

__all__ = ["advance", "put_schedule", "remove_schedule", "schedules"]

_STATES = tuple(JobState)


def advance(tx: Transaction, job: JobRecord) -> None:
    """Make the next job of the schedule that made `job`, which has just been taken."""
    found = tx.rows("read_schedule", id=job.schedule)
    if not found or job.tick is None:
        return
    info = _info(found[0])
    if info.next != job.tick:  # a further run of a tick, which made the next one when it was first taken
        return
    schedule = info.schedule
    over = schedule.limit is not None and info.ticks >= schedule.limit
    tick = None if over else _make(tx, schedule, next_tick(schedule, job.tick, tx.now))
    tx.run("advance_schedule", id=schedule.id, tick=tick, last=job.tick, more=int(tick is not None))


def put_schedule(tx: Transaction, schedule: ScheduleRecord, immediately: bool) -> bool:
    """Store a schedule and see that it has a job; touch nothing if it is stored so already."""
    found = tx.rows("read_schedule", id=schedule.id)
    old = _info(found[0]) if found else ScheduleInfo(schedule, None, None, 0)
    same = bool(found) and is_same(old.schedule, schedule)
    waiting = _waiting(tx, old)
    if same and (waiting or old.next is None):
        return False
    tick: int | None
    if waiting and keeps_overdue(schedule, old.next, tx.now):
        tick, ticks = old.next, 1  # it must not be lost; taking it makes the next by the new rule
    else:
        if waiting:
            _remove(tx, old, waiting)
        begin = start_of(schedule, old if same else None, tx.now, immediately=immediately)
        tick = _make(tx, schedule, begin)
        ticks = old.ticks * same + (tick is not None)
    row = (schedule.id, tx.queue(schedule.queue), *schedule[2:], tick, old.last, ticks)
    tx.many("put_schedule", [row])
    return True


def remove_schedule(tx: Transaction, queue: str, schedule_id: str) -> bool:
    """Forget a schedule and its next job, but not one that is ready."""
    found = tx.rows("read_schedule", id=schedule_id)
    if not found or (info := _info(found[0])).schedule.queue != queue:
        return False
    waiting = _waiting(tx, info)
    if waiting and waiting[2] == DELAYED:
        _remove(tx, info, waiting)
    tx.run("remove_schedule", id=schedule_id)
    return True


def schedules(tx: Transaction, schedule_id: str | None) -> list[ScheduleInfo]:
    """Return all schedules, or the one of that id."""
    return [_info(row) for row in tx.rows("schedules", id=schedule_id)]


def _info(row: Row) -> ScheduleInfo:
    return ScheduleInfo(ScheduleRecord._make((*row[:12], bool(row[12]))), *row[13:])


def _key(info: ScheduleInfo) -> str:
    return f"repeat:{info.schedule.id}:{info.next}"


def _waiting(tx: Transaction, info: ScheduleInfo) -> Row | None:
    """Return the job of the next tick (row, log lines, state) if nobody has taken it."""
    rows = tx.rows("waiting_tick", queue=tx.queue(info.schedule.queue), key=_key(info))
    return rows[0] if rows else None


def _remove(tx: Transaction, info: ScheduleInfo, job: Row) -> None:
    """Remove the job of the next tick."""
    row, _, state = job
    queue = tx.queue(info.schedule.queue)
    tx.forget_logs([job])
    tx.run("remove_job", row=row)
    tx.count(queue, {state: -1})
    tx.tell(queue, "removed", dump([[_key(info), _STATES[state]]]))


def _make(tx: Transaction, schedule: ScheduleRecord, tick: int | None) -> int | None:
    """Insert the job of the first tick from `tick` on that has had none, and return that tick; None: it has ended."""
    queue = tx.queue(schedule.queue)
    key = f"repeat:{schedule.id}:{tick}"  # BullMQ's ids of ticks
    while tick is not None and tx.rows("find_key", queue=queue, key=key):
        tick = tick_after(schedule, tick)
        key = f"repeat:{schedule.id}:{tick}"
    if tick is None or (schedule.end is not None and tick > schedule.end):
        return None
    number = tx.numbers(1)
    policy = Policy.from_json(schedule.opts)
    priority = policy.priority
    state, rank = (DELAYED, tick) if tick > tx.now else tx.ready_place(priority, number)
    row = (number, queue, state, rank, schedule.name, schedule.data, schedule.opts, priority, tx.now)
    tx.many("insert_tick", [(*row, key, schedule.id, tick)])
    if (expires := policy.expires_at(tick)) is not None:
        tx.many("set_expiry", [(queue, expires, number)])
    tx.count(queue, {state: 1})
    tx.tell_all(queue, "added", [key])
    if state in (WAITING, PRIORITIZED):
        tx.ready.add(queue)
    return tick
