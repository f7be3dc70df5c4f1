"""How many ended jobs stay, and for how long."""

from __future__ import annotations

from datetime import timedelta

import pytest

from toril import JobContext, Keep, ManualClock, Toril

HOUR = 3_600


@pytest.fixture
def fill(app: Toril, work):
    """Let `count` jobs end under some options; return the queue."""

    @app.task
    async def end(fails: bool) -> None:
        if fails:
            raise ValueError

    async def run(count: int, *, fails: bool = False, **options: object):
        await app.enqueue_many(end.using(**options).call(fails) for _ in range(count))
        await work()
        return end.queue

    return run


@pytest.mark.parametrize("fails", [False, True], ids=["completed", "failed"])
async def test_the_newest_stay(fill, fails: bool) -> None:
    option, state = ("keep_failed", "failed") if fails else ("keep_completed", "completed")
    queue = await fill(7, fails=fails, **{option: 3})
    assert (await queue.counts())[state] == 3
    kept = [job.id for job in (await queue.jobs(state)).jobs]
    await fill(2, fails=fails, **{option: 3})
    now = [job.id for job in (await queue.jobs(state)).jobs]
    assert now[:1] == kept[2:]
    assert len(now) == 3
    for job_id in kept[:2]:
        assert await queue.get(job_id) is None


@pytest.mark.parametrize("age", [timedelta(hours=1), Keep(age=HOUR), Keep(10, HOUR)], ids=str)
@pytest.mark.parametrize("fails", [False, True], ids=["completed", "failed"])
async def test_the_older_than_an_age_go_when_the_next_one_ends(fill, clock: ManualClock, fails: bool, age) -> None:
    option, state = ("keep_failed", "failed") if fails else ("keep_completed", "completed")
    queue = await fill(3, fails=fails, **{option: age})
    clock.advance(HOUR - 1)
    await fill(2, fails=fails, **{option: age})
    assert (await queue.counts())[state] == 5
    clock.advance(2)
    await fill(1, fails=fails, **{option: age})
    assert (await queue.counts())[state] == 3


async def test_a_count_bounds_what_an_age_would_keep(fill) -> None:
    queue = await fill(6, keep_completed=Keep(count=2, age=HOUR))
    assert (await queue.counts())["completed"] == 2


async def test_a_keep_without_bounds_keeps_all(fill, clock: ManualClock) -> None:
    await fill(1_005, keep_completed=Keep())
    clock.advance(100 * 24 * HOUR)
    queue = await fill(1, keep_completed=Keep())
    assert (await queue.counts())["completed"] == 1_006


async def test_nothing_kept_leaves_nothing(app: Toril, work) -> None:
    @app.task(keep_completed=0, keep_failed=0)
    async def end(job: JobContext, fails: bool) -> None:
        job.log("a line")
        if fails:
            raise ValueError

    jobs = [await end.enqueue(fails=fails) for fails in (True, False)]
    await work()
    assert not any((await end.queue.counts()).values())
    assert [await end.queue.get(job.id) for job in jobs] == [None, None]
    assert [list(await job.log()) for job in jobs] == [[], []]


async def test_completed_and_failed_are_bounded_apart(fill) -> None:
    await fill(4, keep_completed=2, keep_failed=3)
    queue = await fill(4, fails=True, keep_completed=2, keep_failed=3)
    counts = await queue.counts()
    assert (counts["completed"], counts["failed"]) == (2, 3)
