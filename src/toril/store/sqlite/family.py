"""What is asked of a job's family, and how a child leaves it."""

from __future__ import annotations

from toril.job import ChildRecord, JobState
from toril.store.sqlite.control import get
from toril.store.sqlite.flows import release
from toril.store.sqlite.transaction import Transaction

__all__ = ["children", "detach"]

_STATES = tuple(JobState)
_ENDED = (None, "completed", "failed", "failed")  # by the state of a row in child


def children(tx: Transaction, queue: str, job_id: str) -> list[ChildRecord]:
    """Return a job's children, in the order in which they were added."""
    job = get(tx, queue, job_id)
    rows = tx.rows("read_children", row=job.token) if job is not None else []
    return [
        ChildRecord(child, name, task, None if state is None else _STATES[state], count, _ENDED[ended], value)
        for child, name, task, state, count, ended, value in rows
    ]


def detach(tx: Transaction, name: str, job_id: str) -> bool | None:
    """Let a job's parent go on without it, if it waits for it."""
    job = get(tx, name, job_id)
    if job is None:
        return None
    parent = tx.rows("parent_of", row=job.token)[0][0]
    if parent is None or not tx.run("drop_child", parent=parent, row=job.token).rowcount:
        return False
    tx.many("adopt", [(None, job.token)])
    release(tx, parent)
    return True
