"""The development mailbox: what was sent, as its reader gets it."""

from __future__ import annotations

from email.message import EmailMessage

from starlette.responses import Response

from toril.messaging.mailbox import Received
from toril.web.dashboard.pages.frames import framed
from toril.web.dashboard.visit import Visit
from toril.web.problems import Problem

__all__ = ["PAGES"]

_SHOWN = 200  # mails of the list, the newest
_LONGEST = 200_000  # characters of a source that are shown


async def show(visit: Visit) -> Response:
    """Show the newest mails."""
    mails = visit.site.mailbox.mails if visit.site.mailbox else []
    first = max(len(mails) - _SHOWN, 0)
    shown = [(number, mail, mail.message) for number, mail in enumerate(mails[first:], first)]
    return visit.page("mailbox.html", active="mailbox", mails=shown[::-1], total=len(mails))


async def one(visit: Visit) -> Response:
    """Show one mail: HTML, text, source."""
    mail = _mail(visit)
    message = mail.message
    return visit.page(
        "received.html",
        active="mailbox",
        number=visit.id,
        mail=mail,
        message=message,
        html=part(message, "html"),
        text=part(message, "plain"),
        source=mail.content.decode(errors="replace")[:_LONGEST],
    )


async def html(visit: Visit) -> Response:
    """Hand out its HTML, for a frame."""
    return framed(part(_mail(visit).message, "html"))


def part(message: EmailMessage, kind: str) -> str:
    """Return the content of a mail's HTML or plain part, or nothing."""
    found = message.get_body((kind,))
    return str(found.get_content()) if found is not None else ""


def _mail(visit: Visit) -> Received:
    mails = visit.site.mailbox.mails if visit.site.mailbox else []
    if visit.id not in map(str, range(len(mails))):
        raise Problem(404, "not-found", "The mailbox has no such mail: it is emptied when its process ends.")
    return mails[int(visit.id)]


PAGES = [("GET", "/mailbox", show), ("GET", "/mailbox/{id}", one), ("GET", "/mailbox/{id}/html", html)]
