"""Events and the bells of those who wait for them."""

from __future__ import annotations

from typing import Any

from toril.json import decode
from toril.store.base import Event
from toril.store.sqlite.transaction import Transaction

__all__ = ["cursor", "hang_bell", "read"]

# What an item of an event's body stands for; the job's id is always there
_FIELDS: dict[str, tuple[str, ...]] = {
    "completed": ("", "", "returnvalue", "jobId"),
    "failed": ("jobId", "failedReason"),
    "delayed": ("jobId", "delay", "failedReason"),
    "waiting": ("jobId", "prev"),
    "stalled": ("jobId", "worker"),
    "progress": ("jobId", "data"),
    "removed": ("jobId", "prev"),
    "deduplicated": ("jobId", "deduplicationId", "deduplicatedJobId"),
}


def cursor(tx: Transaction) -> int:
    """Return the number of the last event."""
    number: int = tx.rows("last_event")[0][0]
    return number


def read(tx: Transaction, after: int) -> list[Event]:
    """Return events behind `after`, one for each job; those of one row share its cursor."""
    return [
        Event(number, queue, kind, at, _body(kind, item))
        for number, queue, kind, at, body in tx.rows("read_events", after=after)
        for item in decode(body)
    ]


def _body(kind: str, item: Any) -> dict[str, Any]:
    if isinstance(item, str):
        return {"jobId": item}
    return {field: value for field, value in zip(_FIELDS.get(kind, ()), item, strict=False) if field}


def hang_bell(tx: Transaction, path: str, queue: str | None) -> None:
    """Let the socket at `path` be rung when `queue` gets jobs, or (None) when an event is written."""
    tx.run("hang_bell", path=path, queue=0 if queue is None else tx.queue(queue))
