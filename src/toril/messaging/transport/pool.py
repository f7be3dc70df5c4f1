"""Open SMTP connections, kept for the next mail."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from toril.messaging.transport.pace import Pace
from toril.messaging.transport.transcript import Transcript
from toril.messaging.transport.wire import Broken, Wire

__all__ = ["Connection", "Pool"]

_QUIT = 1.0  # seconds to say goodbye


@dataclass(slots=True, eq=False)
class Connection:
    """One logged-in connection; `opened` and `idle_since` are seconds of the event loop's clock."""

    wire: Wire
    opened: float
    idle_since: float = field(default=0.0)
    used: bool = False


class Pool:
    """Connections that are kept open; the one used last is used next, so that the others can go idle and close.

    pace: how many may be in use. idle: seconds without a mail after which a connection is closed. lifetime: seconds
    after which it is not used again, so that a server behind a balancer can be drained.
    """

    def __init__(
        self, connect: Callable[[Transcript], Awaitable[Wire]], *, size: int, idle: float, lifetime: float
    ) -> None:
        self._connect = connect
        self._size, self._idle, self._lifetime = size, idle, lifetime
        self._free: list[Connection] = []
        self.pace = Pace(size)
        self._reaper: asyncio.TimerHandle | None = None
        self._goodbyes: set[asyncio.Task[None]] = set()

    def take(self) -> Connection | None:
        """Return a connection that is still good, if there is one."""
        now = asyncio.get_running_loop().time()
        while self._free:
            connection = self._free.pop()
            if connection.wire.idle and self._fresh(connection, now):
                return connection
            self._dismiss(connection)
        return None

    async def open(self, transcript: Transcript) -> Connection:
        """Return a new connection. Raises what connecting raises."""
        now = asyncio.get_running_loop().time()
        return Connection(await self._connect(transcript), opened=now)

    def give(self, connection: Connection, *, reusable: bool) -> None:
        """Keep a connection for the next mail if it is between two mails and open; close it otherwise."""
        if not (reusable and connection.wire.idle):
            connection.wire.close()
            return
        loop = asyncio.get_running_loop()
        connection.used, connection.idle_since = True, loop.time()
        self._free.append(connection)
        if self._reaper is None:
            self._reaper = loop.call_later(self._idle, self._reap)

    async def close(self) -> None:
        """Close what is free, politely; forget the event loop."""
        if self._reaper is not None:
            self._reaper.cancel()
            self._reaper = None
        for connection in self._free:
            self._dismiss(connection)
        self._free.clear()
        await asyncio.gather(*self._goodbyes)
        self.pace = Pace(self._size)

    def _fresh(self, connection: Connection, now: float) -> bool:
        return now - connection.opened < self._lifetime and now - connection.idle_since < self._idle

    def _reap(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        stale = [connection for connection in self._free if not self._fresh(connection, now)]
        self._free = [connection for connection in self._free if connection not in stale]
        for connection in stale:
            self._dismiss(connection)
        self._reaper = loop.call_later(self._idle, self._reap) if self._free else None

    def _dismiss(self, connection: Connection) -> None:
        task = asyncio.create_task(_quit(connection.wire))
        self._goodbyes.add(task)
        task.add_done_callback(self._goodbyes.discard)


async def _quit(wire: Wire) -> None:
    with contextlib.suppress(Broken, TimeoutError):
        async with asyncio.timeout(_QUIT):
            wire.write(b"QUIT\r\n")
            await wire.reply()
    wire.close()
