"""Jobs that a worker does not understand: it may be older than the application that added them."""

from __future__ import annotations

import pytest

from toril import ManualClock, Snooze, Toril


@pytest.fixture
def newer(make_app, clock: ManualClock) -> Toril:
    """An application one deploy ahead: it has a task more, and one with an argument more."""
    app = make_app(clock)

    @app.task
    async def brand_new() -> str:
        return "new"

    @app.task
    async def greet(name: str, language: str) -> str:
        return f"{language} {name}"

    return app


@pytest.fixture
def older(app: Toril) -> Toril:
    @app.task
    async def greet(name: str) -> None: ...

    return app


async def calls(newer: Toril) -> list:
    return [await newer.tasks["brand_new"].enqueue(), await newer.tasks["greet"].enqueue("ana", "vi")]


async def test_they_are_put_back_without_using_an_attempt(newer: Toril, older: Toril, work) -> None:
    unknown, misfit = await calls(newer)
    await work(older)
    for job, reason in (
        (unknown, "no worker here knows task 'brand_new' (known: greet)"),
        (misfit, "greet.language: no such argument"),
    ):
        record = await job.refresh()
        assert (record.state, record.attempts, record.stalls) == ("delayed", 0, 0)
        assert str(record.reason).endswith(reason)


async def test_a_worker_that_knows_them_runs_them(newer: Toril, older: Toril, clock: ManualClock, work) -> None:
    jobs = await calls(newer)
    await work(older)
    clock.advance(5)
    await work(newer)
    assert [await job.result(timeout=5) for job in jobs] == ["new", "vi ana"]
    assert [job.record.attempts for job in jobs] == [1, 1]


async def test_they_wait_longer_each_time_and_fail_when_the_deploy_must_be_over(
    newer: Toril, older: Toril, clock: ManualClock, work
) -> None:
    jobs = await calls(newer)
    began, pauses = clock.now(), []
    while await jobs[0].state() != "failed":
        await work(older)
        record = await jobs[0].refresh()
        if record.due is not None:
            pauses.append((record.due - clock.now()) / 1000)
            clock.advance(pauses[-1])
    assert (clock.now() - began) / 1000 == pytest.approx(600, abs=60)
    assert (pauses[0], max(pauses), pauses) == (5, 60, sorted(pauses))
    reasons = [str((await job.refresh()).reason) for job in jobs]
    assert reasons[0] == "no worker here knows task 'brand_new' (known: greet)"
    assert reasons[1].startswith("greet.language: no such argument")
    assert [job.record.attempts for job in jobs] == [1, 1]


async def test_a_failed_one_can_be_retried_by_a_newer_worker(newer: Toril, make_app, clock: ManualClock, work) -> None:
    impatient = make_app(clock, deploy_grace=0)
    impatient.task(name="greet")(lambda: None)
    jobs = await calls(newer)
    await work(impatient)
    assert {await job.state() for job in jobs} == {"failed"}
    assert await newer.queue("default").retry_all() == 2
    await work(newer)
    assert await jobs[0].result(timeout=5) == "new"


async def test_the_time_counts_from_when_this_deploy_began(make_app, older: Toril, clock: ManualClock, work) -> None:
    app = make_app(clock)

    @app.task
    async def brand_new() -> None:
        raise Snooze(3_600)

    job = await brand_new.enqueue()
    await work(older)
    clock.advance(5)
    await work(app)  # it was understood, and came back an hour later
    clock.advance(3_600)
    await work(older)
    assert await job.state() == "delayed"


async def test_data_that_no_version_wrote_are_explained(older: Toril, clock: ManualClock, make_app, work) -> None:
    stranger = make_app(clock)  # has no task greet, so it adds whatever it is told
    job = await stranger.queue("default").add("greet", {"name": 5})
    await work(older)
    assert "greet.name: Input should be a valid string, got 5" in str((await job.refresh()).reason)
