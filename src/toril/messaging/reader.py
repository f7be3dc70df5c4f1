"""Reads rows of the delivery log; what is asked for at the same time is read at once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial
from typing import Any, NamedTuple, cast

from sqlalchemy import Connection, Table, bindparam, select
from sqlalchemy.exc import SQLAlchemyError

from toril.errors import StoreUnavailable
from toril.messaging.database import cause
from toril.messaging.models import Base, EmailLog
from toril.messaging.suppression import chosen_for, reasons
from toril.messaging.transactions import Transactions

__all__ = ["Found", "RowReader"]

_logs: Table = Base.metadata.tables["email_logs"]
_by_id = select(_logs).where(_logs.c.id.in_(bindparam("ids", expanding=True)))
_LARGEST = 256  # rows of one query


class Found(NamedTuple):
    """A row; `suppressed` is why its recipient must not get it now, or None."""

    mail: EmailLog
    suppressed: str | None


class RowReader:
    """Finds rows by id."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions
        self._asked: dict[str, asyncio.Future[Found | None]] = {}
        self._work: asyncio.Task[None] | None = None

    async def find(self, mail_id: str) -> Found | None:
        """Return a row as it stands now, or None; raise StoreUnavailable."""
        loop = asyncio.get_running_loop()
        future = self._asked.get(mail_id)
        if future is None:
            future = self._asked[mail_id] = loop.create_future()
        if self._work is None:
            self._work = loop.create_task(self._run(), name="toril-mail-read")
        return await asyncio.shield(future)  # another caller may await the same row

    async def _run(self) -> None:
        try:
            while self._asked:
                await asyncio.sleep(0)  # all that started in the same turn of the loop ask first
                ids = list(self._asked)[:_LARGEST]
                futures = {mail_id: self._asked.pop(mail_id) for mail_id in ids}
                try:
                    found = await self._read(ids)
                except Exception as error:  # noqa: BLE001  (whatever it is belongs to those who asked)
                    for future in futures.values():
                        future.set_exception(error)
                    continue
                for mail_id, future in futures.items():
                    future.set_result(found.get(mail_id))
        finally:
            self._work = None

    async def _read(self, ids: list[str]) -> dict[str, Found]:
        try:
            return await self._transactions.run(partial(_read, ids))
        except (SQLAlchemyError, OSError) as error:
            raise StoreUnavailable(f"the delivery log could not be read: {cause(error)}") from None


class _Row:
    """A row as it was read. It serves where an EmailLog is read: to make one of those costs as much as to send it."""

    __slots__ = tuple(_logs.columns.keys())

    def __init__(self, values: Iterable[Any]) -> None:
        for name, value in zip(self.__slots__, values, strict=True):
            setattr(self, name, value)


def _read(ids: list[str], connection: Connection) -> dict[str, Found]:
    mails = [cast(EmailLog, _Row(row)) for row in connection.execute(_by_id, {"ids": ids})]
    why = reasons(mails, connection.execute(chosen_for(mails)).all()) if mails else {}
    return {mail.id: Found(mail, why.get(mail.id)) for mail in mails}
