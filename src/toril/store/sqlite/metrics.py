"""How many jobs ended in each minute: one row a queue and minute, with totals, so that rows can be dropped."""

from __future__ import annotations

from itertools import pairwise

from toril.store.sqlite.transaction import Transaction
from toril.store.views import Metrics, Minute

__all__ = ["read", "write"]

MINUTE = 60_000  # milliseconds
WEEK = 7 * 24 * 60  # minutes


def write(tx: Transaction) -> None:
    """Add what ended in a transaction to its queues' current minutes."""
    minute = tx.now // MINUTE
    for queue, (completed, failed) in tx.ended.items():
        ended = {"queue": queue, "minute": minute, "completed": completed, "failed": failed}
        if not tx.run("count_ended", **ended).rowcount:
            tx.run("begin_minute", **ended)
            tx.run("trim_metrics", queue=queue, before=minute - WEEK)


def read(tx: Transaction, name: str, since: int) -> Metrics:
    """Return the totals and the minutes from `since` in which a job ended."""
    queue = tx.find_queue(name)
    if queue is None:
        return Metrics(0, 0, 0, [])
    first = since // MINUTE
    rows = tx.rows("read_metrics", queue=queue, minute=first)
    unfinished = sum(tx.rows("read_queue", queue=queue)[0][:5])
    if not rows:
        return Metrics(0, 0, unfinished, [])
    if rows[0][0] >= first:  # nothing was dropped before it
        rows.insert(0, (0, 0, 0, 0))
    minutes = [
        Minute(row[0] * MINUTE, row[1] - earlier[1], row[2] - earlier[2], row[3]) for earlier, row in pairwise(rows)
    ]
    _, completed, failed, _ = rows[-1]
    return Metrics(completed, failed, completed + failed + unfinished, minutes)
