"""Listening to a store's events: a stream for whoever asks, one reader for all who wait for jobs in a loop."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Self

from toril.errors import StoreUnavailable
from toril.json import decode_or
from toril.store.base import Store
from toril.store.views import Event

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
            self.cursor = self._mark = await self._store.cursor(self._queue)
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
    """Hands events to those who asked for them by queue and job id; reads a queue's events while anybody does."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._readers: dict[str, _Reader] = {}

    @asynccontextmanager
    async def subscribed(self, queue: str, job_id: str, hear: Callable[[Event], None]) -> AsyncIterator[None]:
        """Call `hear` with each event of a job that comes after the context is entered."""
        reader = self._readers.get(queue)
        if reader is None:
            reader = self._readers[queue] = _Reader(self._store, queue)
        reader.wanted.setdefault(job_id, set()).add(hear)
        try:
            await reader.ready()
            yield
        finally:
            reader.wanted[job_id].discard(hear)
            if not reader.wanted[job_id]:
                del reader.wanted[job_id]
            if not reader.wanted:
                reader.stop()
                self._readers.pop(queue, None)

    def hears(self, queue: str) -> int:
        """Return of how many jobs of a queue it hears by now."""
        reader = self._readers.get(queue)
        return len(reader.wanted) if reader is not None and reader.is_ready else 0


class _Reader:
    """Reads the events of one queue for all who want to hear of its jobs."""

    def __init__(self, store: Store, queue: str) -> None:
        self.wanted: dict[str, set[Callable[[Event], None]]] = {}
        self._store = store
        self._queue = queue
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._read(), name=f"toril-events-{queue}")

    async def ready(self) -> None:
        """Return once its mark is set: what happens from now on will be heard."""
        await asyncio.shield(self._ready)

    @property
    def is_ready(self) -> bool:
        """Whether its mark is set."""
        return self._ready.done() and self._ready.exception() is None

    def stop(self) -> None:
        """Read no more."""
        self._task.cancel()

    async def _read(self) -> None:
        try:
            mark = await self._store.cursor(self._queue)
        except Exception as error:
            self._ready.set_exception(error)
            raise
        self._ready.set_result(None)
        while True:
            try:
                heard = await self._store.events(mark, _PATIENCE, self._queue)
            except StoreUnavailable:
                await asyncio.sleep(_PAUSE)
                continue
            mark = heard.mark
            for event in heard.events:
                for hear in tuple(self.wanted.get(event.body.get("jobId", ""), ())):
                    hear(event)
