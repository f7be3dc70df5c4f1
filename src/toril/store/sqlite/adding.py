"""Jobs come into the file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter

from toril.budget import Charge
from toril.errors import BudgetExceeded, QueueFull
from toril.job import NewJob
from toril.store.sqlite.deduplication import claim, hold, release
from toril.store.sqlite.transaction import DELAYED, WAITING, Row, Transaction

__all__ = ["add", "follow"]


_PLAIN = 9  # columns of a job without an id of its own


def add(tx: Transaction, jobs: Sequence[NewJob]) -> list[str]:
    """Insert jobs; return their ids in order, for one that is not added the id of the one that is there."""
    number = tx.numbers(len(jobs))
    ids: list[str] = []
    for queue, group in groupby(jobs, _queue_of):
        batch = list(group)
        ids += _insert(tx, queue, batch, number)
        number += len(batch)
    return ids


def follow(tx: Transaction, queue: int, rows: Sequence[int | str]) -> None:
    """The jobs of some rows have ended: free the keys that they hold, and add what was kept for this moment."""
    for key, number, job in release(tx, rows):
        if job.id is not None and tx.run("find_key", queue=queue, key=job.id).fetchone():
            tx.tell_all(queue, "duplicated", [job.id])
            continue
        hold(tx, queue, key, number, job.id or str(number), None)
        _write(tx, queue, [_row(tx, queue, job, number, place=tx.numbers(1))])
        if job.expires is not None:
            _expire(tx, queue, job, number)


def _queue_of(job: NewJob) -> str:
    return job.queue


def _insert(tx: Transaction, name: str, jobs: list[NewJob], number: int) -> list[str]:
    queue = tx.queue(name)
    limit, more = tx.limits.get(queue), False
    rows: list[Row] = []
    ids: list[str] = []
    keys: set[str] = set()
    for row, job in enumerate(jobs, number):
        ids.append(job.id or str(row))
        if job.id is not None:
            if job.id in keys or tx.run("find_key", queue=queue, key=job.id).fetchone():
                tx.tell_all(queue, "duplicated", [job.id])
                continue
            keys.add(job.id)
        if job.dedup is not None:
            _write(tx, queue, rows)  # the job that holds the key may be among them
            rows = []
            holder = claim(tx, queue, job, row)
            if holder is not None:
                ids[-1] = holder
                continue
        if job.charge is not None:
            _spend(tx, queue, job.charge)
        rows.append(_row(tx, queue, job, row, place=row))
        if job.expires is not None:
            _expire(tx, queue, job, row)
        more = True
    _write(tx, queue, rows)
    if more and limit is not None and tx.rows("queue_length", queue=queue)[0][0] > limit:
        raise QueueFull(name, limit)
    return ids


def _spend(tx: Transaction, queue: int, charge: Charge) -> None:
    """Charge one job; what was counted too much goes with the transaction that the error ends."""
    [(used, until)] = tx.rows("spend", queue=queue, key=charge.key, now=tx.now, until=tx.now + charge.per)
    if used > charge.limit:
        raise BudgetExceeded(charge.key, charge.budget, until, tx.now)


def _write(tx: Transaction, queue: int, rows: list[Row]) -> None:
    if not rows:
        return
    named = [row for row in rows if len(row) > _PLAIN]
    tx.many("insert_job", [row for row in rows if len(row) == _PLAIN] if named else rows)
    tx.many("insert_named_job", named)
    tx.count(queue, Counter(map(itemgetter(2), rows)))
    tx.tell_all(queue, "added", [str(row[0]) if len(row) == _PLAIN else row[_PLAIN] for row in rows])
    tx.ready.add(queue)  # for delayed jobs too: a lane may have to wake up earlier than it thinks


def _expire(tx: Transaction, queue: int, job: NewJob, row: int) -> None:
    tx.many("set_expiry", [(queue, job.expires, row)])


def _row(tx: Transaction, queue: int, job: NewJob, number: int, place: int) -> Row:
    if job.due > tx.now:
        state, rank = DELAYED, job.due
    elif job.priority or job.lifo:
        state, rank = tx.ready_place(job.priority, place, front=job.lifo)
    else:
        state, rank = WAITING, place
    row = (number, queue, state, rank, job.name, job.data, job.opts, job.priority, tx.now)
    return row if job.id is None else (*row, job.id)
