"""Erasing: what is known of a person on request, and what is old in its time."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, delete, func, or_, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from toril.messaging.delivery import DeliveryLog
from toril.messaging.models import FINAL, EmailAttachment, EmailEvent, EmailFile, EmailLog, EmailSuppression, Status
from toril.messaging.suppression import fingerprint

__all__ = ["FORGOTTEN", "forget", "trim"]

FORGOTTEN = "forgotten"
_ROWS = 500  # of one transaction
_UNUSED = 3_600_000  # milliseconds after its last use at which a file that nobody has may go


async def forget(log: DeliveryLog, address: str) -> int:
    """Erase a person by their address in lower case; return how many rows were changed."""
    changed = 0
    while done := await log.transact(lambda connection, _: _forget(connection, address)):
        changed += done
    await log.transact(lambda connection, _: _hash_suppressions(connection, address))
    if log.sqlite:  # what was overwritten stands in its write-ahead log until that is folded in
        await log.read(text("PRAGMA wal_checkpoint(TRUNCATE)"))
    return changed


def _forget(connection: Connection, address: str) -> int:
    _overwrite(connection)
    chosen = select(EmailLog.id).where(func.lower(EmailLog.recipient) == address, EmailLog.status != Status.SENDING)
    ids = list(connection.execute(chosen.limit(_ROWS)).scalars())
    if not ids:
        return 0
    waiting = EmailLog.id.in_(ids) & (EmailLog.status == Status.PENDING)
    connection.execute(update(EmailLog).where(waiting).values(status=Status.CANCELLED, look_at=None))
    # Of a mail with copies every row names the others.
    mine = select(EmailLog.copy_of).where(EmailLog.id.in_(ids), EmailLog.copy_of.isnot(None))
    related = or_(EmailLog.copy_of.in_(ids), EmailLog.id.in_(mine), EmailLog.copy_of.in_(mine))
    connection.execute(update(EmailLog).where(related, EmailLog.status.in_(FINAL)).values(extras=""))
    connection.execute(
        update(EmailLog)
        .where(EmailLog.id.in_(ids))
        .values(recipient=FORGOTTEN, recipient_name="", subject="", key=None, error=None, extras="", context="{}")
    )
    connection.execute(update(EmailEvent).where(EmailEvent.email_id.in_(ids)).values(told=""))
    had = select(EmailAttachment.hash).where(EmailAttachment.email_id.in_(ids)).distinct()
    files = connection.execute(had).scalars().all()
    connection.execute(delete(EmailAttachment).where(EmailAttachment.email_id.in_(ids)))
    connection.execute(delete(EmailFile).where(EmailFile.hash.in_(files), ~_in_use()))
    return len(ids)


def _overwrite(connection: Connection) -> None:
    """Let SQLite write zeros over what this connection deletes from now on, instead of leaving it in the file."""
    if connection.dialect.name == "sqlite":
        connection.execute(text("PRAGMA secure_delete = ON"))


def _hash_suppressions(connection: Connection, address: str) -> None:
    _overwrite(connection)
    table = EmailSuppression.__table__
    rows = connection.execute(select(table).where(table.c.address == address)).mappings().all()
    if rows:
        build = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert
        hashed = [{**row, "address": fingerprint(address), "detail": ""} for row in rows]
        connection.execute(build(table).on_conflict_do_nothing(), hashed)
        connection.execute(delete(EmailSuppression).where(table.c.address == address))


async def trim(log: DeliveryLog, keep: int) -> int:
    """Delete rows that have ended and were accepted more than `keep` milliseconds ago, and files that nobody has.

    Keys stay: they say for ever that a message was sent. Returns how many rows went.
    """
    trimmed = 0
    while done := await log.transact(lambda connection, now: _trim(connection, now - keep)):
        trimmed += done
    await log.transact(_trim_files)
    return trimmed


def _trim(connection: Connection, before: int) -> int:
    chosen = select(EmailLog.id).where(EmailLog.created_at < before, EmailLog.status.in_(FINAL))
    ids: Sequence[str] = connection.execute(chosen.order_by(EmailLog.created_at).limit(_ROWS)).scalars().all()
    if ids:
        connection.execute(delete(EmailEvent).where(EmailEvent.email_id.in_(ids)))
        connection.execute(delete(EmailAttachment).where(EmailAttachment.email_id.in_(ids)))
        connection.execute(delete(EmailLog).where(EmailLog.id.in_(ids)))
    return len(ids)


def _trim_files(connection: Connection, now: int) -> None:
    connection.execute(delete(EmailFile).where(EmailFile.used_at < now - _UNUSED, ~_in_use()))


def _in_use() -> ColumnElement[bool]:
    return select(EmailAttachment.hash).where(EmailAttachment.hash == EmailFile.hash).exists()
