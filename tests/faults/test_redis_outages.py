"""Redis stands still, restarts, forgets its scripts, drops connections: nothing is lost, nothing runs twice."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis_load import Load

from ledger import Ledger
from processes import TESTS, Processes, until
from redis_servers import Server, Servers
from toril import JobContext, Queue, StoreUnavailable, Toril
from toril.settings import Settings

pytestmark = pytest.mark.slow
MakeQueue = Callable[[str], Queue]


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger")


@pytest.fixture
def workers(tmp_path: Path, ledger: Ledger) -> Iterator[Callable[[str], Processes]]:
    """Make workers of a Redis: `workers(url).worker(5)`."""
    made: list[Processes] = []

    def make(url: str) -> Processes:
        made.append(Processes(TESTS / "acceptance", tmp_path, url, ledger.path))
        return made[-1]

    yield make
    for processes in made:
        processes.end()


@pytest.fixture
async def queue_at() -> AsyncIterator[MakeQueue]:
    """Make the queue of an application that only adds."""
    apps: list[Toril] = []

    def make(url: str) -> Queue:
        apps.append(Toril(url, settings=Settings(env={}, dotenv=None)))
        return apps[-1].queue("work")

    yield make
    for app in apps:
        await app.close()


async def test_redis_stands_still_for_15_seconds_with_four_workers_busy(
    redis_servers: Servers, queue_at: MakeQueue, workers: Callable[[str], Processes], ledger: Ledger
) -> None:
    """Every lock runs out meanwhile; nobody else was there to take a job over, so nobody may."""
    server = redis_servers.single()
    queue = queue_at(server.url)
    await queue.add_many([("nap", {"seconds": 22})] * 12)  # busy through all of it
    await queue.add_many([("nap", {"seconds": 3})] * 80)  # they end within it
    processes = workers(server.url)
    for _ in range(4):
        processes.worker(8)
    await until(lambda: len(ledger.entries()) == 32)
    server.pause()
    await asyncio.sleep(15)
    server.resume()
    await until(lambda: len(ledger.entries("end")) == 92, 60)
    await asyncio.sleep(3)  # a second run would have begun: looks for lost workers are 2 s apart
    assert [job for job, starts in ledger.starts_by_job().items() if len(starts) > 1] == []
    counts = await queue.counts()
    assert (counts["completed"], counts["active"], counts["ready"], counts["failed"]) == (92, 0, 0, 0)


@pytest.mark.parametrize("end", [Server.stop, Server.kill], ids=["stop", "kill"])
async def test_redis_restarts_with_its_append_only_file(
    end: Callable[[Server], None],
    redis_servers: Servers,
    queue_at: MakeQueue,
    workers: Callable[[str], Processes],
    ledger: Ledger,
) -> None:
    server = redis_servers.durable()
    load = Load(queue_at(server.url), ledger)
    processes = workers(server.url)
    for _ in range(2):
        processes.worker(8)
    async with load.running():
        await until(lambda: len({entry.pid for entry in ledger.entries()}) == 2)
        for _ in range(2):
            before = len(load.acknowledged)
            await until(lambda before=before: len(load.acknowledged) > before + 200)
            await asyncio.to_thread(end, server)
            await asyncio.sleep(1)
            await asyncio.to_thread(server.start)
        before = len(load.acknowledged)
        await until(lambda: len(load.acknowledged) > before + 200)
    await load.finished()
    assert load.twice() == []
    assert load.longest < 2


async def test_scripts_are_forgotten(
    redis_servers: Servers, queue_at: MakeQueue, workers: Callable[[str], Processes], ledger: Ledger
) -> None:
    server = redis_servers.single()
    load = Load(queue_at(server.url), ledger)
    workers(server.url).worker(8)
    with server.client() as client:
        async with load.running():
            for _ in range(60):
                await asyncio.sleep(0.05)
                client.script_flush()
    await load.finished()
    assert (load.refused, load.twice()) == (0, [])
    assert len(load.acknowledged) > 300


async def test_connections_are_cut(
    redis_servers: Servers, queue_at: MakeQueue, workers: Callable[[str], Processes], ledger: Ledger
) -> None:
    """An add or a step whose reply is lost is neither lost nor done twice."""
    server = redis_servers.single()
    load = Load(queue_at(server.url), ledger)
    processes = workers(server.url)
    for _ in range(2):
        processes.worker(8)
    with server.client() as client:
        async with load.running():
            for _ in range(50):
                await asyncio.sleep(0.1)
                client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        await load.finished()
        counted = client.zcard("bull:work:completed")
    assert load.twice() == []
    assert len(load.acknowledged) > 300
    assert counted <= 1_000


async def test_a_store_that_hangs_costs_a_caller_a_second_and_then_nothing(
    redis_servers: Servers, queue_at: MakeQueue, ledger: Ledger
) -> None:
    server = redis_servers.single()
    load = Load(queue_at(server.url), ledger, callers=10)
    async with load.running():
        await until(lambda: len(load.acknowledged) > 50)
        server.pause()
        await asyncio.sleep(4)
        refused, longest = load.refused, load.longest
        server.resume()
        before = len(load.acknowledged)
        await until(lambda: len(load.acknowledged) > before + 50)
    assert longest < 1.5  # the limit, and a busy machine
    assert refused > 3 * 11  # those that found the breaker open did not wait


async def test_workers_start_before_their_store(
    redis_servers: Servers, queue_at: MakeQueue, workers: Callable[[str], Processes], ledger: Ledger
) -> None:
    server = redis_servers.single()
    server.stop()
    worker = workers(server.url).worker(2)
    await until(lambda: str(server.port) in worker.output)  # it says in a line what it waits for
    assert "Traceback" not in worker.output
    server.start()
    await queue_at(server.url).add("nap", {"seconds": 0})
    await until(lambda: ledger.entries("end"))


async def test_memory_is_full(redis_servers: Servers, queue_at: MakeQueue, ledger: Ledger) -> None:
    """A Redis that refuses writes refuses whole jobs: nothing half-written is left."""
    server = redis_servers.single(maxmemory="6mb", maxmemory_policy="noeviction")
    queue = queue_at(server.url)
    added = 0
    with pytest.raises(Exception, match=r"(?i)memory"):  # noqa: PT012
        while True:
            added += len(await queue.add_many([("nap", {"seconds": 0, "pad": "x" * 2_000})] * 100))
    with server.client() as client:
        client.config_set("maxmemory", 0)
        waiting = client.llen("bull:work:wait")
        jobs = sum(1 for _ in client.scan_iter("bull:work:*", 1_000, _type="hash")) - 1  # and meta
    assert waiting == jobs == added


async def test_a_web_process_starts_before_its_store(redis_servers: Servers, queue_at: MakeQueue) -> None:
    server = redis_servers.single()
    server.stop()
    queue = queue_at(server.url)

    @queue.app.processor("work")
    async def echo(job: JobContext) -> Any:
        return job.data

    async with queue.app.lifespan({"work": 1})(None):
        with pytest.raises(StoreUnavailable):
            await queue.add("nap", 1)
        server.start()
        await asyncio.sleep(1.1)  # the breaker, if it was open
        assert await (await queue.add("nap", 2)).result(10) == 2
