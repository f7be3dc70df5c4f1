"""A task in a process of its own, which has a tracer provider there; the process of the tests has none from here."""

from __future__ import annotations

import multiprocessing

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from toril import Toril
from toril.settings import Settings

app = Toril("sqlite:///:memory:", settings=Settings(env={}, dotenv=None))

if multiprocessing.parent_process() is not None:
    trace.set_tracer_provider(TracerProvider(shutdown_on_exit=False))


@app.task(process=True)
def current() -> list[str]:
    span = trace.get_current_span().get_span_context()
    return [f"{span.trace_id:032x}", f"{span.span_id:016x}"]
