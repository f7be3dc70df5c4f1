"""Who may speak for a job: runs, leases, rescue, and the three counters. Spoken to the seam itself, verb by verb."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from toril import Job, Keep, ManualClock, Toril
from toril.job import JobRecord
from toril.store.base import Store
from toril.store.runs import Completed, Delayed, Failed, Note, Outcome, Released, Run, Step
from toril.store.views import WorkerInfo

LEASE = 10.0
QUEUE = "line"


class Hand:
    """A worker without a process: it does nothing of itself."""

    def __init__(self, store: Store, name: str) -> None:
        self._store = store
        self._info = WorkerInfo(name, "host", 1, LEASE, {QUEUE: 10})
        self.id = ""

    async def enrol(self) -> Hand:
        self.id = await self._store.enrol(self._info)
        return self

    async def take(self, want: int = 1) -> list[Run]:
        return [run_of(record) for record in (await self.step(want=want)).taken]

    async def step(self, *outcomes: Outcome, notes: Sequence[Note] = (), want: int = 0) -> Step:
        return await self._store.step(QUEUE, self.id, outcomes, notes, want)

    async def wait(self) -> None:
        await self._store.wait(QUEUE, self.id, None)

    async def beat(self, *runs: Run) -> list[Run]:
        return list((await self._store.extend(self.id, runs)).lost)


def run_of(record: JobRecord) -> Run:
    return Run(record.id, record.starts, record.token)


def completed(run: Run, result: str = '"done"') -> Completed:
    return Completed(run, result, Keep(10))


@pytest.fixture
async def ana(app: Toril) -> Hand:
    return await Hand(app.store, "ana").enrol()


@pytest.fixture
async def bob(app: Toril) -> Hand:
    return await Hand(app.store, "bob").enrol()


@pytest.fixture
async def job(app: Toril) -> Job:
    return await app.queue(QUEUE).add("x", max_stalls=2)


async def facts(job: Job) -> tuple[str, int, int, int]:
    """Return state, starts, attempts, stalls."""
    record = await job.refresh()
    return record.state.value, record.starts, record.attempts, record.stalls


async def every_outcome_is_refused(hand: Hand, run: Run) -> None:
    outcomes: list[Outcome] = [
        completed(run),
        Failed(run, "no", None, Keep(10)),
        Delayed(run, 0, "again", None, 1),
        Released(run),
        Completed(run, "null", Keep(0)),
        Failed(run, "no", None, Keep(0)),
    ]
    for outcome in outcomes:
        assert list((await hand.step(outcome)).refused) == [run]


async def test_a_run_ends_once(ana: Hand, job: Job) -> None:
    (run,) = await ana.take()
    assert not (await ana.step(completed(run))).refused
    before = await job.refresh()
    await every_outcome_is_refused(ana, run)
    assert await job.refresh() == before


async def test_a_lease_that_holds_protects_its_jobs(app: Toril, clock: ManualClock, ana, bob, job: Job) -> None:
    (run,) = await ana.take()
    for _ in range(5):
        clock.advance(LEASE - 1)
        assert await ana.beat(run) == []
        assert list(await app.store.rescue(QUEUE)) == []
    assert await bob.take() == []
    assert await facts(job) == ("active", 1, 0, 0)


async def test_rescued_is_refused(app: Toril, clock: ManualClock, ana, bob, job: Job) -> None:
    (old,) = await ana.take()
    clock.advance(LEASE + 1)
    assert list(await app.store.rescue(QUEUE)) == [job.id]
    assert await facts(job) == ("waiting", 1, 0, 1)
    await every_outcome_is_refused(ana, old)
    assert await ana.beat(old) == [old]
    (new,) = await bob.take()
    await every_outcome_is_refused(ana, old)
    await ana.step(notes=[Note(old, "0.9", ["from the dead"])])
    assert (await job.progress(), await job.log()) == (None, [])
    assert not (await bob.step(completed(new))).refused
    assert await facts(job) == ("completed", 2, 1, 1)


async def test_of_the_same_worker_too_the_old_run_is_refused(app: Toril, clock, ana: Hand, job: Job) -> None:
    (old,) = await ana.take()
    clock.advance(LEASE + 1)
    await app.store.rescue(QUEUE)
    (new,) = await ana.take()
    assert await ana.beat(old, new) == [old]
    await every_outcome_is_refused(ana, old)
    assert await facts(job) == ("active", 2, 0, 1)
    assert not (await ana.step(completed(new))).refused


async def test_a_lease_that_ran_out_voids_nothing_that_nobody_took(clock: ManualClock, ana: Hand, app, job) -> None:
    (run,) = await ana.take()
    clock.advance(100 * LEASE)
    assert not (await ana.step(notes=[Note(run, "0.5", ["still here"])])).refused
    assert await ana.beat(run) == []
    assert list(await app.store.rescue(QUEUE)) == []  # it holds again
    clock.advance(100 * LEASE)
    assert not (await ana.step(completed(run))).refused
    assert (await facts(job), await job.log()) == (("completed", 1, 1, 0), ["still here"])


async def test_a_worker_that_was_forgotten_may_come_back(app: Toril, clock, ana: Hand, bob: Hand) -> None:
    clock.advance(1_000 * LEASE)
    await app.store.rescue(QUEUE)  # whoever sweeps may forget workers that hold nothing
    assert await ana.beat() == []
    job = await app.queue(QUEUE).add("x")
    (run,) = await ana.take()
    assert list(await app.store.rescue(QUEUE)) == []
    assert not (await ana.step(completed(run))).refused
    assert await facts(job) == ("completed", 1, 1, 0)


async def test_what_a_worker_holds_when_it_leaves_can_be_rescued_at_once(app: Toril, ana: Hand, job: Job) -> None:
    await ana.take()
    await app.store.leave(ana.id)
    assert list(await app.store.rescue(QUEUE)) == [job.id]


async def test_rescued_jobs_go_first_and_the_oldest_foremost(app: Toril, clock: ManualClock, ana, bob) -> None:
    queue = app.queue(QUEUE)
    names = ["a", "b", "c"]
    for name in names:
        await queue.add(name)
    for _ in names:
        await ana.take()
        clock.advance(1)
    await queue.add("d")
    clock.advance(LEASE)
    await app.store.rescue(QUEUE)
    assert [record.name for record in (await bob.step(want=10)).taken] == ["a", "b", "c", "d"]


async def test_a_job_that_loses_its_worker_too_often_fails(app: Toril, clock: ManualClock, ana, job: Job) -> None:
    for stalls in (1, 2):
        await ana.beat()
        await ana.take()
        clock.advance(LEASE + 1)
        await app.store.rescue(QUEUE)
        assert await facts(job) == ("waiting", stalls, 0, stalls)
    await ana.beat()
    await ana.take()
    clock.advance(LEASE + 1)
    await app.store.rescue(QUEUE)
    assert await facts(job) == ("failed", 3, 0, 3)
    assert job.record.reason == "its worker died 3 times while it ran (last: ana)"
    await job.retry()
    assert await job.state() == "waiting"


async def test_max_stalls_0_never_runs_twice(app: Toril, clock: ManualClock, ana: Hand) -> None:
    job = await app.queue(QUEUE).add("pay", max_stalls=0, attempts=5)
    await ana.take()
    clock.advance(LEASE + 1)
    await app.store.rescue(QUEUE)
    assert await facts(job) == ("failed", 1, 0, 1)
    assert job.record.reason == "its worker died once while it ran (last: ana)"


async def test_released_goes_to_the_front_and_uses_nothing(app: Toril, ana: Hand, bob: Hand, job: Job) -> None:
    await app.queue(QUEUE).add("behind")
    (run,) = await ana.take()
    assert not (await ana.step(Released(run))).refused
    assert await facts(job) == ("waiting", 1, 0, 0)
    (again,) = await bob.take()
    assert (again.id, again.number) == (job.id, 2)


async def test_one_step_reports_and_takes_and_one_bad_outcome_harms_no_other(app: Toril, clock, ana, bob) -> None:
    queue = app.queue(QUEUE)
    jobs = [await queue.add(str(number)) for number in range(6)]
    runs = await ana.take(3)
    later = clock.now() + 5_000
    stranger = Run(runs[0].id, 7, runs[0].token)  # of the same job, so also of the same row
    step = await ana.step(
        completed(runs[0], "1"),
        completed(stranger),
        Delayed(runs[1], later, "no luck", None, 1),
        Failed(runs[2], "for good", None, Keep(10)),
        want=2,
    )
    assert list(step.refused) == [stranger]
    assert [record.name for record in step.taken] == ["3", "4"]
    assert (step.due_at, step.closed) == (later, None)
    assert [(await facts(job))[0] for job in jobs] == ["completed", "delayed", "failed", "active", "active", "waiting"]
    assert (await jobs[0].result(timeout=5), (await jobs[1].refresh()).reason) == (1, "no luck")


async def test_a_step_says_why_it_takes_nothing(app: Toril, clock: ManualClock, ana: Hand, job: Job) -> None:
    queue = app.queue(QUEUE)
    await queue.add("later", delay=5)
    await queue.pause()
    step = await ana.step(want=5)
    assert (list(step.taken), step.closed, step.due_at) == ([], "paused", clock.now() + 5_000)


async def test_two_workers_never_hold_one_job(app: Toril, ana: Hand, bob: Hand) -> None:
    queue = app.queue(QUEUE)
    for number in range(10):
        await queue.add(str(number), priority=number % 2)
    held = [*await ana.take(4), *await bob.take(4), *await ana.take(4), *await bob.take(4)]
    assert len(held) == len({run.id for run in held}) == 10


async def test_a_lane_is_called_though_another_of_its_queue_has_looked_first(app: Toril, ana: Hand, bob: Hand) -> None:
    assert not await bob.take()
    await app.queue(QUEUE).add("job")
    await asyncio.sleep(0)
    await ana.step()  # it sees the job, and has no slot for it
    async with asyncio.timeout(2):
        await bob.wait()
