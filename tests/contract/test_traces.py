"""Traces: a job goes on with the trace of whoever added it, whichever way it was added."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
import traced_cpu
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import SpanKind, StatusCode

from toril import Fixed, Flow, JobContext, ManualClock, Snooze, Toril, WaitForChildren, tracing
from toril.options import Policy
from toril.spans import Spans
from traces import Traces, carried_by, is_child, links_to, trace_of

Work = Callable[..., Awaitable[None]]
BOOM = "no <ana@example.com> with token=planted"


def current() -> str:
    """Return the trace and the span in which this runs."""
    span = trace.get_current_span().get_span_context()
    return f"{span.trace_id:032x} {span.span_id:016x}"


async def test_from_the_call_to_the_run(app: Toril, work: Work, traces: Traces) -> None:
    seen: list[str] = []

    @app.task(queue="mails")
    async def welcome(job: JobContext) -> None:
        seen.append(current())

    with traces.request() as request:
        job = await welcome.enqueue()
    await work()
    added, ran = traces.one("enqueue mails"), traces.one("process mails")
    assert trace_of(added) == trace_of(ran) == request
    assert is_child(added, traces.one("request"))
    assert is_child(ran, added)
    assert seen == [f"{request} {ran.context.span_id:016x}"]
    common = {"messaging.system": "toril", "messaging.destination.name": "mails", "messaging.message.id": job.id, "toril.task": "welcome"}  # fmt: skip
    assert added.kind is SpanKind.PRODUCER
    assert added.attributes == common | {
        "messaging.operation.name": "enqueue",
        "messaging.operation.type": "send",
    }
    assert ran.kind is SpanKind.CONSUMER
    assert ran.attributes == common | {
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "toril.job.attempt": 1,
        "toril.job.start": 1,
        "toril.job.outcome": "completed",
    }
    assert ran.status.status_code is StatusCode.UNSET


async def test_the_context_lies_where_bullmq_has_it(app: Toril, traces: Traces) -> None:
    @app.task
    async def noop() -> None: ...

    with traces.request() as request:
        job = await noop.enqueue()
    await job.refresh()
    added = traces.one("enqueue default")
    assert carried_by(job.record.opts).keys() == {"traceparent"}
    assert carried_by(job.record.opts)["traceparent"].startswith(f"00-{request}-{added.context.span_id:016x}-")


@pytest.mark.parametrize("how", ["bulk", "untyped", "untyped bulk", "flow", "blocking"])
async def test_every_way_of_adding(app: Toril, work: Work, traces: Traces, how: str) -> None:
    @app.task(queue="q")
    async def part() -> None: ...

    queue = app.queue("q")
    with traces.request() as request:
        match how:
            case "bulk":
                await app.enqueue_many([part.call(), part.call()])
            case "untyped":
                await queue.add("part")
            case "untyped bulk":
                await queue.add_many([("part", {}), ("part", {})])
            case "flow":
                await app.enqueue_flow(Flow(part.call(), [part.call()]))
            case "blocking":
                await asyncio.to_thread(part.enqueue_sync)
    await work()
    added, ran = traces.one("enqueue q"), traces.named("process q")
    several = how not in {"untyped", "blocking"}
    assert len(ran) == 1 + several
    assert added.attributes.get("messaging.batch.message_count") == (2 if several else None)
    assert all(is_child(span, added) and trace_of(span) == request for span in ran)


async def test_children_that_a_run_asks_for(app: Toril, work: Work, traces: Traces) -> None:
    @app.task(queue="parts")
    async def part() -> None: ...

    @app.task(queue="wholes")
    async def whole(job: JobContext) -> None:
        if not await job.children():
            await job.add_children([part.call()])
            raise WaitForChildren([part.call()])

    with traces.request() as request:
        await whole.enqueue()
    await work()
    first, second = traces.named("process wholes")
    assert [first.attributes["toril.job.start"], second.attributes["toril.job.start"]] == [1, 2]
    assert {trace_of(span) for span in traces.named("process parts")} == {request}
    assert sum(is_child(span, first) for span in traces.named("process parts")) == 1
    assert is_child(traces.one("enqueue parts"), first)


async def test_each_attempt_is_a_span_with_its_number_and_what_it_failed_of(
    app: Toril, clock: ManualClock, work: Work, traces: Traces
) -> None:
    @app.task(queue="q", attempts=2, backoff=Fixed(10))
    async def charge() -> None:
        raise ValueError(BOOM)

    with traces.request() as request:
        await charge.enqueue()
    await work()
    clock.advance(10)
    await work()
    first, second = traces.named("process q")
    assert [span.attributes["toril.job.attempt"] for span in (first, second)] == [1, 2]
    assert [span.attributes["toril.job.outcome"] for span in (first, second)] == ["retried", "failed"]
    for span in (first, second):
        assert trace_of(span) == request
        assert span.attributes["error.type"] == "ValueError"
        assert (span.status.status_code, span.status.description) == (
            StatusCode.ERROR,
            "ValueError: no <a***@example.com> with token=********",
        )
        (event,) = span.events
        assert event.name == "exception"
        assert event.attributes["exception.type"] == "ValueError"
        assert "in charge" in event.attributes["exception.stacktrace"]
    assert "planted" not in traces.text()
    assert "ana@" not in traces.text()


async def test_what_is_no_failure_is_none(app: Toril, clock: ManualClock, work: Work, traces: Traces) -> None:
    turns = iter([Snooze(10), None])

    @app.task(queue="q")
    async def wait() -> None:
        if turn := next(turns):
            raise turn

    await wait.enqueue()
    await work()
    clock.advance(10)
    await work()
    snoozed, completed = traces.named("process q")
    assert snoozed.attributes["toril.job.outcome"] == "snoozed"
    assert snoozed.status.status_code is completed.status.status_code is StatusCode.UNSET
    assert (snoozed.attributes["toril.job.attempt"], completed.attributes["toril.job.attempt"]) == (1, 1)


async def test_own_traces_with_a_link(app: Toril, clock: ManualClock, work: Work, traces: Traces) -> None:
    @app.task(queue="q", own_trace=True, attempts=2, backoff=Fixed(10))
    async def campaign(job: JobContext) -> None:
        if job.attempt == 1:
            raise ValueError

    with traces.request() as request:
        job = await campaign.enqueue()
    await job.refresh()
    assert json.loads(job.record.opts)["omc"] is True
    assert "tm" not in json.loads(job.record.opts)
    await work()
    clock.advance(10)
    await work()
    ran = traces.named("process q")
    assert len({request, *map(trace_of, ran)}) == 3
    assert all(span.parent is None and links_to(span, traces.one("enqueue q")) for span in ran)


async def test_a_tick_begins_a_trace_and_links_to_what_made_the_schedule(
    app: Toril, clock: ManualClock, work: Work, traces: Traces
) -> None:
    @app.task(queue="q")
    async def digest() -> None: ...

    with traces.request("first"):
        assert await app.schedule(digest.call(), id="d", every=timedelta(minutes=1))
    with traces.request("again"):
        assert not await app.schedule(digest.call(), id="d", every=timedelta(minutes=1))
    for _ in range(3):
        await work()
        clock.advance(60)
    ran = traces.named("process q")
    assert len(ran) == len({trace_of(span) for span in ran}) == 3
    assert all(links_to(span, traces.one("first")) for span in ran)
    assert all(span.attributes["toril.schedule.id"] == "d" for span in ran)


async def test_a_schedule_that_is_run_by_hand_goes_on_with_that_trace(app: Toril, work: Work, traces: Traces) -> None:
    @app.task(queue="q")
    async def digest() -> None: ...

    with traces.request("made"):
        await app.schedule(digest.call(), id="d", cron="0 0 1 1 *")
    with traces.request("pressed") as pressed:
        await app.run_schedule("d")
    await work()
    assert trace_of(traces.one("process q")) == pressed


async def test_a_context_of_the_jobs_own_is_kept(app: Toril, work: Work, traces: Traces) -> None:
    """As one that BullMQ was given: whoever makes a job may say what it belongs to."""
    own = {"traceparent": f"00-{'ab' * 16}-{'cd' * 8}-01", "tracestate": "vendor=1"}
    opts = f'{Policy().to_json()[:-1]},"tm":{json.dumps(json.dumps(own))}}}'

    @app.task(queue="q")
    async def noop() -> None: ...

    with traces.request():
        from toril.adding import add

        await add(app.store, [noop.call().new_job(app.clock.now())._replace(opts=opts)])
    await work()
    assert trace_of(traces.one("process q")) == "ab" * 16
    assert traces.one("process q").parent.trace_state.get("vendor") == "1"


@pytest.mark.parametrize("tm", ['"{"', '"[]"', '"{\\"traceparent\\": \\"00-zz\\"}"', "7", '""', '"null"'])
async def test_what_cannot_be_read_costs_no_job(app: Toril, work: Work, traces: Traces, tm: str) -> None:
    @app.task(queue="q")
    async def noop() -> None: ...

    job = noop.call().new_job(app.clock.now())
    (job_id,) = await app.store.add([job._replace(opts=f'{job.opts[:-1]},"tm":{tm}}}')])
    await work()
    found = await app.queue("q").get(job_id)
    assert found is not None
    assert found.record.state == "completed"
    assert traces.one("process q").parent is None


async def test_what_is_not_sampled_stays_so(app: Toril, work: Work, traces: Traces) -> None:
    @app.task(queue="q")
    async def noop() -> None: ...

    unsampled = trace.SpanContext(7, 7, is_remote=False, trace_flags=trace.TraceFlags(0))
    with trace.use_span(trace.NonRecordingSpan(unsampled)):
        job = await noop.enqueue()
    await job.refresh()
    assert int(carried_by(job.record.opts)["traceparent"][-2:], 16) & trace.TraceFlags.SAMPLED == 0
    await work()
    assert traces.all() == []


@pytest.mark.one_store
async def test_a_run_does_not_belong_to_what_happens_around_the_worker(app: Toril, traces: Traces) -> None:
    @app.task(queue="q")
    async def noop() -> None: ...

    await noop.enqueue()
    with traces.request() as request:
        await app.run_pending()
    assert trace_of(traces.one("process q")) != request


@pytest.mark.one_store
async def test_a_plain_function_in_its_thread(app: Toril, work: Work, traces: Traces) -> None:
    seen: list[str] = []

    @app.task(queue="q")
    def plain() -> None:
        seen.append(current())

    await plain.enqueue()
    await work()
    ran = traces.one("process q")
    assert seen == [f"{trace_of(ran)} {ran.context.span_id:016x}"]


@pytest.mark.one_store
async def test_a_process_of_its_own(app: Toril, work: Work, traces: Traces) -> None:
    job = await app.task(queue="q", process=True)(traced_cpu.current.function).enqueue()
    await work()
    ran = traces.one("process q")
    assert await job.result(5) == [trace_of(ran), f"{ran.context.span_id:016x}"]


@pytest.mark.one_store
async def test_an_add_that_is_refused(app: Toril, traces: Traces) -> None:
    queue = app.queue("q")
    await queue.limit_length(1)
    await queue.add("x")
    with pytest.raises(Exception, match="q"):
        await queue.add("x")
    assert traces.named("enqueue q")[1].attributes["error.type"] == "QueueFull"


@pytest.mark.one_store
async def test_without_a_provider_nothing_is_carried(app: Toril, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider), "a test has set a provider for all"
    assert tracing.spans() is None
    job = await app.queue("q").add("x")
    await job.refresh()
    assert "tm" not in json.loads(job.record.opts)


@pytest.mark.one_store
async def test_a_provider_that_comes_late_is_found(app: Toril, monkeypatch: pytest.MonkeyPatch) -> None:
    await app.queue("q").add("x")
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: TracerProvider(shutdown_on_exit=False))
    monkeypatch.setattr(tracing, "_spans", None)
    job = await app.queue("q").add("x")
    await job.refresh()
    assert carried_by(job.record.opts)
    assert isinstance(tracing.spans(), Spans)


@pytest.mark.one_store
async def test_baggage_stays_at_home(app: Toril, traces: Traces) -> None:
    from opentelemetry import baggage, context

    token = context.attach(baggage.set_baggage("user.email", "ana@example.com", Context()))
    try:
        job = await app.queue("q").add("x")
    finally:
        context.detach(token)
    await job.refresh()
    assert carried_by(job.record.opts).keys() == {"traceparent"}
