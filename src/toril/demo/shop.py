"""A small shop, as its developer would write it. Both the demo and its worker process import it."""

from __future__ import annotations

import asyncio

from toril import Exponential, JobContext, Toril
from toril.messaging import Mailer

app = Toril()  # TORIL_URL, TORIL_MAIL_URL and MAIL_FROM_ADDRESS come from the environment
mailer = Mailer(app, attempts=4, backoff=Exponential(0.5))


@app.task(queue="reports")
async def monthly_report(job: JobContext, month: str) -> str:
    """Pretend to work for a while and say how far it is."""
    for step in range(1, 11):
        await asyncio.sleep(0.2)
        await job.progress(step / 10)
    await job.log(f"report for {month} is ready")
    return f"reports/{month}.pdf"


@app.task(queue="reports")
async def remind(order: int) -> str:
    """Run later: the demo enqueues it with a delay."""
    return f"order {order} is on its way"


@app.every(1)
@app.task(queue="reports", keep_completed=20)
async def heartbeat() -> None:
    """Run each second, once, however many workers there are."""
