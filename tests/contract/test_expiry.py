"""Expiry: a job that nobody has started by then fails, whether somebody comes to take it or not."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from toril import Dedup, Fixed, InvalidJob, JobContext, JobFailed, ManualClock, Snooze, Toril, Worker

NAIVE = datetime(2030, 1, 1)  # noqa: DTZ001  (that is what is refused)


@pytest.fixture
def ran(app: Toril) -> list[object]:
    """What the jobs of the queue "offers" were given, in order of their runs."""
    data: list[object] = []

    @app.processor("offers")
    async def send(job: JobContext) -> None:
        data.append(job.data)
        if job.name == "fails" and job.attempt == 1:
            raise ValueError
        if job.name == "snoozes" and len(data) == 1:
            raise Snooze(100)

    return data


@pytest.fixture(params=["taken", "swept"])
def pass_by(request, app: Toril, work):
    """Let either a worker take what is there, or a sweep look for what has run out."""

    async def sweep() -> None:
        await app.store.expire("offers")

    return work if request.param == "taken" else sweep


def at(clock: ManualClock, seconds: float) -> datetime:
    return datetime.fromtimestamp(clock.now() / 1000 + seconds, UTC)


@pytest.mark.parametrize("kind", ["seconds", "timedelta", "datetime"])
async def test_not_started_by_then_it_fails_without_an_attempt(app: Toril, ran, clock, pass_by, kind: str) -> None:
    expires = {"seconds": 60, "timedelta": timedelta(minutes=1), "datetime": at(clock, 60)}[kind]
    job = await app.queue("offers").add("send", 1, expires=expires)
    when = at(clock, 60).isoformat(timespec="milliseconds")
    clock.advance(60)
    await pass_by()
    record = await job.refresh()
    assert (record.state, record.attempts, ran) == ("failed", 0, [])
    assert record.reason == f"Expired: not started by {when}"
    assert record.finished_on == clock.now()
    with pytest.raises(JobFailed, match="Expired"):
        await job.result(timeout=1)
    counts = await app.queue("offers").counts()
    assert (counts["failed"], counts["ready"], counts["active"]) == (1, 0, 0)
    kinds = [event.kind for event in (await app.store.events("0", 0)).events if event.body.get("jobId") == job.id]
    assert kinds[-1] == "failed"


async def test_started_in_time_it_runs(app: Toril, ran, clock: ManualClock, work) -> None:
    queue = app.queue("offers")
    await queue.add("send", 1, expires=60)
    clock.advance(59.999)
    assert await app.store.expire("offers") == []
    await work()
    clock.advance(60)
    assert await app.store.expire("offers") == []
    assert (ran, (await queue.counts())["completed"]) == ([1], 1)


@pytest.mark.parametrize("options", [{"priority": 3}, {"delay": 30}, {"lifo": True}, {"job_id": "mine"}], ids=str)
async def test_wherever_it_waits(app: Toril, ran, clock, pass_by, options) -> None:
    job = await app.queue("offers").add("send", 1, expires=60, **options)
    clock.advance(60)
    await pass_by()
    assert await job.state() == "failed"
    assert ran == []


async def test_a_first_attempt_in_time_is_enough(app: Toril, ran, clock: ManualClock, work) -> None:
    queue = app.queue("offers")
    await queue.add("fails", 1, expires=60, attempts=2, backoff=Fixed(100))
    await work()
    clock.advance(100)
    assert await app.store.expire("offers") == []
    await work()
    assert ran == [1, 1]


async def test_a_snooze_is_no_attempt(app: Toril, ran, clock: ManualClock, pass_by, work) -> None:
    job = await app.queue("offers").add("snoozes", 1, expires=60)
    await work()
    clock.advance(100)
    await pass_by()
    assert (await job.state(), ran) == ("failed", [1])


async def test_retried_by_hand_it_runs(app: Toril, ran, clock: ManualClock, pass_by, work) -> None:
    job = await app.queue("offers").add("send", 1, expires=60)
    clock.advance(60)
    await pass_by()
    await job.retry()
    assert await app.store.expire("offers") == []
    await work()
    assert (await job.state(), ran) == ("completed", [1])


async def test_a_queue_or_a_task_may_say_it_for_all(app: Toril, clock: ManualClock, work) -> None:
    app.queue("offers", expires=10)

    @app.task(queue="offers")
    async def short() -> None: ...

    @app.task(queue="offers", expires=60)
    async def long() -> None: ...

    @app.task(queue="offers", expires=None)
    async def lasting() -> None: ...

    jobs = [await task.enqueue() for task in (short, long, lasting)]
    states = []
    for seconds in (10, 50):
        clock.advance(seconds)
        await app.store.expire("offers")
        states.append([str(await job.state()) for job in jobs])
    assert states == [["failed", "waiting", "waiting"], ["failed", "failed", "waiting"]]


async def test_a_tick_expires_counted_from_its_time(app: Toril, clock: ManualClock) -> None:
    @app.every(3_600)
    @app.task(queue="offers", expires=60)
    async def hourly() -> None: ...

    await app.put_schedules()
    clock.advance(60)
    assert len(await app.store.expire("offers")) == 1
    [following] = (await app.queue("offers").jobs("delayed")).jobs  # the schedule goes on
    clock.advance(3_600)
    assert await app.store.expire("offers") == [following.id]


async def test_it_is_kept_or_not_like_any_other_that_failed(app: Toril, clock: ManualClock, pass_by) -> None:
    queue = app.queue("offers")
    await queue.add_many([("send", n) for n in range(3)], expires=60, keep_failed=2)
    gone = await queue.add("send", 3, expires=60, keep_failed=0)
    app.processor("offers")(_nothing)
    clock.advance(60)
    await pass_by()
    assert (await queue.counts())["failed"] == 2
    assert await queue.get(gone.id) is None


async def test_of_a_job_that_has_gone_in_time_nothing_is_left(app: Toril, ran, clock: ManualClock, work) -> None:
    await app.queue("offers").add("send", 1, expires=60, keep_completed=0)
    await work()
    clock.advance(60)
    assert await app.store.expire("offers") == []
    assert not any((await app.queue("offers").counts()).values())


async def test_it_frees_its_key(app: Toril, ran, clock: ManualClock, pass_by) -> None:
    queue = app.queue("offers")
    await queue.add("send", 1, expires=60, dedup=Dedup("key"))
    clock.advance(60)
    await pass_by()
    assert await queue.dedup_owner("key") is None


async def test_a_sweep_gets_through_any_number(app: Toril, clock: ManualClock) -> None:
    queue = app.queue("offers")
    await queue.add_many([("send", n) for n in range(2_300)], expires=60, keep_failed=10)
    await queue.add("send")
    assert await app.store.expire("offers") == []
    clock.advance(60)
    assert len(await app.store.expire("offers")) == 2_300
    counts = await queue.counts()
    assert (counts["waiting"], counts["failed"]) == (1, 10)


@pytest.mark.parametrize("expires", [0, -1, True, "60", float("nan"), timedelta(0), NAIVE], ids=str)
async def test_times_that_make_no_sense_are_refused(app: Toril, expires) -> None:
    with pytest.raises(InvalidJob, match="expires"):
        await app.queue("offers").add("send", expires=expires)


async def test_an_expiry_before_the_job_may_start_is_refused(app: Toril, clock: ManualClock) -> None:
    queue = app.queue("offers")
    for options in ({"delay": 60}, {"run_at": at(clock, 60)}):
        for expires in (60, at(clock, 60)):
            with pytest.raises(InvalidJob, match="expires: expected a time after"):
                await queue.add("send", expires=expires, **options)
    assert not any((await queue.counts()).values())


async def test_a_worker_sweeps_even_what_it_may_not_take(make_app, monkeypatch) -> None:
    monkeypatch.setattr("toril.maintenance.cleaner.PAUSE", 0.02)
    app = make_app()
    app.processor("offers")(_nothing)
    await app.queue("offers").pause()
    job = await app.queue("offers").add("send", expires=0.05)
    worker = Worker(app)
    running = asyncio.create_task(worker.run())
    with pytest.raises(JobFailed, match="Expired"):
        await job.result(timeout=10)
    worker.stop()
    await running


async def _nothing(job: JobContext) -> None: ...
