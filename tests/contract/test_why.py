"""Who works, on what, and why a job is not running."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from toril import Flow, JobContext, JobNotFound, ManualClock, Rate, Toril, Unrecoverable, Worker
from toril.store.runs import Limited, Run
from toril.store.views import WorkerInfo

SLIP = 100  # milliseconds that a store which times by itself may be off while a test runs
AT = "2027-01-15T08:00:0"  # the clock of these tests begins there


@asynccontextmanager
async def working(app: Toril, **queues: int) -> AsyncIterator[Worker]:
    """Run a worker beside the test."""
    worker = Worker(app, queues)
    running = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        worker.stop()
        await running


async def test_live_workers_tell_what_each_runs(app: Toril, clock: ManualClock) -> None:
    started, release = asyncio.Event(), asyncio.Event()

    @app.task(queue="line")
    async def hold() -> None:
        started.set()
        await release.wait()

    assert await app.workers() == []
    async with working(app, line=2, mails=5) as worker:
        job = await hold.enqueue()
        await started.wait()
        (live,) = await app.workers()
        assert (live.info.name, live.info.queues, live.age) == (worker.name, {"line": 2, "mails": 5}, 0)
        assert [(run.queue, run.id, run.name, run.since) for run in live.runs] == [
            ("line", job.id, "hold", clock.now())
        ]
        release.set()
        await job.result(timeout=5)
        assert (await app.workers())[0].runs == []
    assert await app.workers() == []


async def test_a_worker_whose_lease_ran_out_is_not_live(app: Toril, clock: ManualClock) -> None:
    token = await app.store.enrol(WorkerInfo("w", "host", 7, 10.0, {"line": 1}))
    clock.advance(9)
    assert [(worker.id, worker.age) for worker in await app.workers()] == [(token, 9.0)]
    clock.advance(2)
    assert await app.workers() == []
    await app.store.extend(token, [])
    assert len(await app.workers()) == 1


async def test_why_a_ready_job_is_not_taken(app: Toril, clock: ManualClock) -> None:
    line = app.queue("line")
    job = await line.add("x")
    why = await job.why()
    assert (why.code, why.text) == ("unserved", "no worker serves queue line: no worker is alive")
    await app.store.enrol(WorkerInfo("o", "host", 6, 10.0, {"mails": 1}))
    assert (await job.why()).text == "no worker serves queue line: live workers serve mails"
    token = await app.store.enrol(WorkerInfo("w", "host", 7, 10.0, {"line": 1}))
    assert (await job.why()).code == "next"
    await line.pause(by="ana", why="the bank is down")
    why = await job.why()
    assert (why.code, why.text) == ("paused", f"queue line has been paused by ana since {AT}0+00:00: the bank is down")
    await line.resume()
    other = await line.add("y", priority=1)
    await app.store.step("line", token, [], [], 1)
    why = await other.why()
    assert (why.code, why.text) == ("busy", "all 1 slots of 1 workers are busy")


async def test_why_a_limited_queue_gives_nothing(app: Toril, clock: ManualClock) -> None:
    line = app.queue("line")
    await line.add("first")
    job = await line.add("x")
    token = await app.store.enrol(WorkerInfo("w", "host", 7, 10.0, {"line": 5}))
    await line.set_limits(rate=Rate(1, per=5))
    (taken,) = (await app.store.step("line", token, [], [], 5)).taken
    why = await job.why()
    assert (why.code, why.until) == ("rate-limited", pytest.approx(clock.now() + 5_000, abs=SLIP))
    assert "queue line is rate limited until 2027-01-15T08:00:0" in why.text
    assert why.text.endswith("+00:00 (at most 1 job in 5 s)")
    await line.set_limits(concurrency=1)
    clock.advance(5)
    why = await job.why()
    assert (why.code, why.until) == ("limit-full", None)
    assert why.text == "queue line runs as many jobs at once as it may: 1"
    run = Run(taken.id, taken.starts, taken.token)
    await app.store.step("line", token, [Limited(run, clock.now() + 3_000)], [], 0)
    await line.set_limits()
    why = await job.why()
    assert (why.code, why.until) == ("rate-limited", pytest.approx(clock.now() + 3_000, abs=SLIP))
    clock.advance(3)
    assert (await job.why()).code == "next"


async def test_why_a_parent_waits_names_a_child_and_first_one_that_has_failed(app: Toril, work) -> None:
    @app.task(queue="parts")
    async def part(fails: bool) -> None:
        if fails:
            raise Unrecoverable("no")

    @app.task(queue="wholes")
    async def whole() -> None: ...

    later = part.using(delay=60)
    parent = await app.enqueue_flow(
        Flow(whole.call(), [later.call(fails=False), part.call(fails=False), part.call(fails=True)])
    )
    delayed, _, failed = [child.job.id for child in await parent.children()]
    why = await parent.why()
    assert (why.code, why.text) == (
        "waiting-children",
        f"it waits for its child parts:{delayed} (part), which is delayed; and for 2 more",
    )
    await work()
    assert (await parent.why()).text == (
        f"it waits for its child parts:{failed} (part), which has failed: retry or remove it; and for 1 more"
    )
    await app.queue("parts").remove_many([failed])
    assert (await parent.why()).text == f"it waits for its child parts:{delayed} (part), which is delayed"


async def test_why_a_job_is_active(app: Toril, clock: ManualClock) -> None:
    job = await app.queue("line").add("x", timeout=3)
    token = await app.store.enrol(WorkerInfo("w", "host", 7, 10.0, {"line": 1}))
    await app.store.step("line", token, [], [], 1)
    why = await job.why()
    assert (why.code, why.text) == ("active", f"it has run since {AT}0+00:00 on host (pid 7)")
    clock.advance(3.5)
    why = await job.why()
    assert why.code == "timed-out"
    assert "should have ended after 3 s" in why.text
    clock.advance(7)
    assert (await job.why()).code == "lost"


async def test_why_a_job_waits_for_its_time(app: Toril, clock: ManualClock, work) -> None:
    job = await app.queue("line").add("x", delay=5)
    why = await job.why()
    assert (why.code, why.text, why.until) == ("delayed", f"it is due at {AT}5+00:00", clock.now() + 5_000)
    clock.advance(5)
    assert (await job.why()).code == "unserved"

    @app.task(queue="line", attempts=2, backoff=lambda attempt: 60.0)
    async def fail() -> None:
        raise ValueError("no")

    failing = await fail.enqueue()
    await work()
    assert (await failing.why()).text.endswith("; its last run failed: ValueError: no")
    put_back = await job.why()
    assert put_back.code == "put-back"
    assert "no worker here knows task 'x' (known: fail)" in put_back.text


async def test_an_ended_job_does_not_run_and_one_that_is_gone_is_not_explained(app: Toril, work) -> None:
    @app.task
    async def end(job: JobContext, fails: bool) -> None:
        if fails:
            raise Unrecoverable("no such account")

    good, bad = await end.enqueue(fails=False), await end.enqueue(fails=True)
    await work()
    assert (await good.why()).text == f"it completed at {AT}0+00:00"
    why = await bad.why()
    assert (why.code, why.text) == ("ended", f"it failed at {AT}0+00:00: no such account")
    await bad.remove()
    with pytest.raises(JobNotFound):
        await bad.why()


async def test_many_jobs_are_asked_for_at_once_and_answer_as_each_does(app: Toril, clock: ManualClock) -> None:
    @app.task(queue="line")
    async def part() -> None: ...

    @app.task(queue="line")
    async def whole() -> None: ...

    line = app.queue("line")
    await line.add("later", delay=60)
    await part.enqueue()
    await app.enqueue_flow(Flow(whole.call(), [part.call()]))
    await line.pause(by="ana", why="stocktaking")
    jobs = [job for state in ("waiting", "delayed", "waiting-children") for job in (await line.jobs(state)).jobs]
    answers = await line.why(jobs)
    assert [why.code for why in answers] == ["paused", "paused", "delayed", "waiting-children"]
    assert answers == [await job.why() for job in jobs]
    assert await line.why([]) == []


async def test_queues_are_those_in_use_and_those_that_are_served(app: Toril) -> None:
    @app.task(queue="served")
    async def served() -> None: ...

    await app.queue("used").add("anything")
    app.queue("only named")
    assert [queue.name for queue in await app.queues()] == ["served", "used"]
    assert (await app.queues())[1] is app.queue("used")
