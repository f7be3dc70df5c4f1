"""An application that sends mail, as most tests here have it, and the first mail that it sends."""

from toril import Worker

KEY = "a key for tests of 32 characters or more"
WELCOME = {"name": "Ana", "link": "https://shop.example/start"}


class Shop:
    """An application, its mailer, and a worker's shift at a time."""

    def __init__(self, app, clock, mailer):
        self.app, self.clock, self.mailer = app, clock, mailer
        self.queue = app.queue("email-queue")

    async def welcome(self, to="ana@example.com", **options):
        return await self.mailer.send("welcome", to=to, context=WELCOME, **options)

    async def work(self):
        """Let a worker run what can run now."""
        await Worker(self.app, queues={"email-queue": 10, "email-queue-bulk": 10}, burst=True).run()

    async def relay(self):
        """Let the relay look once."""
        async with self.mailer._home.stay() as log:
            return await self.mailer._relay.round(log)

    async def story(self, handle):
        return [event.event for event in await handle.timeline()]

    async def job(self, handle):
        return await self.queue.get(handle.job_id)
