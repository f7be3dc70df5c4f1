"""Whatever a task says or raises is its job's outcome, and never stops the worker."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from toril import Exponential, Fixed, Job, JobContext, JobState, ManualClock, Snooze, Toril, Worker
from toril.json import decode
from toril.store.runs import Failed, Run
from toril.worker.executor import Executor
from toril.worker.processes import Processes
from toril.worker.threads import Threads


def executor(app: Toril) -> Executor:
    return Executor(app, Threads(1, lambda: None), Processes(1, None, None))


Ended = Callable[[Job[Any]], Awaitable[str]]


@pytest.fixture
def app(make_app: Callable[..., Toril], clock: ManualClock) -> Toril:
    return make_app(clock)


@pytest.fixture
def ended(app: Toril) -> Ended:
    """Work until no job is ready; return the reason of one that must have failed, beside another that must have run."""

    @app.task
    async def neighbour() -> None: ...

    async def work(job: Job[Any]) -> str:
        other = await neighbour.enqueue()
        async with asyncio.timeout(10):
            await Worker(app, burst=True, grace=0).run()
        assert await other.state() == JobState.COMPLETED
        record = await job.refresh()
        assert record.state == JobState.FAILED
        return record.reason or ""

    return work


async def test_a_sync_tasks_parameters_may_have_the_names_of_ours(app):
    seen = []

    @app.task(timeout=30)
    def fetch(self: int, function: int, timeout: int, args: int, kwargs: int) -> int:
        seen.append((self, function, timeout, args, kwargs))
        return timeout

    job = await fetch.enqueue(self=1, function=2, timeout=3, args=4, kwargs=5)
    await Worker(app, burst=True).run()
    assert seen == [(1, 2, 3, 4, 5)]
    assert await job.result(timeout=5) == 3


@pytest.mark.parametrize("bad", ["caf\udce9.txt", "\ud83d", "a\x00b"])
async def test_text_that_no_store_can_hold_is_kept_in_a_form_that_it_can(app, ended, bad):
    @app.task
    async def read(job: JobContext) -> None:
        job.log(f"opening {bad}")
        raise FileNotFoundError(bad)

    job = await read.enqueue()
    fit = bad.encode("utf-8", "backslashreplace").decode()
    assert await ended(job) == f"FileNotFoundError: {fit}"
    assert fit in decode(job.record.stack)[0]
    assert await job.log() == [f"opening {fit}"]


@pytest.mark.parametrize("value", [float("nan"), {"a": [float("inf")]}, "\ud800", object()])
@pytest.mark.parametrize("say", ["result", "progress"])
async def test_what_json_cannot_hold_fails_the_job_for_good(app, ended, value, say):
    @app.task(attempts=5)
    async def measure(job: JobContext) -> Any:
        if say == "progress":
            await job.progress(value)
        return value

    job = await measure.enqueue()
    assert (await ended(job)).startswith(f"InvalidData: {say}")
    assert job.record.attempts == 1


@pytest.mark.parametrize("answer", [-1, float("inf"), float("nan"), "soon"])
async def test_a_backoff_of_ones_own_that_answers_nonsense_ends_the_job(app, ended, answer):
    def patience(attempt: int) -> float:
        return answer

    @app.task(attempts=5, backoff=patience)
    async def fail() -> None:
        raise ValueError("first")

    reason = await ended(await fail.enqueue())
    assert reason.startswith("ValueError: first; and its backoff failed, InvalidOption: backoff patience: expected sec")


async def test_a_backoff_of_ones_own_that_raises_ends_the_job(app, ended):
    @app.task(attempts=5, backoff=lambda attempt: 1 / 0)
    async def fail() -> None:
        raise ValueError("first")

    reason = await ended(await fail.enqueue())
    assert reason == "ValueError: first; and its backoff failed, ZeroDivisionError: division by zero"


@pytest.mark.parametrize("delay", [-1, float("inf"), float("nan"), 1e300])
async def test_a_snooze_without_end_is_a_failure(app, ended, delay):
    @app.task
    async def sleep() -> None:
        raise Snooze(delay)

    assert (await ended(await sleep.enqueue())).startswith("ValueError: Snooze: expected seconds (0 to 3,153,600,000)")


async def test_the_hundredth_retry_of_a_doubling_backoff_still_has_its_time(app, clock):
    @app.task(attempts=100, backoff=Exponential(5.0))
    async def fail() -> None:
        raise ValueError

    job = await fail.enqueue()
    record = (await job.refresh())._replace(attempts=98)
    outcome = await executor(app).run(Run(record.id, record.starts, record.token), record, lambda note: None)
    assert outcome.due == clock.now() + 100 * 365 * 86_400_000


async def test_a_job_that_was_added_without_a_backoff_has_none(app, clock):
    @app.task(attempts=2, backoff=Fixed(60.0))
    async def fail() -> None:
        raise ValueError

    at_once, later = await fail.using(backoff=None).enqueue(), await fail.enqueue()
    await Worker(app, burst=True).run()
    assert (await at_once.refresh()).state == JobState.FAILED
    assert (await later.refresh()).state == JobState.DELAYED
    assert later.record.due == clock.now() + 60_000


@pytest.mark.parametrize(
    "opts", ['{"backoff":{"type":"fixed","delay":-1}}', '{"removeOnFail":{"count":"5"}}', '{"toril":[1]}', "", "null"]
)
async def test_options_that_nobody_understands_fail_the_job_with_their_text(app, opts):
    @app.task
    async def ping() -> None: ...

    record = (await (await ping.enqueue()).refresh())._replace(opts=opts)
    outcome = await executor(app).run(Run(record.id, record.starts, record.token), record, lambda note: None)
    assert isinstance(outcome, Failed)
    assert outcome.reason.startswith("its options cannot be read: opts: expected BullMQ's, got ")


class Speechless(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


class Panic(BaseException):
    """What Rust's panics are in Python."""


@pytest.mark.parametrize(
    "error",
    [
        Speechless(),
        SystemExit(3),
        RecursionError("deep"),
        ExceptionGroup("both", [ValueError()]),
        Panic("out of bounds"),
        BaseExceptionGroup("both", [Panic()]),
        asyncio.CancelledError(),
    ],
)
@pytest.mark.parametrize("kind", ["async", "plain"])
async def test_any_exception_is_an_outcome(app, ended, error, kind):
    async def fail() -> None:
        raise error

    def fail_in_a_thread() -> None:
        raise error

    task = app.task(fail if kind == "async" else fail_in_a_thread)
    job = await task.enqueue()
    assert (await ended(job)).startswith(type(error).__name__)
    assert "test_executor.py" in decode(job.record.stack)[0].splitlines()[1]  # it begins in the task


async def test_an_iterator_that_is_empty_in_a_thread_is_a_failure(app, ended):
    @app.task
    def first() -> int:
        return next(iter([]))

    assert await ended(await first.enqueue()) == "RuntimeError: coroutine raised StopIteration"


async def test_a_task_that_cancels_itself_has_failed(app, ended):
    @app.task
    async def give_up() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(60)

    assert await ended(await give_up.enqueue()) == "CancelledError: nobody asked for it but its own task"


async def test_a_process_that_would_exit_does_not(app, ended):
    @app.task
    def leave() -> None:
        sys.exit("goodbye")

    assert await ended(await leave.enqueue()) == "SystemExit: goodbye"
