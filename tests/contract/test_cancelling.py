"""Cancellation from outside: at once for what waits, within two seconds for what runs, and final."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path

import cpu
import pytest

from toril import Job, JobCancelled, JobContext, JobNotFound, Toril, Worker
from toril.errors import InvalidOption, WrongState
from toril.keep import Keep
from toril.store.runs import Completed, Delayed, Failed, Outcome, Released, Run
from toril.store.views import WorkerInfo

WHO = "Cancelled: by ana"


@pytest.mark.parametrize(
    ("state", "options"), [("waiting", {}), ("prioritized", {"priority": 3}), ("delayed", {"delay": 60})]
)
async def test_what_does_not_run_fails_at_once(app: Toril, work, state: str, options: dict) -> None:
    queue = app.queue("mails")
    job = await queue.add("x", attempts=5, **options)
    other = await queue.add("y")
    assert await job.state() == state
    await job.cancel(by="ana")
    record = await job.refresh()
    assert (record.state, record.reason, record.starts, record.attempts) == ("failed", WHO, 0, 0)
    with pytest.raises(JobCancelled, match="by ana") as error:
        await job.result(timeout=5)
    assert error.value.reason == WHO
    counts = await queue.counts()
    assert (counts["failed"], counts["ready"], counts["delayed"]) == (1, 1, 0)
    assert await other.state() == "waiting"


async def test_who_waits_for_a_result_hears_of_it(app: Toril) -> None:
    job = await app.queue("mails").add("x")
    waiting = asyncio.create_task(job.result(timeout=10))
    await asyncio.sleep(0)
    await job.cancel(by="ana")
    with pytest.raises(JobCancelled):
        await waiting


async def test_a_cancelled_job_may_be_retried_by_hand(app: Toril, work) -> None:
    @app.task
    async def welcome() -> str:
        return "hello"

    job = await welcome.enqueue()
    await job.cancel(by="ana")
    await work()
    assert await job.state() == "failed"
    await job.retry()
    await work()
    assert await job.result(timeout=5) == "hello"


async def test_retention_counts_cancelled_jobs_as_failed(app: Toril) -> None:
    job = await app.queue("mails").add("x", keep_failed=0)
    await job.cancel(by="ana")
    with pytest.raises(JobNotFound):
        await job.refresh()
    assert (await app.queue("mails").counts())["failed"] == 0


async def test_what_has_ended_or_never_was_cannot_be_cancelled(app: Toril, work) -> None:
    @app.task
    async def done() -> None: ...

    job = await done.enqueue()
    await work()
    with pytest.raises(WrongState, match="has ended"):
        await job.cancel(by="ana")
    assert await job.state() == "completed"
    with pytest.raises(JobNotFound):
        await Job(app.queue("default"), "4711", "x").cancel(by="ana")
    with pytest.raises(InvalidOption, match="by: expected"):
        await job.cancel(by="")


async def test_a_schedule_goes_on_when_its_next_job_is_cancelled(app: Toril, clock, work) -> None:
    seen: list[int] = []

    @app.every(60)
    async def tick() -> None:
        seen.append(clock.now())

    await work()
    (job,) = (await app.queue("default").jobs("delayed")).jobs
    await job.cancel(by="ana")
    clock.advance(60)
    await work()
    assert len(seen) == 1
    clock.advance(60)
    await work()
    assert len(seen) == 2


# -- what runs


async def cancelled_in(app: Toril, job: Job, begun: object) -> float:
    """Run a worker, cancel the job once `begun` is true, return how many seconds the job took to end."""
    worker = Worker(app, {"default": 2})
    running = asyncio.create_task(worker.run())
    async with asyncio.timeout(10):
        while not begun():  # type: ignore[operator]
            await asyncio.sleep(0.01)
        begin = time.monotonic()
        await job.cancel(by="ana")
        with pytest.raises(JobCancelled):
            await job.result(timeout=10)
    seconds = time.monotonic() - begin
    worker.stop()
    await running
    return seconds


async def test_an_async_task_is_cancelled_at_its_await(app: Toril) -> None:
    told: list[str] = []

    @app.task(attempts=5)
    async def hang() -> None:
        told.append("begun")
        try:
            await asyncio.sleep(60)
        finally:
            told.append("cleaned up")

    job = await hang.enqueue()
    assert await cancelled_in(app, job, lambda: told) < 2
    record = await job.refresh()
    assert (told, record.reason, record.starts, record.attempts) == (["begun", "cleaned up"], WHO, 1, 0)


async def test_whatever_a_cancelled_task_makes_of_it_the_job_is_cancelled(app: Toril) -> None:
    begun: list[int] = []

    @app.task(attempts=5)
    async def deaf() -> str:
        begun.append(1)
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return "never mind"
        return "slept"

    job = await deaf.enqueue()
    await cancelled_in(app, job, lambda: begun)
    assert ((await job.refresh()).reason, job.record.result) == (WHO, None)


async def test_a_process_is_killed(app: Toril, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    job = await app.task(process=True)(cpu.hang.function).enqueue(str(note))
    assert await cancelled_in(app, job, lambda: note.exists() and note.read_text()) < 2
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)


async def test_a_thread_is_asked_and_ends_its_job_when_it_ends(app: Toril) -> None:
    contexts: list[JobContext] = []

    @app.task(attempts=5)
    def polite(job: JobContext) -> str:
        contexts.append(job)
        while job.cancelled is None:
            time.sleep(0.01)
        return "half"

    job = await polite.enqueue()
    assert await cancelled_in(app, job, lambda: contexts) < 2
    assert contexts[0].cancelled == "ana"
    assert "ana asks to cancel; a thread cannot be stopped" in (await job.log())[0]


async def test_a_thread_that_does_not_look_keeps_its_job_until_it_ends(app: Toril) -> None:
    release, begun = threading.Event(), threading.Event()

    @app.task
    def deaf() -> None:
        begun.set()
        release.wait(10)

    job = await deaf.enqueue()
    worker = Worker(app, {"default": 1})
    running = asyncio.create_task(worker.run())
    await asyncio.to_thread(begun.wait, 5)
    await job.cancel(by="ana")
    async with asyncio.timeout(5):
        while not await job.log():
            await asyncio.sleep(0.05)
    assert await job.state() == "active"
    release.set()
    with pytest.raises(JobCancelled):
        await job.result(timeout=5)
    worker.stop()
    await running


# -- the seam: a wish is on record until its run is over


async def taken(app: Toril, name: str = "ana") -> tuple[str, Run]:
    worker = await app.store.enrol(WorkerInfo(name, "host", 1, 10.0, {"line": 1}))
    (record,) = (await app.store.step("line", worker, [], [], 1)).taken
    return worker, Run(record.id, record.starts, record.token)


async def test_a_worker_is_told_with_each_renewal_until_the_run_is_over(app: Toril) -> None:
    job = await app.queue("line").add("x")
    worker, run = await taken(app)
    assert not (await app.store.extend(worker, [run])).cancelled
    await job.cancel(by="bob")
    assert await job.state() == "active"
    for _ in range(2):
        assert list((await app.store.extend(worker, [run])).cancelled) == [(run, "bob")]
    other = await app.store.enrol(WorkerInfo("other", "host", 1, 10.0, {}))
    assert not (await app.store.extend(other, [])).cancelled
    await app.store.step("line", worker, [Released(run)], [], 0)
    assert not (await app.store.extend(worker, [run])).cancelled


@pytest.mark.parametrize("kind", ["released", "retried", "snoozed"])
async def test_nothing_comes_back_to_its_queue_that_was_cancelled(app: Toril, clock, kind: str) -> None:
    job = await app.queue("line").add("x", attempts=5)
    worker, run = await taken(app)
    await job.cancel(by="ana")
    outcomes: dict[str, Outcome] = {
        "released": Released(run),
        "retried": Delayed(run, 0, "no luck", None, 1),
        "snoozed": Delayed(run, clock.now() + 5_000, None, None, 0),
    }
    step = await app.store.step("line", worker, [outcomes[kind]], [], 1)
    assert (list(step.refused), list(step.taken)) == ([], [])
    record = await job.refresh()
    assert (record.state, record.reason, record.attempts) == ("failed", WHO, int(kind == "retried"))


@pytest.mark.parametrize("kind", [Completed, Failed])
async def test_a_run_that_ended_before_its_worker_heard_keeps_its_own_end(app: Toril, kind: type) -> None:
    job = await app.queue("line").add("x")
    worker, run = await taken(app)
    await job.cancel(by="ana")
    own = Completed(run, "1", Keep(10)) if kind is Completed else Failed(run, "own", None, Keep(10))
    await app.store.step("line", worker, [own], [], 0)
    record = await job.refresh()
    assert (record.state, record.reason) == (("completed", None) if kind is Completed else ("failed", "own"))
    await job.retry()
    again = (await app.store.step("line", worker, [], [], 1)).taken[0]
    run = Run(again.id, again.starts, again.token)
    assert not (await app.store.extend(worker, [run])).cancelled  # an old wish is not for a new run
    await app.store.step("line", worker, [Released(run)], [], 0)
    assert await job.state() == "waiting"


async def test_a_rescue_does_not_bring_a_cancelled_job_back(app: Toril, clock) -> None:
    job = await app.queue("line").add("x")
    await taken(app)
    await job.cancel(by="ana")
    clock.advance(11)
    assert list(await app.store.rescue("line")) == [job.id]
    record = await job.refresh()
    assert (record.state, record.reason, record.stalls) == ("failed", WHO, 1)
