"""The demo's run: a mailbox here, a worker in a process of its own, and the shop's jobs between them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from toril.demo.screen import Bars, show_summary
from toril.demo.story import DEFERRED, MAILS, REFUSED, Mail, mails
from toril.demo.summary import Summary, summarise
from toril.messaging.mailbox import Mailbox

if TYPE_CHECKING:
    from toril import Job
    from toril.messaging import Mailer

__all__ = ["play"]

PATIENCE = 120.0  # seconds after which the demo gives up on what has not ended
TOGETHER = 20  # mails that are sent at once, as by so many requests of a web application
DELAY = 2.0  # seconds of the delayed job
LOOK = 0.1  # seconds between looks at the delivery log


async def play(folder: Path, console: Console, *, stay: bool) -> Summary:
    """Run the demo in `folder` and return what happened; with `stay` show the dashboard until it is interrupted."""
    mailbox = Mailbox(refuse=[REFUSED], defer=DEFERRED, folder=folder / "mailbox")
    async with mailbox:
        _configure(folder, mailbox.url)
        from toril.demo.shop import app, mailer

        async with app, _worker(folder):
            console.print(f"Jobs are in {folder / 'jobs.db'}, mails arrive in {folder / 'mailbox'}.", soft_wrap=True)
            summary = await _perform(console, mailbox)
            show_summary(console, summary)
            if stay:
                from toril.demo.dashboard import show_dashboard

                await show_dashboard(app, mailer, mailbox, console)
            return summary


async def _perform(console: Console, mailbox: Mailbox) -> Summary:
    from toril.demo.shop import heartbeat, mailer, monthly_report, remind

    await (await remind.enqueue(order=1000)).result(PATIENCE)  # the worker is there
    with Bars(console, MAILS) as bars:
        later = await remind.using(delay=DELAY).enqueue(order=1042)
        report = await monthly_report.enqueue(month="2026-10")
        to_send = list(mails())
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as both:
            both.create_task(_send(mailer, to_send, bars))
            both.create_task(_watch(mailer, report, bars))
        delayed, report_result = await later.result(PATIENCE), await report.result(PATIENCE)
        bars.report(1)
    runs = (await heartbeat.queue.app.queue("reports").jobs("completed", limit=1000)).jobs
    deliverable = {mail.to for mail in to_send} - {REFUSED}
    schedule_runs = sum(job.name == heartbeat.name for job in runs)
    rows = (await mailer.log(limit=MAILS)).mails
    return summarise(rows, mailbox.mails, deliverable, (delayed, report_result, schedule_runs))


async def _send(mailer: Mailer, to_send: list[Mail], bars: Bars) -> None:
    """Send the mails, some at a time."""
    for begin in range(0, len(to_send), TOGETHER):
        some = to_send[begin : begin + TOGETHER]
        await asyncio.gather(*(mailer.send(mail.template, to=mail.to, context=mail.context) for mail in some))
        bars.queued(begin + len(some))


async def _watch(mailer: Mailer, report: Job[str], bars: Bars) -> None:
    """Move the bars until every mail has come to an end."""
    ended = 0
    while ended < MAILS:
        await asyncio.sleep(LOOK)
        ended = await _ended(mailer)
        bars.ended(ended)
        bars.report(await report.progress() or 0)


async def _ended(mailer: Mailer) -> int:
    """Return how many mails need no more work."""
    counts = await mailer.counts()
    return sum(count for status, count in counts.items() if status not in {"pending", "sending"})


@contextlib.asynccontextmanager
async def _worker(folder: Path) -> AsyncIterator[None]:
    """Run the shop's worker in a process of its own; its log goes to a file."""
    with (folder / "worker.log").open("ab") as log:
        command = ("-m", "toril", "worker", "toril.demo.shop:app", "--queues", "email-queue=20,reports=5")
        process = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=log, stderr=log)
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


def _configure(folder: Path, mail_url: str) -> None:
    """Set what the shop reads from its environment, here and in the worker."""
    os.environ.update(
        TORIL_URL=f"sqlite:///{folder / 'jobs.db'}",
        TORIL_MAIL_URL=mail_url,
        TORIL_MAIL_LOG_URL=f"sqlite:///{folder / 'mail.db'}",
        MAIL_FROM_ADDRESS="shop@example.com",
        MAIL_FROM_NAME="The Demo Shop",
        TORIL_SECRET_KEYS=secrets.token_urlsafe(32),
    )
