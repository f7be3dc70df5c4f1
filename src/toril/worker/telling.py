"""What has become of runs, in the log; a run that went well costs nothing where nobody hears of it."""

from __future__ import annotations

from collections.abc import Iterable

from toril.job import JobRecord
from toril.log import (
    JOB_ATTEMPT_FAILED,
    JOB_COMPLETED,
    JOB_FAILED,
    JOB_PROCESSING,
    JOB_PUT_BACK,
    JOB_RATE_LIMITED,
    JOB_SNOOZED,
)
from toril.options import Policy
from toril.store.runs import Completed, Delayed, Failed, Limited, Outcome
from toril.why import PUT_BACK

__all__ = ["tell_ended", "tell_taken"]


def tell_taken(records: Iterable[JobRecord]) -> None:
    """Tell of jobs that a step has taken."""
    if JOB_PROCESSING.enabled:
        for record in records:
            JOB_PROCESSING(job=record.id, queue=record.queue, task=record.name, attempt=record.attempts + 1)


def tell_ended(record: JobRecord, outcome: Outcome, now: int) -> None:
    """Tell how a run has ended at `now` (epoch milliseconds)."""
    job = {"job": record.id, "queue": record.queue, "task": record.name}
    took = max(now - (record.processed_on or now), 0) / 1000
    match outcome:
        case Completed():
            JOB_COMPLETED(**job, attempt=record.attempts + 1, duration=took)
        case Failed():
            JOB_FAILED(**job, attempt=record.attempts + outcome.attempts, duration=took, error=outcome.reason)
        case Limited():
            JOB_RATE_LIMITED(**job, retry_in=_until(outcome.until, now))
        case Delayed() if outcome.attempts:
            _tell_retry(record, outcome, now, took)
        case Delayed(reason=str(reason)) if reason.startswith(PUT_BACK):
            JOB_PUT_BACK(**job, retry_in=_until(outcome.due, now), error=reason.removeprefix(PUT_BACK))
        case Delayed():
            JOB_SNOOZED(**job, retry_in=_until(outcome.due, now))


def _tell_retry(record: JobRecord, outcome: Delayed, now: int, took: float) -> None:
    JOB_ATTEMPT_FAILED(
        job=record.id,
        queue=record.queue,
        task=record.name,
        attempt=record.attempts + 1,
        attempts=Policy.from_json(record.opts).attempts,
        duration=took,
        retry_in=_until(outcome.due, now),
        error=outcome.reason,
    )


def _until(due: int, now: int) -> float:
    return max(due - now, 0) / 1000
