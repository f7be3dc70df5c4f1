"""A local SMTP server that keeps what arrives: for the demo, development and tests.

It speaks the plain dialogue and nothing else; never let it listen where strangers can reach it.
"""

from __future__ import annotations

import asyncio
import email
import email.policy
import re
from collections.abc import Collection
from dataclasses import dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Self, cast

__all__ = ["Mailbox", "Received"]

_LONGEST_LINE = 4_096
_LARGEST = 50 * 1024 * 1024  # bytes
_EXTENSIONS = ("mailbox.toril", "PIPELINING", "8BITMIME", f"SIZE {_LARGEST}")
_PATH = re.compile(r"(?:FROM|TO):\s*<([^<>\s]*)>", re.IGNORECASE)
_END = b"\r\n.\r\n"


@dataclass(frozen=True, slots=True)
class Received:
    """One mail as it came in."""

    sender: str
    recipients: tuple[str, ...]
    content: bytes

    @property
    def message(self) -> EmailMessage:
        """The mail, parsed."""
        message = email.message_from_bytes(self.content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        return message


class Mailbox:
    """Accepts mail on `host`:`port` (0: any free one) while it is open; use it with `async with`.

    refuse: addresses answered with 550, always. defer: addresses answered with 451 the first time.
    folder: keeps each mail as a file `NNNNNN.eml` there too; made if it is missing.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        refuse: Collection[str] = (),
        defer: Collection[str] = (),
        folder: Path | None = None,
    ) -> None:
        self.mails: list[Received] = []
        self._host, self._port, self._folder = host, port, folder
        self._refused, self._deferred = frozenset(refuse), set(defer)
        self._server: asyncio.Server | None = None
        self._transports: set[asyncio.BaseTransport] = set()

    @property
    def url(self) -> str:
        """The transport URL that leads here."""
        return f"smtp://{self._host}:{self._port}"

    async def open(self) -> None:
        """Listen. Raises OSError if the port is taken."""
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Session(self, self._transports), self._host, self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and hang up on whoever is connected; `mails` stay."""
        if self._server is None:
            return
        self._server.close()
        for transport in tuple(self._transports):
            transport.close()
        await self._server.wait_closed()
        self._server = None

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def refusal(self, recipient: str) -> str | None:
        """Return the reply that refuses a recipient, or None."""
        if recipient in self._refused:
            return "550 5.1.1 No such mailbox here"
        if recipient in self._deferred:
            self._deferred.discard(recipient)
            return "451 4.7.1 Greylisted, please try again later"
        return None

    def keep(self, mail: Received) -> int:
        """Take in one mail and return its number."""
        self.mails.append(mail)
        number = len(self.mails)
        if self._folder is not None:
            (self._folder / f"{number:06}.eml").write_bytes(mail.content)
        return number


class _Session(asyncio.Protocol):
    """One connection: a line in, a line out; after DATA everything up to the lonely dot."""

    def __init__(self, mailbox: Mailbox, transports: set[asyncio.BaseTransport]) -> None:
        self._mailbox, self._transports = mailbox, transports
        self._buffer = bytearray()
        self._sender: str | None = None
        self._recipients: list[str] = []
        self._in_data = False
        self._scanned = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is not a subclass
        self._transports.add(transport)
        self._reply("220 mailbox.toril ESMTP")

    def connection_lost(self, error: Exception | None) -> None:
        del error
        self._transports.discard(self._transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while not self._transport.is_closing() and (self._read_mail() if self._in_data else self._read_line()):
            pass

    def _read_line(self) -> bool:
        line, end, _ = self._buffer.partition(b"\r\n")
        if len(line) > _LONGEST_LINE:
            self._reply("500 5.5.2 Line too long")
            self._transport.close()
        if not end:
            return False
        del self._buffer[: len(line) + 2]
        verb, _, rest = line.decode("utf-8", "replace").partition(" ")
        self._command(verb.upper(), rest)
        return True

    def _command(self, verb: str, rest: str) -> None:
        match verb:
            case "EHLO":
                self._reply("\r\n".join(f"250-{word}" for word in _EXTENSIONS) + "\r\n250 ENHANCEDSTATUSCODES")
            case "HELO" | "NOOP":
                self._reply("250 2.0.0 OK")
            case "MAIL":
                self._mail(_PATH.match(rest))
            case "RCPT":
                self._rcpt(_PATH.match(rest))
            case "DATA":
                self._data()
            case "RSET":
                self._reset()
                self._reply("250 2.0.0 OK")
            case "QUIT":
                self._reply("221 2.0.0 Bye")
                self._transport.close()
            case _:
                self._reply("502 5.5.1 Not implemented here")

    def _mail(self, path: re.Match[str] | None) -> None:
        if path is None:
            self._reply("501 5.5.4 Expected MAIL FROM:<address>")
        elif self._sender is not None:
            self._reply("503 5.5.1 One mail at a time")
        else:
            self._sender = path[1]
            self._reply("250 2.1.0 OK")

    def _rcpt(self, path: re.Match[str] | None) -> None:
        if self._sender is None:
            self._reply("503 5.5.1 MAIL first")
        elif path is None or not path[1]:
            self._reply("501 5.5.4 Expected RCPT TO:<address>")
        elif refusal := self._mailbox.refusal(path[1]):
            self._reply(refusal)
        else:
            self._recipients.append(path[1])
            self._reply("250 2.1.5 OK")

    def _data(self) -> None:
        if not self._recipients:
            self._reply("503 5.5.1 RCPT first")
            return
        self._in_data, self._scanned = True, 0
        self._buffer[:0] = b"\r\n"  # so that a mail of nothing ends like any other
        self._reply("354 End with a lonely dot")

    def _read_mail(self) -> bool:
        end = self._buffer.find(_END, self._scanned)
        if end < 0:
            self._scanned = max(0, len(self._buffer) - len(_END))
            if len(self._buffer) > _LARGEST:
                self._reply("552 5.3.4 Too large")
                self._transport.close()
            return False
        content = bytes(self._buffer[: end + 2]).replace(b"\r\n.", b"\r\n")[2:]
        del self._buffer[: end + len(_END)]
        number = self._mailbox.keep(Received(self._sender or "", tuple(self._recipients), content))
        self._reset()
        self._reply(f"250 2.0.0 OK: kept as {number}")
        return True

    def _reset(self) -> None:
        self._sender, self._recipients, self._in_data = None, [], False

    def _reply(self, text: str) -> None:
        self._transport.write(text.encode() + b"\r\n")
