"""How many connections a server bears: fewer after each complaint, one more after each spell without one."""

from __future__ import annotations

import asyncio
from collections import deque

from toril.messaging.transport.base import Busy, NotNow

__all__ = ["Pace"]

_FIRST_PAUSE, _LONGEST_PAUSE = 2.0, 60.0  # seconds without a mail after a complaint; they double
_SPELL = 10  # mails a connection that go well before there is one more


class Pace:
    """Lets in at most `most` at once, and fewer while the server complains: half after a complaint, then one more
    after each spell of mails that go well, as TCP does it.

    `async with pace:` around each mail waits for a place, or raises NotNow; a Busy that comes out of it is a
    complaint, and waits for the pause that follows at least.
    """

    def __init__(self, most: int) -> None:
        self._most = self.allowed = most
        self._inside = 0
        self._well = 0
        self._complaints = 0
        self._opens_at = 0.0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def __aenter__(self) -> None:
        await self.enter()

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, Busy):
            error.retry_after = max(error.retry_after or 0.0, self.complain(error.retry_after))
        self.leave()
        if error is None:
            self.praise()

    async def enter(self) -> None:
        """Wait for a place; raise NotNow during the pause that follows a complaint."""
        self._check()
        if self._inside < self.allowed:
            self._inside += 1
            return
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await place  # whoever sets its result has counted us in
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and place.exception() is None:
                self.leave()
            raise

    def leave(self) -> None:
        """Give the place back."""
        self._inside -= 1
        self._let_in()

    def praise(self) -> None:
        """A mail went well."""
        self._complaints = 0
        if self.allowed < self._most:
            self._well += 1
            if self._well >= self.allowed * _SPELL:
                self._well = 0
                self.allowed += 1
                self._let_in()

    def complain(self, pause: float | None) -> float:
        """The server has too much to do; return the seconds for which nothing goes to it.

        pause: the seconds that it asks for. Complaints during a pause are those of the same crowd.
        """
        now = asyncio.get_running_loop().time()
        if now >= self._opens_at:
            self.allowed, self._well = max(1, min(self.allowed, self._inside) // 2), 0
            wait = min(pause or _FIRST_PAUSE * 2.0**self._complaints, _LONGEST_PAUSE)
            self._complaints = min(self._complaints + 1, 10)
            self._opens_at = now + wait
            while self._waiting:
                place = self._waiting.popleft()
                if not place.done():
                    place.set_exception(self._closed(wait))
        return self._opens_at - now

    def _let_in(self) -> None:
        while self._waiting and self._inside < self.allowed:
            place = self._waiting.popleft()
            if not place.done():
                self._inside += 1
                place.set_result(None)

    def _check(self) -> None:
        if self._opens_at and (wait := self._opens_at - asyncio.get_running_loop().time()) > 0:
            raise self._closed(wait)

    def _closed(self, wait: float) -> NotNow:
        return NotNow(wait, f"the server has too much to do: {self.allowed} of {self._most} connections from now on")
