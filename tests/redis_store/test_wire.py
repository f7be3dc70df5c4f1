"""Queues that another wire drives are refused before anything is written to them; what is ours is not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import redis

from redis_servers import read_all
from toril import StoreUnavailable, Toril, Worker
from toril.errors import StoreRefused

MakeApp = Callable[..., Toril]
JOB = {"name": "x", "data": "{}", "opts": '{"attempts":1}', "timestamp": "1", "delay": "0", "priority": "0"}


@pytest.fixture
def app(on: MakeApp, redis_url: str, prefix: str) -> Toril:
    return on(redis_url, prefix=prefix)


def put(client: redis.Redis, prefix: str, keys: dict[str, Any]) -> None:
    """Write keys of the queue `work` by hand: a dict is a hash, a list a list, a set of pairs a sorted set."""
    for name, value in keys.items():
        key = f"{prefix}:work:{name}"
        if isinstance(value, dict):
            client.hset(key, mapping=value)
        elif isinstance(value, list):
            client.rpush(key, *value)
        elif isinstance(value, tuple):
            client.zadd(key, {value[0]: value[1]})
        else:
            client.set(key, value)


FOREIGN: dict[str, tuple[dict[str, Any], str]] = {
    "BullMQ 5": ({"meta": {"version": "bullmq:5.81.5", "opts.maxLenEvents": "10000"}}, r"bullmq 5\.81\.5.*bullmq@6"),
    "BullMQ Pro 5": ({"meta": {"version": "bullmq:pro:5.1"}}, "bullmq pro 5"),
    "BullMQ 5, paused, its version unwritten": ({"meta": {"paused": "1"}, "paused": ["1"], "1": JOB}, "work:paused"),
    "BullMQ 5, its schedule": (
        {
            "meta": {"opts.maxLenEvents": "10000"},
            "repeat": ("s", 5000),
            "repeat:s:5000": {**JOB, "nrjid": "repeat:s:9"},
        },
        "repeat:s:5000",
    ),
    "Bull 4": ({"id": "1", "wait": ["1"], "1": JOB}, "Bull 3 or 4"),
    "Bull 3, priorities": ({"id": "1", "wait": ["1"], "1": JOB, "priority": ("1", 5)}, "work:priority"),
    "Bull 4, paused": ({"id": "1", "paused": ["1"], "meta-paused": "1"}, "meta-paused"),
    "Bull 4, only delayed": ({"delayed": ("1", 1e15)}, "Bull 3 or 4"),
}
OURS: dict[str, dict[str, Any]] = {
    "new": {},
    "BullMQ 6": {"meta": {"version": "bullmq:6.7.0"}},
    "BullMQ 12": {"meta": {"version": "bullmq:12.0.0"}},
    "upgraded, with leftovers": {"meta": {"version": "bullmq:6.2.0"}, "priority": ("1", 5), "delay": "1"},
    "the Python port": {"meta": {"opts.maxLenEvents": "10000"}, "id": "3"},
    "another library": {"meta": {"version": "mine:1.0"}},
}


@pytest.mark.parametrize(("keys", "says"), FOREIGN.values(), ids=FOREIGN.keys())
async def test_another_wire_is_refused(
    app: Toril, redis_client: redis.Redis, prefix: str, keys: dict[str, Any], says: str
) -> None:
    put(redis_client, prefix, keys)
    before = read_all(redis_client, prefix)
    queue = app.queue("work")
    for write in (queue.add("x"), queue.pause(), Worker(app, {"work": 1}, burst=True).run()):
        with pytest.raises(StoreRefused, match=says):
            await write
    assert read_all(redis_client, prefix) == before
    assert (await queue.counts())["active"] == 0  # it can be looked at
    await app.queue("other").add("x")


@pytest.mark.parametrize("keys", OURS.values(), ids=OURS.keys())
async def test_what_is_ours_is_not(app: Toril, redis_client: redis.Redis, prefix: str, keys: dict[str, Any]) -> None:
    put(redis_client, prefix, keys)
    await app.queue("work").add("x")
    await app.queue("work").add("x")


async def test_it_is_asked_once(app: Toril, redis_client: redis.Redis, prefix: str) -> None:
    await app.queue("work").add("x")
    put(redis_client, prefix, {"meta-paused": "1"})
    await app.queue("work").add("x")


BROKEN: dict[str, dict[str, str]] = {
    "data that is no JSON": {"data": "{not json"},
    "NaN as data": {"data": '{"a":NaN}'},
    "options that are no JSON": {"opts": "{not json"},
    "options that are a list": {"opts": "[]"},
    "options of odd types": {"opts": '{"attempts":"many","backoff":7,"removeOnFail":"x","toril":[]}'},
    "huge numbers": {"priority": "1e99", "timestamp": "9" * 30, "atm": "nan", "ats": "-inf", "stc": "x"},
    "a time that is none": {"timestamp": "yesterday", "processedOn": "", "finishedOn": "-"},
    "a result and stacks that are no JSON": {"returnvalue": "{", "stacktrace": "{", "progress": "{", "parent": "{"},
    "hardly anything": {},
}


@pytest.fixture
async def broken(app: Toril, redis_client: redis.Redis, prefix: str) -> None:
    """Every state of the queue `work` holds a good job, each broken one, a phantom and a key of another type."""
    for number in range(3):
        await app.queue("work").add("good", {"n": number})
    base = f"{prefix}:work:"
    bad = {name.replace(" ", "-"): fields for name, fields in BROKEN.items()}
    for name, fields in bad.items():
        redis_client.hset(f"{base}{name}", mapping={**JOB, **fields} if fields else {"stray": "1"})
    redis_client.rpush(f"{base}a-list", "x")
    ids = [*bad, "a-list", "phantom"]
    for state in ("wait", "active"):
        redis_client.lpush(f"{base}{state}", *ids)
    for state in ("prioritized", "delayed", "waiting-children", "completed", "failed"):
        redis_client.zadd(f"{base}{state}", dict.fromkeys(ids, 5))


STATES = ["waiting", "prioritized", "delayed", "waiting-children", "active", "completed", "failed"]


@pytest.mark.parametrize("state", STATES)
async def test_broken_jobs_do_not_stop_a_list(app: Toril, broken: None, state: str) -> None:
    queue = app.queue("work")
    page = await queue.jobs(state)
    found = {job.id: job for job in page.jobs}
    assert {name.replace(" ", "-") for name in BROKEN} <= found.keys()
    for job in found.values():
        repr(job)
        await job.why()
        await job.state()
        await job.log()
        await job.progress()


async def test_broken_jobs_do_not_stop_a_search_or_a_look_at_failures(app: Toril, broken: None) -> None:
    queue = app.queue("work")
    found = await queue.search("data.n:1")
    assert [job.name for job in found.jobs] == ["good"]
    await queue.search("error:x")
    await queue.failures()
    await queue.metrics()
    await queue.forecast()
    await app.workers()


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"every": "often"},
        {"pattern": "not cron", "opts": "{"},
        {"every": "1e99", "limit": "x", "startDate": "y", "opts": "[]", "ic": "z"},
        {"every": "1000", "name": "x", "opts": '{"toril":7}'},
    ],
    ids=str,
)
async def test_a_broken_schedule_does_not_stop_the_others(
    app: Toril, redis_client: redis.Redis, prefix: str, fields: dict[str, str]
) -> None:
    @app.task(queue="work")
    async def fine() -> None: ...

    await app.schedule(fine.call(), id="fine", every=60)
    put(redis_client, prefix, {"repeat": ("bad", 5000)})
    if fields:
        put(redis_client, prefix, {"repeat:bad": fields})
    assert "fine" in [info.id for info in await app.schedules()]
    await app.unschedule("bad")
    assert [info.id for info in await app.schedules()] == ["fine"]


async def test_strange_events_do_not_stop_a_stream(app: Toril, redis_client: redis.Redis, prefix: str) -> None:
    await app.queue("work").add("x")
    for fields in (
        {"event": "delayed", "jobId": "1", "delay": "soon"},
        {"event": "completed"},
        {"event": "failed", "jobId": "1"},
        {"event": "cleaned", "count": "many"},
        {"event": "progress", "jobId": "1", "data": "{"},
        {"event": "completed", "jobId": "1", "returnvalue": "{"},
        {"other": "thing"},
        {"event": "unheard-of", "jobId": "1"},
    ):
        redis_client.xadd(f"{prefix}:work:events", fields)
    job = await app.queue("work").add("last")
    async for event in app.events(after="0"):
        if event.body.get("jobId") == job.id:
            break


async def test_a_state_of_another_type_is_one_clear_error(app: Toril, redis_client: redis.Redis, prefix: str) -> None:
    put(redis_client, prefix, {"meta": {"version": "bullmq:6.0.0"}, "wait": "a text"})
    with pytest.raises(StoreUnavailable, match="WRONGTYPE"):
        await app.queue("work").add("x")
    await app.queue("other").add("x")
    await app.queue("other").counts()


async def test_broken_jobs_do_not_stop_a_worker(
    app: Toril, redis_client: redis.Redis, prefix: str, broken: None
) -> None:
    done: list[int] = []

    @app.task(queue="work", name="good")
    async def good(n: int) -> None:
        done.append(n)

    redis_client.delete(f"{prefix}:work:waiting-children")
    await asyncio.wait_for(Worker(app, {"work": 2}, burst=True).run(), 20)
    assert sorted(done) == [0, 1, 2]


async def test_broken_jobs_of_a_lost_worker_come_back(app: Toril, redis_client: redis.Redis, prefix: str) -> None:
    bad = {name.replace(" ", "-"): {**JOB, **fields, "pb": "toril:gone"} for name, fields in BROKEN.items() if fields}
    put(redis_client, prefix, {"active": [*bad, "a-list", "phantom"], "a-list": ["x"], **bad})
    assert set(await app.store.rescue("work")) == bad.keys()
