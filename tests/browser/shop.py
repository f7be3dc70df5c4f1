"""A shop for the browser: its jobs, its mail, a worker, and the dashboard in front. Settings come from the environment."""

from __future__ import annotations

import contextlib
import os
from collections.abc import AsyncIterator

from fastapi import FastAPI
from shop_password import PASSWORD

from toril import JobContext, Toril
from toril.messaging import Mailer
from toril.messaging.mailbox import Mailbox
from toril.web import dashboard_router
from toril.web.database import Database
from toril.web.users import Users

app = Toril()
mailbox = Mailbox(port=int(os.environ["MAIL_PORT"]))
mailer = Mailer(app, mailbox.url, from_address="Shop <shop@example.com>")


@app.task(queue="reports")
async def report(job: JobContext, month: str) -> str:
    await job.log(f"collecting {month}")
    return f"reports/{month}.pdf"


@app.task(queue="payments")
async def charge(order: int) -> str:
    raise ValueError(f"card declined for order {order}")


@app.cron("0 9 * * 1-5", tz="Europe/Berlin")
@app.task(queue="reports")
async def digest() -> None: ...


@contextlib.asynccontextmanager
async def lifespan(api: FastAPI) -> AsyncIterator[None]:
    async with mailbox, app.lifespan(workers={"reports": 2, "payments": 2, "email-queue": 2})(api):
        await Users(Database.of(app), app.clock).put("maria", PASSWORD, ["admin"])
        await app.queue("payments").add_many([("charge", {"order": n}) for n in range(4)])
        await mailer.send("welcome", to="ana@example.com", context={"name": "Ana", "link": "https://shop.example"})
        yield


api = FastAPI(lifespan=lifespan)
api.include_router(dashboard_router(app, mailer, mailbox=mailbox), prefix="/admin/queues")
