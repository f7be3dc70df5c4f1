"""Rows of Redis as records: hashes that anybody may have written."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from toril.job import JobRecord, JobState
from toril.json import decode

__all__ = ["number", "pairs", "plain_reason", "read_job", "taken_job"]


def pairs(flat: Sequence[Any]) -> dict[str, Any]:
    """Return a flat list of fields and values as a mapping; redis-py makes one of some by itself."""
    if isinstance(flat, dict):
        return flat
    return dict(zip(flat[::2], flat[1::2], strict=True))


def read_job(prefix: str, queue: str, found: Sequence[Any]) -> JobRecord:
    """Return a job as `lib/reading.lua` gives it."""
    job_id, state, due, flat = found
    return _record(prefix, queue, job_id, JobState(state), pairs(flat), int(due) if due else None)


def taken_job(queue: str, found: Sequence[Any], prefix: str, worker: str, now: int, token: str) -> JobRecord:
    """Return a job as a step has taken it: its hash from before, and what the step wrote."""
    job_id, starts, flat = found
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    if len(fields) == _FRESH:
        with suppress(KeyError, ValueError):  # somebody else's
            return _fresh(queue, job_id, fields, worker, starts, now, token)
    fields["ats"] = starts
    fields["pb"] = worker
    fields["processedOn"] = now
    return _record(prefix, queue, job_id, JobState.ACTIVE, fields, None, token)


_FRESH = 6  # fields of a job that has not been taken before and has no parent, key or schedule


def _fresh(
    queue: str, job_id: str, fields: dict[str, Any], worker: str, starts: int, now: int, token: str
) -> JobRecord:
    """Return a job that has been taken for the first time, as nearly all are."""
    _ = fields["delay"]
    return JobRecord(
        job_id, queue, fields["name"], fields["data"], fields["opts"], JobState.ACTIVE, int(fields["priority"]),
        int(fields["timestamp"]), None, starts, 0, 0, now, None, None, None, None, None, worker, None, None, None,
        None, token,
    )  # fmt: skip


def _record(
    prefix: str,
    queue: str,
    job_id: str,
    state: JobState,
    fields: dict[str, Any],
    due: int | None,
    token: int | str = 0,
) -> JobRecord:
    get = fields.get
    schedule, reason = get("rjk"), get("failedReason")
    return JobRecord(
        job_id,
        queue,
        get("name", ""),
        get("data", "{}"),
        get("opts", "{}"),
        state,
        number(get("priority")) or 0,
        number(get("timestamp")) or 0,
        due,
        number(get("ats")) or 0,
        number(get("atm", get("attemptsMade"))) or 0,
        number(get("stc")) or 0,
        number(get("processedOn")),
        number(get("finishedOn")),
        get("progress"),
        get("returnvalue") if state is JobState.COMPLETED else None,
        # BullMQ keeps that of an earlier attempt
        plain_reason(prefix, reason) if reason is not None and state is not JobState.COMPLETED else None,
        get("stacktrace"),
        get("pb"),
        schedule,
        number(job_id.rpartition(":")[2]) if schedule is not None else None,
        _parent(prefix, get("parent")),
        get("defa"),
        token,
    )


def plain_reason(prefix: str, reason: str) -> str:
    """Return a reason with the child that it names as `queue:id`; BullMQ writes the child's whole key."""
    return reason.replace(f"child {prefix}:", "child ", 1)


def number(text: Any) -> int | None:
    """Return a whole number that somebody wrote; None for what is none."""
    if text is None:
        return None
    try:
        return int(text)
    except ValueError:
        try:
            return int(float(text))
        except (ValueError, OverflowError):
            return None


def _parent(prefix: str, text: str | None) -> str | None:
    """Return "queue:id" of the parent that a job names."""
    if not text:
        return None
    try:
        body = decode(text)
        return f"{str(body['queueKey']).removeprefix(f'{prefix}:')}:{body['id']}"
    except (ValueError, TypeError, KeyError):
        return None
