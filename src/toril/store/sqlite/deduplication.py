"""Keys that one job holds at a time, and what becomes of the others."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from toril.job import NewJob
from toril.json import decode, dump
from toril.store.sqlite import flows
from toril.store.sqlite.transaction import ACTIVE, DELAYED, Transaction

__all__ = ["claim", "forget", "hold", "owner", "release"]


def claim(tx: Transaction, queue: int, job: NewJob, number: int) -> str | None:
    """Let a new job, whose row will be `number`, hold its key; return None.

    If another job holds it, do what the new one's Dedup says; return the id of the owner if the new one is not to be
    added. The rules are BullMQ's.
    """
    dedup = job.dedup
    assert dedup is not None
    own, ttl = job.id or str(number), dedup.milliseconds
    fresh = None if ttl is None else tx.now + ttl
    found = tx.rows("read_dedup", queue=queue, key=dedup.id)
    row, holder, until, state = found[0] if found else (0, "", None, None)
    if state is None if until is None else until <= tx.now:  # never held, lapsed, or its owner was removed
        hold(tx, queue, dedup.id, number, own, fresh)
        return None
    if dedup.replace and state == DELAYED:
        tx.count(queue, {DELAYED: -1})
        flows.forget(tx, tx.rows("remove_job", row=row))
        tx.tell(queue, "removed", dump([[holder, "delayed"]]))
        tx.tell(queue, "deduplicated", dump([[own, dedup.id, holder]]))
        hold(tx, queue, dedup.id, number, own, until if ttl and not dedup.extend else fresh)
        return None
    if dedup.keep_last and state == ACTIVE:
        tx.run("keep_next", queue=queue, key=dedup.id, next=_kept(tx, job, number))
    elif dedup.replace:
        return str(holder)
    elif dedup.extend:
        tx.run("extend_dedup", queue=queue, key=dedup.id, until=fresh)
    tx.tell(queue, "deduplicated", dump([[holder, dedup.id, own]]))
    return str(holder)


def hold(tx: Transaction, queue: int, key: str, row: int, job_id: str, until: int | None) -> None:
    """Let a job hold a key."""
    tx.run("hold_dedup", queue=queue, key=key, row=row, owner=job_id, until=until)
    if queue not in tx.keyed:
        tx.run("key_queue", queue=queue)
        tx.keyed.add(queue)


def release(tx: Transaction, rows: Sequence[int | str]) -> Iterator[tuple[str, int, NewJob]]:
    """The jobs of some rows have ended: free the keys that they hold, but for those that have a time of their own.

    Yield key, number and job of each that was kept for this moment.
    """
    for key, kept in tx.rows("release_dedups", rows=dump(list(rows))):
        if kept is not None:
            number, delay, *job = decode(kept)
            yield key, number, NewJob(*job)._replace(due=tx.now + delay if delay else 0)


def owner(tx: Transaction, queue: str, key: str) -> str | None:
    """Return the id of the job that holds a key."""
    found = tx.rows("dedup_owner", queue=queue, key=key, now=tx.now)
    return found[0][0] if found else None


def forget(tx: Transaction, name: str, key: str) -> bool:
    """Free a key, whoever holds it and whatever was kept for its end; return whether it was held."""
    held = owner(tx, name, key) is not None
    tx.run("forget_dedup", queue=tx.queue(name), key=key)
    return held


def _kept(tx: Transaction, job: NewJob, number: int) -> str:
    """A delay counts from the moment at which the job is added, so it is kept as one."""
    return dump([number, max(job.due - tx.now, 0), *job._replace(due=0, dedup=None, charge=None)])
