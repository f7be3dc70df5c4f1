"""Jobs end: what is written, who is told, who follows, what is no longer kept."""

from __future__ import annotations

from toril.json import dump
from toril.options import Keep, Policy
from toril.store.runs import Completed, Failed, Run
from toril.store.sqlite import flows
from toril.store.sqlite.adding import follow
from toril.store.sqlite.transaction import ACTIVE, COMPLETED, FAILED, Transaction

__all__ = ["complete", "fail", "fail_unrun", "trim"]

_EVER = 2**63 - 1  # whenever a job has ended: clocks are set back


def complete(
    tx: Transaction, queue: int, group: list[Completed], keep: Keep, failed: list[tuple[Run, str]]
) -> list[Run]:
    """Active jobs have returned, and their results are kept alike; return the runs that are over.

    failed: gets those that a child keeps from completion, with the reason.
    """
    body = dump([[run.token, run.number, result, run.id] for run, result, _ in group])
    if keep.count == 0:
        done = tx.rows("complete_and_remove", outcomes=body, queue=queue)
        flows.forget(tx, [(row[0], row[3], None, row[4]) for row in done])
    else:
        done = tx.rows("complete", outcomes=body, queue=queue, now=tx.now)
    refused: list[Run] = []
    if len(done) < len(group):
        current = {(row[0], row[1]) for row in done}
        others = {run for run, _, _ in group if (run.token, run.number) not in current}
        group = [outcome for outcome in group if outcome.run not in others]
        refused = [run for run in others if not _fail_for_child(tx, queue, run, failed)]
        body = dump([[run.token, run.number, result, run.id] for run, result, _ in group])
    if done:
        if queue in tx.keyed:
            follow(tx, queue, [row[0] for row in done])
        tx.count(queue, {ACTIVE: -len(done), COMPLETED: 0 if keep.count == 0 else len(done)})
        tx.end(queue, len(done), 0)
        tx.tell(queue, "completed", body)
        if parents := {row[0]: row[2] for row in done if row[2] is not None}:
            results = {run.token: result for run, result, _ in group}
            flows.completed(tx, [(parent, row, results[row]) for row, parent in parents.items()])
        trim(tx, queue, COMPLETED, keep)
    return refused


def _fail_for_child(tx: Transaction, queue: int, run: Run, failed: list[tuple[Run, str]]) -> bool:
    """Fail a job that returned although a child keeps it from being completed; False if the run was over."""
    found = tx.rows("run_options", row=run.token, run=run.number, queue=queue)
    reason = flows.obstacle(tx, int(run.token)) if found else None
    if reason is None:
        return False
    failed.append((run, reason))
    return not fail(tx, queue, Failed(run, reason, None, Policy.from_json(found[0][0]).keep_failed))


def fail(tx: Transaction, queue: int, outcome: Failed, stalls: int = 0) -> list[Run]:
    """An active job has failed for good; return its run if that is over."""
    run, reason, stack, keep, attempts = outcome
    failed = tx.rows(
        "fail",
        row=run.token,
        run=run.number,
        queue=queue,
        now=tx.now,
        reason=reason,
        stack=stack,
        attempts=attempts,
        stalls=stalls,
    )
    if not failed:
        return [run]
    _failed(tx, queue, run.token, run.id, ACTIVE, reason, keep, failed[0][0])
    return []


def fail_unrun(tx: Transaction, queue: int, row: int | str, job_id: str, was: int, reason: str, keep: Keep) -> None:
    """A job that is neither active nor ended fails for good where it is; `was` is its state."""
    [(parent,)] = tx.rows("fail_unrun", row=row, now=tx.now, reason=reason)
    _failed(tx, queue, row, job_id, was, reason, keep, parent)


def _failed(
    tx: Transaction, queue: int, row: int | str, job_id: str, was: int, reason: str, keep: Keep, parent: int | None
) -> None:
    """Count and tell that a job has failed; let go of its key; tell its parent; remove what is not to be kept."""
    if queue in tx.keyed:
        follow(tx, queue, [row])
    tx.count(queue, {was: -1, FAILED: 1})
    tx.end(queue, 0, 1)
    tx.tell(queue, "failed", dump([[job_id, reason]]))
    if parent is not None:
        flows.failed(tx, parent, int(row), reason)
    if keep.count == 0:
        flows.forget(tx, tx.rows("remove_job", row=row))
        tx.count(queue, {FAILED: -1})
    trim(tx, queue, FAILED, keep)


def trim(tx: Transaction, queue: int, state: int, keep: Keep) -> None:
    """Remove the oldest ended jobs of a state beyond what is to be kept."""
    if keep.age is not None:
        _trim(tx, queue, state, tx.now - round(keep.age * 1000), 1000)
    if keep.count:
        surplus = tx.rows("read_queue", queue=queue)[0][state] - keep.count
        if surplus > 0:
            _trim(tx, queue, state, _EVER, surplus)


def _trim(tx: Transaction, queue: int, state: int, before: int, most: int) -> None:
    oldest = {"queue": queue, "state": state, "before": before, "most": most}
    tied = tx.rows("tied_to_trimmed", **oldest)
    tx.count(queue, {state: -tx.run("trim", **oldest).rowcount})
    flows.forget(tx, tied)
