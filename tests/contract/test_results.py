"""Waiting for a job's end: results, failures, time limits."""

from __future__ import annotations

import asyncio

import pytest

from toril import Fixed, JobContext, JobFailed, JobNotFound, ResultTimeout, Toril, Worker


async def subscribed(app: Toril, count: int, queue: str = "default") -> None:
    """Return once that many jobs are waited for: from then on their ends are heard."""
    async with asyncio.timeout(10):
        while app.listener().hears(queue) < count:
            await asyncio.sleep(0.005)


async def test_a_result_can_be_awaited_before_during_and_after(app: Toril, make_app, clock, work) -> None:
    release = asyncio.Event()

    @app.task
    async def answer() -> int:
        await release.wait()
        return 42

    job = await answer.enqueue()
    stranger = make_app(clock)  # another application on the same store
    handle = await stranger.queue("default").get(job.id)
    assert handle is not None
    before = [asyncio.create_task(each.result(timeout=10)) for each in (job, handle)]
    running = asyncio.create_task(work())
    while await job.state() != "active":
        await asyncio.sleep(0.005)
    during = asyncio.create_task(job.result(timeout=10))
    release.set()
    await running
    assert await asyncio.gather(*before, during, job.result(timeout=10)) == [42] * 4


async def test_a_job_that_is_not_kept_gives_its_result_to_those_who_wait(app: Toril, make_app, clock, work) -> None:
    @app.task(keep_completed=0, keep_failed=0)
    async def answer(fails: bool = False) -> int:
        if fails:
            raise ValueError("no")
        return 42

    other = make_app(clock).queue("default")
    job, bad = await answer.enqueue(), await answer.enqueue(fails=True)
    far, far_bad = await other.get(job.id), await other.get(bad.id)
    waiting = [asyncio.create_task(each.result(timeout=10)) for each in (job, far, bad, far_bad)]
    await subscribed(app, 2)
    await subscribed(other.app, 2)
    await work()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert results[:2] == [42, 42]
    assert [str(error) for error in results[2:]] == [f"job {bad.id} failed: ValueError: no"] * 2
    assert not any((await answer.queue.counts()).values())
    with pytest.raises(JobNotFound, match=job.id):
        await job.result(timeout=10)


async def test_a_failure_tells_its_reason(app: Toril, work) -> None:
    @app.task
    async def fail() -> None:
        raise ValueError("no such account")

    job = await fail.enqueue()
    await work()
    with pytest.raises(JobFailed) as caught:
        await job.result(timeout=5)
    assert (caught.value.job_id, caught.value.reason) == (job.id, "ValueError: no such account")


async def test_a_failed_attempt_is_no_end(app: Toril, clock, work) -> None:
    @app.task(attempts=2, backoff=Fixed(5))
    async def second_time_lucky(job: JobContext) -> str:
        if job.attempt == 1:
            raise ValueError
        return "done"

    job = await second_time_lucky.enqueue()
    waiting = asyncio.create_task(job.result(timeout=10))
    await subscribed(app, 1)
    await work()
    clock.advance(5)
    await work()
    assert await waiting == "done"


async def test_an_end_at_the_moment_of_asking_is_heard(app: Toril) -> None:
    """One that came between a look and the subscription would be heard of at the next look only, 10 s later."""

    @app.task
    async def echo(number: int) -> int:
        return number

    worker = Worker(app, {"default": 1})
    running = asyncio.create_task(worker.run())
    for number in range(60):
        job = await echo.enqueue(number)
        for _ in range(number % 12):
            await asyncio.sleep(0)  # each time the end comes at another moment of the asking
        assert await job.result(timeout=5) == number
    worker.stop()
    await running


async def test_waiting_has_an_end(app: Toril) -> None:
    job = await app.queue("nobody").add("x")
    with pytest.raises(ResultTimeout, match=r"0\.05 s"):
        await job.result(timeout=0.05)


async def test_a_thousand_may_be_awaited_at_once(app: Toril, work) -> None:
    @app.task
    async def double(number: int) -> int:
        return number * 2

    jobs = await app.enqueue_many(double.call(number) for number in range(1_000))
    waiting = [asyncio.create_task(job.result(timeout=30)) for job in jobs]
    await subscribed(app, 1_000)
    await work(slots=100)
    assert await asyncio.gather(*waiting) == [number * 2 for number in range(1_000)]
