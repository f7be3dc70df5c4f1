"""What ended in each minute, when the queue will be empty, and which failures are of one kind."""

from __future__ import annotations

import pytest

from toril import InvalidJob, JobContext, ManualClock, Toril, grouping
from toril.errors import InvalidOption


@pytest.fixture
def line(app: Toril):
    @app.processor("line", keep_completed=0)
    async def run(job: JobContext) -> None:
        if job.name == "bad":
            raise ValueError(f"order {job.data['n']} has no lines")
        if job.name == "late":
            raise TimeoutError

    return app.queue("line")


async def test_minutes_count_what_ended_in_them(line, clock: ManualClock, work) -> None:
    clock.advance(60 - clock.now() / 1000 % 60)  # a minute begins
    start = clock.now()
    await line.add_many([("good", None)] * 3 + [("bad", {"n": 1})])
    await work()
    clock.advance(59)
    await line.add("good")
    await work()
    clock.advance(121)
    await line.add_many([("bad", {"n": 2})] * 2)
    await work()
    metrics = await line.metrics(5)
    assert [(minute.at - start, minute.completed, minute.failed) for minute in metrics.minutes] == [
        (-60_000, 0, 0), (0, 4, 1), (60_000, 0, 0), (120_000, 0, 0), (180_000, 0, 2),
    ]  # fmt: skip
    assert (metrics.completed, metrics.failed, metrics.arrived) == (4, 3, 7)
    assert [minute.failed for minute in (await line.metrics(1)).minutes] == [2]
    clock.advance(600)
    quiet = await line.metrics(2)
    assert [(minute.completed, minute.failed) for minute in quiet.minutes] == [(0, 0), (0, 0)]
    assert (quiet.completed, quiet.failed) == (4, 3)


async def test_attempts_and_jobs_put_back_are_no_ends(app: Toril, work) -> None:
    @app.task(queue="line", attempts=3)
    async def third_time_lucky(job: JobContext) -> None:
        if job.attempt < 3:
            raise ValueError

    await third_time_lucky.enqueue()
    await work()
    metrics = await app.queue("line").metrics(1)
    assert (metrics.completed, metrics.failed) == (1, 0)


async def test_a_week_is_kept_and_the_totals_for_ever(line, clock: ManualClock, work) -> None:
    await line.add("good")
    await work()
    for _ in range(9):
        clock.advance(86_400)
        await line.add_many([("good", None)] * 2)
        await work()
    metrics = await line.metrics(7 * 24 * 60)
    assert metrics.completed == 19
    assert [minute.completed for minute in metrics.minutes if minute.completed] == [2] * 7
    with pytest.raises(InvalidJob, match="minutes: expected a whole number from 1 to 10,080"):
        await line.metrics(7 * 24 * 60 + 1)
    assert (await line.app.queue("nobody").metrics(1)).completed == 0


async def test_the_clock_may_jump_back(line, clock: ManualClock, work) -> None:
    await line.add("good")
    await work()
    clock.advance(-600)
    await line.add("good")
    await work()
    clock.advance(600)
    metrics = await line.metrics(60)
    assert (metrics.completed, sum(minute.completed for minute in metrics.minutes)) == (2, 2)


async def test_a_forecast_comes_from_arrivals_and_ends(line, app: Toril, clock: ManualClock, work) -> None:
    assert (await line.forecast()).seconds == 0
    await line.add_many([("good", None)] * 100)
    forecast = await line.forecast()
    assert (forecast.backlog, forecast.service, forecast.seconds) == (100, 0, None)
    await line.pause()
    await app.store.enrol(_worker())
    await line.resume()
    clock.advance(60 - clock.now() / 1000 % 60)
    for _ in range(5):
        await _let_end(app, 10)
        clock.advance(60)
        await line.add_many([("good", None)] * 4)
    forecast = await line.forecast()
    assert forecast.backlog == 70
    assert forecast.service == pytest.approx(50 / 300)
    assert forecast.arrival == pytest.approx(20 / 300)
    assert forecast.seconds == pytest.approx(70 / (30 / 300))


async def test_failures_are_grouped_by_kind(line, clock: ManualClock, work) -> None:
    first = clock.now()
    for number in range(5):
        await line.add("bad", {"n": number})
        await work()
        clock.advance(10)
    await line.add("late")
    await work()
    failures = await line.failures()
    assert (failures.looked, failures.total) == (6, 6)
    kinds = [
        (group.fingerprint.task, group.fingerprint.exception, group.fingerprint.message) for group in failures.groups
    ]
    assert kinds == [("bad", "ValueError", "order <n> has no lines"), ("late", "TimeoutError", "")]
    group = failures.groups[0]
    assert (group.count, group.first, group.last) == (5, first, first + 40_000)
    assert (await line.get(group.job_id)).record.reason == "ValueError: order 4 has no lines"


async def test_minutes_are_put_together_as_asked(line, app: Toril, clock: ManualClock) -> None:
    await app.store.enrol(_worker())
    clock.advance(3600 - clock.now() / 1000 % 3600)  # an hour begins
    for number in (3, 1, 2):
        await line.add_many([("good", None)] * number)
        await _let_end(app, number)
        clock.advance(600)
    metrics = await line.metrics(60, each=15)
    assert [(minute.completed, minute.failed) for minute in metrics.minutes] == [(0, 0), (4, 0), (2, 0), (0, 0)][-4:]
    assert all(minute.at % 900_000 == 0 for minute in metrics.minutes)
    for each, expected in ((0, "a whole number from 1"), (7, "a number of minutes that divides 60"), (61, "a number")):
        with pytest.raises(InvalidOption, match=rf"^each: expected {expected}"):
            await line.metrics(60, each=each)


async def test_failures_of_a_kind_run_again_together(line, work) -> None:
    await line.add_many([("bad", {"n": number}) for number in range(3)])
    await line.add("late")
    await work()
    group = (await line.failures()).groups[0]
    assert await line.retry_failures(group.fingerprint.id) == 3
    counts = await line.counts()
    assert (counts["ready"], counts["failed"]) == (3, 1)
    assert [left.fingerprint.task for left in (await line.failures()).groups] == ["late"]
    assert await line.retry_failures(group.fingerprint.id) == 0
    assert await line.retry_failures("nothing is called so") == 0


async def test_an_answer_about_failures_is_at_most_five_seconds_old(line, clock: ManualClock, work) -> None:
    await line.add("late")
    await work()
    assert (await line.failures()).total == 1
    await line.add("late")
    await work()
    clock.advance(4)
    assert (await line.failures()).total == 1
    clock.advance(1)
    assert (await line.failures()).total == 2
    assert (await line.app.queue("nobody").failures()).groups == []


async def test_many_failures_are_grouped_look_by_look(line, clock: ManualClock, work, monkeypatch) -> None:
    monkeypatch.setattr(grouping, "PART", 2)
    await line.add_many([("bad", {"n": number}) for number in range(5)])
    await work()
    looks = [await line.failures(within=0) for _ in range(3)]
    assert [(look.looked, look.total) for look in looks] == [(2, 5), (4, 5), (5, 5)]
    assert [look.groups[0].count for look in looks] == [2, 4, 5]
    jobs = (await line.jobs("failed")).jobs
    await jobs[0].remove()
    await jobs[1].retry()
    await line.add("late")
    clock.advance(5)
    await work()
    look = await line.failures(within=0)
    assert (look.looked, look.total, [group.count for group in look.groups]) == (5, 5, [4, 1])


async def test_counts_by_priority_name_those_that_occur(line) -> None:
    assert await line.counts_by_priority() == {}
    for priority, count in ((0, 3), (1, 2), (7, 1), (2**21 - 1, 4)):
        await line.add_many([("x", None)] * count, priority=priority)
    await line.add("later", priority=9, delay=60)
    assert await line.counts_by_priority() == {0: 3, 1: 2, 7: 1, 2**21 - 1: 4}
    await line.drain()
    await line.add("x", priority=5)
    assert await line.counts_by_priority() == {5: 1}


def _worker():
    from toril.store.views import WorkerInfo

    return WorkerInfo("w", "h", 1, 10, {"line": 10})


async def _let_end(app: Toril, count: int) -> None:
    """Take and complete so many jobs, as a worker would."""
    from toril.options import Keep
    from toril.store.runs import Completed, Run

    token = await app.store.enrol(_worker())
    step = await app.store.step("line", token, [], [], count)
    runs = [Run(job.id, job.starts, job.token) for job in step.taken]
    await app.store.step("line", token, [Completed(run, "null", Keep(0)) for run in runs], [], 0)
    await app.store.leave(token)
