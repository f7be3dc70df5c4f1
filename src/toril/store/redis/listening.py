"""Events of Redis's streams as the seam tells them: BullMQ's words, less what its steps say twice.

A mark names the last entry told of each queue, `mail=1700000000000-0&reports=…`; a queue that it does not name is read
from its beginning, and `0` names none. `~` behind an entry says that its `attempt_failed` was told, itself not yet.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode

from toril.errors import InvalidOption
from toril.store.redis.client import Client
from toril.store.redis.keys import names_for
from toril.store.redis.records import number, pairs, plain_reason
from toril.store.views import Event, Heard

__all__ = ["cursor", "hear", "positions"]

READ = 1_000  # entries of one stream that one reading takes
_FIELDS = {  # what the seam tells of each kind; kinds that are not here are BullMQ's own business
    "added": ("jobId",),
    "waiting": ("jobId", "prev"),
    "delayed": ("jobId", "delay"),
    "waiting-children": ("jobId", "prev"),
    "active": ("jobId",),
    "progress": ("jobId", "data"),
    "completed": ("jobId", "returnvalue"),
    "failed": ("jobId", "failedReason"),
    "stalled": ("jobId", "worker"),
    "removed": ("jobId", "prev"),
    "duplicated": ("jobId",),
    "deduplicated": ("jobId", "deduplicationId", "deduplicatedJobId"),
    "drained": (),
    "cleaned": ("count",),
    "paused": (),
    "resumed": (),
}
_FOREIGN = re.compile(r"[1-9]\d*(-\d+)?")  # the mark of another kind of store
_PLACED = ("waiting", "delayed", "waiting-children")  # behind `added` they say where the new job stands
_NUMBERS = ("delay", "count")

Entry = tuple[str, dict[str, Any]]


def stream_of(prefix: str, queue: str) -> str:
    """Return the key of a queue's stream."""
    return f"{names_for(prefix, queue).base}events"


async def cursor(client: Client, prefix: str, queues: Sequence[str]) -> str:
    """Return the mark behind the newest entry of each queue."""
    ends: dict[str, str] = {}
    for queue in queues:
        last = await client.call("XREVRANGE", stream_of(prefix, queue), "+", "-", "COUNT", 1)
        if last:
            ends[queue] = last[0][0]
    return urlencode(ends)


def positions(prefix: str, queues: Sequence[str], mark: str) -> dict[str, str]:
    """Return the streams of queues, with the entry behind which each is to be waited for."""
    marks = _marks(mark)
    return {stream_of(prefix, queue): marks.get(queue, "0-0").rstrip("~") for queue in queues}


async def hear(client: Client, prefix: str, queues: Sequence[str], after: str, now: int) -> Heard:
    """Return the next events behind a mark, in the order of their milliseconds across queues."""
    if _FOREIGN.fullmatch(after):
        end = await cursor(client, prefix, queues)
        return Heard([Event(end, "", "gap", now, {})], end)
    marks = _marks(after)
    told: list[tuple[tuple[int, int], str, str, Event]] = []
    for queue in queues:
        mark = marks.get(queue, "0-0")
        entries = await _entries(client, prefix, queue, mark)
        if await _has_gap(client, prefix, queue, mark, entries):
            at = _id(entries[0][0])[0]
            told.append(((at, -1), queue, _before(entries[0][0]), Event("", queue, "gap", at, {})))
        told += ((_id(place.rstrip("~")), queue, place, event) for place, event in _told(prefix, queue, entries, mark))
    told.sort(key=lambda item: (item[0][0], item[1], item[0][1]))
    events: list[Event] = []
    for _, queue, place, event in told:
        marks[queue] = place
        events.append(event._replace(cursor=urlencode(marks)))
    return Heard(events, urlencode(marks))


async def _entries(client: Client, prefix: str, queue: str, mark: str) -> list[Entry]:
    """Return entries behind a mark, with what is told beside them and without what follows an `added`."""
    stream = stream_of(prefix, queue)
    start = mark[:-1] if mark.endswith("~") else f"({mark}"
    rows = await client.call("XRANGE", stream, start, "+", "COUNT", READ)
    if not rows:
        return []
    entries = [(row[0], pairs(row[1])) for row in rows]
    before = await client.call("XREVRANGE", stream, f"({entries[0][0]}", "-", "COUNT", 1)
    earlier = pairs(before[0][1]) if before else {}
    told_beside = await client.call("XRANGE", f"{names_for(prefix, queue).own}details", rows[0][0], rows[-1][0])
    details = {row[0]: pairs(row[1]) for row in told_beside}
    for entry, fields in entries:
        if more := details.get(entry):
            fields |= {"attempt" if name == "failedReason" else name: value for name, value in more.items()}
        new = earlier.get("event") == "added" and earlier.get("jobId") == fields.get("jobId")
        if new and fields.get("event") in _PLACED:
            fields["event"] = ""
        earlier = fields
    return entries


def _told(prefix: str, queue: str, entries: Sequence[Entry], mark: str) -> Iterator[tuple[str, Event]]:
    for entry, fields in entries:
        kind, (at, _) = fields.get("event", ""), _id(entry)
        if kind not in _FIELDS:
            continue
        if "attempt" in fields and mark != f"{entry}~":
            body = {"jobId": fields["jobId"], "failedReason": fields["attempt"]}
            yield f"{entry}~", Event("", queue, "attempt_failed", at, body)
        yield entry, Event("", queue, kind, at, _body(prefix, kind, fields))


async def _has_gap(client: Client, prefix: str, queue: str, mark: str, entries: Sequence[Entry]) -> bool:
    """Return whether entries behind a mark are kept no longer."""
    stream = stream_of(prefix, queue)
    if not entries:
        return False
    first = await client.call("XRANGE", stream, "-", "+", "COUNT", 1)
    if not first or first[0][0] != entries[0][0] or _id(mark.rstrip("~")) >= _id(_before(first[0][0])):
        return False
    info = pairs(await client.call("XINFO", "STREAM", stream))
    return int(info.get("entries-added", 2**53)) > int(info["length"])  # none was ever trimmed: nothing is missing


def _body(prefix: str, kind: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    body = {name: fields[name] for name in _FIELDS[kind] if name in fields}
    for name in _NUMBERS:
        if name in body:
            body[name] = number(body[name]) or 0
    if "failedReason" in body:
        body["failedReason"] = plain_reason(prefix, body["failedReason"])
    if body.get("prev") == "wait":
        body["prev"] = "waiting"
    return body


def _before(entry: str) -> str:
    """Return the last id that an entry before this one could have."""
    at, number = _id(entry)
    return f"{at}-{number - 1}" if number else f"{at - 1}-{2**53}"


def _id(entry: str) -> tuple[int, int]:
    at, _, number = entry.partition("-")
    return int(at), int(number)


def _marks(text: str) -> dict[str, str]:
    if text == "0":  # all that is kept
        return {}
    try:
        marks = dict(parse_qsl(text, strict_parsing=bool(text)))
        for place in marks.values():
            _id(place.rstrip("~"))
    except ValueError:
        raise InvalidOption(f"after: expected the cursor of an event, got {text!r}") from None
    return marks
