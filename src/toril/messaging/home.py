"""Where the delivery log lives: on each event loop that stays. The transport lives on that of a worker.

An async engine belongs to the loop that opened it. Loops of workers stay, the one on which the application was opened
by its lifespan, and the process's loop thread; any other may be one that Django or a test makes for a single call, and
lets its calls go through the loop thread.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from sqlalchemy import URL

from toril import Toril
from toril.messaging.delivery import DeliveryLog
from toril.messaging.transport import Transport

__all__ = ["Home"]

T = TypeVar("T")


class Home:
    """The delivery logs of one mailer, one a loop, and its transport."""

    def __init__(self, app: Toril, url: URL, transport: Transport) -> None:
        self._app, self.url, self._transport = app, url, transport
        # Strong references: what a forked child inherits must not be collected, and thereby closed, in it.
        self._logs: dict[asyncio.AbstractEventLoop, DeliveryLog] = {}
        self._workers: dict[asyncio.AbstractEventLoop, int] = {}
        self._threads: set[asyncio.AbstractEventLoop] = set()

    @property
    def log(self) -> DeliveryLog:
        """The log of the running loop, which must be a worker's."""
        loop = asyncio.get_running_loop()
        log = self._logs.get(loop)
        if log is None:
            log = self._logs[loop] = DeliveryLog(self.url, self._app.clock)
        return log

    @contextlib.asynccontextmanager
    async def stay(self) -> AsyncIterator[DeliveryLog]:
        """Give the running loop a log of its own for as long as somebody stays, such as a worker that runs on it."""
        loop = asyncio.get_running_loop()
        self._workers[loop] = self._workers.get(loop, 0) + 1
        log = self.log
        try:
            yield log
        finally:
            self._workers[loop] -= 1
            if not self._workers[loop]:
                await self._transport.close()
                if loop not in self._threads and not self._app.at_home:
                    await self._close()

    async def ask(self, verb: Callable[[DeliveryLog], Awaitable[T]]) -> T:
        """Call `verb` with a log, on the loop where that log lives, and return what it returns."""
        loop = asyncio.get_running_loop()
        if loop in self._threads or self._app.at_home:
            return await verb(self.log)
        if self._workers.get(loop):
            async with self.stay() as log:  # a worker that ends meanwhile leaves it open
                return await verb(log)
        return await self._app.run_aside(self._on_thread(verb))

    async def close(self) -> None:
        """Close the logs of the running loop and of the loop thread; workers close theirs."""
        if not self._workers.get(asyncio.get_running_loop()):
            await self._close()
        if self._threads:
            await self._app.run_aside(self._close())

    async def _on_thread(self, verb: Callable[[DeliveryLog], Awaitable[T]]) -> T:
        self._threads.add(asyncio.get_running_loop())
        return await verb(self.log)

    async def _close(self) -> None:
        """Close the log of the running loop, if it has one."""
        loop = asyncio.get_running_loop()
        self._threads.discard(loop)
        log = self._logs.pop(loop, None)
        if log is not None:
            await log.close()
