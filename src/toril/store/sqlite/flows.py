"""Flows: a parent waits in a place of its own until there is no child that it waits for."""

from __future__ import annotations

from collections.abc import Sequence

from toril.job import FAILURE_FLAGS, JobState
from toril.json import dump
from toril.options import Policy
from toril.store.sqlite.transaction import DELAYED, WAITING_CHILDREN, Row, Transaction

__all__ = ["PENDING", "PROCESSED", "completed", "failed", "forget", "obstacle", "pending", "release", "retried"]

PENDING, PROCESSED, IGNORED, UNSUCCESSFUL = range(4)  # states of a row in child


def completed(tx: Transaction, ended: Sequence[tuple[int, int, str]]) -> None:
    """Children have returned: (parent, job, result) each."""
    tx.many("settle_child", [(PROCESSED, result, parent, row) for parent, row, result in ended])
    for parent in dict.fromkeys(parent for parent, _, _ in ended):
        release(tx, parent)


def failed(tx: Transaction, parent: int, row: int, reason: str) -> None:
    """A child has failed for good: its policy decides for the parent, if that waits for it."""
    found = tx.rows("pending_child", parent=parent, row=row)
    if not found or found[0][0] is None:
        return
    policy, name = found[0]
    if policy == FAILURE_FLAGS["remove_dependency"]:
        tx.run("drop_child", parent=parent, row=row)
    else:
        state = UNSUCCESSFUL if policy == FAILURE_FLAGS["fail_parent"] else IGNORED
        tx.many("settle_child", [(state, reason, parent, row)])
    if policy == FAILURE_FLAGS["fail_parent"]:
        tx.run("defer_failure", row=parent, reason=f"child {name} failed")
        release(tx, parent, at_once=True, from_delayed=True)
    else:
        release(tx, parent, at_once=policy == FAILURE_FLAGS["continue_parent"])


def forget(tx: Transaction, rows: list[Row]) -> None:
    """Remove what belonged to jobs that are gone, given as rows of (job, log lines, parent, children).

    Nobody waits for them any more, and they wait for nobody.
    """
    tx.forget_logs(rows)
    for row, _, parent, count in rows:
        if count:
            tx.run("forget_children", row=row)
        if parent is not None and tx.run("drop_child", parent=parent, row=row).rowcount:
            release(tx, parent)


def retried(tx: Transaction, rows: list[int]) -> None:
    """Ended jobs were made ready: their parents wait for them again, and they for children that are pending."""
    kin = tx.rows("kin_among", rows=dump(rows))
    for row, *_, parent, _ in kin:
        if parent is not None:
            tx.run("reopen_child", parent=parent, row=row)
    for row, job_id, queue, state, _, count in kin:
        if count and pending(tx, row):
            tx.many("move", [(WAITING_CHILDREN, tx.now, row)])
            tx.count(queue, {state: -1, WAITING_CHILDREN: 1})
            tx.tell(queue, "waiting-children", dump([[job_id, "waiting"]]))


def pending(tx: Transaction, row: int) -> bool:
    """Return whether a job waits for a child."""
    return bool(tx.rows("has_pending", row=row))


def obstacle(tx: Transaction, row: int) -> str | None:
    """Return why a job cannot be completed, if that is because of a child."""
    found = tx.rows("open_child", row=row)
    if not found:
        return None
    state, name = found[0]
    return f"child {name} failed" if state == UNSUCCESSFUL else f"it returned while its child {name} was pending"


def release(tx: Transaction, row: int, *, at_once: bool = False, from_delayed: bool = False) -> None:
    """Let a parent go on if it waits for no child any more (`at_once`: even if it does)."""
    found = tx.rows("parent_to_release", row=row)
    if not found:
        return
    name, state, priority, opts, starts, job_id = found[0]
    waits = state == WAITING_CHILDREN and not at_once and pending(tx, row)
    if waits or not (state == WAITING_CHILDREN or (state == DELAYED and from_delayed)):
        return
    queue = tx.queue(name)
    delay = 0 if starts or state == DELAYED else round(Policy.from_json(opts).delay * 1000)
    if delay:
        place = DELAYED, tx.now + delay
        tx.tell(queue, "delayed", dump([[job_id, tx.now + delay, None]]))
    else:
        place = tx.ready_place(priority, tx.numbers(1), front=not priority)
        tx.tell(queue, "waiting", dump([[job_id, JobState.WAITING_CHILDREN]]))
    tx.many("move", [(*place, row)])
    tx.count(queue, {state: -1, place[0]: 1})
    tx.ready.add(queue)
