"""A Redis with many keys: what looks at all of them keeps nobody waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from redis_servers import Servers
from toril import Flow, Toril
from toril.job import JobState
from toril.keep import Keep
from toril.store.redis import client
from toril.store.runs import Completed, Run
from toril.store.views import WorkerInfo

MakeApp = Callable[..., Toril]


async def test_nobody_waits_for_the_queues_that_node_has_made(on: MakeApp, redis_servers: Servers, monkeypatch) -> None:
    monkeypatch.setattr(client, "SCAN", 0.0)
    server = redis_servers.single()
    app = on(server.url)
    await app.queue("ours").add("x")
    with server.client() as redis:
        redis.mset({f"bull:other:{number}": "" for number in range(30_000)})
        redis.hset("bull:theirs:meta", "version", "bullmq:6.7.0")
        assert [queue.name for queue in await app.queues()] == ["ours"]
        async with asyncio.timeout(10):
            while [queue.name for queue in await app.queues()] != ["ours", "theirs"]:
                await asyncio.sleep(0)
        redis.delete("bull:theirs:meta")
        async with asyncio.timeout(10):
            while [queue.name for queue in await app.queues()] != ["ours"]:
                await asyncio.sleep(0)


async def test_many_jobs_leave_a_list_in_one_walk(on: MakeApp, redis_servers: Servers) -> None:
    """Looked for one by one, a thousand of a hundred thousand would hold Redis for seconds."""
    server = redis_servers.single()
    queue = on(server.url).queue("work")
    ids = [job.id for job in await queue.add_many([("x", None)] * 900)]
    with server.client() as redis:
        redis.config_resetstat()
        assert await queue.remove_many(ids[300:600]) == ids[300:600]
        assert await queue.clean("waiting", limit=300) == 300
        assert redis.lrange("bull:work:wait", 0, -1) == ids[:599:-1]
        assert redis.info("commandstats")["cmdstat_lrem"]["calls"] == 2


async def test_many_children_are_read_and_removed_part_by_part(on: MakeApp, redis_servers: Servers) -> None:
    server = redis_servers.single()
    app = on(server.url)
    children, done = 700, 100

    @app.task(queue="work")
    async def child(number: int) -> int:
        return number

    parent = await app.enqueue_flow(Flow(child.call(-1), [child.call(number) for number in range(children)]))
    taken = await app.store.enrol(WorkerInfo("w", "here", 1, 10.0, {"work": done}))
    step = await app.store.step("work", taken, [], [], done)
    ends = [Completed(Run(job.id, job.starts, job.token), "1", Keep(done)) for job in step.taken]
    await app.store.step("work", taken, ends, [], 0)
    with server.client() as redis:
        redis.config_resetstat()
        found = await parent.children()
        assert redis.info("commandstats")["cmdstat_evalsha"]["calls"] > children // 500
        assert len({each.job.id for each in found}) == len(found) == children
        assert sum(each.state is JobState.COMPLETED for each in found) == done
        assert await parent.remove_unprocessed_children() == children - done
    assert await parent.state() is JobState.WAITING


async def test_many_priorities_are_counted_part_by_part(on: MakeApp, redis_servers: Servers) -> None:
    server = redis_servers.single()
    queue = on(server.url).queue("work")
    await queue.add("x")
    for number in range(1, 700):
        await queue.add("x", priority=number * 7)
    with server.client() as redis:
        redis.config_resetstat()
        assert await queue.counts_by_priority() == {0: 1} | {number * 7: 1 for number in range(1, 700)}
        assert redis.info("commandstats")["cmdstat_evalsha"]["calls"] > 1
