"""What recipients and their servers say later, and what it means for the mails to come."""

from __future__ import annotations

from sqlalchemy import func, select

from toril.messaging import suppressing
from toril.messaging.address import Address
from toril.messaging.delivery import DeliveryLog
from toril.messaging.models import EmailLog, Status
from toril.messaging.suppression import ALL, SUBSCRIBED
from toril.messaging.unsubscribe import Leaving
from toril.messaging.webhook import Report

__all__ = ["hear", "leave"]


async def hear(log: DeliveryLog, report: Report) -> None:
    """Write a report into the timeline of its mail.

    A hard bounce ends all mail to the address, a complaint all that is subscribed.

    A report that comes twice changes nothing the second time.
    """
    address = Address.parse(report.recipient, "webhook recipient").spec.lower()
    mail = await _mail_of(log, report.mail_id, address)
    if report.kind == "bounced":
        await suppressing.add(log, [suppressing.entry(address, ALL, "hard bounce", report.detail)])
        if mail is not None:
            await log.bounced(mail, report.detail)
        return
    if report.kind == "complained":
        new = await suppressing.add(log, [suppressing.entry(address, SUBSCRIBED, "complaint", report.detail)])
        if not new:
            return
    if mail is not None:
        await log.note(mail, report.kind, report.detail)


async def leave(log: DeliveryLog, leaving: Leaving) -> None:
    """Let an address get no more mail of a category."""
    await suppressing.add(log, [suppressing.entry(leaving.address.lower(), leaving.category, "unsubscribed")])


async def _mail_of(log: DeliveryLog, mail_id: str, address: str) -> EmailLog | None:
    """Return the mail that is meant: by its tag, or the last one that was sent to the address."""
    chosen = select(EmailLog).where(func.lower(EmailLog.recipient) == address)
    if mail_id:
        chosen = chosen.where(EmailLog.id == mail_id)
    else:
        chosen = chosen.where(EmailLog.status == Status.SENT).order_by(EmailLog.id.desc()).limit(1)
    rows = await log.read(chosen)
    return rows[0][0] if rows else None
