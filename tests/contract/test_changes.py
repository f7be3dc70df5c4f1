"""What hands may do to jobs that have not run: promote them, change them, remove them."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from toril import InvalidJob, JobContext, JobFailed, JobNotFound, ManualClock, Toril, Worker
from toril.errors import WrongState


@pytest.fixture
def ran(app: Toril) -> list[str]:
    """The names of the jobs of the queue `line` that have run; one named `bad…` fails."""
    names: list[str] = []

    @app.processor("line")
    async def note(job: JobContext) -> None:
        names.append(job.name)
        await job.log("ran")
        if job.name.startswith("bad"):
            raise ValueError(job.name)

    return names


# -- promote


async def test_a_promoted_job_does_not_wait_for_its_time(app: Toril, ran, work) -> None:
    line = app.queue("line")
    first, second = await line.add("first", delay=60), await line.add("second", delay=60, priority=3)
    await first.promote()
    await second.promote()
    assert (await first.state(), await second.state()) == ("waiting", "prioritized")
    await work()
    assert ran == ["first", "second"]


@pytest.mark.parametrize("priority", [0, 3])
@pytest.mark.parametrize("lifo", [False, True], ids=["fifo", "lifo"])
@pytest.mark.parametrize("everything", [False, True], ids=["one", "all"])
async def test_promoted_and_retried_jobs_stand_behind_those_that_are_ready(
    app: Toril, ran, work, priority: int, lifo: bool, everything: bool
) -> None:
    """But for a retried one that is `lifo`, as on BullMQ."""
    line = app.queue("line")
    bad = await line.add("bad", priority=priority, lifo=lifo)
    await work()
    later = await line.add("later", priority=priority, delay=60, lifo=lifo)
    await line.add("ready", priority=priority)
    await later.promote()
    await (line.retry_all() if everything else bad.retry())
    ran.clear()
    await work()
    assert ran == (["bad", "ready", "later"] if lifo else ["ready", "later", "bad"])


async def test_only_a_delayed_job_can_be_promoted(app: Toril) -> None:
    job = await app.queue("line").add("x")
    with pytest.raises(WrongState, match="waiting: expected delayed"):
        await job.promote()
    await job.remove()
    with pytest.raises(JobNotFound):
        await job.promote()


async def test_all_delayed_jobs_are_promoted_in_the_order_of_their_times(app: Toril, ran, work) -> None:
    line = app.queue("line")
    for delay in (30, 10, 20):
        await line.add(f"in {delay}", delay=delay)
    await line.add_many([("later", None)] * 1_100, delay=100)
    assert await line.promote_all() == 1_103
    assert await line.promote_all() == 0
    counts = await line.counts()
    assert (counts["delayed"], counts["waiting"]) == (0, 1_103)
    await work()
    assert ran[:3] == ["in 10", "in 20", "in 30"]


async def test_promotion_wakes_a_worker_that_waits(app: Toril, ran) -> None:
    job = await app.queue("line").add("x", delay=60)
    worker = Worker(app, {"line": 1})
    running = asyncio.create_task(worker.run())
    await job.promote()
    await job.result(timeout=5)
    worker.stop()
    await running


# -- change


async def test_a_delay_counts_from_when_it_is_changed(app: Toril, clock: ManualClock, ran, work) -> None:
    job = await app.queue("line").add("x", delay=60)
    clock.advance(30)
    await job.change(delay=timedelta(seconds=50))
    assert (await job.refresh()).due == clock.now() + 50_000
    clock.advance(49)
    await work()
    assert ran == []
    await job.change(delay=0.5)
    clock.advance(1)
    await work()
    assert ran == ["x"]


async def test_only_the_delay_of_a_delayed_job_can_be_changed(app: Toril) -> None:
    job = await app.queue("line").add("x", {"n": 1})
    with pytest.raises(WrongState, match="waiting: expected delayed"):
        await job.change(delay=5, priority=1, data={"n": 2})
    assert ((await job.refresh()).priority, job.record.data) == (0, '{"n":1}')
    with pytest.raises(InvalidJob, match="delay: expected seconds"):
        await job.change(delay=-1)


async def test_a_priority_moves_a_job_within_the_line(app: Toril, ran, work) -> None:
    line = app.queue("line")
    a, _b, c, d = [await line.add(name, priority=priority) for name, priority in zip("abcd", (0, 0, 2, 2), strict=True)]
    await a.change(priority=2)
    await d.change(priority=1)
    await c.change(priority=2)  # as it was: it keeps its place
    counts = await line.counts()
    assert (counts["waiting"], counts["prioritized"]) == (1, 3)
    await line.add("e")
    await a.change(priority=0)
    assert await a.state() == "waiting"
    await work()
    assert ran == ["b", "e", "a", "d", "c"]


async def test_a_delayed_job_has_its_new_priority_when_it_is_due(app: Toril, clock: ManualClock, ran, work) -> None:
    line = app.queue("line")
    job = await line.add("late", delay=10, priority=5)
    await job.change(priority=1)
    await line.add("other", priority=2)
    clock.advance(10)
    await work()
    assert ran == ["late", "other"]
    with pytest.raises(InvalidJob, match="priority: expected a whole number"):
        await job.change(priority=-1)


async def test_data_are_changed_as_they_were_checked(app: Toril, work) -> None:
    @app.task
    async def double(n: int) -> int:
        return 2 * n

    job = await double.enqueue(n=1)
    with pytest.raises(InvalidJob, match=r"double\.n"):
        await job.change(data={"n": "many"})
    with pytest.raises(InvalidJob, match="finite"):
        await job.change(data={"n": float("nan")})
    await job.change(data={"n": 21})
    await work()
    assert await job.result(timeout=5) == 42
    await job.remove()
    with pytest.raises(JobNotFound):
        await job.change(data={"n": 1})


# -- remove


async def test_a_removed_job_is_gone_with_its_logs(app: Toril, ran, work) -> None:
    line = app.queue("line")
    done = await line.add("done")
    await work()
    waiting, late = await line.add("waiting"), await line.add("late", delay=9, priority=1)
    assert await done.log() == ["ran"]
    for job in (done, waiting, late):
        await job.remove()
        assert await line.get(job.id) is None
    assert await done.log() == []
    assert not any((await line.counts()).values())
    with pytest.raises(JobNotFound):
        await waiting.remove()
    await work()
    assert ran == ["done"]


async def test_many_are_removed_and_the_others_named(app: Toril, ran, work) -> None:
    line = app.queue("line")
    jobs = await line.add_many([(f"job {number}", None) for number in range(1_500)])
    kept = jobs.pop()
    ids = [job.id for job in jobs]
    assert await line.remove_many([*ids, "no-such", ids[0]]) == ids
    assert [job.id for job in (await line.jobs("waiting")).jobs] == [kept.id]


async def test_what_a_live_worker_runs_stays_until_its_lease_is_gone(app: Toril, clock: ManualClock, work) -> None:
    seen: list[str] = []

    @app.task(queue="line")
    async def remove_myself(job: JobContext) -> None:
        handle = await app.queue("line").get(job.id)
        with pytest.raises(WrongState, match="active on a live worker"):
            await handle.remove()
        clock.advance(60)  # nobody has renewed meanwhile
        await handle.remove()
        seen.append(job.id)

    job = await remove_myself.enqueue()
    await work()
    assert seen == [job.id]
    assert not any((await app.queue("line").counts()).values())


async def test_the_next_job_of_a_schedule_is_not_removed_alone(app: Toril, clock: ManualClock, work) -> None:
    @app.every(60)
    async def tick() -> None: ...

    await work()
    line = tick.queue
    (pending,) = (await line.jobs("delayed")).jobs
    with pytest.raises(WrongState, match="schedule tick"):
        await pending.remove()
    assert await line.drain(delayed=True) == 0
    assert await line.clean("delayed") == 0
    clock.advance(60)
    await work()
    assert (await line.counts())["completed"] == 2
    assert await line.clean("completed") == 2


async def test_who_waits_for_a_job_hears_that_it_was_removed(app: Toril) -> None:
    job = await app.queue("line").add("x")
    waiting = asyncio.create_task(job.result(timeout=10))
    while not app.listener().hears("line"):
        await asyncio.sleep(0.005)
    while not waiting.done():  # it may look once more after it has subscribed
        await app.queue("line").remove_many([job.id])
        await asyncio.wait([waiting], timeout=1)
    with pytest.raises(JobNotFound):
        await waiting
    assert not isinstance(waiting.exception(), JobFailed)
