"""Jobs come into the file."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from toril.job import NewJob
from toril.store.sqlite.transaction import DELAYED, PRIORITIZED, WAITING, Row, Transaction

__all__ = ["add"]


def add(tx: Transaction, jobs: Sequence[NewJob]) -> list[str]:
    """Insert jobs; return their ids in order, for a custom id that exists the one that is there."""
    number = tx.numbers(len(jobs))
    ids: list[str] = []
    for queue, group in groupby(jobs, _queue_of):
        batch = list(group)
        ids += _insert(tx, tx.queue(queue), batch, number)
        number += len(batch)
    return ids


def _queue_of(job: NewJob) -> str:
    return job.queue


def _insert(tx: Transaction, queue: int, jobs: list[NewJob], number: int) -> list[str]:
    rows: list[Row] = []
    ids: list[str] = []
    counts = {WAITING: 0, PRIORITIZED: 0, DELAYED: 0}
    keys: set[str] = set()
    for offset, job in enumerate(jobs):
        if job.id is not None:
            ids.append(job.id)
            if job.id in keys or tx.run("find_key", queue=queue, key=job.id).fetchone():
                continue
            keys.add(job.id)
        else:
            ids.append(str(number + offset))
        row = _row(tx, queue, job, number + offset)
        counts[row[2]] += 1
        rows.append(row)
    if rows:
        tx.many("insert_job", rows)
        tx.count(queue, counts)
        tx.tell_all(queue, "added", [row[4] or str(row[0]) for row in rows])
        tx.ready.add(queue)  # for delayed jobs too: a lane may have to wake up earlier than it thinks
    return ids


def _row(tx: Transaction, queue: int, job: NewJob, number: int) -> Row:
    if job.due > tx.now:
        state, rank = DELAYED, job.due
    elif job.priority or job.lifo:
        state, rank = tx.ready_place(job.priority, number, front=job.lifo)
    else:
        state, rank = WAITING, number
    return (
        number,
        queue,
        state,
        rank,
        job.id,
        job.name,
        job.data,
        job.opts,
        job.priority,
        tx.now,
        None,
        None,
    )
