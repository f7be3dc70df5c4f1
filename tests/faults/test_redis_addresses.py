"""Every way to a Redis: with a password, as a user with few rights, by TLS, by a socket file; and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from redis_servers import Servers
from toril import JobContext, Toril, Worker
from toril.errors import StoreRefused
from toril.settings import Settings


async def used(url: str, prefix: str = "bull") -> Any:
    """Use a store as applications and workers do; return the result of a job."""
    async with Toril(url, settings=Settings(env={}, dotenv=None, prefix=prefix)) as app:
        queue = app.queue("work")

        @app.processor("work")
        async def echo(job: JobContext) -> Any:
            job.log("here")
            return job.data

        job = await queue.add("echo", {"n": 1})
        await queue.add("echo", delay=60)
        await Worker(app, {"work": 1}, burst=True).run()
        assert (await queue.counts())["delayed"] == 1
        assert await app.store.queues() == ["work"]
        return await job.result(5)


async def test_a_password(redis_servers: Servers) -> None:
    server = redis_servers.with_password()
    assert await used(server.url) == {"n": 1}
    with pytest.raises(StoreRefused, match=r"(?i)auth|password") as refused:
        await used(server.url.replace("a%20long", "another"))
    assert "sorts" not in str(refused.value)  # the password is shown nowhere


async def test_a_user_who_may_touch_nothing_but_the_prefix(redis_servers: Servers) -> None:
    server = redis_servers.with_user("jobs")
    assert await used(server.url, "jobs") == {"n": 1}
    with pytest.raises(StoreRefused):
        await used(server.url, "others")


async def test_tls(redis_servers: Servers) -> None:
    server, authority = redis_servers.with_tls()
    assert await used(f"{server.url}?cafile={authority}") == {"n": 1}
    with pytest.raises(StoreRefused, match=r"(?i)certificate"):
        await used(server.url)


async def test_a_socket_file(redis_servers: Servers) -> None:
    server = redis_servers.single(unixsocket="redis.sock", unixsocketperm="700")
    assert await used(f"redis+unix://{server.folder}/redis.sock?db=2") == {"n": 1}
    with redis.Redis(port=server.port, db=2) as client:
        assert client.exists("bull:work:meta")


async def test_another_database(redis_servers: Servers) -> None:
    server = redis_servers.single()
    assert await used(server.url.removesuffix("/0") + "/3") == {"n": 1}
    with server.client() as client:
        assert client.dbsize() == 0
