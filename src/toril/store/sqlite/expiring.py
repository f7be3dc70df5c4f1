"""What runs out of time: jobs that nobody started, deduplication keys, budgets."""

from __future__ import annotations

from toril.job import expiry_reason
from toril.json import dump
from toril.options import Policy
from toril.store.sqlite.adding import follow
from toril.store.sqlite.stepping import trim
from toril.store.sqlite.transaction import COMPLETED, FAILED, Transaction

__all__ = ["due", "expire"]


def due(tx: Transaction, name: str) -> bool:
    """Return whether anything has run out."""
    found = tx.rows("lapsed", queue=name, now=tx.now)
    return bool(found and found[0][0])


def expire(tx: Transaction, name: str) -> list[str]:
    """Fail up to 1,000 jobs of which no attempt was made in time; return their ids."""
    queue = tx.queue(name)
    ids: list[str] = []
    for row, state, attempts, key, opts, expires, job_id in tx.rows("expired_jobs", queue=queue, now=tx.now):
        if attempts or state in (COMPLETED, FAILED):  # it was started in time
            tx.many("forget_expiry", [(row,)])
            continue
        reason = expiry_reason(expires)
        tx.run("expire", row=row, now=tx.now, reason=reason)
        if key is not None:
            follow(tx, queue, key, row)
        tx.count(queue, {state: -1, FAILED: 1})
        tx.tell(queue, "failed", dump([[job_id, reason]]))
        keep = Policy.from_json(opts).keep_failed
        if keep.count == 0:
            tx.forget_logs(tx.rows("remove_job", row=row))
            tx.count(queue, {FAILED: -1})
        trim(tx, queue, FAILED, keep)
        ids.append(job_id)
    tx.run("forget_lapsed_dedups", queue=queue, now=tx.now)
    tx.run("forget_spent_budgets", queue=queue, now=tx.now)
    return ids
