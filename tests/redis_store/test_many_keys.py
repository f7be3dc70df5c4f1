"""A Redis with many keys: what looks at all of them keeps nobody waiting."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from redis_servers import Servers
from toril import Toril
from toril.store.redis import client

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
