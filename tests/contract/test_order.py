"""In which order jobs are taken: arrival, priority, lifo, due time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from toril import InvalidJob, JobContext, ManualClock, Toril


@pytest.fixture
def taken(app: Toril) -> list[str]:
    """The names of the jobs of the queue `line`, in the order in which they ran."""
    names: list[str] = []

    @app.processor("line")
    async def note(job: JobContext) -> None:
        names.append(job.name)

    return names


async def test_jobs_without_priority_go_first_then_1_then_higher_numbers(app: Toril, taken, work) -> None:
    line = app.queue("line")
    for name, priority in [("lowest", 2_097_151), ("five", 5), ("one", 1), ("five again", 5), ("none", 0)]:
        await line.add(name, priority=priority)
    assert (await line.counts())["prioritized"] == 4
    await line.add("none again")
    await work()
    assert taken == ["none", "none again", "one", "five", "five again", "lowest"]


async def test_lifo_goes_before_those_of_its_own_priority(app: Toril, taken, work) -> None:
    line = app.queue("line")
    await line.add("first")
    await line.add("three", priority=3)
    await line.add("last in", lifo=True)
    await line.add("last in of three", lifo=True, priority=3)
    await line.add("very last in", lifo=True)
    await work()
    assert taken == ["very last in", "last in", "first", "last in of three", "three"]


async def test_listed_in_the_order_in_which_they_are_taken(app: Toril, taken, work) -> None:
    line = app.queue("line")
    for number in range(7):
        await line.add(f"job {number}", lifo=number % 2 == 1)
    names, after = [], None
    while True:
        page = await line.jobs("waiting", limit=2, after=after)
        names += [job.name for job in page.jobs]
        if (after := page.after) is None:
            break
    backwards = [job.name for job in (await line.jobs("waiting", newest=True)).jobs]
    await work()
    assert taken == names == backwards[::-1]


async def test_a_delayed_job_waits_for_its_time(app: Toril, clock: ManualClock, taken, work) -> None:
    line = app.queue("line")
    await line.add("in two minutes", delay=timedelta(minutes=2))
    await line.add("in a minute", delay=60)
    when = datetime.fromtimestamp(clock.now() / 1000 + 30, UTC)
    job = await line.add("at half past", run_at=when)
    assert (await job.refresh()).due == clock.now() + 30_000
    await line.add("now")
    await line.add("a past time is now", run_at=when - timedelta(days=1))
    for seconds, expected in [(29.999, 2), (0.001, 3), (29.999, 3), (0.001, 4), (60, 5)]:
        await work()
        clock.advance(seconds)
        await work()
        assert len(taken) == expected
    assert taken == ["now", "a past time is now", "at half past", "in a minute", "in two minutes"]


async def test_a_delayed_job_keeps_its_priority(app: Toril, clock: ManualClock, taken, work) -> None:
    line = app.queue("line")
    await line.add("two", priority=2, delay=1)
    await line.add("one", priority=1, delay=2)
    await line.add("none", delay=3)
    clock.advance(5)
    await work()
    assert taken == ["none", "one", "two"]


@pytest.mark.parametrize(
    "options",
    [
        {"priority": -1},
        {"priority": 2**21},
        {"priority": 1.5},
        {"priority": True},
        {"delay": -1},
        {"delay": float("nan")},
        {"delay": "5"},
        {"run_at": datetime(2027, 1, 1)},  # noqa: DTZ001  (naive: that is the point)
        {"run_at": 5},
        {"lifo": 1},
        {"attempts": 0},
        {"attempts": 2.0},
        {"backoff": 5},
        {"timeout": 0},
        {"timeout": float("inf")},
        {"keep_completed": -1},
        {"keep_failed": "all"},
        {"max_stalls": -1},
        {"retries": 3},
    ],
    ids=str,
)
async def test_an_option_out_of_range_is_refused_at_the_call(app: Toril, options) -> None:
    @app.task
    async def greet() -> None: ...

    (field,) = options
    with pytest.raises(InvalidJob, match=field):
        await app.queue("line").add("x", **options)
    with pytest.raises(InvalidJob, match=field):
        greet.using(**options)
    with pytest.raises(InvalidJob, match=field):
        app.queue("line", **options)
    assert not any((await app.queue("line").counts()).values())


async def test_delay_and_run_at_exclude_each_other(app: Toril) -> None:
    with pytest.raises(InvalidJob, match="delay, run_at"):
        await app.queue("line").add("x", delay=1, run_at=datetime(2030, 1, 1, tzinfo=UTC))
