"""Mail into a folder, one file each: for development, and for whatever else picks it up."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
from pathlib import Path

from toril.messaging.transport.base import Begin, Envelope, NotSent

__all__ = ["Folder"]

_UNSAFE = re.compile(r"[^\w.@+-]")


class Folder:
    """Writes each mail to `<folder>/<key>-<recipient>.eml`, in one step: nobody ever reads half of one.

    The folder is made if it is missing. A repeated attempt replaces the file of the one before.
    """

    limit = 30.0

    def __init__(self, folder: str | Path) -> None:
        self._folder = Path(folder)

    def __repr__(self) -> str:
        return f"Folder({str(self._folder)!r})"

    async def send(self, envelope: Envelope, begin: Begin) -> str:
        """Write one mail; raises NotSent if the folder cannot be written."""
        key = envelope.key or secrets.token_hex(8)
        target = self._folder / f"{key}-{_UNSAFE.sub('_', envelope.recipient)[:100]}.eml"
        draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
        try:
            await asyncio.to_thread(self._write, draft, envelope.message)
        except OSError as error:
            raise NotSent("cannot be written", f"{self._folder}: {error.strerror}", unreachable=True) from None
        try:
            await begin()
            draft.replace(target)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        return f"written to {target.name}"

    async def close(self) -> None:
        """Nothing is held open."""

    def _write(self, draft: Path, message: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        with draft.open("wb") as file:
            file.write(message)
            file.flush()
            os.fsync(file.fileno())
