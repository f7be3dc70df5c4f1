"""Events and the bells of those who wait for them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from toril.errors import InvalidOption
from toril.json import decode
from toril.store.sqlite.transaction import Transaction
from toril.store.views import Event, Heard

__all__ = ["cursor", "hang_bell", "read"]

# What an item of an event's body stands for; the job's id is always there
_FIELDS: dict[str, tuple[str, ...]] = {
    "completed": ("", "", "returnvalue", "jobId"),
    "failed": ("jobId", "failedReason"),
    "delayed": ("jobId", "delay", "failedReason"),
    "waiting": ("jobId", "prev", "failedReason"),
    "waiting-children": ("jobId", "prev"),
    "stalled": ("jobId", "worker"),
    "progress": ("jobId", "data"),
    "removed": ("jobId", "prev"),
    "deduplicated": ("jobId", "deduplicationId", "deduplicatedJobId"),
    "cleaned": ("count",),
}
_RETRIES = {"delayed", "waiting"}  # with a reason they say that an attempt failed
_ALL = 2**40  # behind every item of a row
_MARK = re.compile(r"(\d{1,18})(?:-(\d{1,18}))?")


def cursor(tx: Transaction) -> str:
    """Return the mark behind the last event."""
    return str(tx.rows("last_event")[0][0])


def read(tx: Transaction, after: str, queue: str | None = None) -> Heard:
    """Return the next events behind a mark, one for each job, and the mark behind them.

    A mark is the event's row and, since that may tell of many jobs, the event's place in it; without one it is behind
    all of the row.
    """
    row, place = _mark(after)
    found = tx.rows("read_events", row=row)
    heard: list[Event] = []
    known = found[0][0] - 1 if found else tx.rows("last_event")[0][0]  # up to there nothing more can be read
    if row < known if found else row > known:  # some are kept no longer, or it is another store's mark
        row, place, after = known, _ALL, str(known)
        heard.append(Event(after, queue or "", "gap", tx.now, {}))
    for _, number, *event in found:
        if queue is None or event[0] == queue:
            heard += (each for index, each in _told(number, *event) if number > row or index > place)
        after = str(number)
    return Heard(heard, after)


def _mark(text: str) -> tuple[int, int]:
    found = _MARK.fullmatch(text)
    if found is None:
        raise InvalidOption(f"after: expected the cursor of an event, got {text!r}")
    return int(found[1]), int(found[2] or _ALL)


def _told(number: int, queue: str, kind: str, at: int, body: str) -> Iterator[tuple[int, Event]]:
    """Yield the events of a row with their places: even ones as written, odd ones before them derived."""
    for index, item in enumerate(decode(body)):
        fields = _body(kind, item)
        if kind in _RETRIES and (reason := fields.pop("failedReason", None)) is not None:
            failed = {"jobId": fields["jobId"], "failedReason": reason}
            place = 2 * index + 1
            yield place, Event(f"{number}-{place}", queue, "attempt_failed", at, failed)
        place = 2 * index + 2
        yield place, Event(f"{number}-{place}", queue, kind, at, fields)


def _body(kind: str, item: Any) -> dict[str, Any]:
    if isinstance(item, str):
        return {"jobId": item}
    return {field: value for field, value in zip(_FIELDS.get(kind, ()), item, strict=False) if field}


def hang_bell(tx: Transaction, path: str, queue: str | None) -> None:
    """Let the socket at `path` be rung when `queue` gets jobs, or (None) when an event is written."""
    tx.run("hang_bell", path=path, queue=0 if queue is None else tx.queue(queue))
