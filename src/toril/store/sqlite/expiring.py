"""What runs out of time: jobs that nobody started, deduplication keys, budgets."""

from __future__ import annotations

from toril.job import expiry_reason
from toril.options import Policy
from toril.store.sqlite.control import get
from toril.store.sqlite.ending import fail_unrun
from toril.store.sqlite.scheduling import advance
from toril.store.sqlite.transaction import DELAYED, PRIORITIZED, WAITING, Transaction

__all__ = ["due", "expire"]

_UNSTARTED = (WAITING, PRIORITIZED, DELAYED)


def due(tx: Transaction, name: str) -> bool:
    """Return whether anything has run out."""
    found = tx.rows("lapsed", queue=name, now=tx.now)
    return bool(found and found[0][0])


def expire(tx: Transaction, name: str) -> list[str]:
    """Fail up to 1,000 jobs of which no attempt was made in time; return their ids."""
    queue = tx.queue(name)
    ids: list[str] = []
    expired = tx.rows("expired_jobs", queue=queue, now=tx.now)
    tx.many("forget_expiry", [row[:3] for row in expired])
    for _, until, row, state, attempts, opts, job_id, schedule in expired:
        if state not in _UNSTARTED or attempts:
            continue
        policy = Policy.from_json(opts)
        if policy.expires is None:  # somebody has retried the job by hand
            continue
        tick = None if schedule is None else get(tx, name, job_id)
        fail_unrun(tx, queue, row, job_id, state, expiry_reason(until), policy.keep_failed)
        ids.append(job_id)
        if tick is not None:
            advance(tx, tick)  # the schedule goes on
    tx.run("forget_lapsed_dedups", queue=queue, now=tx.now)
    tx.run("forget_spent_budgets", queue=queue, now=tx.now)
    return ids
