"""Cancellation: at once for a job that waits, a wish on record for one that runs."""

from __future__ import annotations

from collections.abc import Sequence

from toril.job import JobState, cancelled_by
from toril.options import Policy
from toril.store.runs import Run
from toril.store.sqlite.control import get
from toril.store.sqlite.ending import fail_unrun
from toril.store.sqlite.scheduling import advance
from toril.store.sqlite.transaction import Transaction

__all__ = ["cancel", "wishes"]

_ENDED = (JobState.COMPLETED, JobState.FAILED)


def cancel(tx: Transaction, name: str, job_id: str, by: str) -> JobState | None:
    """Fail a job that does not run; leave word for the worker of one that does."""
    job = get(tx, name, job_id)
    if job is None:
        return None
    if job.state is JobState.ACTIVE:
        tx.run("ask_to_cancel", row=job.token, run=job.starts, by=by)
    elif job.state not in _ENDED:
        was, keep = tuple(JobState).index(job.state), Policy.from_json(job.opts).keep_failed
        fail_unrun(tx, tx.queue(name), job.token, job.id, was, cancelled_by(by), keep)
        if job.schedule is not None:
            advance(tx, job)  # the schedule goes on
    return job.state


def wishes(tx: Transaction, runs: Sequence[Run]) -> list[tuple[Run, str]]:
    """Return which of `runs` are to be cancelled, and by whom; forget wishes for runs that are over."""
    found = tx.rows("wishes_to_cancel")
    if not found:
        return []
    if any(over for *_, over in found):
        tx.run("forget_wishes")
    asked = {(row, run): by for row, run, by, over in found if not over}
    return [(run, asked[run.token, run.number]) for run in runs if (run.token, run.number) in asked]
