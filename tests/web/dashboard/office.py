"""A shop with jobs in every state and some mail, its dashboard inside an application of its own, and a browser."""

from __future__ import annotations

import asyncio
import re
from html import unescape

import httpx
from fastapi import FastAPI

from toril import Flow, Toril, Worker
from toril.messaging import Mailer
from toril.messaging.mailbox import Mailbox
from toril.web import dashboard_router

BASE = "/back/office"
PASSWORD = "correct horse battery"
TRIES = 5
KEY = "a key for tests of 32 characters or more"


class Browser:
    """A reader without JavaScript."""

    def __init__(self, host: FastAPI) -> None:
        transport = httpx.ASGITransport(host)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://shop.test", follow_redirects=True)

    async def get(self, path: str = "/", **query: str) -> httpx.Response:
        for _ in range(TRIES):
            answer = await self.client.get(path if path.startswith(BASE) else BASE + path, params=query or None)
            if answer.status_code != 503:  # on a machine with much else to do, a store may need more than its second
                break
            await asyncio.sleep(1.1)
        return answer

    async def post(self, path: str, csrf: bool = True, **fields: object) -> httpx.Response:
        """Send a form as the page would."""
        if csrf:
            page = await self.get("/workers")
            token = re.search(r'name="csrf_token" value="([^"]+)"', page.text)
            fields["csrf_token"] = unescape(token[1]) if token else ""
        return await self.client.post(path if path.startswith(BASE) else BASE + path, data=fields)

    async def login(self, name: str) -> Browser:
        form = {"name": name, "password": PASSWORD, "next": ""}
        answer = await self.client.post(f"{BASE}/login", data=form, follow_redirects=False)
        assert answer.status_code == 303, answer.text
        return self


class Office:
    """The shop's jobs, and who looks after them."""

    def __init__(self, app: Toril, mailer: Mailer, mailbox: Mailbox) -> None:
        self.app, self.mailer, self.mailbox = app, mailer, mailbox
        self.host = FastAPI()
        self.host.include_router(dashboard_router(app, mailer, mailbox=mailbox), prefix=BASE)
        self._browsers: list[Browser] = []
        self._declare()

    def _declare(self) -> None:
        app = self.app

        @app.task(queue="line")
        async def charge(order: int, token: str = "", note: str = "") -> str:
            if order % 2:
                raise ValueError(f"card declined for order {order} of ana@example.com")
            return f"paid {order}"

        @app.task(queue="flows")
        async def part(n: int) -> int:
            return n

        @app.task(queue="elsewhere")
        async def late(n: int) -> int:
            return n

        @app.task(queue="flows")
        async def whole() -> None: ...

        @app.cron("0 9 * * 1-5", tz="Europe/Berlin")
        @app.task(queue="line")
        async def digest() -> None: ...

        self.charge, self.part, self.late, self.whole = charge, part, late, whole

    async def fill(self) -> None:
        """Let there be something on every page."""
        line = self.app.queue("line")
        await line.add_many([("charge", {"order": n, "token": "tok_51x9"}) for n in range(6)])
        await self.app.enqueue_flow(Flow(self.whole.call(), [self.part.call(1), self.late.call(2)]))
        await self.mailer.send("password-reset", to="ana@example.com", context={"name": "Ana", "link": RESET})
        await self.mailer.suppress("dan@example.com", reason="hard bounce", detail="550 no mailbox dan@example.com")
        await Worker(self.app, {"line": 5, "flows": 2, "email-queue": 2}, burst=True).run()
        await line.add_many([("charge", {"order": n, "note": "bo@example.com"}) for n in range(3)], delay=3600)
        await line.add("charge", {"order": 8}, priority=2)
        await self.app.queue("a/b ~ü?#").add("odd", {}, job_id="x/y ..%2F")
        await self.app.queue("paused").add("anything")
        await self.app.queue("paused").pause(by="maria", why="stocktaking")

    def browser(self) -> Browser:
        """Return a browser of somebody who has not logged in."""
        self._browsers.append(Browser(self.host))
        return self._browsers[-1]

    async def close(self) -> None:
        for browser in self._browsers:
            await browser.client.aclose()


RESET = "https://shop.example/reset/7f3a9c51"
