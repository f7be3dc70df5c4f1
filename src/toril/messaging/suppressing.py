"""The list of suppressions: entries come, go and are listed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, delete, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from toril.checks import whole
from toril.messaging.delivery import DeliveryLog
from toril.messaging.header import check_line
from toril.messaging.models import EmailSuppression
from toril.messaging.suppression import Suppression, forms

__all__ = ["Entry", "add", "entry", "insert_entries", "page", "remove"]

Entry = dict[str, Any]
_LONGEST = 1_000  # characters of a detail


def entry(address: str, scope: str, reason: str, detail: str = "") -> Entry:
    """Return an entry for `add`; the address is in lower case."""
    row = {"address": address, "scope": scope, "reason": check_line(reason, "reason")[:_LONGEST]}
    return row | {"detail": check_line(detail, "detail")[:_LONGEST]}


async def add(log: DeliveryLog, entries: Sequence[Entry]) -> bool:
    """Write entries; those that are there stay as they are. Return whether any is new."""
    return await log.transact(lambda connection, now: insert_entries(connection, entries, now))


def insert_entries(connection: Connection, entries: Sequence[Entry], now: int) -> bool:
    """Do so in a transaction that is running."""
    table = EmailSuppression.__table__
    build = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert
    statement = build(table).on_conflict_do_nothing().returning(table.c.address)
    return bool(connection.execute(statement, [{**row, "created_at": now} for row in entries]).scalars().all())


async def remove(log: DeliveryLog, address: str, scope: str | None) -> int:
    """Remove the entries of an address, of one scope or all; return how many there were."""
    chosen = delete(EmailSuppression).where(EmailSuppression.address.in_(forms(address)))
    if scope is not None:
        chosen = chosen.where(EmailSuppression.scope == scope)
    return await log.transact(lambda connection, _: connection.execute(chosen).rowcount)


async def page(log: DeliveryLog, address: str | None, limit: int, after: Suppression | None) -> list[Suppression]:
    """Return entries, newest first, behind the last one of the page before."""
    whole(1, 1_000)("limit", limit)
    place = (EmailSuppression.created_at, EmailSuppression.address, EmailSuppression.scope)
    chosen = select(EmailSuppression).order_by(*(column.desc() for column in place)).limit(limit)
    if address is not None:
        chosen = chosen.where(EmailSuppression.address.in_(forms(address)))
    if after is not None:
        chosen = chosen.where(tuple_(*place) < (after.created_at, after.address, after.scope))
    rows = [row[0] for row in await log.read(chosen)]
    return [Suppression(row.address, row.scope, row.reason, row.detail, row.created_at) for row in rows]
