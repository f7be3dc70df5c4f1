"""A connection is cut between a script and its reply: nothing is lost, nothing is doubled, nothing is taken back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest

from redis_servers import Wire
from stores import Redis
from toril import JobContext, Toril, Worker
from toril.errors import StoreUnavailable
from toril.job import NewJob, Node
from toril.keep import Keep
from toril.options import Policy
from toril.store.redis.scripts import script
from toril.store.redis.store import RedisStore
from toril.store.runs import Awaiting, Completed, Delayed, Failed, Note, Outcome, Released, Run, Step
from toril.store.views import ScheduleRecord, WorkerInfo

QUEUE, LEASE = "work", 10.0
KEEP = Keep(100)


@pytest.fixture
async def redis() -> AsyncIterator[Redis]:
    async with Redis() as store:
        yield store


@pytest.fixture
async def wire(redis: Redis) -> AsyncIterator[Wire]:
    async with Wire(redis.url) as wire:
        yield wire


@pytest.fixture
def other(redis: Redis) -> Toril:
    """An application whose connections hold."""
    return redis.app()


@pytest.fixture
async def app(redis: Redis, wire: Wire) -> AsyncIterator[Toril]:
    """An application at the end of the wire. The server knows its scripts."""
    app = Toril(wire.url, settings=redis.app().settings)
    for name in ("add", "flow", "step", "schedule_advance"):
        await app.store._client().call("SCRIPT", "LOAD", script(name).source)  # type: ignore[attr-defined]
    yield app
    await app.close()


class Hand:
    """A worker's steps, one by one, repeated as its lane would."""

    def __init__(self, store: RedisStore, worker: str) -> None:
        self.store, self.worker = store, worker

    async def step(self, outcomes: Sequence[Outcome] = (), want: int = 0, notes: Sequence[Note] = ()) -> Step:
        for _ in range(5):
            try:
                return await self.store.step(QUEUE, self.worker, outcomes, notes, want)
            except StoreUnavailable:
                continue
        raise AssertionError("it does not come back")

    async def take(self, number: int = 1) -> list[Run]:
        taken = (await self.step(want=number)).taken
        return [Run(job.id, job.starts, job.token) for job in taken]


Hire = Callable[[Toril], Awaitable[Hand]]


@pytest.fixture
def hire() -> Hire:
    async def enrol(app: Toril) -> Hand:
        store: Any = app.store
        return Hand(store, await store.enrol(WorkerInfo("w", "here", 1, LEASE, {QUEUE: 10})))

    return enrol


def sha(name: str) -> str:
    return script(name).sha


async def run_all(app: Toril) -> list[str]:
    """Run what is ready with a healthy worker; return the jobs' names in order."""
    ran: list[str] = []

    @app.task(queue=QUEUE)
    async def once(job: JobContext) -> None:
        ran.append(job.id)

    @app.task(queue=QUEUE)
    async def fail(job: JobContext) -> None:
        ran.append(job.id)
        raise ValueError

    await Worker(app, {QUEUE: 5}, burst=True).run()
    return ran


# -- adding


async def test_an_add_whose_job_has_run_and_is_gone_by_the_repetition(app: Toril, other: Toril, wire: Wire) -> None:
    ran: list[str] = []

    async def meanwhile() -> None:
        ran.extend(await run_all(other))

    wire.lose_reply(sha("add"), meanwhile)
    job = await app.queue(QUEUE).add("once", keep_completed=0)
    assert (wire.cut, ran) == (1, [job.id])
    assert not any((await other.queue(QUEUE).counts()).values())


async def test_an_add_that_never_arrived(app: Toril, other: Toril, wire: Wire) -> None:
    wire.lose_command(sha("add"))
    jobs = await app.queue(QUEUE).add_many([("once", None)] * 3)
    assert wire.cut == 1
    assert [job.id for job in (await other.queue(QUEUE).jobs("waiting")).jobs] == [job.id for job in jobs]


async def test_adds_are_charged_once(app: Toril, other: Toril, wire: Wire) -> None:
    await other.queue(QUEUE).limit_length(3)
    wire.lose_reply(sha("add"))
    await app.queue(QUEUE).add_many([("once", None)] * 3)
    assert wire.cut == 1
    assert (await other.queue(QUEUE).counts())["waiting"] == 3


def node(name: str, above: int | None, **options: Any) -> Node:
    return Node(NewJob(QUEUE, name, "{}", Policy(**options).to_json()), above)


async def test_a_flow_whose_child_has_ended_by_the_repetition(app: Toril, other: Toril, wire: Wire) -> None:
    """The parent must not wait again for a child that has failed, nor for one that is gone."""
    ran: list[str] = []

    async def meanwhile() -> None:
        ran.extend(await run_all(other))

    wire.lose_reply(sha("flow"), meanwhile)
    family = [
        node("once", None),
        node("fail", 0, if_failed="ignore_dependency"),
        node("once", 0, keep_completed=Keep(0)),
    ]
    ids = await app.store.add_flow(family, None)
    assert wire.cut == 1
    assert sorted(ran) == sorted(ids)
    counts = await other.queue(QUEUE).counts()
    assert (counts["completed"], counts["failed"], counts["waiting-children"], counts["ready"]) == (1, 1, 0, 0)


# -- steps


async def test_what_ended_and_was_started_again_is_not_refused(
    app: Toril, other: Toril, wire: Wire, hire: Hire
) -> None:
    jobs = await other.queue(QUEUE).add_many([("job", None)] * 5, attempts=3)
    hand, stranger = await hire(app), await hire(other)
    runs = await hand.take(5)
    taken: list[Run] = []

    async def meanwhile() -> None:
        taken.extend(await stranger.take(5))

    wire.lose_reply(sha("step"), meanwhile)
    outcomes: list[Outcome] = [
        Completed(runs[0], "1", KEEP),
        Failed(runs[1], "no", None, KEEP),
        Delayed(runs[2], 0, "again", None, 1),
        Released(runs[3]),
        Delayed(runs[4], 2**41, "later", None, 1),
    ]
    step = await hand.step(outcomes, notes=[Note(runs[0], "0.5", ["half way"])])
    assert wire.cut == 1
    assert (step.refused, step.failed) == ([], [])
    assert {run.id for run in taken} == {jobs[2].id, jobs[3].id}
    records = [await job.refresh() for job in jobs]
    assert [record.state for record in records] == ["completed", "failed", "active", "active", "delayed"]
    assert [record.attempts for record in records] == [1, 1, 1, 0, 1]
    assert list(await other.store.logs(QUEUE, jobs[0].id)) == ["half way"]


async def test_a_run_that_was_over_is_refused_each_time(app: Toril, other: Toril, wire: Wire, hire: Hire) -> None:
    """A step that did not arrive records nothing, even if the job stands in line again when it is repeated."""
    (job,) = await other.queue(QUEUE).add_many([("job", None)])
    hand = await hire(app)
    (run,) = await hand.take()

    async def meanwhile() -> None:
        await other.store._client().call(  # type: ignore[attr-defined]
            "DEL", f"{other.settings.prefix}:{QUEUE}:{job.id}:lock"
        )
        assert await other.store.rescue(QUEUE) == [job.id]

    wire.lose_command(sha("step"), meanwhile)
    step = await hand.step([Completed(run, "1", KEEP)])
    assert wire.cut == 1
    assert list(step.refused) == [run]
    wire.lose_reply(sha("step"))
    step = await hand.step([Completed(run, "1", KEEP)])
    assert wire.cut == 2
    assert list(step.refused) == [run]
    assert (await job.refresh()).state == "waiting"


@pytest.mark.parametrize("seconds", [0, 60], ids=["at once", "past the lease"])
async def test_what_was_taken_is_taken_once(
    app: Toril, other: Toril, redis: Redis, wire: Wire, hire: Hire, seconds: int
) -> None:
    jobs = await other.queue(QUEUE).add_many([("job", None)] * 3)
    hand = await hire(app)

    async def meanwhile() -> None:
        redis.age(seconds)

    wire.lose_reply(sha("step"), meanwhile)
    runs = await hand.take(2)
    assert wire.cut == 1
    assert [run.id for run in runs] == [jobs[0].id, jobs[1].id]
    assert list(await other.store.rescue(QUEUE)) == []  # they are leased again
    step = await hand.step([Completed(run, "1", KEEP) for run in runs])
    assert not step.refused
    assert [(await job.refresh()).stalls for job in jobs] == [0, 0, 0]


async def test_a_run_that_waits_for_children_is_left_once(app: Toril, other: Toril, wire: Wire, hire: Hire) -> None:
    (job,) = await other.queue(QUEUE).add_many([("job", None)])
    hand, stranger = await hire(app), await hire(other)
    (run,) = await hand.take()

    async def meanwhile() -> None:  # its child runs, and the job is taken again
        (child,) = await stranger.take()
        await stranger.step([Completed(child, "1", Keep(0))])
        assert [again.id for again in await stranger.take()] == [job.id]

    wire.lose_reply(sha("flow"), meanwhile)
    wire.lose_reply(sha("step"))
    step = await hand.step([Awaiting(run, [node("part", None)])])
    assert wire.cut == 2
    assert (step.refused, step.failed) == ([], [])
    counts = await other.queue(QUEUE).counts()
    assert (counts["active"], counts["ready"], counts["waiting-children"]) == (1, 0, 0)


async def test_the_next_tick_is_made_although_its_reply_is_lost_for_long(
    app: Toril, other: Toril, wire: Wire, hire: Hire
) -> None:
    (job,) = await other.queue(QUEUE).add_many([("job", None)])
    hand = await hire(app)
    (run,) = await hand.take()
    await other.store.put_schedule(
        ScheduleRecord("s", QUEUE, None, None, 3_600_000, "once", "tick", "{}", "{}"), immediately=True
    )
    for _ in range(2):
        wire.lose_command(sha("schedule_advance"))
    step = await hand.step([Completed(run, "1", KEEP)], want=1)
    assert wire.cut == 2
    assert not step.refused
    (tick,) = step.taken
    assert tick.schedule == "s"
    assert (await job.refresh()).state == "completed"
    assert (await other.queue(QUEUE).counts())["delayed"] == 1
    (schedule,) = await other.store.schedules()
    assert schedule.ticks == 2


async def test_a_job_put_off_by_a_worker_that_goes_wakes_another(other: Toril, redis: Redis, hire: Hire) -> None:
    """When it is due is told beside the line, as by BullMQ: who put it off may be gone by then."""
    await other.queue(QUEUE).add("job")
    hand = await hire(other)
    (run,) = await hand.take()
    call = other.store._client().call  # type: ignore[attr-defined]
    marker = f"{other.settings.prefix}:{QUEUE}:marker"
    await call("DEL", marker)
    due = other.clock.now() + 1_000
    await hand.step([Delayed(run, due, "again", None, 1)])
    assert await call("ZRANGE", marker, 0, -1, "WITHSCORES") == ["1", str(due)]
