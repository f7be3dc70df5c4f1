"""Cron and every: when their jobs run, what becomes of missed times, what a restart changes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from toril import ManualClock, Toril
from toril.errors import ConfigurationError, InvalidArguments, InvalidSchedule, ScheduleNotFound

MONDAY = round(datetime(2026, 3, 2, 8, 0, tzinfo=UTC).timestamp() * 1000)
HOUR = 3_600


@pytest.fixture
def now() -> int:
    return MONDAY


@pytest.fixture
def start(make_app, clock: ManualClock, work) -> Callable:
    """Start an application with one schedule, as a deploy does, and run a worker until nothing is ready."""
    ran: list[str] = []

    async def run(kind: str = "cron", *rule: object, **options: object) -> list[str]:
        app = make_app(clock)

        async def remind() -> None:
            ran.append(datetime.fromtimestamp(clock.now() / 1000, UTC).strftime("%a %H:%M:%S"))

        getattr(app, kind)(*rule, **options)(remind)
        await work(app)
        return ran

    return run


DAILY = ("cron", "0 9 * * *")


async def test_cron_runs_at_its_times(start, clock: ManualClock) -> None:
    for _ in range(49):
        ran = await start(*DAILY)
        clock.advance(HOUR)
    assert ran == ["Mon 09:00:00", "Tue 09:00:00"]


async def test_cron_in_a_zone(start, clock: ManualClock) -> None:
    for _ in range(24):
        ran = await start(*DAILY, tz="Asia/Ho_Chi_Minh")  # UTC+7
        clock.advance(HOUR)
    assert ran == ["Tue 02:00:00"]


async def test_every_runs_at_once_and_keeps_its_step(start, clock: ManualClock) -> None:
    clock.advance(7)
    for _ in range(10):
        ran = await start("every", 60)
        clock.advance(20)
    assert ran == ["Mon 08:00:07", "Mon 08:01:07", "Mon 08:02:07", "Mon 08:03:07"]


@pytest.mark.parametrize("rule", [DAILY, ("every", 24 * HOUR)], ids=["cron", "every"])
async def test_of_missed_times_one_runs_late(start, clock: ManualClock, rule) -> None:
    await start(*rule)
    clock.advance(HOUR)
    ran = await start(*rule)
    done = len(ran)
    clock.advance(3 * 24 * HOUR + 5)  # nobody works on Tuesday, Wednesday, Thursday 9:00
    await start(*rule)
    await start(*rule)
    assert ran[done:] == ["Thu 09:00:05"]
    clock.advance(24 * HOUR - 5)
    await start(*rule)
    assert [day[:3] for day in ran[done:]] == ["Thu", "Fri"]


async def test_missed_times_can_be_skipped(start, clock: ManualClock) -> None:
    await start(*DAILY, missed="skip")
    clock.advance(2 * 24 * HOUR)
    assert await start(*DAILY, missed="skip") == []
    clock.advance(HOUR + 20)  # a little late is not missed: nobody polls to the millisecond
    assert await start(*DAILY, missed="skip") == ["Wed 09:00:20"]


@pytest.mark.parametrize(("late", "runs"), [(59, 1), (61, 0)])
async def test_a_time_is_missed_when_it_is_more_than_a_minute_ago(start, clock: ManualClock, late: int, runs) -> None:
    await start(*DAILY, missed="skip")
    clock.advance(HOUR + late)
    assert len(await start(*DAILY, missed="skip")) == runs


async def test_missed_times_can_all_run(start, clock: ManualClock) -> None:
    await start(*DAILY, missed="all")
    clock.advance(3 * 24 * HOUR)
    assert len(await start(*DAILY, missed="all")) == 3
    clock.advance(HOUR)
    assert (await start(*DAILY, missed="all"))[3:] == ["Thu 09:00:00"]


async def test_a_restart_after_the_time_does_not_lose_it(start, clock: ManualClock) -> None:
    await start(*DAILY)
    clock.advance(HOUR + 300)  # the deploy takes from 8:00 to 9:05
    assert await start(*DAILY) == ["Mon 09:05:00"]


async def test_a_restart_with_the_same_schedule_touches_nothing(make_app, clock: ManualClock, start) -> None:
    queue = make_app(clock).queue("default")
    await start(*DAILY)
    (before,) = (await queue.jobs("delayed")).jobs
    clock.advance(60)
    await start(*DAILY)
    (after,) = (await queue.jobs("delayed")).jobs
    assert after.record == before.record


async def test_a_changed_schedule_replaces_what_is_to_come(make_app, clock: ManualClock, start) -> None:
    await start(*DAILY)
    await start("cron", "30 10 * * *")
    (job,) = (await make_app(clock).queue("default").jobs("delayed")).jobs
    assert job.record.due == MONDAY + round(2.5 * HOUR * 1000)
    clock.advance(2.5 * HOUR)
    assert await start("cron", "30 10 * * *") == ["Mon 10:30:00"]


async def test_a_changed_schedule_keeps_an_overdue_time_unless_missed_is_skip(start, clock: ManualClock) -> None:
    await start(*DAILY)
    clock.advance(HOUR + 300)
    assert await start("cron", "0 17 * * *") == ["Mon 09:05:00"]
    clock.advance(10 * HOUR)
    assert await start("cron", "0 18 * * *", missed="skip") == ["Mon 09:05:00"]
    clock.advance(23 * HOUR - 300)
    assert (await start("cron", "0 18 * * *", missed="skip"))[1:] == ["Tue 18:00:00"]


async def test_several_workers_with_one_schedule_run_each_time_once(make_app, clock: ManualClock, work) -> None:
    ran: list[int] = []
    apps = [make_app(clock) for _ in range(3)]
    for number, app in enumerate(apps):

        @app.every(10)
        async def tick(number: int = number) -> None:
            ran.append(number)

    for _ in range(5):
        for app in apps:
            await work(app)
        clock.advance(10)
    assert len(ran) == 5


async def test_a_paused_queue_gathers_one_tick_not_many(app: Toril, clock: ManualClock, work) -> None:
    ran: list[int] = []

    @app.every(10)
    async def tick() -> None:
        ran.append(clock.now())

    await work()
    await tick.queue.pause()
    for _ in range(5):
        clock.advance(10)
        await work()
    counts = await tick.queue.counts()
    assert (len(ran), counts["ready"] + counts["delayed"]) == (1, 1)
    await tick.queue.resume()
    await work()
    assert len(ran) == 2


async def test_its_jobs_carry_the_tasks_options(app: Toril, clock: ManualClock, work) -> None:
    attempts: list[int] = []

    @app.cron("* * * * *")
    @app.task(queue="often", attempts=2, priority=3)
    async def fail() -> None:
        attempts.append(clock.now())
        raise ValueError

    await work()
    clock.advance(60)
    await work()
    (failed,) = (await app.queue("often").jobs("failed")).jobs
    assert (len(attempts), failed.record.priority, failed.name) == (2, 3, "fail")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("61 * * * *", "minute"),
        ("0 0 1 1 * * *", "fields"),
        ("0 9 * * mon-fry", "fry"),
        ("H * * * *", "H"),
        ("", "fields"),
    ],
)
async def test_a_bad_cron_line_is_refused_where_it_is_written(app: Toril, expression: str, expected: str) -> None:
    with pytest.raises(InvalidSchedule, match=expected):
        app.cron(expression)


async def test_bad_schedules_are_refused_where_they_are_written(app: Toril) -> None:
    with pytest.raises(InvalidSchedule, match="Asia/Saigoon"):
        app.cron("* * * * *", tz="Asia/Saigoon")
    with pytest.raises(InvalidSchedule, match="expected seconds"):
        app.every(0)
    with pytest.raises(InvalidSchedule, match="once, skip or all"):
        app.every(5, missed="never")  # type: ignore[arg-type]
    with pytest.raises((ConfigurationError, InvalidArguments), match="day"):

        @app.every(5)
        async def with_argument(day: str) -> None: ...


async def test_any_name_is_scheduled_with_any_data(app: Toril, clock: ManualClock) -> None:
    line = app.queue("line", attempts=4)
    assert await line.schedule("of-nodes", {"n": 1}, id="hourly", every=HOUR, limit=5)
    assert not await line.schedule("of-nodes", {"n": 1}, id="hourly", every=HOUR, limit=5)
    (found,) = await app.schedules()
    assert (found.queue, found.task, found.data, found.every, found.limit) == ("line", "of-nodes", {"n": 1}, HOUR, 5)
    (job,) = (await line.search("name:of-nodes")).jobs
    assert (job.record.data, '"attempts":4' in job.record.opts) == ('{"n":1}', True)
    with pytest.raises(InvalidSchedule, match="every"):
        await line.schedule("of-nodes", id="other", every=0)


async def test_a_schedule_is_given_other_times_and_data_and_keeps_its_options(app: Toril, clock: ManualClock) -> None:
    line = app.queue("line", attempts=4)
    await line.schedule("of-nodes", {"n": 1}, id="s", cron="0 9 * * *", tz="UTC", missed="skip", limit=9)
    line.declare(attempts=1)
    assert await app.reschedule("s", {"n": 2}, cron="30 10 * * *", tz="Europe/Berlin")
    assert not await app.reschedule("s", {"n": 2}, cron="30 10 * * *", tz="Europe/Berlin")
    (found,) = await app.schedules()
    assert (found.cron, found.tz, found.data) == ("30 10 * * *", "Europe/Berlin", {"n": 2})
    assert (found.missed, found.limit, found.next) == ("once", None, datetime(2026, 3, 2, 9, 30, tzinfo=UTC))
    (job,) = (await line.search("name:of-nodes")).jobs
    assert '"attempts":4' in job.record.opts
    assert "missed" not in job.record.opts
    assert await app.reschedule("s", {"n": 2}, every=60)
    assert (await app.schedules())[0].cron is None


async def test_what_is_not_there_or_stands_in_code_is_not_rescheduled(app: Toril, clock: ManualClock) -> None:
    app.cron("0 9 * * *")(_nothing)
    await app.put_schedules()
    with pytest.raises(InvalidSchedule, match="declared by code"):
        await app.reschedule("_nothing", {}, every=60)
    with pytest.raises(ScheduleNotFound, match="there is no schedule 'gone'"):
        await app.reschedule("gone", {}, every=60)


@pytest.mark.parametrize(
    ("rule", "first"),
    [
        ({"cron": "0 9 * * 1", "tz": "UTC"}, ["02 09:00", "09 09:00", "16 09:00"]),
        ({"every": 90 * 60}, ["02 08:00", "02 09:30", "02 11:00"]),
        ({"cron": "0 9 * * *", "limit": 2}, ["02 09:00", "03 09:00"]),
        ({"cron": "0 9 * * *", "end": datetime(2026, 3, 3, 9, 0, tzinfo=UTC)}, ["02 09:00", "03 09:00"]),
    ],
    ids=["cron", "every", "limit", "end"],
)
async def test_its_next_times_are_known_before_it_is_stored(
    app: Toril, clock: ManualClock, work, rule, first: list[str]
) -> None:
    ran: list[str] = []

    @app.task(queue="line")
    async def note() -> None:
        ran.append(datetime.fromtimestamp(clock.now() / 1000, UTC).strftime("%d %H:%M"))

    told = app.plan(**rule).times(clock.now(), 3)
    assert [datetime.fromtimestamp(at / 1000, UTC).strftime("%d %H:%M") for at in told] == first
    await app.schedule(note.call(), id="s", **rule)
    for at in told:
        clock.advance((at - clock.now()) / 1000)
        await work(app)
    assert ran == first


@pytest.mark.one_store
@pytest.mark.parametrize(
    ("rule", "error"),
    [
        ({}, "cron, every: expected one of them"),
        ({"cron": "0 9 * * *", "every": 60}, "cron, every: expected one of them"),
        ({"cron": "61 * * * *"}, "minute: expected 0-59, got '61'"),
        ({"every": 60, "tz": "UTC"}, "tz: belongs to cron"),
    ],
)
def test_a_plan_that_could_not_be_stored_has_no_times(app: Toril, rule, error: str) -> None:
    with pytest.raises(InvalidSchedule, match=error):
        app.plan(**rule)


async def _nothing() -> None: ...
