"""The delivery log's server goes away and comes back: callers hear it within a second, and nothing accepted is lost."""

import asyncio

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
