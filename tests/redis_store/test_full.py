"""A Redis whose memory is full takes no more jobs; those that it has are finished, which makes room."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from processes import until
from redis_servers import Servers
from toril import JobContext, StoreUnavailable, Toril, WaitForChildren, Worker
from toril.store.views import WorkerInfo

MakeApp = Callable[..., Toril]


async def test_workers_go_on_when_the_memory_is_full(redis_servers: Servers, on: MakeApp) -> None:
    server = redis_servers.single(maxmemory_policy="noeviction")
    app = on(server.url)
    ended: list[str] = []

    @app.task(queue="work")
    async def talk(job: JobContext) -> None:
        job.log("line")
        job.progress(0.5)
        await asyncio.sleep(0.2)  # longer than what is said waits for a step
        ended.append("talk")

    @app.task(queue="work")
    async def fan(job: JobContext) -> None:
        if not await job.children():
            raise WaitForChildren([talk.call()])
        ended.append("fan")

    @app.every(0.2)
    @app.task(queue="work")
    async def tick() -> None:
        ended.append("tick")

    await app.enqueue_many([fan.call(), *[talk.call() for _ in range(3)]])
    other = await app.store.enrol(WorkerInfo("w", "here", 1, 10.0, {"work": 1}))
    taken = (await app.store.step("work", other, [], [], 1)).taken  # it dies of it
    await app.store.leave(other)
    with server.client() as client:
        client.config_set("maxmemory", 1)
        with pytest.raises(StoreUnavailable, match="maxmemory"):
            await talk.enqueue()
        fresh = on(server.url)
        assert await fresh.store.rescue("work") == [taken[0].id]
        await app.queue("work").pause()
        await app.queue("work").resume()
        worker = Worker(app)
        running = asyncio.create_task(worker.run())
        await until(lambda: ended.count("talk") == 4 and "fan" in ended and ended.count("tick") > 2)
        assert [found.info.pid for found in await app.workers()]
        client.config_set("maxmemory", 0)
    worker.stop()
    await running
    assert (await app.queue("work").counts())["failed"] == 0
