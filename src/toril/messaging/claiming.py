"""The relay's looks: rows that are due are claimed by moving their `look_at`, ever farther."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, Select, update
from sqlalchemy.orm import Session

from toril.messaging.models import EmailLog

__all__ = ["NET", "claim"]

NET = 5.0  # seconds after a row's own time at which the relay looks whether its job was lost
_LONGEST_LOOK = 600.0  # seconds between two looks of the relay at one row


def claim(due: Select[EmailLog], connection: Connection, now: int) -> Sequence[EmailLog]:
    """Return the rows that a query finds, and move their `look_at`, so that nobody else looks meanwhile."""
    with Session(connection, expire_on_commit=False) as session:
        mails = session.scalars(due.with_for_update(skip_locked=True)).all()
        looks = [{"id": mail.id, "look_at": _next_look(mail, now)} for mail in mails]
        if looks:
            session.execute(update(EmailLog), looks)
        session.commit()
    return mails


def _next_look(mail: EmailLog, now: int) -> int:
    """Return when to look again: as long after now as its time is past, so that the pauses double."""
    waited = (now - (mail.give_up_at or mail.send_at)) / 1000
    return now + round(min(max(waited, NET), _LONGEST_LOOK) * 1000)
