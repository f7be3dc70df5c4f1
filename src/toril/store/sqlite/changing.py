"""A job that has not run yet gets another place, time, priority or other data."""

from __future__ import annotations

from collections.abc import Sequence

from toril.job import JobState
from toril.json import dump
from toril.store.sqlite.control import get
from toril.store.sqlite.transaction import DELAYED, PRIORITIZED, WAITING, Row, Transaction

__all__ = ["change", "promote"]

_READY = {JobState.WAITING: WAITING, JobState.PRIORITIZED: PRIORITIZED}


def promote(tx: Transaction, name: str, job_ids: Sequence[str] | None) -> list[str]:
    """Make delayed jobs ready, in the order in which they would have fallen due or are named."""
    queue = tx.queue(name)
    chosen: list[Row]
    if job_ids is None:
        chosen = tx.rows("delayed_jobs", queue=queue)
    else:
        records = [get(tx, name, job_id) for job_id in dict.fromkeys(job_ids)]
        chosen = [(job.token, job.priority, job.id) for job in records if job and job.state is JobState.DELAYED]
    if not chosen:
        return []
    tx.make_ready(queue, DELAYED, JobState.DELAYED, chosen)
    return [row[2] for row in chosen]


def change(tx: Transaction, name: str, job_id: str, due: int | None, priority: int | None, data: str | None) -> bool:
    """Change what is not None; a job with another priority stands behind all of that priority."""
    queue, job = tx.queue(name), get(tx, name, job_id)
    if job is None or (due is not None and job.state is not JobState.DELAYED):
        return False
    row = job.token
    if due is not None:
        tx.run("set_rank", row=row, rank=due)
        tx.tell(queue, "delayed", dump([[job.id, due, None]]))
        tx.ready.add(queue)  # a lane may have to wake up earlier than it thinks
    if data is not None:
        tx.run("set_data", row=row, data=data)
    if priority is not None and priority != job.priority:
        tx.run("set_priority", row=row, priority=priority)
        if job.state in _READY:
            place = tx.ready_place(priority, tx.numbers(1))
            tx.many("move", [(*place, row)])
            if place[0] != _READY[job.state]:
                tx.count(queue, {_READY[job.state]: -1, place[0]: 1})
    return True
