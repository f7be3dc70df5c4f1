"""Every way to reach a Redis: jobs are added, seen, run and told of through it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from redis_servers import Servers
from toril import Flow, Toril, Worker
from toril.errors import InvalidStoreURL, StoreRefused
from toril.settings import Settings

MakeApp = Callable[..., Toril]


async def use(app: Toril, queue: str = "work") -> None:
    """Do once what everybody does."""
    ran: list[int] = []

    @app.task(queue=queue)
    async def double(number: int) -> int:
        ran.append(number)
        return 2 * number

    @app.every(3600)
    @app.task(queue=queue)
    async def hourly() -> None: ...

    async with app:
        worker = Worker(app, {queue: 2})
        running = asyncio.create_task(worker.run())
        jobs = [await double.enqueue(1), *await app.enqueue_many(double.call(number) for number in (2, 3))]
        assert [await job.result(10) for job in jobs] == [2, 4, 6]
        assert [found.info.pid for found in await app.workers()]
        flow = await app.enqueue_flow(Flow(double.call(7), [double.call(8)]))
        assert await flow.result(10) == 14
        assert [info.id for info in await app.schedules()] == ["hourly"]
        worker.stop()
        await running
        assert (await app.queue(queue).counts())["completed"] >= 5
        assert len((await app.queue(queue).search("name:double")).jobs) == 5
        assert queue in await app.store.queues()
        await app.queue(queue).pause()
        await app.queue(queue).obliterate()
        await app.queue(queue).add("x")
        await app.queue(queue).resume()
        await app.queue(queue).pause()
        await app.queue(queue).obliterate(force=True)


async def test_with_a_password_that_must_be_quoted(redis_servers: Servers, on: MakeApp) -> None:
    await use(on(redis_servers.with_password().url))


async def test_as_a_user_who_may_touch_one_prefix(redis_servers: Servers, on: MakeApp) -> None:
    await use(on(redis_servers.with_user("mine").url, prefix="mine"))


async def test_over_tls(redis_servers: Servers, on: MakeApp) -> None:
    server, authority = redis_servers.with_tls()
    await use(on(f"{server.url}?cafile={authority}"))


async def test_a_certificate_that_nobody_vouches_for_is_refused(redis_servers: Servers, on: MakeApp) -> None:
    server, _ = redis_servers.with_tls()
    with pytest.raises(StoreRefused, match=r"(?i)certificate verify failed"):
        await on(server.url).open()


async def test_through_a_socket_and_in_another_database(redis_servers: Servers, on: MakeApp) -> None:
    server = redis_servers.single(unixsocket="redis.sock")
    app = on(f"redis+unix://{server.folder}/redis.sock?db=3")
    await use(app)
    await app.queue("work").add("x")
    with server.client() as client:
        assert client.info("keyspace").keys() == {"db3"}


async def test_under_sentinels(redis_servers: Servers, on: MakeApp) -> None:
    await use(on(redis_servers.sentinels().url))


@pytest.mark.parametrize("prefix", ["bull", "{bull}"])
async def test_in_a_cluster_all_queues_share_a_slot(redis_servers: Servers, on: MakeApp, prefix: str) -> None:
    cluster = redis_servers.cluster()
    app = on(cluster.url, prefix=prefix)
    await use(app)
    calls = []
    for number in range(4):

        @app.task(queue=f"q{number}", name=f"t{number}")
        async def go(number: int) -> None: ...

        calls.append(go.call(number))
    jobs = await app.enqueue_many(calls)
    assert [(await job.refresh()).data for job in jobs] == [f'{{"number":{number}}}' for number in range(4)]
    await app.enqueue_flow(Flow(calls[0], calls[1:]))
    with cluster.owner(cluster.slot("{bull}")).client() as client:
        assert client.exists("{bull}:q3:id")


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("redis://", "expected a host name"),
        ("redis://host:port", "port"),
        ("redis://host:99999", "(?i)port"),
        ("redis://host/one", "number of a database, got 'one'"),
        ("redis://a,b", r"several belong to redis\+sentinel"),
        ("redis://host?ssl=1", "no option 'ssl'"),
        ("rediss://host?cafile=/no/such.pem", "cafile: expected a file"),
        ("redis+sentinel://host:26379", r"expected redis\+sentinel://host:port,…/service"),
        ("redis+cluster://host/1", "a Cluster has no databases"),
        ("redis+unix://", "expected a path"),
        ("redis+http://host", "expected a URL that begins with"),
        ("redis://:secret@host/x", "number of a database"),
    ],
)
def test_a_url_that_cannot_be_used_is_one_clear_error(on: MakeApp, url: str, says: str) -> None:
    with pytest.raises(InvalidStoreURL, match=says) as caught:
        on(url)
    assert "secret" not in str(caught.value)


async def test_hosts_and_passwords_from_the_environment(redis_servers: Servers) -> None:
    server = redis_servers.single(requirepass="pw")
    env = {
        "REDIS_HOST": "cache.invalid",
        "REDIS_QUEUE_HOST": "127.0.0.1",
        "REDIS_PORT": str(server.port),
        "REDIS_PASSWORD": "pw",
        "TORIL_PREFIX": "shop",
    }
    async with Toril(settings=Settings(env=env, dotenv=None)) as app:
        await app.queue("work").add("x")
    with server.client(password="pw") as client:
        assert client.llen("shop:work:wait") == 1
