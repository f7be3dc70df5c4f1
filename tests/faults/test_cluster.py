"""A Cluster whose nodes lose replies, hang or hand over: nothing is doubled, nobody waits for one that is not needed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress

import pytest

from redis_servers import Cluster, Server, Servers, Wire
from toril import StoreUnavailable, Toril
from toril.settings import Settings
from toril.store.redis.scripts import script

SLOT = "{bull}"


@pytest.fixture
def cluster(redis_servers: Servers) -> Cluster:
    return redis_servers.cluster()


@pytest.fixture
async def app_at() -> AsyncIterator[Callable[[str], Toril]]:
    apps: list[Toril] = []

    def make(url: str) -> Toril:
        apps.append(Toril(url, settings=Settings(env={}, dotenv=None)))
        return apps[-1]

    yield make
    for app in apps:
        await app.close()


@pytest.fixture
def owner(cluster: Cluster) -> Server:
    """The node that holds the jobs."""
    return cluster.owner(cluster.slot(SLOT))


@pytest.fixture
async def wire(owner: Server) -> AsyncIterator[Wire]:
    """The wire to that node, by which it tells clients to come."""
    async with Wire(owner.url) as wire:
        with owner.client() as client:
            client.config_set("cluster-announce-port", wire.url.rpartition(":")[2].partition("/")[0])
        yield wire


async def test_an_add_whose_reply_is_lost_is_done_once(
    owner: Server, wire: Wire, app_at: Callable[[str], Toril]
) -> None:
    queue = app_at(wire.url.replace("redis://", "redis+cluster://").removesuffix("/0")).queue("work")
    first = await queue.add("x")
    wire.lose_reply(script("add").sha)
    second = await queue.add("x")
    assert wire.cut == 1
    with owner.client() as client:
        assert client.lrange("{bull}:work:wait", 0, -1) == [second.id, first.id]


async def test_a_node_that_hangs_and_serves_other_keys_is_passed_over(
    cluster: Cluster, owner: Server, app_at: Callable[[str], Toril]
) -> None:
    seeds = sorted(cluster.nodes, key=lambda node: node is owner)
    app = app_at("redis+cluster://" + ",".join(f"127.0.0.1:{node.port}" for node in seeds))
    seeds[0].pause()
    try:
        await app.queue("work").add("x")
    finally:
        seeds[0].resume()


@pytest.mark.slow
async def test_a_master_that_hangs_and_was_replaced_is_left(
    cluster: Cluster, owner: Server, app_at: Callable[[str], Toril]
) -> None:
    queue = app_at(cluster.url).queue("work")
    with cluster.with_replica(owner).client() as heir:
        await queue.add("x")
        owner.pause()
        try:
            with pytest.raises(StoreUnavailable, match="no answer within 1 s"):
                await queue.add("x")
            heir.execute_command("CLUSTER FAILOVER", "TAKEOVER")
            async with asyncio.timeout(10):
                while True:
                    with suppress(StoreUnavailable):
                        await queue.add("x")
                        break
            assert heir.llen("{bull}:work:wait") >= 1
        finally:
            owner.resume()
