"""The hot path: one transaction records all that finished and takes all that fits."""

from __future__ import annotations

from collections.abc import Sequence

from toril.errors import BudgetExceeded, QueueFull, WrongState
from toril.job import JobRecord, JobState, cancelled_by
from toril.json import dump
from toril.options import Keep, Policy
from toril.store.runs import Awaiting, Completed, Delayed, Failed, Limited, Note, Outcome, Released, Run, Step
from toril.store.sqlite import flows
from toril.store.sqlite.ending import complete, fail
from toril.store.sqlite.limiting import CONCURRENCY, close_until, gate, pass_through
from toril.store.sqlite.planting import plant
from toril.store.sqlite.scheduling import advance
from toril.store.sqlite.transaction import (
    ACTIVE,
    DELAYED,
    PRIORITIZED,
    WAITING,
    WAITING_CHILDREN,
    Row,
    Transaction,
)

__all__ = ["rescue", "step"]

PATIENCE = 1.0  # seconds


def step(
    tx: Transaction, name: str, worker: str, outcomes: Sequence[Outcome], notes: Sequence[Note], want: int
) -> Step:
    """Record notes and outcomes, promote what is due, take up to `want` jobs."""
    queue = tx.queue(name)
    for note in notes:
        _note(tx, queue, note)
    failed: list[tuple[Run, str]] = []
    refused = _record(tx, queue, outcomes, failed)
    counts = _promote(tx, queue) or tx.rows("read_queue", queue=queue)[0]
    room = min(want, gate(counts, tx.now).room)
    taken: list[JobRecord] = []
    for state in (WAITING, PRIORITIZED):
        if counts[state] and len(taken) < room:
            taken += _take(tx, queue, name, worker, state, room - len(taken))
    closed, opens_at, room = pass_through(tx, queue, counts, len(taken))
    due = tx.run("next_due", queue=queue).fetchone()
    if len(taken) == counts[WAITING] + counts[PRIORITIZED]:
        tx.ready.discard(queue)  # nothing is left to wake anyone for
        if outcomes and not taken and not counts[ACTIVE] and due is None and not closed:
            tx.tell(queue, "drained", "[[]]")
    elif room and outcomes and counts[CONCURRENCY] is not None:
        tx.ready.add(queue)  # what has ended makes room for another worker
    return Step(taken, refused, due[0] if due else None, closed, opens_at, failed)


def _note(tx: Transaction, queue: int, note: Note) -> None:
    run = note.run
    found = tx.rows("note", row=run.token, run=run.number, progress=note.progress, lines=len(note.lines))
    if not found:
        return
    last = found[0][0]
    first = last - len(note.lines) + 1
    tx.many("insert_log", [(run.token, first + offset, line) for offset, line in enumerate(note.lines)])
    if last > note.keep:
        tx.run("trim_logs", row=run.token, last=last - note.keep)
    if note.progress is not None:
        tx.tell(queue, "progress", dump([[run.id, note.progress]]))


def _record(tx: Transaction, queue: int, outcomes: Sequence[Outcome], failed: list[tuple[Run, str]]) -> list[Run]:
    """Record each outcome whose run is still its job's; return the runs of the others; note which failed instead."""
    refused: list[Run] = []
    completed: dict[Keep, list[Completed]] = {}
    for outcome in outcomes:
        match outcome:
            case Completed(keep=keep):
                completed.setdefault(keep, []).append(outcome)
            case Failed():
                refused += fail(tx, queue, outcome)
            case Limited(run, until):
                if late := _put_back(tx, queue, Released(run), failed):
                    refused += late
                else:
                    close_until(tx, queue, until)
            case Delayed() | Released():
                refused += _put_back(tx, queue, outcome, failed)
            case Awaiting():
                refused += _await(tx, queue, outcome, failed)
    for keep, group in completed.items():
        refused += complete(tx, queue, group, keep, failed)
    return refused


def _put_back(
    tx: Transaction, queue: int, outcome: Delayed | Released, failed: list[tuple[Run, str]], stalls: int = 0
) -> list[Run]:
    """An active job leaves its run for a place where it is taken again."""
    run = outcome.run
    row = tx.run("run_is_current", row=run.token, run=run.number, queue=queue).fetchone()
    if not row:
        return [run]
    priority, reason, opts, canceller = row
    attempts, stack = 0, None
    if isinstance(outcome, Delayed):
        attempts, reason, stack = outcome.attempts, outcome.reason, outcome.stack
    if canceller is not None:  # its worker had not heard of it yet
        by, keep = cancelled_by(canceller), Policy.from_json(opts).keep_failed
        failed.append((run, by))
        return fail(tx, queue, Failed(run, by, stack, keep, attempts), stalls)
    if isinstance(outcome, Delayed) and outcome.due > tx.now:
        state, rank = DELAYED, outcome.due
        tx.tell(queue, "delayed", dump([[run.id, outcome.due, reason if attempts else None]]))
    else:
        first = isinstance(outcome, Released) or (attempts > 0 and Policy.from_json(opts).lifo)
        state, rank = tx.ready_place(priority, tx.numbers(1), front=first)
        tx.tell(queue, "waiting", dump([[run.id, "active", reason if attempts else None]]))
        tx.ready.add(queue)
    tx.run(
        "put_back",
        row=run.token,
        run=run.number,
        queue=queue,
        state=state,
        rank=rank,
        attempts=attempts,
        stalls=stalls,
        reason=reason,
        stack=stack,
    )
    tx.count(queue, {ACTIVE: -1, state: 1})
    return []


def _await(tx: Transaction, queue: int, outcome: Awaiting, failed: list[tuple[Run, str]]) -> list[Run]:
    """An active job leaves its run for the place where it waits for its children."""
    run, nodes = outcome
    found = tx.rows("run_options", row=run.token, run=run.number, queue=queue)
    if not found:
        return [run]
    opts, deferred, is_cancelled = found[0]
    if is_cancelled:
        return _put_back(tx, queue, Released(run), failed)
    try:
        plant(tx, nodes, int(run.token))
    except (WrongState, QueueFull, BudgetExceeded) as error:
        failed.append((run, str(error)))
        return fail(tx, queue, Failed(run, str(error), None, Policy.from_json(opts).keep_failed))
    if deferred or not flows.pending(tx, int(run.token)):  # or a child has failed it: taken again it fails
        return _put_back(tx, queue, Released(run), failed)
    tx.many("move", [(WAITING_CHILDREN, tx.now, run.token)])
    tx.count(queue, {ACTIVE: -1, WAITING_CHILDREN: 1})
    tx.tell(queue, "waiting-children", dump([[run.id, "active"]]))
    return []


def _promote(tx: Transaction, queue: int) -> tuple[int, ...] | None:
    """Make due jobs ready, in the order in which they fell due; return the new counts if there were any."""
    due = tx.rows("due_jobs", queue=queue, now=tx.now)
    if not due:
        return None
    tx.make_ready(queue, DELAYED, JobState.DELAYED, due)
    counts: tuple[int, ...] = tx.rows("read_queue", queue=queue)[0]
    return counts


def _take(tx: Transaction, queue: int, name: str, worker: str, state: int, want: int) -> list[JobRecord]:
    rows = tx.rows("ready_jobs", queue=queue, state=state, want=want)
    if not rows:
        return []
    tx.run("take", queue=queue, state=state, last=rows[-1][-1], now=tx.now, worker=int(worker))
    tx.count(queue, {state: -len(rows), ACTIVE: len(rows)})
    tx.tell(queue, "active", dump([row[0] for row in rows]))
    taken = _records(rows, name, worker, tx.now)
    for job in taken:
        if job.schedule is not None:
            advance(tx, job)
    return taken


def _records(rows: list[Row], name: str, worker: str, now: int) -> list[JobRecord]:
    """Return the taken jobs of rows of `ready_jobs`."""
    return [
        JobRecord._make((
            job_id, name, task, data, opts, JobState.ACTIVE, priority, added, None, starts, attempts, stalls, now, None,
            progress, result, reason, stack, worker, schedule, tick, parent, deferred, token,
        ))
        for job_id, task, data, opts, priority, added, starts, attempts, stalls,
            progress, result, reason, stack, schedule, tick, parent, deferred, token, _ in rows
    ]  # fmt: skip


def rescue(tx: Transaction, name: str, boot: str, asked: float) -> list[str]:
    """Give jobs whose worker is lost back to the queue, or fail those that lost too many.

    asked: when the rescuer asked (monotonic). If that is long ago the file was held, and nobody could renew.
    """
    if tx.monotonic - asked > PATIENCE:
        return []
    queue = tx.queue(name)
    ids: list[str] = []
    stalled = tx.rows("stalled_jobs", queue=queue, boot=boot, monotonic=tx.monotonic)
    for row, run_number, stalls, opts, job_id, worker in reversed(stalled):  # the oldest ends up foremost
        run = Run(job_id, run_number, row)
        policy = Policy.from_json(opts)
        tx.tell(queue, "stalled", dump([[job_id, worker]]))
        if stalls >= policy.max_stalls:
            times = "once" if stalls == 0 else f"{stalls + 1} times"
            reason = f"its worker died {times} while it ran (last: {worker or 'unknown'})"
            fail(tx, queue, Failed(run, reason, None, policy.keep_failed, 0), stalls=1)
        else:
            _put_back(tx, queue, Released(run), [], stalls=1)
        ids.append(job_id)
        tx.ready.add(queue)  # there is room, at any rate
    tx.run("forget_dead_workers", boot=boot, monotonic=tx.monotonic)
    return ids
