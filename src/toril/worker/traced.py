"""Runs of jobs in spans: in the trace of whoever added them, with what became of each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from toril import tracing
from toril.context import JobContext
from toril.job import JobRecord
from toril.json import decode_or
from toril.masking import without_people
from toril.store.runs import Delayed, Failed, Outcome, Run
from toril.worker.outcomes import error_of, word_of

if TYPE_CHECKING:
    from opentelemetry.trace import Span

    from toril.spans import Spans

__all__ = ["Execute", "traced"]

Execute = Callable[[Run, JobRecord, Callable[[JobContext], None]], Awaitable[Outcome]]


def traced(execute: Execute) -> Execute:
    """Return what runs a job in a span; where nothing is traced, `execute` itself."""
    spans = tracing.spans()
    if spans is None:
        return execute

    async def execute_traced(run: Run, record: JobRecord, hear: Callable[[JobContext], None]) -> Outcome:
        with spans.process(record) as span:
            outcome = await execute(run, record, hear)
            _tell(spans, span, outcome)
            return outcome

    return execute_traced


def _tell(spans: Spans, span: Span, outcome: Outcome) -> None:
    """Tell what has become of a run, in the words that the job keeps: its secrets are masked there."""
    span.set_attribute("toril.job.outcome", word_of(outcome))
    if not isinstance(outcome, Failed) and not (isinstance(outcome, Delayed) and outcome.attempts):
        return
    reason, stacks = outcome.reason or "", decode_or(outcome.stack, [])
    stack = str(stacks[-1]) if isinstance(stacks, list) and stacks else ""
    spans.fail(span, error_of(reason), without_people(reason), without_people(stack))
