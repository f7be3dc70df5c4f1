"""Reads what is attached to mails; a file that many mails carry is read and encoded once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from sqlalchemy import select

from toril.messaging.mime import Part
from toril.messaging.models import EmailAttachment, EmailFile, Query

__all__ = ["FileReader"]

_KEPT = 20_000_000  # bytes of encoded files in memory

Read = Callable[[Query], Awaitable[Sequence[Any]]]


class FileReader:
    """read: runs a query of the delivery log."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._parts: OrderedDict[tuple[str, str, str], Part] = OrderedDict()
        self._size = 0

    async def read(self, mail_id: str) -> list[Part]:
        """Return what is attached to a mail, in its order."""
        chosen = select(EmailAttachment.hash, EmailAttachment.name, EmailAttachment.media_type)
        rows = await self._read(chosen.where(EmailAttachment.email_id == mail_id).order_by(EmailAttachment.position))
        return [await self._part(*row) for row in rows]

    async def _part(self, hashed: str, name: str, media_type: str) -> Part:
        key = (hashed, name, media_type)
        if key in self._parts:
            self._parts.move_to_end(key)
            return self._parts[key]
        rows = await self._read(select(EmailFile.content).where(EmailFile.hash == hashed))
        part = self._parts[key] = Part.make(name, media_type, rows[0][0])
        self._size += len(part.body)
        while self._size > _KEPT and len(self._parts) > 1:
            self._size -= len(self._parts.popitem(last=False)[1].body)
        return part
