"""Limits of a queue: BullMQ's fixed windows, which the first job of each opens, and the number of active jobs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from toril.limits import Limits, Rate
from toril.store.sqlite.transaction import ACTIVE, Row, Transaction

__all__ = ["CONCURRENCY", "Gate", "close_until", "gate", "limits", "pass_through", "set_limits"]

BY_HAND = 2**53 - 1  # jobs "started" in a window that a task has closed
_PAUSED = 7  # where the controls begin in a row of `read_queue`, behind the counts by state
CONCURRENCY = 8
_UNLIMITED = (None, None, None, None, 0, 0)


class Gate(NamedTuple):
    """Why nothing may be taken now (None: something may), when that will change by itself, how many may be taken."""

    closed: str | None
    opens_at: int | None
    room: int


_OPEN = Gate(None, None, BY_HAND)


def gate(row: Row, now: int) -> Gate:
    """Return how a queue stands, given its row of `read_queue`."""
    controls = row[_PAUSED:]
    if controls == _UNLIMITED:
        return _OPEN
    paused, concurrency, most, _, started, until = controls
    if paused is not None:
        return Gate("paused", None, 0)
    room = BY_HAND
    if until > now:
        room = (most or BY_HAND) - started
        if room <= 0:
            when = datetime.fromtimestamp(until / 1000, UTC).isoformat(timespec="milliseconds")
            return Gate(f"rate limited until {when}", until, 0)
    elif most is not None:
        room = most
    if concurrency is not None:
        room = min(room, concurrency - row[ACTIVE])
        if room <= 0:
            return Gate("limit full", None, 0)
    return Gate(None, None, room)


def pass_through(tx: Transaction, queue: int, row: Row, taken: int) -> Gate:
    """Count jobs that were taken; return how the queue stands now."""
    if row[_PAUSED:] == _UNLIMITED:
        return _OPEN
    *controls, most, length, started, until = row[_PAUSED:]
    if most is not None and taken:
        started, until = (started + taken, until) if until > tx.now else (taken, tx.now + length)
        tx.run("count_started", queue=queue, started=started, until=until)
    counts = (*row[:ACTIVE], row[ACTIVE] + taken, *row[ACTIVE + 1 : _PAUSED])
    return gate((*counts, *controls, most, length, started, until), tx.now)


def close_until(tx: Transaction, queue: int, until: int) -> None:
    """Let nothing be taken before `until`: a task was told to come back then."""
    tx.run("close_queue", queue=queue, until=until, by_hand=BY_HAND)


def set_limits(tx: Transaction, name: str, limits: Limits) -> None:
    """Replace the limits of a queue."""
    queue, rate = tx.queue(name), limits.rate
    tx.run(
        "set_limits",
        queue=queue,
        concurrency=limits.concurrency,
        most=rate.n if rate else None,
        length=rate.milliseconds if rate else None,
    )
    tx.ready.add(queue)


def limits(row: Row) -> Limits:
    """Return the limits in a row of `read_queue`."""
    _, concurrency, most, length, *_ = row[_PAUSED:]
    return Limits(concurrency, None if most is None else Rate(most, length / 1000))
