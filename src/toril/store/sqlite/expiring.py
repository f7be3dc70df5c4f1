"""What runs out of time: jobs that nobody started, deduplication keys, budgets."""

from __future__ import annotations

from toril.job import expiry_reason
from toril.json import dump
from toril.options import Policy
from toril.store.sqlite.adding import follow
from toril.store.sqlite.stepping import trim
from toril.store.sqlite.transaction import DELAYED, FAILED, PRIORITIZED, WAITING, Transaction

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
    for _, until, row, state, attempts, opts, job_id in expired:
        if state in _UNSTARTED and not attempts and _fail(tx, queue, row, state, Policy.from_json(opts), until, job_id):
            ids.append(job_id)
    tx.run("forget_lapsed_dedups", queue=queue, now=tx.now)
    tx.run("forget_spent_budgets", queue=queue, now=tx.now)
    return ids


def _fail(tx: Transaction, queue: int, row: int, state: int, policy: Policy, until: int, job_id: str) -> bool:
    """Fail a job; not one that somebody has retried by hand."""
    if policy.expires is None:
        return False
    reason, keep = expiry_reason(until), policy.keep_failed
    tx.run("expire", row=row, now=tx.now, reason=reason)
    if queue in tx.keyed:
        follow(tx, queue, [row])
    tx.count(queue, {state: -1, FAILED: 1})
    tx.tell(queue, "failed", dump([[job_id, reason]]))
    if keep.count == 0:
        tx.forget_logs(tx.rows("remove_job", row=row))
        tx.count(queue, {FAILED: -1})
    trim(tx, queue, FAILED, keep)
    return True
