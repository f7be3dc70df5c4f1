"""A Redis that forgets: what the log says decides, whatever became of the jobs (row 14 of the crash points)."""

import asyncio

import pytest
from shops import KEY, WELCOME, Shop

from toril import Fixed, ManualClock, Toril
from toril.errors import StoreUnavailable
from toril.messaging import Mailer
from toril.settings import Settings


@pytest.fixture
async def shop(redis_servers, mailbox, tmp_path):
    server = redis_servers.single()
    clock = ManualClock()
    app = Toril(server.url, settings=Settings(env={}, dotenv=None, secret_keys=KEY), clock=clock)
    log_url = f"sqlite:///{tmp_path / 'mail.db'}"
    mailer = Mailer(app, mailbox.url, from_address="a@shop.example", log_url=log_url, backoff=Fixed(30.0))
    shop = Shop(app, clock, mailer)
    shop.server = server
    yield shop
    await app.close()


def save(shop):
    """Let the server write to disk what it would know after a crash now."""
    with shop.server.client() as client:
        client.save()


async def crash(shop):
    """Kill the server, and let it come back with what it had on disk."""
    await asyncio.to_thread(shop.server.kill)
    await asyncio.to_thread(shop.server.start)
    async with asyncio.timeout(10):
        while True:
            try:
                return await shop.queue.counts()
            except StoreUnavailable:
                await asyncio.sleep(0.1)


async def until_final(shop, handle):
    """Let time pass, the relay look and workers work until the mail's story has ended."""
    for _ in range(15):
        await shop.relay()
        await shop.work()
        if (await shop.mailer.find(handle.id)).look_at is None:
            return await handle.status()
        shop.clock.advance(61)
    raise AssertionError(await shop.story(handle))


async def test_everything_is_flushed(shop, mailbox):
    handle = await shop.mailer.send("welcome", to="ana@example.com", context=WELCOME)
    with shop.server.client() as client:
        client.flushall()
    assert await until_final(shop, handle) == "sent"
    assert len(mailbox.mails) == 1


async def test_the_add_is_lost_with_the_last_second(shop, mailbox):
    save(shop)
    handle = await shop.mailer.send("welcome", to="ana@example.com", context=WELCOME)
    assert not any((await crash(shop)).values())
    assert await until_final(shop, handle) == "sent"
    assert len(mailbox.mails) == 1


async def test_the_end_is_lost_with_the_last_second(shop, mailbox):
    """The job is there again, and finds that its mail was sent."""
    handle = await shop.mailer.send("welcome", to="ana@example.com", context=WELCOME)
    save(shop)
    await shop.work()
    assert (await crash(shop))["ready"] == 1
    await shop.work()
    assert not any((await shop.queue.counts()).values())
    assert await shop.story(handle) == ["queued", "attempt", "sent"]
    assert len(mailbox.mails) == 1
