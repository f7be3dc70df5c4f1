"""Listening to a store's events: one reader for all who wait in a loop, however many jobs they wait for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from toril.errors import StoreUnavailable
from toril.store.base import Event, Store

__all__ = ["Listener"]

_PATIENCE = 5.0  # seconds that one read waits for an event
_PAUSE = 0.5  # seconds between tries while the store does not answer


class Listener:
    """Hands events to those who asked for them by (queue, job id), while anybody does."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._wanted: dict[tuple[str, str], set[Callable[[Event], None]]] = {}
        self._reader: asyncio.Task[None] | None = None
        self._ready: asyncio.Future[None] | None = None

    @asynccontextmanager
    async def subscribed(self, queue: str, job_id: str, hear: Callable[[Event], None]) -> AsyncIterator[None]:
        """Call `hear` with each event of a job that comes after the context is entered."""
        place = (queue, job_id)
        self._wanted.setdefault(place, set()).add(hear)
        try:
            await self._listening()
            yield
        finally:
            self._wanted[place].discard(hear)
            if not self._wanted[place]:
                del self._wanted[place]
            if not self._wanted and self._reader is not None:
                self._reader.cancel()
                self._reader = self._ready = None

    async def _listening(self) -> None:
        """Return once the reader's mark is set: what happens from now on will be heard."""
        if self._ready is None:
            self._ready = asyncio.get_running_loop().create_future()
            self._reader = asyncio.create_task(self._read(self._ready), name="toril-events")
        await asyncio.shield(self._ready)

    async def _read(self, ready: asyncio.Future[None]) -> None:
        try:
            mark = await self._store.cursor()
        except Exception as error:
            ready.set_exception(error)
            raise
        ready.set_result(None)
        while True:
            try:
                events = await self._store.events(mark, _PATIENCE)
            except StoreUnavailable:
                await asyncio.sleep(_PAUSE)
                continue
            for event in events:
                mark = event.cursor
                for hear in tuple(self._wanted.get((event.queue, event.body.get("jobId", "")), ())):
                    hear(event)
