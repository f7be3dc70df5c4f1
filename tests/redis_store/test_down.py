"""A Redis that hangs, is not there, or comes back: what requests and workers meet."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from processes import until
from redis_servers import Server, Servers, Wire
from redis_servers.server import free_port
from toril import StoreUnavailable, Toril, Worker
from toril.errors import StoreRefused

MakeApp = Callable[..., Toril]
LIMIT = 1.0  # seconds that a store may cost a request
AT_ONCE = 0.3


async def fail(app: Toril) -> float:
    """Add a job in vain; return the seconds that it took."""
    begin = time.monotonic()
    with pytest.raises(StoreUnavailable):
        await app.queue("work").add("x")
    return time.monotonic() - begin


@asynccontextmanager
async def running(worker: Worker) -> AsyncIterator[None]:
    task = asyncio.create_task(worker.run())
    try:
        yield
    finally:
        worker.stop()
        await task


async def test_a_store_that_hangs_costs_its_time_limit_and_then_nothing(redis_servers: Servers, on: MakeApp) -> None:
    server = redis_servers.single()
    app = on(server.url)
    await app.queue("work").add("x")
    server.pause()
    assert LIMIT <= await fail(app) < LIMIT + AT_ONCE
    together = await asyncio.gather(*(fail(app) for _ in range(5)))
    assert max(together) < LIMIT + AT_ONCE
    assert max([await fail(app) for _ in range(20)]) < AT_ONCE  # the breaker is open
    server.resume()
    await until(lambda: not app.store._client().is_shut, 5)  # type: ignore[attr-defined]
    await app.queue("work").add("x")


async def test_one_call_at_a_time_tries_whether_it_answers(redis_servers: Servers, on: MakeApp) -> None:
    server = redis_servers.single()
    app = on(server.url)
    await app.queue("work").add("x")
    server.pause()
    await asyncio.gather(*(fail(app) for _ in range(3)))
    await until(lambda: not app.store._client().is_shut, 5)  # type: ignore[attr-defined]
    times = await asyncio.gather(*(fail(app) for _ in range(20)))
    assert sum(seconds >= LIMIT for seconds in times) == 1


async def test_a_connection_that_is_refused_and_a_host_that_is_unknown(on: MakeApp) -> None:
    for url in (f"redis://127.0.0.1:{free_port()}", "redis://no-such-host.invalid", "redis+unix:///no/such.sock"):
        app = on(url)
        times = [await fail(app) for _ in range(4)]
        assert max(times) < LIMIT + AT_ONCE
        assert times[-1] < AT_ONCE


async def test_a_web_process_starts_without_its_store(
    redis_servers: Servers, on: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    server = redis_servers.single()
    server.stop()
    app = on(server.url)
    async with app.lifespan()(None):
        assert "jobs cannot be added until it answers" in caplog.text
        await fail(app)
        server.start()
        await app.queue("work").add("x")


async def test_a_store_that_lets_nobody_in_is_an_error_at_the_start(redis_servers: Servers, on: MakeApp) -> None:
    server = redis_servers.with_password()
    for auth in ("", ":wrong@", "nobody:wrong@"):
        app = on(f"redis://{auth}127.0.0.1:{server.port}")
        with pytest.raises(StoreRefused, match=r"(?i)auth|password"):
            await app.open()
        with pytest.raises(StoreRefused):
            await Worker(app, {"work": 1}).run()


async def test_a_user_who_may_not_touch_these_keys_is_an_error(redis_servers: Servers, on: MakeApp) -> None:
    server = redis_servers.with_user("mine")
    with pytest.raises(StoreRefused, match=r"(?i)perm|acl"):
        await on(server.url, prefix="yours").queue("work").add("x")
    await on(server.url, prefix="mine").queue("work").add("x")


async def test_a_worker_waits_for_its_store_and_says_so_once(
    redis_servers: Servers, on: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    server = redis_servers.single()
    server.stop()
    app = on(server.url)
    ran = asyncio.Event()

    @app.task(queue="work")
    async def go() -> None:
        ran.set()

    async with running(Worker(app)):
        await asyncio.sleep(0.5)  # several tries
        server.start()
        await until(lambda: "the store answers, the worker starts" in caplog.text)
        await go.enqueue()
        await asyncio.wait_for(ran.wait(), 10)
    said = [record for record in caplog.records if "waiting for the store" in record.message]
    assert len(said) == 1
    assert f"127.0.0.1:{server.port}" in said[0].message


async def test_a_worker_that_waits_can_be_stopped(on: MakeApp) -> None:
    worker = Worker(on(f"redis://127.0.0.1:{free_port()}"), {"work": 1})
    async with running(worker):
        await asyncio.sleep(0)


async def test_a_burst_does_not_wait(on: MakeApp) -> None:
    with pytest.raises(StoreUnavailable):
        await Worker(on(f"redis://127.0.0.1:{free_port()}"), {"work": 1}, burst=True).run()


@pytest.mark.parametrize("durable", [True, False], ids=["with persistence", "without"])
async def test_a_worker_survives_a_restart_and_its_schedules_are_there(
    redis_servers: Servers, on: MakeApp, durable: bool
) -> None:
    server = redis_servers.durable() if durable else redis_servers.single()
    app = on(server.url)
    done: list[int] = []

    @app.task(queue="work")
    async def go(number: int) -> None:
        done.append(number)

    @app.cron("0 9 1 1 *")
    @app.task(queue="work")
    async def yearly() -> None: ...

    async with running(Worker(app)):
        await go.enqueue(1)
        await until(lambda: done == [1])
        await go.using(delay=3).enqueue(2)
        server.restart()
        await _added(lambda: go.enqueue(3))
        await until(lambda: 3 in done)
        await _added(app.schedules)
        await until(lambda: bool(server_has(server, "bull:work:repeat")))
        if durable:
            await until(lambda: 2 in done)
    assert [info.id for info in await app.schedules()] == ["yearly"]


async def test_a_server_that_closes_idle_connections_is_not_noticed(redis_servers: Servers, on: MakeApp) -> None:
    server = redis_servers.single()
    app = on(server.url)
    async with app:
        await app.queue("work").add("x")
        with server.client() as client:
            for _ in range(3):
                assert client.client_kill_filter(_type="normal", skipme=True) == 1  # type: ignore[no-untyped-call]
                await asyncio.sleep(0)  # its end is heard of by the loop
                await app.queue("work").add("x")
    assert (await app.queue("work").counts())["waiting"] == 4


async def test_scripts_that_are_flushed_come_back(redis_servers: Servers, on: MakeApp) -> None:
    server = redis_servers.single()
    app = on(server.url)
    done: list[int] = []

    @app.task(queue="work")
    async def go(number: int) -> None:
        done.append(number)

    async with running(Worker(app)):
        for number in range(3):
            await go.enqueue(number)
            await until(lambda number=number: number in done)
            with server.client() as client:
                client.script_flush()


def server_has(server: Server, key: str) -> int:
    with server.client() as client:
        found: int = client.exists(key)
        return found


async def _added(add: Callable[[], object]) -> None:
    """Call until the store answers this process's callers again."""
    for _ in range(100):
        try:
            await add()  # type: ignore[misc]
        except StoreUnavailable:
            await asyncio.sleep(0.1)
        else:
            return
    raise AssertionError("the store did not come back")


async def test_a_reply_that_came_while_the_loop_stood_still_is_heard(redis_servers: Servers, on: MakeApp) -> None:
    server = redis_servers.single()
    app = on(server.url)
    adding = asyncio.create_task(app.queue("work").add("x"))
    await asyncio.sleep(0)
    time.sleep(LIMIT + 0.2)  # while it connects
    await adding
    adding = asyncio.create_task(app.queue("work").add("x"))
    await asyncio.sleep(0)
    with server.client() as client:
        deadline = time.monotonic() + 5
        while client.llen("bull:work:wait") < 2:
            assert time.monotonic() < deadline, "it has not been sent"
    time.sleep(LIMIT + 0.2)
    await adding


async def test_a_store_that_hangs_is_given_up_by_a_loop_that_stood_still(redis_servers: Servers, on: MakeApp) -> None:
    server = redis_servers.single()
    app = on(server.url)
    await app.queue("work").add("x")
    server.pause()
    failing = asyncio.create_task(fail(app))
    await asyncio.sleep(0)
    time.sleep(LIMIT + 0.2)
    assert await failing < LIMIT + 0.4 + AT_ONCE


async def test_a_sentinel_that_hangs_is_passed_over(redis_servers: Servers, on: MakeApp) -> None:
    sentinels = redis_servers.sentinels()
    sentinels.sentinels[0].pause()
    try:
        await on(sentinels.url).queue("work").add("x")
    finally:
        sentinels.sentinels[0].resume()


async def test_a_name_that_leads_to_another_master_is_followed(redis_servers: Servers, on: MakeApp) -> None:
    """As hosted servers do it: connections to the old master hold, and it refuses writes for ever."""
    old, new = redis_servers.single(), redis_servers.single()
    async with Wire(old.url) as wire:
        app = on(wire.url)
        await asyncio.gather(*(app.queue("work").add("x") for _ in range(3)))  # over three connections
        with old.client() as client:
            client.replicaof(*new.address)
        wire.lead_to(new.url)
        with pytest.raises(StoreUnavailable, match="read only"):
            await app.queue("work").add("x")
        await asyncio.gather(*(app.queue("work").add("x") for _ in range(3)))
        await app.close()
    with new.client() as client:
        assert client.llen("bull:work:wait") == 3
