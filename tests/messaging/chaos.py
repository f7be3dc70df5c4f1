"""An SMTP server that misbehaves in all known ways, and keeps its own account of what it did to each recipient.

How it treats a recipient is the first word of its address: `lose.17@example.com`. What comes after the last word's
deeds is treated well. Every third mail on a connection is met with 421, and the STARTTLS of some connections fails.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Self

TLS = Path(__file__).parent / "tls"

LATER = "451 4.3.2 System busy, try again later"
GREY = "451 4.7.1 Greylisted, please try again in 1 seconds"
BUSY = "421 4.7.0 Too many connections, try again in 1 seconds"
NOBODY = "550 5.1.1 No such user"
NO_TLS = "454 4.7.0 TLS not available due to temporary reason"
WORDS: dict[str, tuple[str, ...]] = {
    "good": (),
    "later": ("rcpt " + LATER,),
    "later-twice": ("rcpt " + LATER, "dot " + LATER),
    "busy": ("rcpt " + BUSY,),
    "nobody": ("rcpt " + NOBODY,),
    "midline": ("rcpt half",),
    "hang-data": ("data hang",),
    "hang": ("dot hang",),
    "lose": ("dot lose",),
    "half": ("dot half",),
    "vanish": ("dot vanish",),
    "grey": ("grey",),
}


@dataclass(frozen=True)
class Deed:
    """What was done in one dialogue: the event that the delivery log must tell of it, and its text if there was one.

    kept: the mail was taken in, whatever the client heard. number: its place among all that were.
    """

    event: str
    text: str | None = None
    kept: bool = False


class Chaos:
    """Use with `async with`. tls: offer STARTTLS, and let that of every seventh connection fail."""

    def __init__(self, *, tls: bool = True, third: bool = True) -> None:
        self.deeds: dict[str, list[Deed]] = defaultdict(list)
        self.kept = 0
        self.failed_connections = 0
        self._tls, self._third = tls, third
        self._seen: dict[str, float] = {}
        self._dialogues: dict[str, int] = defaultdict(int)
        self._connections = 0
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(TLS / "localhost.pem", TLS / "localhost.key")

    @property
    def url(self) -> str:
        if self._tls:
            return f"smtp+starttls://127.0.0.1:{self.port}?cafile={TLS / 'localhost.pem'}"
        return f"smtp://127.0.0.1:{self.port}?"

    async def __aenter__(self) -> Self:
        self._tasks: set[asyncio.Task[None]] = set()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1000)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        self._tasks.add(task)
        self._connections += 1
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError, ssl.SSLError):
                await Session(self, reader, writer, self._connections).talk()
        finally:
            self._tasks.discard(task)
            writer.close()

    def word(self, recipient: str) -> str | None:
        """Return what is done to a recipient in this dialogue, and count it."""
        words = WORDS[recipient.partition(".")[0]]
        if words == ("grey",):
            first = self._seen.setdefault(recipient, time.monotonic())
            return "rcpt " + GREY if time.monotonic() - first < 1 else None
        number = self._dialogues[recipient]
        self._dialogues[recipient] += 1
        return words[number] if number < len(words) else None

    def do(self, recipient: str, event: str, text: str | None = None, *, kept: bool = False) -> None:
        self.deeds[recipient].append(Deed(event, text, kept))


class Session:
    def __init__(self, chaos: Chaos, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        self._chaos, self._reader, self._writer, self._number = chaos, reader, writer, number
        self._mails = 0
        self._secure = not chaos._tls

    async def talk(self) -> None:
        self._say("220 chaos")
        while line := await self._reader.readline():
            verb = line[:4].upper()
            if verb == b"EHLO":
                offer = "250-PIPELINING\r\n" if self._number % 2 else ""
                self._say(f"250-chaos\r\n{offer}250 {'8BITMIME' if self._secure else 'STARTTLS'}")
            elif verb == b"STAR":
                if not await self._start_tls():
                    return
            elif verb == b"MAIL":
                self._mails += 1
                if self._chaos._third and self._mails > 2:
                    self._say("421 4.4.2 I take two mails a connection")
                    return
                self._say("250 2.1.0 OK")
            elif verb == b"RCPT":
                recipient = line.decode().partition("<")[2].partition(">")[0]
                if not await self._mail(recipient):
                    return
            else:
                self._say("221 2.0.0 bye" if verb == b"QUIT" else "250 2.0.0 OK")

    async def _start_tls(self) -> bool:
        if self._number % 7 == 3:
            self._chaos.failed_connections += 1
            self._say(NO_TLS)
            return False
        self._say("220 go")
        if self._number % 7 == 5:
            self._chaos.failed_connections += 1
            self._writer.write(b"this is no handshake\r\n")
            return False
        await self._writer.start_tls(self._chaos._context)
        self._secure = True
        return True

    async def _mail(self, recipient: str) -> bool:
        """Let one mail come in, or not; return whether the connection goes on."""
        word = self._chaos.word(recipient)
        step, _, how = (word or "").partition(" ")
        do = self._chaos.do
        if step == "rcpt":
            if how == "half":
                do(recipient, "deferred")
                self._writer.write(b"250 2.")
                return False
            do(recipient, "failed" if how.startswith("5") else "deferred", how)
            self._say(how)
            return not how.startswith("421")
        self._say("250 2.1.5 OK")
        if not (await self._reader.readline()).upper().startswith(b"DATA"):
            return False
        if step == "data":
            do(recipient, "deferred")
            await self._reader.read()
            return False
        self._say("354 go on")
        try:
            await self._reader.readuntil(b"\r\n.\r\n")
        except asyncio.IncompleteReadError:
            do(recipient, "unknown")
            return False
        return await self._dot(recipient, how if step == "dot" else "")

    async def _dot(self, recipient: str, how: str) -> bool:
        chaos = self._chaos
        if how and how[0].isdigit():
            chaos.do(recipient, "deferred", how)
            self._say(how)
            return True
        chaos.kept += how != "vanish"
        chaos.do(recipient, "unknown" if how else "sent", None if how else self._kept(), kept=how != "vanish")
        if how == "hang":
            await self._reader.read()
        elif how == "half":
            self._writer.write(b"250 2.0")
        if how:
            return False
        self._say(self._kept())
        return True

    def _kept(self) -> str:
        return f"250 2.0.0 kept as {self._chaos.kept}"

    def _say(self, text: str) -> None:
        self._writer.write(text.encode() + b"\r\n")
