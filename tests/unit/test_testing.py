"""The test kit, used as an application's tests would use it."""

from __future__ import annotations

import pytest

from toril import Snooze, Toril
from toril.settings import Settings
from toril.testing import Jobs, fixture, jobs_of

app = Toril("sqlite:////nowhere/at/all.db", settings=Settings(env={}, dotenv=None))
sent: list[str] = []


@app.task(queue="mails")
async def welcome(to: str, name: str = "you") -> None:
    sent.append(to)
    await remind.using(delay=86_400).enqueue(to=to)


@app.task(queue="mails")
async def remind(to: str) -> None:
    sent.append(f"again {to}")


@app.task
async def sleepy() -> None:
    raise Snooze(60)


jobs = fixture(app)


async def test_a_story_over_a_day(jobs: Jobs) -> None:
    sent.clear()
    await welcome.enqueue(to="ana@example.com")
    job = await jobs.assert_enqueued(welcome, to="ana@example.com")
    assert await jobs.run_pending() == 1
    assert await job.state() == "completed"
    assert sent == ["ana@example.com"]
    await jobs.assert_not_enqueued(welcome)
    assert await jobs.run_pending() == 0  # the reminder is for tomorrow
    jobs.advance(hours=24)
    assert await jobs.run_pending() == 1
    assert sent == ["ana@example.com", "again ana@example.com"]


async def test_each_test_begins_with_nothing(jobs: Jobs) -> None:
    assert await jobs.enqueued() == []
    await welcome.enqueue(to="bob@example.com")
    assert [found.name for found in await jobs.enqueued()] == ["welcome"]


async def test_what_is_wrong_is_said_with_what_waits(jobs: Jobs) -> None:
    await welcome.enqueue(to="ana@example.com")
    with pytest.raises(AssertionError, match=r"one job of welcome with .*bob.*found 0; waiting: \n  welcome .*ana"):
        await jobs.assert_enqueued(welcome, to="bob@example.com")
    with pytest.raises(AssertionError, match="expected no job of welcome, found 1"):
        await jobs.assert_not_enqueued("welcome")
    await welcome.enqueue(to="ana@example.com")
    with pytest.raises(AssertionError, match="found 2"):
        await jobs.assert_enqueued(welcome, to="ana@example.com")


async def test_a_snooze_is_waited_for_by_moving_the_clock(jobs: Jobs) -> None:
    job = await sleepy.enqueue()
    assert await jobs.run_pending() == 1
    assert await job.state() == "delayed"
    jobs.advance(61)
    assert await jobs.run_pending() == 1
    assert (await job.refresh()).starts == 2


async def test_without_pytest_and_back_again() -> None:
    store, clock = app.store, app.clock
    async with jobs_of(app) as jobs:
        await welcome.using(priority=1).enqueue(to="ana@example.com")
        assert await app.run_pending() == 1
        assert [(found.name, found.record.state) for found in await jobs.enqueued("remind")] == [("remind", "delayed")]
        assert await jobs.enqueued(welcome) == []
    assert (app.store, app.clock) == (store, clock)
