"""Sentinel and Cluster: a master dies, a slot moves, while jobs are added and run. Nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable

import pytest
from redis_load import Load
from test_redis_outages import MakeQueue, ledger, queue_at, workers

from ledger import Ledger
from processes import Processes, until
from redis_servers import Servers

__all__ = ["ledger", "queue_at", "workers"]

pytestmark = pytest.mark.slow


async def test_the_master_is_killed_under_sentinels(
    redis_servers: Servers, queue_at: MakeQueue, workers: Callable[[str], Processes], ledger: Ledger
) -> None:
    """Of the adds that were acknowledged none is lost, although the master's last 2 s died with it: WAIT 1."""
    sentinels = redis_servers.sentinels()
    load = Load(queue_at(sentinels.url), ledger, delay=8)
    processes = workers(sentinels.url)
    for _ in range(2):
        processes.worker(8)
    async with load.running():
        await until(lambda: len(load.acknowledged) > 500)
        await asyncio.to_thread(sentinels.fail_over, behind=2)
        before = len(load.acknowledged)
        await until(lambda: len(load.acknowledged) > before + 500, 60)
    await load.finished(90)
    sys.stdout.write(
        f"{len(load.acknowledged)} adds acknowledged, none lost; {load.refused} refused meanwhile; "
        f"{len(load.twice())} jobs ran again, whose end the new master did not know"
    )
    assert load.refused > 0  # or nobody noticed


async def test_a_slot_moves_within_a_cluster(
    redis_servers: Servers, queue_at: MakeQueue, workers: Callable[[str], Processes], ledger: Ledger
) -> None:
    cluster = redis_servers.cluster()
    queue = queue_at(cluster.url)
    load = Load(queue, ledger)
    processes = workers(cluster.url)
    for _ in range(2):
        processes.worker(8)
    async with load.running():
        await until(lambda: len(load.acknowledged) > 300)
        slots = {cluster.slot(key) for node in cluster.nodes for key in keys_of(node)}
        moved = 0
        for slot in sorted(slots):
            source = cluster.owner(slot)
            for target in [node for node in cluster.nodes if node is not source]:
                moved += await asyncio.to_thread(cluster.move_slot, slot, target)
                before = len(load.acknowledged)
                await until(lambda before=before: len(load.acknowledged) > before + 100, 40)
    await load.finished(60)
    assert moved > 300
    assert load.twice() == []


def keys_of(node: object) -> list[str]:
    with node.client() as client:
        return list(client.scan_iter("*:work:*", 1_000))
