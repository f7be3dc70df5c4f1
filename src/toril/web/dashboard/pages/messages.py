"""The delivery log: messages by status, type and recipient; one message with its timeline and content."""

from __future__ import annotations

import asyncio
import contextlib

from starlette.responses import Response

from toril.errors import InvalidAddress, InvalidOption, MailNotFound, StoreError
from toril.messaging import EmailLog, Status
from toril.messaging.lookup import LogPage, WantedOptions
from toril.web.dashboard.pages.frames import framed
from toril.web.dashboard.visit import Visit
from toril.why import Why

__all__ = ["PAGES", "recipient_of"]

_ROWS = 50
_HISTORY = 20  # messages of one recipient whose timelines are shown at once


async def show(visit: Visit) -> Response:
    """Show the log, or what one recipient got, with a timeline of each."""
    recipient, fault = await recipient_of(visit, "recipient"), ""
    wanted: WantedOptions = {
        "status": visit.ask("status") or None,
        "type": visit.ask("type") or None,
        "recipient": recipient or None,
    }
    try:
        page = await visit.mailer.log(
            limit=_HISTORY if recipient else _ROWS, after=visit.ask("after") or None, **wanted
        )
    except (InvalidAddress, InvalidOption) as error:
        page, fault = LogPage([], None), str(error)
    assert visit.site.desk.mail_counts is not None
    counts = await visit.site.desk.mail_counts.read()
    found = await asyncio.gather(*(visit.mailer.timeline(mail.id) for mail in page.mails)) if recipient else []
    timelines = dict(zip((mail.id for mail in page.mails), found, strict=False))
    return visit.page(
        "messages.html",
        400 if fault else 200,
        active="messages",
        page=page,
        timelines=timelines,
        counts=counts,
        statuses=[status.value for status in Status],
        status=visit.ask("status"),
        type=visit.ask("type"),
        recipient=recipient,
        asked={name: visit.ask(name) for name in ("recipient", "of")},
        fault=fault,
        types=sorted(kind.name for kind in visit.mailer.composer.types),
    )


async def recipient_of(visit: Visit, name: str) -> str:
    """Return the address that the query's field `name` asks for, or that of the message `of`.

    Links name a message, so that they show no address to those who may not see it.
    """
    if not visit.ask("of"):
        return visit.ask(name)
    mail = await visit.mailer.find(visit.ask("of"))
    if mail is None:
        raise MailNotFound(f"The delivery log has no message {visit.ask('of')}.")
    return mail.recipient


async def one(visit: Visit) -> Response:
    """Show a message."""
    mail = await _mail(visit)
    timeline, shown, why = await asyncio.gather(
        visit.mailer.timeline(mail.id), visit.mailer.content(mail.id), _why(visit, mail)
    )
    return visit.page(
        "message.html",
        active="messages",
        mail=mail,
        timeline=timeline,
        why=why,
        queue=visit.mailer.queues[mail.kind],
        shown=shown,
        source=shown.message.decode(errors="replace") if shown else "",
        retryable=mail.status in {"failed", "unknown", "cancelled", "suppressed"},
    )


async def _why(visit: Visit, mail: EmailLog) -> Why | None:
    """Return why the job of a mail that waits does not run, as far as is known: the job store may be down."""
    if mail.status != Status.PENDING:
        return None
    with contextlib.suppress(StoreError):
        job = await visit.app.queue(visit.mailer.queues[mail.kind]).get(mail.id)
        return None if job is None else await job.why()
    return None


async def html(visit: Visit) -> Response:
    """Hand out its HTML with masks for its secrets, for a frame."""
    shown = await visit.mailer.content((await _mail(visit)).id)
    return framed(shown.html if shown else "")


async def retry(visit: Visit) -> Response:
    """Let it be tried anew."""
    mail = await _mail(visit)
    async with visit.acting("retry-mail", detail=mail.id):
        await visit.mailer.retry(mail.id)
    return visit.back(visit.url("messages", mail.id), "It is sent again.")


async def cancel(visit: Visit) -> Response:
    """Take it back."""
    mail = await _mail(visit)
    async with visit.acting("cancel-mail", detail=mail.id):
        took = await visit.mailer.cancel(mail.id)
    said = "It is taken back." if took else "It is being sent already, or has ended."
    return visit.back(visit.url("messages", mail.id), said)


async def _mail(visit: Visit) -> EmailLog:
    mail = await visit.mailer.find(visit.id)
    if mail is None:
        raise MailNotFound(f"The delivery log has no message {visit.id}.")
    return mail


PAGES = [
    ("GET", "/messages", show),
    ("GET", "/messages/{id}", one),
    ("GET", "/messages/{id}/html", html),
    ("POST", "/messages/{id}/retry", retry),
    ("POST", "/messages/{id}/cancel", cancel),
]
