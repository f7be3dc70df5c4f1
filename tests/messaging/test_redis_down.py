"""Mail whose jobs live on Redis: accepted while Redis is down, pending, and sent when it is back, however it was down."""

import asyncio

import pytest
from shops import KEY, WELCOME

from prepared import lay_tables
from toril import Toril, Worker
from toril.messaging import Mailer, Recipient
from toril.settings import Settings


@pytest.fixture
async def mailer(redis_servers, mailbox, tmp_path):
    server = redis_servers.single()
    app = Toril(server.url, settings=Settings(env={}, dotenv=None, secret_keys=KEY))
    mailer = Mailer(
        app, mailbox.url, from_address="a@shop.example", log_url=lay_tables(f"sqlite:///{tmp_path / 'mail.db'}")
    )
    mailer.server = server
    yield mailer
    await app.close()


async def send(mailer):
    return await mailer.send("welcome", to="ana@example.com", context=WELCOME)


async def test_with_redis_it_goes_out(mailer, mailbox):
    handle = await send(mailer)
    people = [Recipient(f"ana+{number}@example.com") for number in range(30)]
    batch = await mailer.send_many("welcome", people, context=WELCOME)
    await Worker(mailer.app, burst=True).run()
    assert await handle.status() == "sent"
    assert await batch.counts() == {"sent": 30}
    assert len(mailbox.mails) == 31


@pytest.mark.parametrize("how", ["gone", "hangs"])
async def test_redis_is_down(mailer, mailbox, how):
    await send(mailer)
    await Worker(mailer.app, burst=True).run()
    down, up = (
        (mailer.server.kill, mailer.server.start) if how == "gone" else (mailer.server.pause, mailer.server.resume)
    )
    await asyncio.to_thread(down)
    started = asyncio.get_running_loop().time()
    handle = await send(mailer)
    assert asyncio.get_running_loop().time() - started < 5  # a second, and what a busy machine adds
    assert await handle.status() == "pending"
    await asyncio.to_thread(up)
    worker = Worker(mailer.app)
    running = asyncio.create_task(worker.run())
    async with asyncio.timeout(30):
        while await handle.status() != "sent":
            await asyncio.sleep(0.1)
    worker.stop()
    await running
    assert len(mailbox.mails) == 2
