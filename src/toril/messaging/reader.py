"""Reads rows of the delivery log; what is asked for at the same time is read at once."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import NamedTuple, cast

from sqlalchemy import Connection, Table, select
from sqlalchemy.exc import SQLAlchemyError

from toril.errors import StoreUnavailable
from toril.messaging.database import cause
from toril.messaging.message import Kind
from toril.messaging.models import Base, EmailLog
from toril.messaging.suppression import suppressed
from toril.messaging.texts import as_texts, texts
from toril.messaging.transactions import Transactions

__all__ = ["Found", "RowReader"]

_logs: Table = Base.metadata.tables["email_logs"]
_LARGEST = 256  # rows of one query


class Found(NamedTuple):
    """A row; `suppressed` is why its recipient must not get it now, or None."""

    mail: EmailLog
    suppressed: str | None


class RowReader:
    """Finds rows by id."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._asked: list[tuple[str, asyncio.Future[Found | None]]] = []
        self._work: asyncio.Task[None] | None = None

    async def find(self, mail_id: str) -> Found | None:
        """Return a row as it stands now, or None; raise StoreUnavailable."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Found | None] = loop.create_future()
        self._asked.append((mail_id, future))
        if self._work is None:
            self._work = loop.create_task(self._run(), name="toril-mail-read")
        return await future

    async def _run(self) -> None:
        try:
            while self._asked:
                await asyncio.sleep(0)  # all that started in the same turn of the loop ask first
                asked, self._asked = self._asked[:_LARGEST], self._asked[_LARGEST:]
                await self._answer(asked)
        finally:
            self._work = None

    async def _answer(self, asked: Sequence[tuple[str, asyncio.Future[Found | None]]]) -> None:
        found: dict[str, Found] | Exception
        try:
            found = await self._read([mail_id for mail_id, _ in asked])
        except Exception as error:  # noqa: BLE001  (whatever it is belongs to those who asked)
            found = error
        for mail_id, future in asked:
            if future.done():  # who asked has gone
                continue
            if isinstance(found, Exception):
                future.set_exception(found)
            else:
                future.set_result(found.get(mail_id))

    async def _read(self, ids: list[str]) -> dict[str, Found]:
        try:
            return await self._transactions.run(partial(_read, ids))
        except (SQLAlchemyError, OSError) as error:
            raise StoreUnavailable(f"the delivery log could not be read: {cause(error)}") from None


class _Row(NamedTuple):
    """What a sender uses of a row; it serves as an EmailLog, which costs as much to make as to send."""

    id: str
    type: str
    recipient: str
    recipient_name: str
    subject: str
    status: str
    attempts: int
    forgiven: int
    created_at: int
    first_try_at: int | None
    send_at: int
    give_up_at: int | None
    kind: Kind
    category: str
    locale: str
    message_id: str
    extras: str
    context: str


_by_id = select(*(_logs.c[name] for name in _Row._fields)).where(_logs.c.id.in_(texts("ids")))


def _read(ids: list[str], connection: Connection) -> dict[str, Found]:
    rows = connection.execute(_by_id, {"ids": as_texts(ids)}).all()
    mails = [cast(EmailLog, _Row._make(row)) for row in rows]
    why = suppressed(connection, mails)
    return {mail.id: Found(mail, why.get(mail.id)) for mail in mails}
