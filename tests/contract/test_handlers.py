"""What an application is told of its jobs in the worker, and the one function around every run."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import cpu
import pytest

from toril import Fixed, Job, JobCancelled, JobContext, JobEvent, Snooze, Toril, Worker
from toril.errors import ConfigurationError
from toril.maintenance.rescuer import Rescuer
from toril.store.views import WorkerInfo
from toril.worker.announcer import Announcer

KINDS = ("failed", "attempt_failed", "completed", "progress", "stalled")


@pytest.fixture
def heard(app: Toril) -> list[JobEvent]:
    """Hear of everything."""
    events: list[JobEvent] = []
    for kind in KINDS:
        app.on(kind)(events.append)
    return events


def told(events: list[JobEvent]) -> list[tuple[str, str]]:
    return [(event.kind, event.job.id) for event in events]


async def test_each_end_is_told_once(app: Toril, clock, work, heard: list[JobEvent]) -> None:
    @app.task(attempts=2, backoff=Fixed(5))
    async def fail(n: int) -> None:
        raise ValueError(n)

    @app.task
    async def add(a: int, b: int) -> int:
        return a + b

    failing, adding = await fail.enqueue(7), await add.enqueue(1, 2)
    await work()
    assert told(heard) == [("attempt_failed", failing.id), ("completed", adding.id)]
    assert (heard[0].reason, heard[0].retry_at, heard[0].job.name) == ("ValueError: 7", clock.now() + 5_000, "fail")
    assert (heard[1].result, heard[1].job.data) == (3, '{"a":1,"b":2}')
    clock.advance(5)
    await work()
    assert told(heard[2:]) == [("failed", failing.id)]
    assert heard[2].reason == "ValueError: 7"


async def test_what_is_no_end_is_not_told(app: Toril, work, heard: list[JobEvent]) -> None:
    @app.task
    async def later() -> None:
        raise Snooze(60)

    await later.enqueue()
    await app.queue("default").add("unknown")
    await work()
    assert heard == []


async def test_progress_is_told(app: Toril, work, heard: list[JobEvent]) -> None:
    @app.task
    async def slowly(job: JobContext) -> None:
        job.progress(0.1)
        job.progress({"rows": 5})

    job = await slowly.enqueue()
    await work()
    assert [(event.kind, event.progress) for event in heard] == [("progress", {"rows": 5}), ("completed", None)]
    assert heard[0].job.id == job.id


async def test_a_job_that_lost_its_worker_is_told_of(app: Toril, clock, heard: list[JobEvent]) -> None:
    queue = app.queue("line")
    twice, once = await queue.add("x"), await queue.add("x", max_stalls=0)
    worker = await app.store.enrol(WorkerInfo("ana", "host", 1, 10.0, {"line": 2}))
    await app.store.step("line", worker, [], [], 2)
    clock.advance(11)
    announcer = Announcer(app)
    await Rescuer(app.store, ["line"], announcer.stalled).sweep()
    await asyncio.sleep(0)
    await announcer.stop()
    assert sorted(told(heard)) == [("failed", once.id), ("stalled", twice.id), ("stalled", once.id)]
    assert (
        next(event for event in heard if event.kind == "failed").reason
        == "its worker died once while it ran (last: ana)"
    )


async def test_a_cancelled_job_is_told_of_as_failed(app: Toril, heard: list[JobEvent]) -> None:
    begun = asyncio.Event()

    @app.task(attempts=5)
    async def hang() -> None:
        begun.set()
        await asyncio.sleep(60)

    job = await hang.enqueue()
    worker = Worker(app, {"default": 1})
    running = asyncio.create_task(worker.run())
    await begun.wait()
    await job.cancel(by="ana")
    with pytest.raises(JobCancelled):
        await job.result(timeout=5)
    worker.stop()
    await running
    assert [(event.kind, event.reason) for event in heard] == [("failed", "Cancelled: by ana")]


async def test_a_job_that_is_cancelled_while_it_waits_is_not_told_of(app: Toril, work, heard: list[JobEvent]) -> None:
    @app.task
    async def idle() -> None: ...

    job = await idle.enqueue()
    await job.cancel(by="ana")
    await work()
    assert (await job.state(), heard) == ("failed", [])


async def test_a_job_that_is_taken_too_late_is_told_of_as_failed(app: Toril, clock, work, heard) -> None:
    @app.task
    async def idle() -> None: ...

    job = await idle.using(expires=60).enqueue()
    clock.advance(61)
    await work()
    assert told(heard) == [("failed", job.id)]
    assert (heard[0].reason or "").startswith("Expired: not started by")


async def test_on_failed_of_a_task_is_for_its_jobs_alone(app: Toril, clock, work) -> None:
    heard: list[JobEvent] = []

    @app.task(attempts=2)
    async def fail() -> None:
        raise ValueError

    @app.task
    async def fail_too() -> None:
        raise KeyError

    @fail.on_failed
    async def tell(event: JobEvent) -> None:
        await asyncio.sleep(0)
        heard.append(event)

    job = await fail.using(priority=1).enqueue()
    await fail_too.enqueue()
    await work()
    assert told(heard) == [("failed", job.id)]


@pytest.mark.parametrize("error", [RuntimeError("no luck"), StopIteration("no luck"), SystemExit("no luck")])
async def test_a_handler_that_raises_is_logged_and_changes_nothing(app: Toril, work, caplog, error) -> None:
    heard: list[str] = []

    @app.task
    async def fine() -> str:
        return "fine"

    @app.on("completed")
    def bad(event: JobEvent) -> None:
        raise error

    @app.on("completed")
    async def given_up(event: JobEvent) -> None:
        raise asyncio.CancelledError("by somebody else")

    @app.on("completed")
    def good(event: JobEvent) -> None:
        heard.append(threading.current_thread().name)

    job = await fine.enqueue()
    await work()
    assert await job.result(timeout=5) == "fine"
    assert len(heard) == 1
    assert heard[0] != threading.current_thread().name  # a plain function must not hold up the loop
    assert {"no luck", "by somebody else"} <= set(re.findall("no luck|by somebody else", caplog.text))


async def test_a_slow_handler_holds_up_no_job(app: Toril) -> None:
    go, ended = asyncio.Event(), []

    @app.task
    async def fine() -> None: ...

    @app.on("completed")
    async def slow(event: JobEvent) -> None:
        await go.wait()
        ended.append(event.job.id)

    jobs = [await fine.enqueue() for _ in range(3)]
    running = asyncio.create_task(Worker(app, {"default": 1}, burst=True).run())
    for job in jobs:
        await job.result(timeout=5)
    assert (ended, running.done()) == ([], False)
    go.set()
    await running
    assert ended == [job.id for job in jobs]


def test_only_kinds_that_there_are(app: Toril) -> None:
    with pytest.raises(
        ConfigurationError, match="expected one of failed, attempt_failed, completed, progress, stalled"
    ):
        app.on("finished")(print)


# -- around


async def test_around_sees_every_kind_of_run(app: Toril, work) -> None:
    seen: list[tuple[str, Any]] = []

    @app.around
    async def trace(job: JobContext, call_next: Callable[[], Awaitable[Any]]) -> Any:
        try:
            result = await call_next()
        except Exception as error:
            seen.append((job.name, type(error).__name__))
            raise
        seen.append((job.name, result))
        return result

    @app.task
    async def here() -> int:
        return 1

    @app.task
    def thread(n: int) -> int:
        return n

    @app.task
    async def fail() -> None:
        raise KeyError

    @app.task(timeout=0.05)
    async def slow() -> None:
        await asyncio.sleep(10)

    jobs: list[Job[Any]] = [await here.enqueue(), await thread.enqueue(2)]
    jobs.append(await app.task(process=True)(cpu.add.function).enqueue(1, 2))
    await fail.enqueue()
    await slow.enqueue()
    await work()
    results = [await job.result(timeout=5) for job in jobs]
    assert (results[:2], results[2]["sum"]) == ([1, 2], 3)
    assert seen == [("here", 1), ("thread", 2), ("add", results[2]), ("fail", "KeyError"), ("slow", "TimedOut")]


async def test_what_around_returns_is_the_result_and_what_it_raises_the_failure(app: Toril, work) -> None:
    @app.around
    async def change(job: JobContext, call_next: Callable[[], Awaitable[Any]]) -> Any:
        if job.data.get("n") == 0:
            raise ValueError("not today")
        return await call_next() * 2

    @app.task
    async def double(n: int) -> int:
        return n

    jobs = [await double.enqueue(n) for n in (0, 4)]
    await work()
    assert await jobs[1].result(timeout=5) == 8
    assert (await jobs[0].refresh()).reason == "ValueError: not today"


def test_one_around_and_it_is_async(app: Toril) -> None:
    with pytest.raises(ConfigurationError, match="expected an async function"):
        app.around(print)

    @app.around
    async def first(job: JobContext, call_next: Callable[[], Awaitable[Any]]) -> Any:
        return await call_next()

    with pytest.raises(ConfigurationError, match="has one already"):
        app.around(first)
