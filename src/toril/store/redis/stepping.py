"""A step on its way to `step.lua` and back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from toril.keep import Keep
from toril.store.redis.records import taken_job
from toril.store.runs import Completed, Delayed, Failed, Limited, Note, Outcome, Released, Run, Step

__all__ = ["StepReply", "step_arguments", "step_of"]

StepReply = Sequence[Any]


def step_arguments(outcomes: Sequence[Outcome], notes: Sequence[Note]) -> list[Any]:
    """Return the arguments that tell notes, kinds of retention and outcomes."""
    arguments: list[Any] = []
    for run, progress, lines, most in notes:
        arguments += (run.id, run.number, run.token, progress or "", most, len(lines), *lines)
    keeps: dict[tuple[str, Keep], int] = {}
    told: list[Any] = []
    for outcome in outcomes:
        told += _outcome(outcome, keeps)
    for state, keep in keeps:
        arguments += (state, -1 if keep.count is None else keep.count, -1 if keep.age is None else _ms(keep.age))
    return [len(notes), len(keeps), len(outcomes), *arguments, *told]


def _outcome(outcome: Outcome, keeps: dict[tuple[str, Keep], int]) -> tuple[Any, ...]:
    match outcome:
        case Completed((job_id, number, token), result, keep):
            return "C", job_id, number, token, result, keeps.setdefault(("completed", keep), len(keeps) + 1), "", ""
        case Failed((job_id, number, token), reason, stack, keep, attempts):
            kept = keeps.setdefault(("failed", keep), len(keeps) + 1)
            return "F", job_id, number, token, reason, stack or "", kept, attempts
        case Delayed((job_id, number, token), due, reason, stack, attempts):
            return "D", job_id, number, token, due, reason or "", stack or "", attempts
        case Released((job_id, number, token)):
            return "R", job_id, number, token, "", "", "", ""
        case Limited((job_id, number, token), until):
            return "L", job_id, number, token, until, "", "", ""
    raise TypeError(outcome)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def step_of(
    reply: StepReply, outcomes: Sequence[Outcome], prefix: str, queue: str, worker: str, now: int, token: str
) -> Step:
    """Return what a step did."""
    refused, taken, due, closed, opens, instead, _ = reply
    opens_at = int(opens) if opens != "" else None
    if opens_at is not None:
        closed = f"rate limited until {datetime.fromtimestamp(opens_at / 1000, UTC).isoformat(timespec='milliseconds')}"
    return Step(
        [taken_job(queue, job, prefix, worker, now, token) for job in taken],
        [_run(outcomes, number) for number in refused],
        int(due) if due else None,
        closed or None,
        opens_at,
        [(_run(outcomes, number), reason) for number, reason in instead],
    )


def _run(outcomes: Sequence[Outcome], number: int) -> Run:
    return outcomes[number - 1].run
