"""What becomes of a run that raises: backoffs, Unrecoverable, Snooze, the reason and the stack that are kept."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from toril import Exponential, Fixed, JobContext, JobFailed, ManualClock, Snooze, Toril, Unrecoverable
from toril.json import decode


class Broken(Exception):
    pass


@pytest.fixture
def starts(app: Toril, clock: ManualClock, work) -> Callable:
    """Run a job that fails with `options` and return the seconds after which it started each time."""

    async def run(step: float = 0.5, until: float = 100.0, **options: object) -> list[float]:
        began, times = clock.now(), []

        @app.task(**options)
        async def fail() -> None:
            times.append((clock.now() - began) / 1000)
            raise Broken

        job = await fail.enqueue()
        while (clock.now() - began) / 1000 <= until:
            await work()
            if (await job.refresh()).finished_on:
                break
            clock.advance(step)
        assert job.record.attempts == job.record.starts == len(times)
        return times

    return run


async def test_one_attempt_is_no_retry(starts) -> None:
    assert await starts() == [0]


async def test_without_a_backoff_it_runs_again_at_once(starts) -> None:
    assert await starts(attempts=3) == [0, 0, 0]


async def test_fixed(starts) -> None:
    assert await starts(attempts=4, backoff=Fixed(2)) == [0, 2, 4, 6]


async def test_exponential_doubles(starts) -> None:
    assert await starts(attempts=5, backoff=Exponential(1)) == [0, 1, 3, 7, 15]


async def test_exponential_up_to_a_maximum(starts) -> None:
    assert await starts(attempts=5, backoff=Exponential(1, maximum=3)) == [0, 1, 3, 6, 9]


async def test_an_own_rule_gets_the_attempt_that_failed(starts) -> None:
    assert await starts(attempts=4, backoff=lambda attempt: attempt * 1.5) == [0, 1.5, 4.5, 9]


async def test_an_own_rule_may_stop(starts) -> None:
    assert await starts(attempts=9, backoff=lambda attempt: 1 if attempt < 3 else None) == [0, 1, 2]


async def test_jitter_takes_away_up_to_its_share(app: Toril, clock: ManualClock, work) -> None:
    @app.task(attempts=2, backoff=Fixed(100, jitter=0.5))
    async def fail(number: int) -> None:
        raise Broken

    jobs = await app.enqueue_many(fail.call(number) for number in range(50))
    await work(slots=50)
    waits = [((await job.refresh()).due - clock.now()) / 1000 for job in jobs]
    assert all(50 <= wait <= 100 for wait in waits)
    assert max(waits) - min(waits) > 10


async def test_a_retry_keeps_its_priority_and_goes_behind_its_equals(app: Toril, work) -> None:
    seen: list[str] = []

    @app.task(attempts=2)
    async def note(name: str, fails: bool = False) -> None:
        seen.append(name)
        if fails and seen.count(name) == 1:
            raise Broken

    await note.using(priority=2).enqueue("two")
    await note.using(priority=1).enqueue("one", fails=True)
    await note.using(priority=1).enqueue("other one")
    await work()
    assert seen == ["one", "other one", "one", "two"]


@pytest.mark.parametrize("snoozes", [False, True], ids=["retried", "snoozed"])
async def test_a_retry_of_a_lifo_job_goes_first_and_a_snooze_lets_the_others_go(app: Toril, work, snoozes) -> None:
    ran: list[str] = []

    @app.processor("line")
    async def note(job: JobContext) -> None:
        ran.append(job.name)
        if ran == ["first"]:
            raise Snooze(0) if snoozes else ValueError

    await app.queue("line").add("other")
    await app.queue("line").add("first", lifo=True, attempts=2)
    await work()
    assert ran == (["first", "other", "first"] if snoozes else ["first", "first", "other"])


async def test_reason_and_the_last_ten_stacks_are_kept(app: Toril, work) -> None:
    @app.task(attempts=12)
    async def fail(job: JobContext) -> None:
        raise Broken(f"in attempt {job.attempt} of {job.attempts}")

    job = await fail.enqueue()
    await work()
    record = await job.refresh()
    assert (record.state, record.reason) == ("failed", "Broken: in attempt 12 of 12")
    stacks = decode(record.stack)
    assert [stack.strip().rpartition(" in ")[2] for stack in stacks] == [f"attempt {n} of 12" for n in range(3, 13)]
    assert "in fail" in stacks[0]  # the traceback begins in the task


async def test_unrecoverable_fails_at_once(app: Toril, work) -> None:
    @app.task(attempts=5)
    async def fail() -> None:
        raise Unrecoverable("no such account")

    job = await fail.enqueue()
    await work()
    record = await job.refresh()
    assert (record.state, record.attempts, record.reason) == ("failed", 1, "no such account")
    with pytest.raises(JobFailed, match="no such account"):
        await job.result(timeout=5)


async def test_a_result_that_is_not_json_fails_at_once(app: Toril, work) -> None:
    @app.task(attempts=5)
    async def odd(kind: str) -> object:
        return {"nan": float("nan"), "object": object(), "surrogate": "\ud800"}[kind]

    for kind in ("nan", "object", "surrogate"):
        job = await odd.enqueue(kind)
        await work()
        record = await job.refresh()
        assert (record.state, record.attempts) == ("failed", 1)
        assert record.reason is not None
        assert record.reason.startswith("InvalidData: result")


async def test_snooze_comes_back_without_using_an_attempt(app: Toril, clock: ManualClock, work) -> None:
    seen: list[int] = []

    @app.task(attempts=2)
    async def wait_for_the_bank(job: JobContext) -> str:
        seen.append(job.attempt)
        if len(seen) < 4:
            raise Snooze(60)
        return "done"

    job = await wait_for_the_bank.enqueue()
    for _ in range(4):
        await work()
        clock.advance(59)
        await work()
        clock.advance(1)
    record = await job.refresh()
    assert seen == [1, 1, 1, 1]
    assert (record.state, record.starts, record.attempts, record.stalls) == ("completed", 4, 1, 0)


async def test_snooze_for_no_time_lets_the_others_go_first(app: Toril, work) -> None:
    seen: list[str] = []

    @app.task
    async def polite(name: str) -> None:
        seen.append(name)
        if seen == ["a"]:
            raise Snooze(0)

    for name in "ab":
        await polite.enqueue(name)
    await work()
    assert seen == ["a", "b", "a"]


async def test_what_went_wrong_can_still_be_read_after_a_retry_that_went_well(app: Toril, work) -> None:
    @app.task(attempts=2)
    async def second_time_lucky(job: JobContext) -> None:
        if job.attempt == 1:
            raise Broken("the line was dead")

    job = await second_time_lucky.enqueue()
    await work()
    record = await job.refresh()
    assert (record.state, record.attempts) == ("completed", 2)
    assert "the line was dead" in str(record.stack)
