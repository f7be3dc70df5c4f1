"""What people do to a queue, and what they ask of it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from toril.errors import InvalidOption
from toril.job import JobRecord, JobState
from toril.json import decode, dump
from toril.options import Policy
from toril.store.sqlite import flows
from toril.store.sqlite.limiting import gate, limits
from toril.store.sqlite.queries import SQL
from toril.store.sqlite.transaction import CLASS, COMPLETED, FAILED, WAITING, Row, Transaction
from toril.store.views import Page, QueueInfo, Reason

__all__ = [
    "JOB_COLUMNS",
    "LAST",
    "STATES",
    "failures",
    "get",
    "info",
    "limit_length",
    "list_jobs",
    "logs",
    "numbers",
    "pause",
    "place",
    "priorities",
    "queues",
    "reasons",
    "record",
    "resume",
    "retry",
    "size",
]

STATES = tuple(JobState)
JOB_COLUMNS = SQL["job_columns"]
_BY_KEY = f"{JOB_COLUMNS} WHERE queue.name = :queue AND job.key = :id"
_BY_ROW = f"{JOB_COLUMNS} WHERE queue.name = :queue AND job.id = :id AND job.key IS NULL"
_FORWARD = f"""{JOB_COLUMNS} WHERE queue.name = :queue AND job.state = :state AND (job.rank, job.id) > (:rank, :row)
ORDER BY job.rank, job.id LIMIT :limit OFFSET :offset"""
_BACKWARD = f"""{JOB_COLUMNS} WHERE queue.name = :queue AND job.state = :state AND (job.rank, job.id) < (:rank, :row)
ORDER BY job.rank DESC, job.id DESC LIMIT :limit OFFSET :offset"""
_NUMBERS = re.compile(r"-?\d{1,19}(\.-?\d{1,19})*")
LONGEST_NUMBER = 18  # digits that a row's number has at most
LAST = (2**63 - 1, 2**63 - 1)  # behind every job


def record(row: Row) -> JobRecord:
    """Return a row of JOB_COLUMNS as a record."""
    return JobRecord._make((*row[:5], STATES[row[5]], *row[6:-1]))


def get(tx: Transaction, queue: str, job_id: str) -> JobRecord | None:
    """Return a job."""
    row_number = job_id.isascii() and job_id.isdecimal()  # check_job_id keeps integers for the store
    if row_number and len(job_id) > LONGEST_NUMBER:
        return None
    statement, key = (_BY_ROW, int(job_id)) if row_number else (_BY_KEY, job_id)
    rows = tx.execute(statement, {"queue": queue, "id": key}).fetchall()
    return record(rows[0]) if rows else None


def list_jobs(
    tx: Transaction, queue: str, state: JobState, limit: int, after: str | None, newest: bool, offset: int = 0
) -> Page:
    """Return a page of one state, keyed by (rank, id)."""
    rank, row = place(after, newest=newest)
    parameters = {"queue": queue, "state": STATES.index(state), "rank": rank, "row": row}
    parameters |= {"limit": limit + 1, "offset": offset}
    rows = tx.execute(_BACKWARD if newest else _FORWARD, parameters).fetchall()
    more = len(rows) > limit
    rows = rows[:limit]
    return Page([record(found) for found in rows], f"{rows[-1][-1]}.{rows[-1][-2]}" if more else None)


def place(after: str | None, *, newest: bool) -> tuple[int, int]:
    """Return the (rank, id) behind which a page begins."""
    if after is None:
        return LAST if newest else (-LAST[0], -LAST[1])
    found = numbers(after)
    if len(found) != 2:  # noqa: PLR2004
        raise InvalidOption(f"after: expected the mark of an earlier page, got {after!r}")
    return found[0], found[1]


def numbers(mark: str) -> tuple[int, ...]:
    """Return the numbers that a mark is made of; none if a row could not have them."""
    if not _NUMBERS.fullmatch(mark):
        return ()
    found = tuple(map(int, mark.split(".")))
    return found if max(map(abs, found)) <= LAST[0] else ()


def info(tx: Transaction, queue: str) -> QueueInfo:
    """Return counts and controls."""
    row = tx.run("read_queue_by_name", name=queue).fetchone() or (*[0] * 7, None, None, None, None, 0, 0, None)
    counts = dict(zip(STATES, row[:7], strict=True))
    controls, max_length = row[:-1], row[-1]
    paused = decode(row[7]) if row[7] else None
    closed, opens_at, _ = gate(controls, tx.now)
    return QueueInfo(counts, paused, limits(controls), closed, max_length, opens_at)


def failures(tx: Transaction, name: str, limit: int) -> dict[int | str, int]:
    """Return when the newest failed jobs failed, by their rows."""
    queue = tx.find_queue(name)
    return {} if queue is None else dict(tx.rows("failures", queue=queue, limit=limit))


def reasons(tx: Transaction, marks: Sequence[int | str]) -> dict[int | str, Reason]:
    """Return why jobs have failed, by their rows."""
    return {row: Reason(*rest) for row, *rest in tx.rows("reasons", rows=dump(list(marks)))}


def priorities(tx: Transaction, name: str) -> dict[int, int]:
    """Return how many ready jobs have each priority that occurs."""
    queue = tx.find_queue(name)
    if queue is None:
        return {}
    waiting = tx.rows("read_queue", queue=queue)[0][WAITING]
    classes: dict[int, int] = dict(tx.rows("priorities", queue=queue, **{"class": CLASS}))
    return {0: waiting, **classes} if waiting else classes


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
    queue, old = tx.queue(name), STATES.index(state)
    chosen: list[Row]
    if job_ids is None:
        chosen = tx.rows("ended_jobs", queue=queue, state=old)
    else:
        records = [get(tx, name, job_id) for job_id in dict.fromkeys(job_ids)]
        chosen = [
            (job.token, job.priority, job.id, job.opts) for job in records if job is not None and job.state == state
        ]
    if not chosen or old not in (COMPLETED, FAILED):
        return []
    back = [(*job, _goes_first(opts)) for *job, opts in chosen]
    tx.make_ready(queue, old, state, back, statement="revive")
    flows.retried(tx, [row[0] for row in chosen])
    return [row[2] for row in chosen]


def size(tx: Transaction) -> int:
    """Return the bytes that the database has."""
    return int(tx.execute("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()").fetchone()[0])


def _goes_first(opts: str) -> bool:
    """Return whether a job's options say `lifo`; what nobody understands says nothing."""
    try:
        return Policy.from_json(opts).lifo
    except ValueError:
        return False
