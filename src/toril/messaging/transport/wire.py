"""An open SMTP connection: bytes out, replies in.

An Opening opens it (greeting, EHLO, STARTTLS, login) and this takes it over. A mail is three exchanges, in which a
lock, a timeout and a task switch each cost more than the bytes; and only who counts the replies can send commands
in groups (PIPELINING, RFC 2920).
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import NamedTuple, cast

from toril.messaging.transport.opening import Opening

__all__ = ["Broken", "Reply", "Wire"]

_LONGEST_REPLY = 65_536  # bytes
_CODE = 3  # digits


class Reply(NamedTuple):
    """A reply: its code, and its lines joined by line breaks; foreign bytes are surrogates."""

    code: int
    text: str

    @property
    def kind(self) -> int:
        """The first digit: 2 yes, 3 go on, 4 not now, 5 no."""
        return self.code // 100


class Broken(Exception):
    """The connection is of no more use; `code` says why in short."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


class Wire(asyncio.Protocol):
    """Takes over the connection of a client that is connected and logged in. peer: with whom it speaks, and how."""

    def __init__(self, client: Opening) -> None:
        assert client.transport is not None
        self.peer = client.peer
        self.pipelining = client.supports_extension("pipelining")
        self._transport = cast(asyncio.Transport, client.transport)  # uvloop's is not a subclass
        self._buffer = b""
        self._lines: list[str] = []
        self._replies: deque[Reply] = deque()
        self._waiter: asyncio.Future[None] | None = None
        self._broken: Broken | None = None
        self._transport.set_protocol(self)

    @property
    def idle(self) -> bool:
        """Whether the connection is open and the server has said nothing that nobody asked for."""
        return self._broken is None and not self._replies and not self._lines and not self._transport.is_closing()

    def write(self, data: bytes) -> None:
        """Send bytes; raise Broken if the connection is known to be lost."""
        if self._broken is not None or self._transport.is_closing():
            raise self._broken or Broken("connection lost", "the connection is closed")
        self._transport.write(data)

    async def reply(self) -> Reply:
        """Return the next reply; raise Broken if the connection ends first."""
        while not self._replies:
            if self._broken is not None:
                raise self._broken
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        return self._replies.popleft()

    def close(self) -> None:
        """Hang up."""
        self._transport.close()

    # -- called by the event loop

    def data_received(self, data: bytes) -> None:
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            self._hear(line)
        if len(self._buffer) > _LONGEST_REPLY:
            self._break("bad reply", "the reply is too long")
        self._wake()

    def eof_received(self) -> None:
        self._break("connection lost", "the server hung up")

    def connection_lost(self, error: Exception | None) -> None:
        self._break("connection lost", str(error or "the connection was lost"))
        self._wake()

    def _hear(self, line: bytes) -> None:
        code, between = line[:_CODE], line[_CODE : _CODE + 1]
        if not code.isdigit() or len(code) < _CODE or (between.strip() and between != b"-"):
            self._break("bad reply", f"no SMTP reply: {line.decode('utf-8', 'replace')}")
            return
        self._lines.append(line[_CODE + 1 :].strip().decode("utf-8", "surrogateescape"))
        if between == b"-":
            if len(self._lines) > _LONGEST_REPLY // 64:
                self._break("bad reply", "the reply is too long")
            return
        self._replies.append(Reply(int(code), "\n".join(self._lines)))
        self._lines.clear()

    def _break(self, code: str, text: str) -> None:
        self._broken = self._broken or Broken(code, text)
        self._transport.close()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done() and (self._replies or self._broken):
            self._waiter.set_result(None)
