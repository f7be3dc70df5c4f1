"""Waiting for work: one blocking call a queue and loop, kept between waits that end earlier."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from toril.store.redis.client import Client
from toril.store.redis.guests import client_name
from toril.store.redis.keys import names_for

__all__ = ["SAFETY", "Ears"]

SAFETY = 5.0  # seconds after which a lane looks without having been called (BullMQ's drainDelay)


class Ears:
    """The blocking calls of one event loop."""

    def __init__(self, client: Callable[[], Client], prefix: str) -> None:
        self._client = client
        self._prefix = prefix
        self._pending: dict[str, asyncio.Task[None]] = {}

    async def wait(self, queue: str, seconds: float) -> None:
        """Return when the queue's marker was set, or after `seconds`.

        A call that has not returned by then goes on, and the next wait hears of it: giving it up would cost a
        connection, and could swallow a marker.
        """
        pending = self._pending.get(queue)
        if pending is None:
            pending = self._pending[queue] = asyncio.create_task(self._pop(queue), name=f"toril-ear-{queue}")
        done, _ = await asyncio.wait([pending], timeout=max(seconds, 0.001))
        if done:
            self._pending.pop(queue, None)
            pending.result()

    async def close(self) -> None:
        """Give up all calls."""
        for pending in self._pending.values():
            pending.cancel()
        await asyncio.gather(*self._pending.values(), return_exceptions=True)
        self._pending.clear()

    async def _pop(self, queue: str) -> None:
        name = client_name(self._prefix, queue)
        await self._client().pop_marker(f"{names_for(self._prefix, queue).base}marker", name, SAFETY)
