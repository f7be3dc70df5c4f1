"""Schedules with bounds and arguments: given, changed, listed and removed while the application runs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from toril import Dedup, ManualClock, Toril
from toril.errors import InvalidArguments, InvalidOption, InvalidSchedule, ScheduleNotFound, WrongState
from toril.task import Task

MONDAY = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
NINE = "0 9 * * *"


@pytest.fixture
def now() -> int:
    return round(MONDAY.timestamp() * 1000)


@pytest.fixture
def ran() -> list[str]:
    """What was reported, and when."""
    return []


@pytest.fixture
def report(app: Toril, clock: ManualClock, ran: list[str]) -> Task[[str], None]:
    @app.task(queue="reports", attempts=2)
    async def report(kind: str) -> None:
        ran.append(f"{kind} {datetime.fromtimestamp(clock.now() / 1000, UTC):%a %H:%M}")

    return report


@pytest.fixture
def pass_hours(clock: ManualClock, work) -> Callable:
    """Let hours pass with a worker at each."""

    async def passing(hours: int, application: Toril | None = None) -> None:
        for _ in range(hours):
            clock.advance(3600)
            await (work(application) if application else work())

    return passing


async def test_a_call_with_arguments_runs_at_its_times_until_it_is_removed(app, report, pass_hours, ran) -> None:
    assert await app.schedule(report.call("sales"), id="sales", cron=NINE)
    assert await app.schedule(report.call("stock"), id="stock", every=2 * HOUR)
    await pass_hours(3)
    assert ran == ["stock Mon 09:00", "sales Mon 09:00", "stock Mon 10:00"]  # every: first at once, which was at 8
    assert await app.unschedule("stock")
    assert not await app.unschedule("stock")
    del ran[:]
    await pass_hours(24)
    assert ran == ["sales Tue 09:00"]


async def test_given_again_it_is_not_touched_changed_it_is_replaced(app, report, pass_hours, ran) -> None:
    async def give(kind: str, cron: str) -> bool:
        return await app.schedule(report.call(kind), id="daily", cron=cron)

    assert [await give("a", NINE), await give("a", NINE), await give("b", NINE)] == [True, False, True]
    await pass_hours(1)
    assert await give("b", "0 10 * * *")
    await pass_hours(1)
    assert ran == ["b Mon 09:00", "b Mon 10:00"]
    assert (await app.queue("reports").counts())["delayed"] == 1


async def test_a_ready_tick_of_a_removed_schedule_still_runs_and_has_no_successor(
    app, report, clock, work, ran
) -> None:
    await app.schedule(report.call("a"), id="hourly", every=HOUR)
    assert await app.unschedule("hourly")
    await work()
    assert (len(ran), (await app.queue("reports").counts())["delayed"]) == (1, 0)


async def test_a_ready_tick_can_be_removed_once_its_schedule_is(app, report, clock) -> None:
    await app.schedule(report.call("sales"), id="sales", every=HOUR)
    (job,) = (await app.queue("reports").jobs("waiting")).jobs
    with pytest.raises(WrongState, match="the next one of schedule sales"):
        await job.remove()
    await app.unschedule("sales")
    await job.remove()
    assert await app.queue("reports").get(job.id) is None


async def test_they_are_listed_with_their_next_and_last_times(app, report, work, clock) -> None:
    assert await app.schedules() == []
    await app.schedule(report.call("a"), id="b-hourly", every=HOUR, limit=3)
    await app.schedule(report.call("b"), id="a-daily", cron=NINE, tz="Europe/Madrid", end=MONDAY + 48 * HOUR)
    await work()
    daily, hourly = await app.schedules()
    assert (daily.id, daily.cron, daily.tz, daily.every) == ("a-daily", NINE, "Europe/Madrid", None)
    assert (daily.next, daily.last, daily.end) == (MONDAY + 24 * HOUR, None, MONDAY + 48 * HOUR)  # 9 there is 8 UTC
    assert (hourly.task, hourly.queue, hourly.data, hourly.every) == ("report", "reports", {"kind": "a"}, 3600)
    assert (hourly.next, hourly.last, hourly.ticks, hourly.limit) == (MONDAY + HOUR, MONDAY, 2, 3)
    assert (hourly.declared, hourly.missed) == (False, "once")


@pytest.mark.parametrize("rule", [{"every": HOUR}, {"cron": "0 * * * *"}], ids=["every", "cron"])
async def test_no_tick_before_the_start_or_after_the_end(app, report, pass_hours, ran, rule) -> None:
    await app.schedule(report.call("a"), id="bounded", start=MONDAY + 3 * HOUR, end=MONDAY + 5 * HOUR, **rule)
    await pass_hours(8)
    assert ran == ["a Mon 11:00", "a Mon 12:00", "a Mon 13:00"]
    (schedule,) = await app.schedules()
    assert (schedule.next, schedule.last) == (None, MONDAY + 5 * HOUR)


async def test_a_start_in_the_past_is_no_bound(app, report, work, ran) -> None:
    await app.schedule(report.call("a"), id="old", every=HOUR, start=MONDAY - 100 * HOUR)
    await work()
    assert ran == ["a Mon 08:00"]


async def test_the_last_tick_is_nobodys_once_it_was_cancelled(app, report) -> None:
    await app.schedule(report.call("a"), id="once", cron="0 * * * *", limit=1)
    (job,) = (await report.queue.jobs("delayed")).jobs
    await job.cancel(by="ana")
    (schedule,) = await app.schedules()
    assert schedule.next is None
    await job.retry()
    (schedule,) = await app.schedules()
    assert schedule.next is None
    await job.cancel(by="ana")
    assert await report.queue.clean("failed") == 1


async def test_a_limit_counts_ticks_and_starts_anew_with_a_change(app, report, pass_hours, ran) -> None:
    async def give(kind: str) -> bool:
        return await app.schedule(report.call(kind), id="twice", cron="0 * * * *", limit=2)

    await give("a")
    await pass_hours(4)
    assert ran == ["a Mon 09:00", "a Mon 10:00"]
    assert not await give("a")  # nothing has changed: it stays ended
    await pass_hours(2)
    assert len(ran) == 2
    assert await give("b")
    await pass_hours(4)
    assert ran[2:] == ["b Mon 15:00", "b Mon 16:00"]


async def test_an_overdue_tick_that_outlives_a_change_counts(app, report, clock, work, pass_hours, ran) -> None:
    await app.schedule(report.call("a"), id="once", cron=NINE)
    clock.advance(3900)
    await app.schedule(report.call("b"), id="once", cron="0 * * * *", limit=1)
    await work()
    await pass_hours(3)
    assert ran == ["a Mon 09:05"]


async def test_a_change_while_a_tick_is_overdue_counts_from_that_one(app, report, clock, work, pass_hours, ran) -> None:
    await app.schedule(report.call("sales"), id="sales", every=HOUR, limit=5)
    await pass_hours(2)
    clock.advance(2 * 3600)
    del ran[:]
    await app.schedule(report.call("sales"), id="sales", every=HOUR, limit=2)
    await work()
    await pass_hours(5)
    assert len(ran) == 2


async def test_immediately_runs_now_once_and_then_by_the_rule(app, report, work, pass_hours, ran) -> None:
    for _ in range(2):
        await app.schedule(report.call("a"), id="eager", cron=NINE, immediately=True)
        await work()
    assert ran == ["a Mon 08:00"]
    await pass_hours(2)
    assert ran == ["a Mon 08:00", "a Mon 09:00"]


async def test_a_tick_that_is_retried_makes_no_second_successor(app, report, work, pass_hours, ran, clock) -> None:
    failing: list[bool] = [True]

    @app.task(queue="reports", keep_completed=0)
    async def fragile() -> None:
        ran.append("run")
        if failing:
            failing.clear()
            raise ValueError

    await app.schedule(fragile.call(), id="fragile", every=HOUR, missed="all")
    await work()
    await pass_hours(2)
    (failed,) = (await app.queue("reports").jobs("failed")).jobs
    del ran[:]
    await failed.retry()
    await work()
    assert (ran, (await app.queue("reports").counts())["delayed"]) == (["run"], 1)


async def test_a_change_at_the_moment_of_a_tick_does_not_stop_the_chain(app, report, work, pass_hours, ran) -> None:
    await app.schedule(report.call("a"), id="changing", every=HOUR)
    await work()
    await app.schedule(report.call("b"), id="changing", every=HOUR)  # its first tick would be now, which has run
    await work()
    await pass_hours(2)
    assert ran == ["a Mon 08:00", "b Mon 09:00", "b Mon 10:00"]


async def test_prune_removes_what_the_code_of_this_application_has_no_more(make_app, clock, work) -> None:
    old, new = make_app(clock), make_app(clock)

    @old.every(HOUR)
    async def kept() -> None: ...

    @old.every(HOUR)
    async def dropped() -> None: ...

    @old.every(HOUR)
    @old.task(queue="elsewhere")
    async def foreign() -> None: ...

    @new.every(HOUR, limit=9)
    @new.task(name="kept")
    async def still_there() -> None: ...

    await work(old)
    await new.schedule(still_there.call(), id="by-hand", cron=NINE)
    await work(new)
    assert [found.id for found in await new.schedules() if found.declared] == ["dropped", "foreign", "kept"]
    assert await new.prune_schedules() == ["dropped"]  # the other queue may be another application's
    assert [found.id for found in await new.schedules()] == ["by-hand", "foreign", "kept"]
    assert await new.prune_schedules(["elsewhere"]) == ["foreign"]
    assert await new.prune_schedules() == []


async def test_declared_schedules_have_bounds_too(app, pass_hours, work, ran) -> None:
    @app.cron("0 * * * *", start=MONDAY + 2 * HOUR, limit=2)
    async def often() -> None:
        ran.append("often")

    @app.cron(NINE, immediately=True, end=MONDAY)
    async def once() -> None:
        ran.append("once")

    @app.every(HOUR, end=MONDAY - HOUR)  # an action that is over stays in the code for a while
    async def never() -> None:
        ran.append("never")

    await work()
    await pass_hours(6)
    assert ran == ["once", "often", "often"]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "cron, every: expected one of them"),
        ({"cron": NINE, "every": 5}, "cron, every: expected one of them"),
        ({"every": 5, "tz": "UTC"}, "tz: belongs to cron"),
        ({"every": 0}, "every: expected seconds"),
        ({"every": 5, "limit": 0}, "limit: expected a whole number from 1, got 0"),
        ({"every": 5, "start": datetime(2026, 1, 1)}, "start: expected a datetime with a time zone"),  # noqa: DTZ001
        ({"every": 5, "end": MONDAY - HOUR}, "end: expected a moment to come"),
        ({"every": 5, "start": MONDAY + HOUR, "end": MONDAY + HOUR / 2}, "end: expected a moment after start"),
        ({"every": 5, "start": MONDAY, "immediately": True}, "immediately, start: expected one of them"),
        ({"every": 5, "missed": "never"}, "missed: expected once, skip or all"),
        ({"every": 5, "untill": MONDAY}, "untill: no such option of a schedule"),
        ({"every": 5, "id": "a:b"}, "id: expected text of 1 to 255 characters without a colon"),
        ({"every": 5, "id": ""}, "id: expected text"),
    ],
)
async def test_bad_schedules_are_refused_and_nothing_is_written(app, report, options, expected) -> None:
    with pytest.raises(InvalidSchedule, match=f"^{expected}"):
        await app.schedule(report.call("a"), **{"id": "bad", **options})
    assert await app.schedules() == []


async def test_what_only_one_job_can_say_is_refused(app, report) -> None:
    with pytest.raises(InvalidArguments, match=r"report\.kind"):
        await app.schedule(report.call(7), id="bad", every=5)  # type: ignore[arg-type]
    for option in (
        {"delay": 5},
        {"run_at": MONDAY},
        {"job_id": "x"},
        {"lifo": True},
        {"if_failed": "fail_parent"},
        {"dedup": Dedup("x")},
    ):
        with pytest.raises(InvalidOption, match=f"^{next(iter(option))}: belongs to one job"):
            await app.schedule(report.using(**option).call("a"), id="bad", every=5)
    assert await app.schedules() == []


async def test_ticks_expire_by_a_distance_and_not_at_a_moment(app, report, clock, work, ran) -> None:
    with pytest.raises(InvalidOption, match=r"^expires: a moment belongs to one job"):
        await app.schedule(report.using(expires=MONDAY + HOUR).call("a"), id="bad", every=5)
    assert await app.schedules() == []
    await app.schedule(report.using(expires=60).call("late"), id="good", cron=NINE)
    clock.advance(3600 + 61)
    await work()
    assert ran == []
    clock.advance(24 * 3600 - 61)
    await work()
    assert ran == ["late Tue 09:00"]


async def test_one_can_be_run_now_and_keeps_its_times(app, report, work, pass_hours, ran) -> None:
    call = report.using(priority=3, attempts=5, expires=60).call("sales")
    await app.schedule(call, id="sales", cron=NINE, missed="all", limit=1)
    before = await app.schedules()
    job = await app.run_schedule("sales")
    record = await job.refresh()
    assert (record.priority, record.schedule, record.tick) == (3, None, None)
    assert await app.schedules() == before
    await work()
    await pass_hours(25)
    assert ran == ["sales Mon 08:00", "sales Mon 09:00"]
    again = await app.run_schedule("sales")  # also one that has ended
    assert await again.state() == "prioritized"


async def test_what_is_no_schedule_cannot_be_run(app) -> None:
    with pytest.raises(ScheduleNotFound, match="there is no schedule 'sales'"):
        await app.run_schedule("sales")
    assert await app.store.queues() == []


async def test_one_is_named_by_its_id_and_if_need_be_its_queue(app, report) -> None:
    await app.schedule(report.call("sales"), id="sales", cron=NINE)
    await app.schedule(report.call("stock"), id="stock", cron=NINE)
    assert (await app.get_schedule("sales")).data == {"kind": "sales"}
    assert await app.get_schedule("sales", queue="reports") == await app.get_schedule("sales")
    assert (await app.run_schedule("sales", queue="reports")).queue is report.queue
    assert await app.reschedule("sales", {"kind": "sales"}, queue="reports", every=HOUR)
    assert await app.unschedule("sales", queue="reports")
    assert [found.id for found in await app.schedules()] == ["stock"]


async def test_in_another_queue_it_is_not_and_where_it_is_is_said(app, report) -> None:
    await app.schedule(report.call("sales"), id="sales", cron=NINE)
    elsewhere = "^queue emails has no schedule 'sales': it is in reports$"
    with pytest.raises(ScheduleNotFound, match=elsewhere) as refused:
        await app.get_schedule("sales", queue="emails")
    assert refused.value.queues == ("reports",)
    with pytest.raises(ScheduleNotFound, match=elsewhere):
        await app.run_schedule("sales", queue="emails")
    with pytest.raises(ScheduleNotFound, match=elsewhere):
        await app.reschedule("sales", {"kind": "x"}, queue="emails", every=HOUR)
    assert not await app.unschedule("sales", queue="emails")
    assert [found.id for found in await app.schedules()] == ["sales"]
    assert await app.store.queues() == ["reports"]


async def test_scheduled_for_another_queue_it_moves_there(app, report) -> None:
    await app.queue("old").schedule("report", {"kind": "a"}, id="daily", cron=NINE)
    await app.schedule(report.call("b"), id="daily", cron=NINE)
    (found,) = await app.schedules()
    assert (found.queue, found.data) == ("reports", {"kind": "b"})
    assert (await app.queue("old").counts())["delayed"] == 0
