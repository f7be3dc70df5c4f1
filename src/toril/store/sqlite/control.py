"""What people do to a queue, and what they ask of it."""

from __future__ import annotations

from collections.abc import Sequence

from toril.errors import InvalidOption
from toril.job import JobRecord, JobState
from toril.json import decode, dump
from toril.store.base import Page, QueueInfo
from toril.store.sqlite.limiting import gate, limits
from toril.store.sqlite.queries import SQL
from toril.store.sqlite.transaction import COMPLETED, FAILED, PRIORITIZED, WAITING, Row, Transaction

__all__ = ["get", "info", "limit_length", "list_jobs", "logs", "pause", "queues", "resume", "retry"]

_STATES = tuple(JobState)
_JOBS = SQL["job_columns"]
_BY_KEY = f"{_JOBS} WHERE queue.name = :queue AND job.key = :id"
_BY_ROW = f"{_JOBS} WHERE queue.name = :queue AND job.id = :id AND job.key IS NULL"
_FORWARD = f"""{_JOBS} WHERE queue.name = :queue AND job.state = :state AND (job.rank, job.id) > (:rank, :row)
ORDER BY job.rank, job.id LIMIT :limit"""
_BACKWARD = f"""{_JOBS} WHERE queue.name = :queue AND job.state = :state AND (job.rank, job.id) < (:rank, :row)
ORDER BY job.rank DESC, job.id DESC LIMIT :limit"""
_END = 2**63 - 1


def _record(row: Row) -> JobRecord:
    return JobRecord._make((*row[:5], _STATES[row[5]], *row[6:-1]))


def get(tx: Transaction, queue: str, job_id: str) -> JobRecord | None:
    """Return a job."""
    row_number = job_id.isascii() and job_id.isdecimal()  # check_job_id keeps integers for the store
    statement, key = (_BY_ROW, int(job_id)) if row_number else (_BY_KEY, job_id)
    rows = tx.execute(statement, {"queue": queue, "id": key}).fetchall()
    return _record(rows[0]) if rows else None


def list_jobs(tx: Transaction, queue: str, state: JobState, limit: int, after: str | None, newest: bool) -> Page:
    """Return a page of one state, keyed by (rank, id)."""
    rank, row = (_END, _END) if newest else (-_END, -_END)
    if after is not None:
        try:
            rank, row = map(int, after.split("."))
        except ValueError:
            raise InvalidOption(f"after: expected the mark of an earlier page, got {after!r}") from None
    parameters = {"queue": queue, "state": _STATES.index(state), "rank": rank, "row": row, "limit": limit + 1}
    rows = tx.execute(_BACKWARD if newest else _FORWARD, parameters).fetchall()
    more = len(rows) > limit
    rows = rows[:limit]
    return Page([_record(found) for found in rows], f"{rows[-1][-1]}.{rows[-1][-2]}" if more else None)


def info(tx: Transaction, queue: str) -> QueueInfo:
    """Return counts and controls."""
    row = tx.run("read_queue_by_name", name=queue).fetchone() or (*[0] * 7, None, None, None, None, 0, 0, None)
    counts = dict(zip(_STATES, row[:7], strict=True))
    return QueueInfo(
        counts, decode(row[7]) if row[7] else None, limits(row[:-1]), gate(row[:-1], tx.now).closed, row[-1]
    )


def queues(tx: Transaction) -> list[str]:
    """Return the names of all queues."""
    return [row[0] for row in tx.rows("queue_names")]


def logs(tx: Transaction, queue: str, job_id: str) -> list[str]:
    """Return log lines, oldest first."""
    job = get(tx, queue, job_id)
    return [row[0] for row in tx.rows("read_logs", row=job.token)] if job else []


def pause(tx: Transaction, name: str, by: str, why: str) -> None:
    """Close the queue."""
    queue = tx.queue(name)
    tx.run("set_paused", queue=queue, paused=dump({"by": by, "why": why, "at": tx.now}))
    tx.tell(queue, "paused", "[[]]")


def resume(tx: Transaction, name: str) -> None:
    """Open the queue."""
    queue = tx.queue(name)
    tx.run("set_paused", queue=queue, paused=None)
    tx.tell(queue, "resumed", "[[]]")
    tx.ready.add(queue)


def limit_length(tx: Transaction, name: str, max_length: int | None) -> None:
    """Bound the jobs that may wait in a queue."""
    tx.limit(tx.queue(name), max_length)


def retry(tx: Transaction, name: str, state: JobState, job_ids: Sequence[str] | None) -> list[str]:
    """Make ended jobs ready again; attempts stay counted, so a job that used them up gets one more run."""
    queue, old = tx.queue(name), _STATES.index(state)
    chosen: list[Row]
    if job_ids is None:
        chosen = tx.rows("ended_jobs", queue=queue, state=old)
    else:
        records = [get(tx, name, job_id) for job_id in dict.fromkeys(job_ids)]
        chosen = [(job.token, job.priority, job.id) for job in records if job is not None and job.state == state]
    if not chosen or old not in (COMPLETED, FAILED):
        return []
    number = tx.numbers(len(chosen))
    moves = [(*tx.ready_place(row[1], number + offset), row[0]) for offset, row in enumerate(chosen)]
    tx.many("revive", moves)
    waiting = sum(1 for move in moves if move[0] == WAITING)
    tx.count(queue, {old: -len(moves), WAITING: waiting, PRIORITIZED: len(moves) - waiting})
    tx.tell_all(queue, "waiting", [[row[2], state] for row in chosen])
    tx.ready.add(queue)
    return [row[2] for row in chosen]
