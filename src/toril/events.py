"""Listening to a store's events: a stream for whoever asks, one reader for all who wait for jobs in a loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Self

from toril.errors import StoreUnavailable
from toril.json import decode_or
from toril.store.base import Event, Store

__all__ = ["EVENT_KINDS", "Event", "EventStream", "Listener"]

EVENT_KINDS = (
    "added",
    "waiting",
    "delayed",
    "waiting-children",
    "active",
    "progress",
    "attempt_failed",  # derived: the job goes on, `delayed` or `waiting` follows
    "completed",
    "failed",  # for good
    "stalled",
    "removed",
    "duplicated",  # a job of that id is there already
    "deduplicated",  # a job holds that key already
    "drained",
    "cleaned",
    "paused",
    "resumed",
    "gap",  # some events after the mark are kept no longer: look again at what you follow
)
_PATIENCE = 5.0  # seconds that one read waits for an event
_PAUSE = 0.5  # seconds between tries while the store does not answer
_JSON = ("returnvalue", "data")  # fields that travel as JSON text


class EventStream:
    """Events in the order in which they became true, without end: `async for event in app.events(): …`.

    It begins when the first event is asked for, and goes on while the store does not answer.
    """

    def __init__(self, store: Store, queue: str | None, after: str | None) -> None:
        self._store = store
        self._queue = queue
        self._mark = after
        self._heard: deque[Event] = deque()
        self.cursor = after
        """The mark behind what was handed out, and behind what other queues told meanwhile. Keep it to go on there."""

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        while not self._heard:
            await self._read()
        event = self._heard.popleft()
        self.cursor = event.cursor if self._heard else self._mark
        return event._replace(body={name: _plain(name, value) for name, value in event.body.items()})

    async def start(self) -> Self:
        """Set the mark: all that happens from now on will be heard. Needed only to be sure of that moment."""
        if self._mark is None:
            self.cursor = self._mark = await self._store.cursor()
        return self

    async def _read(self) -> None:
        try:
            await self.start()
            assert self._mark is not None
            heard = await self._store.events(self._mark, _PATIENCE, self._queue)
        except StoreUnavailable:
            await asyncio.sleep(_PAUSE)
            return
        self._heard.extend(heard.events)
        self._mark = heard.mark
        if not heard.events:
            self.cursor = heard.mark


def _plain(name: str, value: Any) -> Any:
    return decode_or(value, value) if name in _JSON and isinstance(value, str) else value


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
                heard = await self._store.events(mark, _PATIENCE)
            except StoreUnavailable:
                await asyncio.sleep(_PAUSE)
                continue
            mark = heard.mark
            for event in heard.events:
                for hear in tuple(self._wanted.get((event.queue, event.body.get("jobId", "")), ())):
                    hear(event)
