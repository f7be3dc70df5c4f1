"""The delivery log's server goes away and comes back: callers hear it within a second, and nothing accepted is lost."""

import asyncio
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit

import pytest

from postgres import database, postgres
from toril.errors import StoreUnavailable


@pytest.fixture
def server():
    """A server that may be stopped."""
    with postgres() as server:
        yield server


async def test_down_it_is_a_clear_error_and_up_again_all_goes_on(open_shop, mailbox, server, clock):
    with database(server.url) as place:
        shop = open_shop(mailbox.url, log_url=place)
        waiting = await shop.welcome()
        await asyncio.to_thread(server.stop)
        started = asyncio.get_running_loop().time()
        for call in (shop.welcome(), shop.mailer.log(), shop.mailer.find("m1"), shop.mailer.suppress("a@example.com")):
            with pytest.raises(StoreUnavailable, match=r"^(the )?delivery log "):
                await call
        assert asyncio.get_running_loop().time() - started < 8  # of four calls, on a machine that does other things
        await shop.work()  # the job finds no log and goes back to sleep
        assert (await shop.job(waiting)).record.attempts == 0
        await asyncio.to_thread(server.start)
        clock.advance(10)
        await shop.work()
        assert await waiting.status() == "sent"
        assert await (await shop.welcome()).status() == "pending"
        await shop.app.close()


@asynccontextmanager
async def a_line(url):
    """Yield a URL that leads to a server, and an event without which the line carries nothing, and tells nobody."""
    server, carries = urlsplit(url), asyncio.Event()
    carries.set()

    async def pass_on(reader, writer):
        with suppress(OSError):
            while data := await reader.read(2**16):
                await carries.wait()
                writer.write(data)
        writer.close()

    async def connect(reader, writer):
        await carries.wait()
        there, back = await asyncio.open_connection(server.hostname, server.port)
        await asyncio.gather(pass_on(reader, back), pass_on(there, writer))

    async with await asyncio.start_server(connect, "127.0.0.1", 0) as listening:
        port = listening.sockets[0].getsockname()[1]
        yield server._replace(netloc=f"postgres@127.0.0.1:{port}").geturl(), carries


async def test_silent_it_is_a_clear_error_and_heard_again_all_goes_on(open_shop, mailbox, server):
    with database(server.url) as place:
        async with a_line(place) as (url, carries):
            shop = open_shop(mailbox.url, log_url=url)
            waiting = await shop.welcome()
            carries.clear()
            for call in (shop.welcome(), shop.mailer.log(), waiting.status(), shop.mailer.suppress("a@example.com")):
                started = asyncio.get_running_loop().time()
                with pytest.raises(
                    StoreUnavailable, match=r"^the delivery log could not be .*(does not answer|within)"
                ):
                    await asyncio.wait_for(call, 20)
                assert asyncio.get_running_loop().time() - started < 3  # on a machine that does other things
            carries.set()
            assert await waiting.status() == "pending"
            assert await (await shop.welcome()).status() == "pending"
            await shop.app.close()
