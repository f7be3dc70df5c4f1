"""What is traced: spans of a provider that one test alone has."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from toril import tracing
from toril.spans import Spans

__all__ = ["Traces", "traces"]


class Traces:
    """The spans that have ended, oldest first, and a tracer for the test's own."""

    def __init__(self) -> None:
        self._exporter = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))
        self.tracer = self.provider.get_tracer("test")

    @contextmanager
    def request(self, name: str = "request") -> Iterator[str]:
        """Be in a span; its trace id, in hexadecimal."""
        with self.tracer.start_as_current_span(name) as span:
            yield f"{span.get_span_context().trace_id:032x}"

    def all(self) -> list[ReadableSpan]:
        """Return every span."""
        return list(self._exporter.get_finished_spans())

    def named(self, name: str) -> list[ReadableSpan]:
        """Return the spans of that name."""
        return [span for span in self.all() if span.name == name]

    def one(self, name: str) -> ReadableSpan:
        """Return the only span of that name."""
        (found,) = self.named(name)
        return found

    def text(self) -> str:
        """Return everything that was exported."""
        return "\n".join(span.to_json() for span in self.all())


def trace_of(span: ReadableSpan) -> str:
    return f"{span.context.trace_id:032x}"


def is_child(span: ReadableSpan, parent: ReadableSpan) -> bool:
    return span.parent is not None and span.parent.span_id == parent.context.span_id


def links_to(span: ReadableSpan, other: ReadableSpan) -> bool:
    return [link.context.span_id for link in span.links] == [other.context.span_id]


def carried_by(opts: str) -> dict[str, Any]:
    """Return what a job's options carry."""
    found: dict[str, Any] = json.loads(json.loads(opts)["tm"])
    return found


@pytest.fixture
def traces(monkeypatch: pytest.MonkeyPatch) -> Traces:
    """Trace this test."""
    found = Traces()
    monkeypatch.setattr(tracing, "_spans", Spans(found.provider))
    return found
