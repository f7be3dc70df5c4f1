"""A worker for mail in a process of its own, made to be killed: everything it needs comes as JSON in its arguments."""

import asyncio
import json
import sys

from toril import Fixed, Toril, Worker
from toril.messaging import Mailer
from toril.settings import Settings


def make(url, settings, transport, log_url):
    app = Toril(url, settings=Settings(env={}, dotenv=None, **settings))
    mailer = Mailer(
        app,
        transport,
        from_address="Shop <shop@example.com>",
        attempts=40,
        backoff=Fixed(0.3),
        log_url=log_url,
    )
    return app, mailer


async def main():
    app, _ = make(**json.loads(sys.argv[1]))
    async with app:
        await Worker(app, queues={"email-queue": 50}, signals=True).run()


if __name__ == "__main__":
    asyncio.run(main())
