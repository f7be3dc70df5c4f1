"""A step on its way to `step.lua` and back."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, overload

from toril.job import JobRecord
from toril.keep import Keep
from toril.store.redis.records import plain_reason, taken_job
from toril.store.runs import Completed, Delayed, Failed, Limited, Note, Outcome, Released, Run, Step

__all__ = ["StepReply", "step_arguments", "step_of"]

StepReply = Sequence[Any]

STATES = {"C": "completed", "F": "failed"}  # of kinds of outcomes that are kept for a while


class _Taken(Sequence[JobRecord]):
    """Jobs that are read when they are looked at: a lane sends its next step before."""

    def __init__(self, rows: Sequence[Any], read: Callable[[Any], JobRecord]) -> None:
        self._rows = rows
        self._read = read

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[JobRecord]:
        return map(self._read, self._rows)

    @overload
    def __getitem__(self, place: int) -> JobRecord: ...

    @overload
    def __getitem__(self, place: slice) -> list[JobRecord]: ...

    def __getitem__(self, place: int | slice) -> JobRecord | list[JobRecord]:
        return list(self)[place]


def step_arguments(outcomes: Sequence[Outcome], notes: Sequence[Note]) -> list[Any]:
    """Return the arguments that tell notes, kinds of retention and outcomes."""
    arguments: list[Any] = []
    for run, progress, lines, most in notes:
        arguments += (run.id, run.number, run.token, progress or "", most, len(lines), *lines)
    keeps: dict[tuple[str, Keep], int] = {}
    groups, told = _groups(outcomes, keeps)
    for state, keep in keeps:
        arguments += (state, -1 if keep.count is None else keep.count, -1 if keep.age is None else _ms(keep.age))
    return [len(notes), len(keeps), groups, *arguments, *told]


def _groups(outcomes: Sequence[Outcome], keeps: dict[tuple[str, Keep], int]) -> tuple[int, list[Any]]:
    """Return how many groups outcomes form, in their order, and these groups; enter new kinds of retention."""
    told: list[Any] = []
    groups, last, place = 0, None, 0
    for outcome in outcomes:
        kind, keep, own = _outcome(outcome)
        job_id, number, token = outcome.run
        if (head := (kind, token, keep)) != last:
            kept = "" if keep is None else keeps.setdefault((STATES[kind], keep), len(keeps) + 1)
            told += (kind, token, kept, 0)
            groups, last, place = groups + 1, head, len(told) - 1
        told[place] += 1
        told += (job_id, number, *own)
    return groups, told


def _outcome(outcome: Outcome) -> tuple[str, Keep | None, tuple[Any, ...]]:
    """Return the kind of an outcome, how long it is kept, and what is its kind's own."""
    match outcome:
        case Completed(_, result, keep):
            return "C", keep, (result,)
        case Failed(_, reason, stack, keep, attempts):
            return "F", keep, (reason, stack or "", attempts)
        case Delayed(_, due, reason, stack, attempts):
            return "D", None, (due, reason or "", stack or "", attempts)
        case Released():
            return "R", None, ()
        case Limited(_, until):
            return "L", None, (until,)
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
        _Taken(taken, lambda job: taken_job(queue, job, prefix, worker, now, token)) if taken else [],
        [_run(outcomes, number) for number in refused],
        int(due) if due else None,
        closed or None,
        opens_at,
        [(_run(outcomes, number), plain_reason(prefix, reason)) for number, reason in instead],
    )


def _run(outcomes: Sequence[Outcome], number: int) -> Run:
    return outcomes[number - 1].run
