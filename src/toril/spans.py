"""Spans of OpenTelemetry's around what happens to jobs. Imported when there is a tracer provider, by `tracing` alone.

Attributes are those of the semantic conventions for messaging, and `toril.…` for what these have no word for.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version

from opentelemetry import context, trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from toril.job import JobRecord, NewJob
from toril.options import Policy

__all__ = ["Spans"]

# Not the propagator that is set: baggage may name people, and nothing personal belongs in a store
_W3C = TraceContextTextMapPropagator()
_CONVENTIONS = "https://opentelemetry.io/schemas/1.37.0"
Attributes = dict[str, AttributeValue]


class Spans:
    """Makes spans with the tracer of a provider."""

    def __init__(self, provider: trace.TracerProvider) -> None:
        self._tracer = provider.get_tracer("toril", version("toril"), schema_url=_CONVENTIONS)

    @staticmethod
    def of_provider() -> Spans | None:
        """Return what makes spans with the provider that the process has; None: it has none yet."""
        provider = trace.get_tracer_provider()
        return None if isinstance(provider, trace.ProxyTracerProvider) else Spans(provider)

    def carrier(self) -> str | None:
        """See `tracing.carrier`."""
        carried: dict[str, str] = {}
        _W3C.inject(carried)
        return json.dumps(carried) if carried else None

    @contextmanager
    def continued(self, carried: str) -> Iterator[None]:
        """See `tracing.continued`."""
        token = context.attach(_extracted(carried))
        try:
            yield
        finally:
            context.detach(token)

    @contextmanager
    def enqueue(self, jobs: Sequence[NewJob]) -> Iterator[Span]:
        """Make the span of adding jobs: one for all of them."""
        queues = {job.queue for job in jobs}
        destination = next(iter(queues)) if len(queues) == 1 else None
        attributes = _messaging("toril", "enqueue", "send", destination)
        if len(jobs) == 1:
            attributes["toril.task"] = jobs[0].name
        else:
            attributes["messaging.batch.message_count"] = len(jobs)
        with self._span(_named("enqueue", destination), SpanKind.PRODUCER, attributes) as span:
            yield span

    @contextmanager
    def process(self, record: JobRecord) -> Iterator[Span]:
        """Make the span of one run of a job: in the trace that the job came from, or in its own with a link to that.

        A tick of a schedule begins a trace: those of a year in one trace would serve nobody.
        """
        attributes = _messaging("toril", "process", "process", record.queue)
        attributes |= {
            "messaging.message.id": record.id,
            "toril.task": record.name,
            "toril.job.attempt": record.attempts + 1,
            "toril.job.start": record.starts,
        }
        if record.schedule is not None:
            attributes["toril.schedule.id"] = record.schedule
        carried, own = _origin(record)
        origin = _extracted(carried)
        links = [Link(found)] if own and (found := trace.get_current_span(origin).get_span_context()).is_valid else None
        with self._span(
            _named("process", record.queue), SpanKind.CONSUMER, attributes, Context() if own else origin, links
        ) as span:
            yield span

    def fail(self, span: Span, kind: str, reason: str, stack: str) -> None:
        """Mark the span of a run as failed, with the exception that it ended with."""
        span.set_attribute("error.type", kind)
        span.set_status(StatusCode.ERROR, reason)
        told = {"exception.type": kind, "exception.message": reason, "exception.stacktrace": stack}
        span.add_event("exception", told)

    @contextmanager
    def delivery(self, system: str, host: str, port: int | None, message_id: str) -> Iterator[None]:
        """See `tracing.delivery`."""
        attributes = _messaging(system, "send", "send", None)
        attributes["server.address"] = host
        if port is not None:
            attributes["server.port"] = port
        if message_id:
            attributes["messaging.message.id"] = message_id
        with self._span(_named("send", f"{host}:{port}" if port else host), SpanKind.CLIENT, attributes):
            yield

    def describe(self, attributes: Mapping[str, AttributeValue]) -> None:
        """Add attributes to the current span."""
        trace.get_current_span().set_attributes(attributes)

    @contextmanager
    def _span(
        self,
        name: str,
        kind: SpanKind,
        attributes: Attributes,
        parent: Context | None = None,
        links: Sequence[Link] | None = None,
    ) -> Iterator[Span]:
        """Make a span the current one. Of an error it tells class and code: its text may name people."""
        span = self._tracer.start_span(name, parent, kind, attributes, links)
        token = context.attach(trace.set_span_in_context(span, parent))
        try:
            yield span
        except Exception as error:
            code = str(getattr(error, "code", "")) or type(error).__name__
            span.set_attribute("error.type", code)
            span.set_status(StatusCode.ERROR, code)
            raise
        finally:
            context.detach(token)
            span.end()


def _named(operation: str, destination: str | None) -> str:
    return operation if destination is None else f"{operation} {destination}"


def _messaging(system: str, name: str, kind: str, destination: str | None) -> Attributes:
    attributes: Attributes = {
        "messaging.system": system,
        "messaging.operation.name": name,
        "messaging.operation.type": kind,
    }
    if destination is not None:
        attributes["messaging.destination.name"] = destination
    return attributes


def _extracted(carried: str | None) -> Context:
    """Return the context that somebody carried; an empty one for what cannot be read: a trace must fail no job."""
    try:
        found = json.loads(carried or "{}")
        return _W3C.extract(found if isinstance(found, dict) else {}, Context())
    except (TypeError, ValueError):
        return Context()


def _origin(record: JobRecord) -> tuple[str | None, bool]:
    """Return the context in which a job was added, and whether its runs begin traces of their own."""
    try:
        policy = Policy.from_json(record.opts)
    except ValueError:
        return None, True
    return policy.trace or policy.link, policy.trace is None or record.schedule is not None
