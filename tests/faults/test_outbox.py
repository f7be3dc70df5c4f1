"""Workers that are killed while they send: nothing is lost, and what went twice says so."""

import asyncio
import os
import signal
import sys
from collections import Counter
from pathlib import Path

import pytest

from toril import Toril
from toril.messaging import Mailer
from toril.messaging.mailbox import Mailbox
from toril.settings import Settings

MAILS, EACH_LIFE, KILLS = 600, 120, 4

SHOP = """
import asyncio, sys
from toril import Fixed, Toril, Worker
from toril.messaging import Mailer
from toril.settings import Settings
folder, url = sys.argv[1:]
app = Toril(f"sqlite:///{folder}/jobs.db", settings=Settings(env={}, dotenv=None, lease=1))
mailer = Mailer(app, f"{url}?limit=2", from_address="a@shop.example", backoff=Fixed(0.5),
                log_url=f"sqlite:///{folder}/mail.db")
asyncio.run(Worker(app, queues={"email-queue": 10}).run())
"""


async def start_worker(folder: Path, url: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(sys.executable, "-c", SHOP, str(folder), url)


async def until(condition, seconds):
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def until_final(mailer, seconds):
    async with asyncio.timeout(seconds):
        while (await mailer.counts()).keys() - {"sent", "failed", "unknown"}:
            await asyncio.sleep(0.2)


@pytest.mark.slow
async def test_killed_again_and_again_while_it_sends(tmp_path):
    app = Toril(f"sqlite:///{tmp_path}/jobs.db", settings=Settings(env={}, dotenv=None))
    mailer = Mailer(app, "memory://", from_address="a@shop.example", log_url=f"sqlite:///{tmp_path}/mail.db")
    context = {"name": "Ana", "link": "https://shop.example"}
    for start in range(0, MAILS, 100):
        sends = (mailer.send("welcome", to=f"ana+{start + n}@example.com", context=context) for n in range(100))
        await asyncio.gather(*sends)
    async with Mailbox() as mailbox:
        for life in range(1, KILLS + 1):
            worker = await start_worker(tmp_path, mailbox.url)
            await until(lambda goal=life * EACH_LIFE: len(mailbox.mails) >= goal, 60)
            os.kill(worker.pid, signal.SIGKILL)
            await worker.wait()
        worker = await start_worker(tmp_path, mailbox.url)
        await until_final(mailer, 90)
        worker.terminate()
        await worker.wait()
        deliveries = Counter(mail.message["message-id"].strip("<>") for mail in mailbox.mails)

    rows = (await mailer.log(limit=MAILS + 1)).mails
    assert [(row.status, row.attempts) for row in rows if row.status != "sent"] == []
    assert deliveries.keys() == {row.message_id for row in rows}
    told = {row.message_id: [event.event for event in await mailer.timeline(row.id)] for row in rows}
    for message_id, times in deliveries.items():
        # Each time that somebody handed it over is in the timeline, and a second time only after `unknown`.
        assert times <= 1 + told[message_id].count("resend"), told[message_id]
        assert told[message_id].count("attempt") == 1 + told[message_id].count("resend")
    assert any("unknown" in events for events in told.values()), "no kill hit a mail on its way"
    await app.close()
