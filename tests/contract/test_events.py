"""The stream of events: what it tells, from which mark, and what it does when some are lost."""

from __future__ import annotations

import asyncio

import pytest

from toril import Dedup, Fixed, InvalidJob, JobContext, ManualClock, Toril, Unrecoverable, WaitForChildren
from toril.events import EVENT_KINDS, Event, EventStream
from toril.store.views import WorkerInfo


async def until(stream: EventStream, kind: str) -> list[Event]:
    """Return events up to the first of that kind."""
    heard: list[Event] = []
    async with asyncio.timeout(10):
        async for event in stream:
            heard.append(event)
            if event.kind == kind:
                return heard
    raise AssertionError


def told(events: list[Event]) -> list[tuple[object, ...]]:
    return [(event.kind, event.job_id) for event in events]


@pytest.fixture
def line(app: Toril):
    @app.processor("line")
    async def run(job: JobContext) -> str:
        if job.name == "slow":
            await job.progress(0.5)
        if job.name == "bad" or (job.name == "twice" and job.attempt == 1):
            raise ValueError(job.name)
        if job.name == "at once" and job.attempt == 1:
            raise Unrecoverable
        return f"{job.name} done"

    return app.queue("line", attempts=2, backoff=Fixed(5))


async def test_the_life_of_a_job_is_told_in_order(app: Toril, line, clock: ManualClock, work) -> None:
    stream = await app.events(queue="line").start()
    job = await line.add("slow", delay=5)
    clock.advance(5)
    await work()
    heard = await until(stream, "drained")
    assert told(heard) == [
        ("added", job.id), ("waiting", job.id), ("active", job.id), ("progress", job.id), ("completed", job.id),
        ("drained", None),
    ]  # fmt: skip
    assert {event.queue for event in heard} == {"line"}
    assert [event.at for event in heard] == [clock.now() - 5_000, *[clock.now()] * 5]
    by_kind = {event.kind: event.body for event in heard}
    assert by_kind["progress"]["data"] == 0.5
    assert by_kind["completed"]["returnvalue"] == "slow done"
    assert by_kind["waiting"]["prev"] == "delayed"


async def test_a_failed_attempt_is_another_event_than_a_failed_job(app: Toril, line, clock: ManualClock, work) -> None:
    stream = await app.events().start()
    job = await line.add("bad")
    await work()
    clock.advance(5)
    await work()
    heard = await until(stream, "drained")
    assert [kind for kind, _ in told(heard)] == [
        "added", "active", "attempt_failed", "delayed", "waiting", "active", "failed", "drained",
    ]  # fmt: skip
    assert heard[2].body == {"jobId": job.id, "failedReason": "ValueError: bad"}
    assert heard[3].body == {"jobId": job.id, "delay": clock.now()}
    assert heard[6].body == {"jobId": job.id, "failedReason": "ValueError: bad"}


async def test_a_retry_at_once_is_a_failed_attempt_too_and_a_snooze_is_none(app: Toril, work) -> None:
    from toril import Snooze

    @app.task(attempts=2)
    async def unlucky(job: JobContext) -> None:
        if job.record.starts == 1:
            raise Snooze(0)
        if job.attempt == 1:
            raise ValueError("no")

    stream = await app.events().start()
    await unlucky.enqueue()
    await work()
    kinds = [event.kind for event in await until(stream, "completed")]
    assert kinds == ["added", "active", "waiting", "active", "attempt_failed", "waiting", "active", "completed"]


async def test_what_hands_do_is_told(app: Toril, line, work) -> None:
    stream = await app.events(queue="line").start()
    a, b = await line.add("a", delay=60), await line.add("b", delay=60)
    await line.pause()
    await a.promote()
    await b.change(delay=90)
    await b.remove()
    await line.drain()
    await line.resume()
    heard = await until(stream, "resumed")
    assert told(heard) == [
        ("added", a.id), ("added", b.id), ("paused", None), ("waiting", a.id), ("delayed", b.id), ("removed", b.id),
        ("cleaned", None), ("resumed", None),
    ]  # fmt: skip
    assert (heard[5].body["prev"], heard[6].body["count"]) == ("delayed", 1)
    assert {event.kind for event in heard} < set(EVENT_KINDS)


async def test_a_job_that_lost_its_worker_is_told_of(app: Toril, line, clock: ManualClock) -> None:
    twice, once = await line.add("a"), await line.add("a", max_stalls=0)
    worker = await app.store.enrol(WorkerInfo("ana", "host", 1, 10.0, {"line": 2}))
    await app.store.step("line", worker, [], [], 2)
    stream = await app.events().start()
    clock.advance(11)
    await app.store.rescue("line")
    heard = [await anext(stream) for _ in range(4)]
    assert sorted(told(heard)) == [
        ("failed", once.id), ("stalled", twice.id), ("stalled", once.id), ("waiting", twice.id),
    ]  # fmt: skip
    assert {event.body["worker"] for event in heard if event.kind == "stalled"} == {"ana"}


async def test_who_waits_for_children_is_told_of(app: Toril, line, work) -> None:
    @app.task(queue="line")
    async def whole(job: JobContext) -> None:
        if not await job.children():
            raise WaitForChildren([part.call()])

    @app.task(queue="line")
    async def part() -> None: ...

    stream = await app.events(queue="line").start()
    job = await whole.enqueue()
    await work()
    heard = [event for event in await until(stream, "drained") if event.job_id == job.id]
    assert [event.kind for event in heard] == ["added", "active", "waiting-children", "waiting", "active", "completed"]
    assert [event.body["prev"] for event in heard[2:4]] == ["active", "waiting-children"]


async def test_a_job_that_is_there_already_is_told_of(app: Toril, line) -> None:
    own, keyed = await line.add("a", job_id="own"), await line.add("a", dedup=Dedup("key"))
    stream = await app.events().start()
    await line.add("a", job_id="own")
    await line.add("a", dedup=Dedup("key"))
    heard = [await anext(stream) for _ in range(2)]
    assert told(heard) == [("duplicated", own.id), ("deduplicated", keyed.id)]
    assert {event.kind for event in heard} < set(EVENT_KINDS)


async def test_who_goes_on_behind_any_event_misses_nothing_and_hears_nothing_twice(
    app: Toril, line, clock: ManualClock, work
) -> None:
    stream = await app.events().start()
    await line.add_many([("a", None)] * 5 + [("twice", None)] * 3)
    await work()
    clock.advance(5)
    await work()
    heard = await until(stream, "drained")
    assert len({event.cursor for event in heard}) == len(heard)
    for place, event in enumerate(heard[:-1]):
        again = app.events(after=event.cursor)
        rest = [await anext(again) for _ in heard[place + 1 :]]
        assert rest == heard[place + 1 :]
        assert again.cursor is not None


async def test_a_stream_passes_over_other_queues_and_its_mark_moves_on(app: Toril, line, store) -> None:
    stream = await app.events(queue="line").start()
    waiting = asyncio.create_task(anext(stream))
    start = stream.cursor
    await app.queue("other").add("x")
    while stream.cursor == start and store.one_log:
        await asyncio.sleep(0.005)
    assert not waiting.done()
    job = await line.add("a")
    event = await asyncio.wait_for(waiting, 5)
    assert (event.queue, event.kind, event.job_id) == ("line", "added", job.id)


async def test_a_stream_begins_with_what_comes_next(app: Toril, line) -> None:
    await line.add("before")
    stream = await app.events().start()
    job = await line.add("after")
    assert (await anext(stream)).job_id == job.id


async def test_who_was_away_too_long_is_told_of_the_gap(app: Toril, line) -> None:
    stream = await app.events().start()
    away = stream.cursor
    first = await line.add("x")
    kept = (await anext(stream)).cursor
    for _ in range(12):  # a step and kind is kept as one: make more than 10,000 of them
        await asyncio.gather(*(_pause_and_resume(line, 100) for _ in range(5)))
    late = app.events(after=away)
    heard = [await anext(late), await anext(late)]
    assert next(event.kind for event in heard) == "gap"
    assert heard[1].kind in {"paused", "resumed"}
    again = app.events(after=heard[0].cursor)
    assert await anext(again) == heard[1]
    assert (await anext(app.events(after=kept))).kind == "gap"
    assert first.id


async def _pause_and_resume(line, times: int) -> None:
    for _ in range(times):
        await line.pause()
        await line.resume()


async def test_a_mark_of_another_store_is_a_gap_and_a_bad_one_an_error(app: Toril, line) -> None:
    ahead = app.events(after="999999-1")
    assert (await anext(ahead)).kind == "gap"
    await line.add("x")
    assert (await anext(ahead)).kind == "added"
    with pytest.raises(InvalidJob, match="after: expected the cursor"):
        await anext(app.events(after="garbage"))
