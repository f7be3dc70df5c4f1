"""The trace that a job belongs to: its W3C context travels in the job, as BullMQ's telemetry carries it.

Whoever adds or runs jobs asks `spans()`. It answers None until the application has set a tracer provider of
OpenTelemetry's, and then nothing of this costs anything.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from toril.job import NewJob
from toril.json import encode

if TYPE_CHECKING:
    from toril.spans import Spans

__all__ = ["carrier", "continued", "delivery", "describe", "spans", "stamped"]

_API = "opentelemetry.trace"
_spans: Spans | None = None


def spans() -> Spans | None:
    """Return what makes spans, or None as long as nobody has set a tracer provider."""
    global _spans  # noqa: PLW0603
    if _spans is None and _API in sys.modules:  # who sets a provider has imported it
        from toril.spans import Spans

        _spans = Spans.of_provider()
    return _spans


def carrier() -> str | None:
    """Return the current trace context as JSON, such as `{"traceparent": "00-…"}`; None: there is none."""
    making = spans()
    return None if making is None else making.carrier()


def continued(carried: str | None) -> AbstractContextManager[None]:
    """Let what is done within the context belong to the trace that `carrier` returned somewhere else."""
    making = spans()
    return nullcontext() if making is None or carried is None else making.continued(carried)


def delivery(system: str, host: str, port: int | None, message_id: str) -> AbstractContextManager[None]:
    """Make a span of handing a message to a server; of what it raises it tells the `code` alone, which is nobody's."""
    making = spans()
    return nullcontext() if making is None else making.delivery(system, host, port, message_id)


def describe(attributes: Mapping[str, str | int]) -> None:
    """Add attributes to the current span."""
    making = spans()
    if making is not None:
        making.describe(attributes)


def stamped(job: NewJob, carried: str) -> NewJob:
    """Return a job that carries a context; one that has its own (a custom one, of whoever made it) keeps that."""
    opts = job.opts
    if '"tm":' in opts:  # a quote inside of a text would be escaped: this is the key
        return job
    if '"omc":true' not in opts:
        return job._replace(opts=f'{opts[:-1]},"tm":{encode(carried)}}}')
    assert opts.endswith("}}"), "the options that BullMQ has no word for come last"
    return job._replace(opts=f'{opts[:-2]},"link":{encode(carried)}}}}}')
