"""Limits of a queue: they hold for all workers together, and whoever waits for one wakes up when it opens."""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta

import pytest

from toril import JobContext, ManualClock, Rate, RateLimited, Toril, Worker
from toril.errors import InvalidOption
from toril.keep import Keep
from toril.store.runs import Completed, Failed, Limited, Released, Run, Step
from toril.store.views import WorkerInfo

QUEUE = "line"
SLIP = 100  # milliseconds that a store which times by itself may be off while a test runs


class Hand:
    """A worker without a process: it does nothing of itself."""

    def __init__(self, app: Toril) -> None:
        self._store = app.store
        self.id = ""

    async def enrol(self) -> Hand:
        self.id = await self._store.enrol(WorkerInfo("hand", "host", 1, 10.0, {QUEUE: 10}))
        return self

    async def step(self, *outcomes: object, want: int = 10) -> Step:
        return await self._store.step(QUEUE, self.id, outcomes, [], want)

    async def take(self, want: int = 10) -> list[Run]:
        taken = (await self.step(want=want)).taken
        return [Run(record.id, record.starts, record.token) for record in taken]


@pytest.fixture
async def hand(app: Toril) -> Hand:
    return await Hand(app).enrol()


@pytest.fixture
async def other(app: Toril) -> Hand:
    return await Hand(app).enrol()


async def add(app: Toril, count: int) -> None:
    await app.queue(QUEUE).add_many([("x", None)] * count)


def done(run: Run) -> Completed:
    return Completed(run, "null", Keep(100))


# -- concurrency


async def test_no_more_are_active_than_the_limit_whoever_asks(app: Toril, hand: Hand, other: Hand) -> None:
    await app.queue(QUEUE).set_limits(concurrency=3)
    await add(app, 10)
    mine = await hand.take(2)
    theirs = await other.take(5)
    assert (len(mine), len(theirs)) == (2, 1)
    step = await hand.step()
    assert (list(step.taken), step.closed, step.opens_at) == ([], "limit full", None)
    ended = await hand.step(done(mine[0]), Failed(mine[1], "no", None, Keep(9)))
    assert (len(ended.taken), ended.closed) == (2, "limit full")
    assert len((await other.step(Released(theirs[0]))).taken) == 1
    assert (await app.queue(QUEUE).counts())["active"] == 3


async def test_without_a_limit_all_are_taken(app: Toril, hand: Hand) -> None:
    queue = app.queue(QUEUE)
    await queue.set_limits(concurrency=1)
    await add(app, 5)
    await hand.take()
    await queue.set_limits()
    step = await hand.step()
    assert (len(step.taken), step.closed) == (4, None)


async def test_a_lowered_limit_stops_nothing_that_runs(app: Toril, hand: Hand) -> None:
    queue = app.queue(QUEUE)
    await add(app, 6)
    runs = await hand.take(4)
    await queue.set_limits(concurrency=2)
    assert (await hand.step(done(runs[0]))).closed == "limit full"
    assert len((await hand.step(done(runs[1]), done(runs[2]))).taken) == 1


async def test_limits_are_kept_and_told(app: Toril, make_app, clock: ManualClock) -> None:
    queue = app.queue(QUEUE)
    assert (await queue.limits()).concurrency is None
    await queue.set_limits(concurrency=4, rate=Rate(100, per=timedelta(minutes=1)))
    limits = await make_app(clock).queue(QUEUE).limits()
    assert (limits.concurrency, limits.rate) == (4, Rate(100, per=60))


@pytest.mark.parametrize("wrong", [0, -1, 1.5, True, "3", 10**30])
async def test_limits_are_checked(app: Toril, wrong: object) -> None:
    queue = app.queue(QUEUE)
    with pytest.raises(InvalidOption, match="concurrency: expected a whole number from 1"):
        await queue.set_limits(concurrency=wrong)
    with pytest.raises(InvalidOption, match="rate n: expected a whole number from 1"):
        Rate(wrong)
    with pytest.raises(InvalidOption, match="rate per: expected seconds"):
        Rate(1, per=0)
    with pytest.raises(InvalidOption, match="rate: expected Rate"):
        await queue.set_limits(rate=5)
    assert (await queue.limits()).concurrency is None


async def test_what_ends_in_one_worker_wakes_up_another(make_app) -> None:
    """The first worker takes no more when it has ended its job, so only the other can take the next."""
    first, second = make_app(), make_app()
    gate = asyncio.Event()

    @first.task(name="wait")
    async def wait_here() -> str:
        await gate.wait()
        return "first"

    @second.task(name="wait")
    async def go_on() -> str:
        return "second"

    await first.queue("default").set_limits(concurrency=1)
    jobs = [await wait_here.enqueue() for _ in range(2)]
    one, two = Worker(first, {"default": 1}), Worker(second, {"default": 5})
    running = [asyncio.create_task(one.run())]
    async with asyncio.timeout(10):
        while await jobs[0].state() != "active":
            await asyncio.sleep(0.01)
        running.append(asyncio.create_task(two.run()))
        await asyncio.sleep(0.3)
        assert await jobs[1].state() == "waiting"
        one.stop()
        begin = time.monotonic()
        gate.set()
        assert await jobs[1].result() == "second"
    assert time.monotonic() - begin < 4.5  # it did not wait for the safety look after 5 s
    two.stop()
    await asyncio.gather(*running)


# -- rate


async def test_no_more_are_started_in_a_window_whoever_asks(app: Toril, clock: ManualClock, hand, other) -> None:
    await app.queue(QUEUE).set_limits(rate=Rate(3, per=10))
    await add(app, 10)
    (first, second) = await hand.take(2)
    clock.advance(4)
    assert len(await other.take()) == 1
    step = await hand.step(done(first), done(second))
    assert (list(step.taken), step.opens_at) == ([], pytest.approx(clock.now() + 6_000, abs=SLIP))
    assert "rate limited until 2027-01-15T08:00:" in step.closed
    clock.advance(6 - SLIP / 1000)
    assert await hand.take() == []
    clock.advance(SLIP / 1000)
    assert len(await hand.take()) == 3


async def test_a_window_begins_with_its_first_job(app: Toril, clock: ManualClock, hand: Hand) -> None:
    await app.queue(QUEUE).set_limits(rate=Rate(2, per=10))
    clock.advance(9)
    await add(app, 5)
    assert len(await hand.take(1)) == 1
    clock.advance(9)
    assert len(await hand.take()) == 1
    clock.advance(1)
    assert len(await hand.take()) == 2


async def test_both_limits_hold(app: Toril, clock: ManualClock, hand: Hand) -> None:
    await app.queue(QUEUE).set_limits(concurrency=2, rate=Rate(3, per=10))
    await add(app, 10)
    runs = await hand.take()
    assert len(runs) == 2
    step = await hand.step(*map(done, runs))
    assert len(step.taken) == 1
    assert "rate limited" in str(step.closed)


async def test_paused_comes_before_limited(app: Toril, hand: Hand) -> None:
    queue = app.queue(QUEUE)
    await queue.set_limits(rate=Rate(1, per=10))
    await add(app, 2)
    await hand.take()
    await queue.pause()
    assert (await hand.step()).closed == "paused"


async def test_a_worker_wakes_up_when_the_window_ends(make_app) -> None:
    app = make_app()

    @app.task
    async def call_a_bank() -> None: ...

    await call_a_bank.queue.set_limits(rate=Rate(2, per=0.4))
    jobs = [await call_a_bank.enqueue() for _ in range(5)]
    worker = Worker(app, {"default": 10})
    running = asyncio.create_task(worker.run())
    for job in jobs:
        await job.result(timeout=10)
    worker.stop()
    await running
    starts = sorted([(await job.refresh()).processed_on for job in jobs])
    assert starts[2] - starts[0] >= 400
    assert starts[4] - starts[2] >= 400
    assert starts[4] - starts[0] < 4_500  # it did not wait for the safety look after 5 s


async def test_a_window_ends_once(make_app) -> None:
    app = make_app()
    queue = app.queue(QUEUE)
    await queue.set_limits(rate=Rate(2, per=0.01))
    for number in range(120):
        await queue.add("x", {"n": number})
    worker = await app.store.enrol(WorkerInfo("w", "here", 1, 30.0, {QUEUE: 10}))
    taken: list[str] = []
    while len(taken) < 120:
        taken += [record.id for record in (await app.store.step(QUEUE, worker, [], [], 10)).taken]
    first, last = [(await app.store.get(QUEUE, job_id)).processed_on for job_id in (taken[0], taken[-1])]
    assert last - first >= 59 * 9  # Redis rounds both ends of a window to milliseconds


async def test_a_burst_ends_when_nothing_may_be_started(app: Toril, clock: ManualClock, work) -> None:
    @app.task
    async def call_a_bank() -> None: ...

    queue = call_a_bank.queue
    await queue.set_limits(rate=Rate(2, per=10))
    for _ in range(5):
        await call_a_bank.enqueue()
    async with asyncio.timeout(10):
        await work(slots=5)
    assert (await queue.counts())["ready"] == 3
    clock.advance(10)
    await work(slots=5)
    assert (await queue.counts())["ready"] == 1


# -- by hand


@pytest.mark.parametrize("process", [False, True])
async def test_a_task_may_close_its_queue_and_uses_no_attempt(app: Toril, clock, work, process: bool) -> None:
    attempts: list[int] = []

    @app.task
    async def call_a_bank(job: JobContext) -> None:
        attempts.append(job.attempt)
        if len(attempts) == 1:
            raise RateLimited(30)

    if process:
        import cpu

        job = await app.task(process=True)(cpu.slow_down.function).enqueue()
    else:
        job = await call_a_bank.enqueue()
    other = await app.queue("default").add("nobody")
    await work()
    record = await job.refresh()
    assert (record.state, record.attempts, record.starts) == ("waiting", 0, 1)
    assert await other.state() == "waiting"
    clock.advance(29)
    await work()
    assert (await job.refresh()).starts == 1
    clock.advance(1)
    await work()
    assert (await job.refresh()).starts == 2
    assert process or (attempts, job.record.state, job.record.attempts) == ([1, 1], "completed", 1)


async def test_it_comes_back_first_and_the_later_time_wins(app: Toril, clock: ManualClock, hand, other) -> None:
    await add(app, 3)
    runs = await hand.take(2)
    now = clock.now()
    step = await hand.step(Limited(runs[1], now + 60_000), Limited(runs[0], now + 5_000))
    assert (list(step.taken), step.opens_at) == ([], pytest.approx(now + 60_000, abs=SLIP))
    assert await other.take() == []  # the whole queue is closed, for every worker
    clock.advance(60)
    again = await hand.take()
    assert [run.id for run in again[:2]] == [runs[0].id, runs[1].id]


async def test_a_run_that_is_over_closes_nothing(app: Toril, clock: ManualClock, hand: Hand) -> None:
    await add(app, 2)
    (run,) = await hand.take(1)
    await hand.step(done(run), want=0)
    step = await hand.step(Limited(run, clock.now() + 60_000))
    assert (list(step.refused), len(step.taken), step.closed) == ([run], 1, None)


async def test_a_window_of_a_rate_does_not_lengthen_what_a_task_says(app: Toril, clock: ManualClock, hand) -> None:
    await app.queue(QUEUE).set_limits(rate=Rate(100, per=3600))
    await add(app, 3)
    (run,) = await hand.take(1)
    opens_at = (await hand.step(Limited(run, clock.now() + 5_000))).opens_at
    assert opens_at == pytest.approx(clock.now() + 5_000, abs=SLIP)
    clock.advance(5)
    assert len(await hand.take()) == 3


@pytest.mark.parametrize("wrong", [0, -1, float("inf"), float("nan"), 1e300])
def test_retry_after_is_checked(wrong: float) -> None:
    with pytest.raises(ValueError, match=r"seconds \(more than 0"):
        RateLimited(wrong)
