"""Runs of jobs in spans: in the trace of whoever added them, with what became of each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from toril import tracing
from toril.context import JobContext
from toril.job import JobRecord
from toril.json import decode_or
from toril.masking import without_people
from toril.store.runs import Delayed, Failed, Outcome
from toril.worker.outcomes import error_of, word_of

if TYPE_CHECKING:
    from opentelemetry.trace import Span

__all__ = ["Execute", "traced"]

Execute = Callable[[JobRecord, Callable[[JobContext], None]], Awaitable[Outcome]]


def traced(execute: Execute) -> Execute:
    """Return what runs a job in a span; where nothing is traced, `execute` itself."""
    spans = tracing.spans()
    if spans is None:
        return execute

    async def run(record: JobRecord, hear: Callable[[JobContext], None]) -> Outcome:
        with spans.process(record) as span:
            outcome = await execute(record, hear)
            _tell(span, outcome)
            return outcome

    return run


def _tell(span: Span, outcome: Outcome) -> None:
    """Tell what has become of a run, in the words that the job keeps: its secrets are masked there."""
    span.set_attribute("toril.job.outcome", word_of(outcome))
    if not isinstance(outcome, Failed) and not (isinstance(outcome, Delayed) and outcome.attempts):
        return
    from toril.spans import fail

    kind, reason = error_of(outcome.reason or ""), without_people(outcome.reason or "")
    fail(span, kind, reason)
    stacks = decode_or(outcome.stack, [])
    stack = without_people(str(stacks[-1])) if isinstance(stacks, list) and stacks else ""
    span.add_event("exception", {"exception.type": kind, "exception.message": reason, "exception.stacktrace": stack})
