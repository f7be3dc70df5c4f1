"""What the one on call does: pause, resume, retry, look."""

from __future__ import annotations

import pytest

from toril import InvalidJob, JobContext, JobNotFound, ManualClock, Toril
from toril.errors import WrongState


@pytest.fixture
def ran(app: Toril) -> list[str]:
    """The names of the jobs of the queue `line` that have run; one named `bad` fails."""
    names: list[str] = []

    @app.processor("line")
    async def note(job: JobContext) -> None:
        names.append(job.name)
        if job.name.startswith("bad"):
            raise ValueError(job.name)

    return names


async def test_nothing_is_taken_from_a_paused_queue(app: Toril, clock: ManualClock, make_app, ran, work) -> None:
    line = app.queue("line")
    await line.pause(by="ana", why="the bank is down")
    await line.add("waits")
    await line.add("due later", delay=5)
    clock.advance(10)
    await work()
    assert ran == []
    assert await make_app(clock).queue("line").paused() == {
        "by": "ana",
        "why": "the bank is down",
        "at": clock.now() - 10_000,
    }
    await line.resume()
    assert await line.paused() is None
    await work()
    assert sorted(ran) == ["due later", "waits"]


async def test_a_pause_stops_one_queue_alone_and_lets_run_what_runs(app: Toril, ran, work) -> None:
    @app.task(queue="other")
    async def pause_the_line() -> None:
        await app.queue("other").pause()

    await pause_the_line.enqueue()
    await pause_the_line.enqueue()
    await app.queue("line").add("goes on")
    await work()
    assert ran == ["goes on"]
    counts = await app.queue("other").counts()
    assert (counts["completed"], counts["ready"]) == (1, 1)


async def test_pausing_twice_and_resuming_what_runs_do_no_harm(app: Toril, ran, work) -> None:
    line = app.queue("line")
    await line.resume()
    await line.pause(by="ana")
    await line.pause(by="bob")
    assert (await line.paused() or {})["by"] == "bob"
    await line.resume()
    await line.add("runs")
    await work()
    assert ran == ["runs"]


async def test_a_failed_job_gets_one_more_attempt(app: Toril, work) -> None:
    attempts: list[int] = []

    @app.task(attempts=2)
    async def fail(job: JobContext) -> str:
        attempts.append(job.attempt)
        if len(attempts) < 4:
            raise ValueError
        return "at last"

    job = await fail.enqueue()
    await work()
    assert await job.state() == "failed"
    await job.retry()
    assert (await job.state(), job.record.finished_on, job.record.reason) == ("waiting", None, None)
    await work()
    assert (attempts, await job.state()) == ([1, 2, 3], "failed")
    again = await fail.queue.retry(job.id)
    await work()
    assert await again.result(timeout=5) == "at last"
    assert attempts == [1, 2, 3, 4]


async def test_a_completed_job_can_run_again_and_keeps_its_priority(app: Toril, ran, work) -> None:
    job = await app.queue("line").add("x", priority=4)
    await work()
    await job.retry()
    assert (await job.state(), job.record.priority) == ("prioritized", 4)
    await work()
    assert ran == ["x", "x"]


async def test_retry_says_what_it_cannot_do(app: Toril) -> None:
    line = app.queue("line")
    job = await line.add("x")
    with pytest.raises(WrongState, match="waiting: expected failed or completed"):
        await job.retry()
    with pytest.raises(JobNotFound, match="no-such"):
        await line.retry("no-such")


async def test_all_failed_jobs_run_again_once(app: Toril, ran, work) -> None:
    line = app.queue("line")
    await line.add_many([(f"bad {number}", None) for number in range(1_200)], keep_failed=5_000)
    await line.add("good")
    await work(slots=50)
    assert (await line.counts())["failed"] == 1_200
    ran.clear()
    assert await line.retry_all() == 1_200
    assert (await line.counts())["ready"] == 1_200
    await work(slots=50)
    assert sorted(ran) == sorted(f"bad {number}" for number in range(1_200))
    assert await app.queue("nobody").retry_all() == 0


async def test_counts_and_pages_of_ended_jobs(app: Toril, clock: ManualClock, ran, work) -> None:
    line = app.queue("line")
    for number in range(5):
        await line.add(f"{'bad' if number % 2 else 'good'} {number}")
        await work()
        clock.advance(1)
    await line.add("later", delay=60)
    assert await line.counts() == {
        "waiting": 0,
        "prioritized": 0,
        "delayed": 1,
        "waiting-children": 0,
        "active": 0,
        "completed": 3,
        "failed": 2,
        "ready": 0,
    }
    assert [job.name for job in (await line.jobs("completed")).jobs] == ["good 0", "good 2", "good 4"]
    page = await line.jobs("completed", limit=2, newest=True)
    assert [job.name for job in page.jobs] == ["good 4", "good 2"]
    rest = await line.jobs("completed", limit=2, newest=True, after=page.after)
    assert ([job.name for job in rest.jobs], rest.after) == (["good 0"], None)


async def test_a_page_keeps_its_place_while_jobs_come_and_go(app: Toril, ran, work) -> None:
    line = app.queue("line")
    await line.add_many([(f"job {number}", None) for number in range(6)])
    page = await line.jobs("waiting", limit=3)
    await line.add("in front", lifo=True)
    await line.add("behind")
    rest = await line.jobs("waiting", limit=10, after=page.after)
    assert [job.name for job in rest.jobs] == ["job 3", "job 4", "job 5", "behind"]


async def test_looking_refuses_what_it_cannot_understand(app: Toril) -> None:
    line = app.queue("line")
    with pytest.raises(InvalidJob, match="expected one of waiting, prioritized"):
        await line.jobs("done")
    with pytest.raises(InvalidJob, match="limit: expected a whole number from 1 to 1,000"):
        await line.jobs("failed", limit=0)
    with pytest.raises(InvalidJob, match="after"):
        await line.jobs("failed", after="garbage")
