"""Many jobs go at once: cleaned by age and state, drained, or the whole queue obliterated."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from toril import Budget, BudgetExceeded, Dedup, Fixed, InvalidJob, JobContext, ManualClock, Rate, Toril
from toril.errors import WrongState


@pytest.fixture
def line(app: Toril):
    @app.processor("line", attempts=1)
    async def run(job: JobContext) -> None:
        await job.log("ran")
        if job.name == "bad":
            raise ValueError

    return app.queue("line")


async def fill(line, clock: ManualClock, work, name: str, count: int = 3) -> None:
    """Let jobs end, ten seconds apart."""
    for _ in range(count):
        await line.add(name)
        await work()
        clock.advance(10)


@pytest.mark.parametrize(("name", "state"), [("good", "completed"), ("bad", "failed")])
async def test_the_older_of_one_state_are_cleaned(line, clock, work, name: str, state: str) -> None:
    await fill(line, clock, work, name, 5)
    await line.add("stays")
    kept = [job.id for job in (await line.jobs(state, newest=True, limit=2)).jobs]
    assert await line.clean(state, older_than=timedelta(seconds=21)) == 3
    assert [job.id for job in (await line.jobs(state, newest=True)).jobs] == kept
    assert (await line.counts())["waiting"] == 1
    assert await line.clean(state, older_than=21) == 0


async def test_the_oldest_go_first_up_to_a_limit(line, clock, work) -> None:
    await fill(line, clock, work, "good", 5)
    kept = [job.id for job in (await line.jobs("completed")).jobs][2:]
    assert await line.clean("completed", limit=2) == 2
    assert [job.id for job in (await line.jobs("completed")).jobs] == kept


@pytest.mark.parametrize("options", [{}, {"priority": 2}, {"delay": 3_600}], ids=["waiting", "prioritized", "delayed"])
async def test_what_has_not_run_is_as_old_as_its_adding(line, clock: ManualClock, options) -> None:
    state = await (await line.add("old", **options)).state()
    await line.add_many([("old", None)] * 1_200, **options)
    clock.advance(100)
    young = await line.add("young", **options)
    first = await line.add("young too", **{"delay": 1} if "delay" in options else {**options, "lifo": True})
    assert await line.clean(state, older_than=99) == 1_201
    assert {job.id for job in (await line.jobs(state)).jobs} == {young.id, first.id}
    counts = await line.counts()
    assert (counts[state], sum(counts.values()) - counts["ready"]) == (2, 2)


async def test_what_has_run_and_waits_again_is_as_old_as_its_last_start(app: Toril, line, clock, work) -> None:
    @app.task(queue="line", attempts=2, backoff=Fixed(500))
    async def fail() -> None:
        raise ValueError

    await fail.enqueue()
    clock.advance(100)
    await work()
    clock.advance(59)
    assert await line.clean("delayed", older_than=60) == 0
    clock.advance(2)
    assert await line.clean("delayed", older_than=60) == 1


async def test_cleaning_refuses_what_it_cannot_do(line) -> None:
    with pytest.raises(InvalidJob, match="state 'active': expected one of waiting"):
        await line.clean("active")
    with pytest.raises(InvalidJob, match="older_than"):
        await line.clean("failed", older_than=-1)
    with pytest.raises(InvalidJob, match="limit"):
        await line.clean("failed", limit=0)


async def test_draining_takes_what_is_ready_and_delayed_jobs_only_if_asked(line, clock, work) -> None:
    await fill(line, clock, work, "good", 1)
    await line.add_many([("a", None)] * 1_050)
    await line.add("b", priority=1)
    await line.add("c", delay=60)
    assert await line.drain() == 1_051
    counts = await line.counts()
    assert (counts["ready"], counts["delayed"], counts["completed"]) == (0, 1, 1)
    await line.add("d")
    assert await line.drain(delayed=True) == 2
    assert (await line.counts())["delayed"] == 0
    assert await line.drain(delayed=True) == 0


async def test_an_obliterated_queue_is_as_if_never_used(line, app: Toril, clock, work) -> None:
    await fill(line, clock, work, "good", 1)
    await fill(line, clock, work, "bad", 1)
    logged = (await line.jobs("completed")).jobs[0]
    await line.add_many([("a", None)] * 1_050)
    await line.add("b", priority=1)
    await line.add("c", delay=60, job_id="mine")
    with pytest.raises(WrongState, match="not paused"):
        await line.obliterate()
    await line.pause()
    assert await line.obliterate() == 1_054
    assert not any((await line.counts()).values())
    assert (await line.paused(), await logged.log(), await app.store.queues()) == (None, [], [])
    assert (await line.metrics()).completed == 0
    assert await line.obliterate() == 0
    again = await line.add("c", job_id="mine")
    assert await again.state() == "waiting"
    assert await app.store.queues() == ["line"]
    await work()
    assert await again.state() == "completed"


async def test_what_was_said_of_an_obliterated_queue_is_gone_too(line, app: Toril, clock, work) -> None:
    @app.task(queue="line", budget=Budget(1, per=3_600))
    async def report() -> None: ...

    await app.schedule(report.call(), id="hourly", every=3_600)
    await line.set_limits(concurrency=1, rate=Rate(1, per=3_600))
    await line.limit_length(9)
    await line.add("x", dedup=Dedup("key", ttl=7_200))
    await report.using(expires=60).enqueue()
    await work()
    await line.pause()
    assert await line.obliterate() == 4  # the tick that ran and the next one, too
    limits = await line.limits()
    assert (limits.concurrency, limits.rate, await line.max_length()) == (None, None, None)
    assert (await line.dedup_owner("key"), await app.schedules()) == (None, [])
    with pytest.raises(BudgetExceeded):  # what its users have spent is spent: emptying a queue is no gift to them
        await report.enqueue()
    clock.advance(3_600)
    await report.enqueue()
    await work()
    counts = await line.counts()
    assert (counts["completed"], counts["failed"], counts["delayed"], counts["ready"]) == (1, 0, 0, 0)


async def test_a_queue_that_is_used_while_it_is_obliterated_is_listed_if_it_has_a_job(line, app: Toril) -> None:
    await line.pause()
    await asyncio.gather(line.set_limits(concurrency=1), line.obliterate(), line.add("x"))
    assert await app.store.queues() == ["line"] * (await line.counts())["waiting"]


async def test_active_jobs_are_obliterated_by_force_alone(app: Toril, work) -> None:
    other = app.queue("line")

    @app.task(queue="line")
    async def obliterate_my_queue() -> None:
        await other.pause()
        with pytest.raises(WrongState, match="1 active jobs"):
            await other.obliterate()
        assert await other.obliterate(force=True) == 1

    await obliterate_my_queue.enqueue()
    await work()
    assert not any((await other.counts()).values())


async def test_some_of_many_failed_jobs_run_again(line, work) -> None:
    jobs = await line.add_many([("bad", None)] * 3)
    await work()
    good = await line.add("good")
    await work()
    chosen = [jobs[2].id, jobs[0].id]
    assert await line.retry_many([*chosen, good.id, "no-such"]) == chosen
    assert [job.id for job in (await line.jobs("waiting")).jobs] == chosen
    assert (await line.counts())["failed"] == 1
