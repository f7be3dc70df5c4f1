"""A lane goes on, whatever happens to one run."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, cast

import pytest

from toril import Toril, Worker
from toril.store.runs import Run
from toril.store.views import WorkerInfo
from toril.worker.executor import Executor
from toril.worker.lane import Lane


class Broken:
    """An executor with a fault of its own, which no task could cause."""

    async def run(self, *_: Any) -> None:
        raise RuntimeError("a fault of ours")


class Idle:
    """Threads of which none runs."""

    over_time: frozenset[Any] = frozenset()


async def test_a_fault_of_ours_fails_the_job_and_frees_its_slot(app: Toril, caplog: pytest.LogCaptureFixture) -> None:
    jobs = [await app.queue("q").add("x") for _ in range(3)]
    worker = await app.store.enrol(WorkerInfo("a", "here", 1, 10.0, {"q": 1}))
    lane = Lane(app.store, "q", 1, cast("Executor", Broken()), app.clock, burst=True)
    with caplog.at_level(logging.CRITICAL):
        await asyncio.wait_for(lane.run(worker), 10)
    assert {(await job.refresh()).reason for job in jobs} == {
        "its worker could not run it: RuntimeError('a fault of ours')"
    }


async def test_jobs_that_have_just_arrived_are_handed_back_too(app: Toril) -> None:
    @app.task(queue="q")
    async def work() -> None:
        await asyncio.sleep(60)

    jobs = [await work.enqueue() for _ in range(2)]
    worker = await app.store.enrol(WorkerInfo("a", "here", 1, 10.0, {"q": 2}))
    lane = Lane(app.store, "q", 2, Executor(app, cast("Any", Idle()), cast("Any", None)), app.clock, burst=False)
    step, told = app.store.step, asyncio.Event()

    async def heard(*arguments: Any) -> Any:
        done = await step(*arguments)
        if done.taken:  # between a step's answer and the start of its jobs
            asyncio.get_running_loop().call_soon(release)
        return done

    def release() -> None:
        lane.stop()
        lane.release()
        told.set()

    app.store.step = heard  # type: ignore[method-assign]
    await asyncio.wait_for(lane.run(worker), 10)
    assert told.is_set()
    assert [(await job.refresh()).attempts for job in jobs] == [0, 0]
    assert (await app.queue("q").counts())["ready"] == 2


async def test_of_a_run_that_was_cancelled_its_last_words_are_not_told(
    app: Toril, caplog: pytest.LogCaptureFixture
) -> None:
    begun = asyncio.Event()

    @app.task(queue="q")
    async def stubborn() -> None:
        try:
            begun.set()
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise RuntimeError("while it cleaned up") from None

    job = await stubborn.enqueue()
    worker = Worker(app, {"q": 1}, burst=True)
    running = asyncio.create_task(worker.run())
    await begun.wait()
    await job.cancel(by="ana")
    await running
    told = [record.event for record in caplog.records if getattr(record, "job", None) == job.id]
    assert told == ["job.cancelled"]


async def test_a_reason_that_only_begins_like_ours_is_no_put_back(app: Toril) -> None:
    @app.task
    async def greet(name: str) -> None: ...

    job = await Toril(app.url, settings=app.settings).queue("default").add("greet", {"name": 5})
    record = (await job.refresh())._replace(reason="put back since yesterday: I think")
    executor = Executor(app, cast("Any", None), cast("Any", None))
    outcome = await executor.run(Run(record.id, record.starts, record.token), record, lambda _: None)
    assert "greet.name" in (getattr(outcome, "reason", "") or "")
    await job.queue.app.close()
