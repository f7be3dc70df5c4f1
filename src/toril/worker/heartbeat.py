"""The lease, renewed each second from a thread with a loop of its own, so that a blocked event loop keeps it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Sequence

from toril.errors import StoreUnavailable
from toril.log import WORKER_FAULT, WORKER_LEASE_LATE, WORKER_LEASE_RENEWED
from toril.store.base import Store
from toril.store.runs import Extended, Run

__all__ = ["Heartbeat"]

BEAT = 1.0  # seconds between renewals; a tenth of a lease that is shorter than 10 s
SLACK = 2  # beats that a renewal may be late before contact counts as broken
UNBROKEN = 5.0  # seconds of unbroken contact before this worker may judge others
LAST = 1.0  # seconds that the last renewal has to end when the worker stops


class Heartbeat:
    """Renews a worker's lease and, once its contact with the store is proven, sweeps for workers that are lost.

    runs: those to be renewed. heard: told, on the worker's loop, what became of them. forgotten: told there that the
    store knew the worker no more.

    After an outage every live owner renews first: whoever swept at once would rob them all.
    """

    def __init__(
        self,
        store: Store,
        lease: float,
        runs: Callable[[], Sequence[Run]],
        heard: Callable[[Extended], None],
        sweep: Callable[[], Awaitable[None]],
        forgotten: Callable[[], None],
    ) -> None:
        self._store = store
        self._beat = min(BEAT, lease / 10)
        self._runs = runs
        self._heard = heard
        self._sweep = sweep
        self._forgotten = forgotten
        self._broken = False
        self._stop = threading.Event()
        self._last = self._unbroken_since = time.monotonic()
        self._thread: threading.Thread | None = None

    def start(self, worker: str) -> None:
        """Begin to renew the worker's lease; `heard` runs on the loop from which this is called."""
        owner = asyncio.get_running_loop()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._work(worker, owner)), name="toril-heartbeat", daemon=True
        )
        self._thread.start()

    async def stop(self) -> None:
        """End the thread; one that waits for a store that does not answer ends with the process."""
        self._stop.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, LAST)

    async def _work(self, worker: str, owner: asyncio.AbstractEventLoop) -> None:
        while not self._stop.is_set():
            try:
                news = await self._store.extend(worker, self._runs())
                if self._broken:
                    self._broken = False
                    WORKER_LEASE_RENEWED()
                if news.lost or news.cancelled:
                    owner.call_soon_threadsafe(self._heard, news)
                if news.forgotten:
                    owner.call_soon_threadsafe(self._forgotten)
                if self._contact_proven():
                    await self._sweep()
            except StoreUnavailable as error:
                if not self._broken:
                    self._broken = True
                    WORKER_LEASE_LATE(error=error)
            except Exception as error:  # noqa: BLE001  (a fault of ours must not end the thread that keeps every lease)
                WORKER_FAULT.raised(error)
            await asyncio.to_thread(self._stop.wait, self._beat)

    @property
    def in_contact(self) -> bool:
        """Whether the store has answered of late."""
        return time.monotonic() - self._last <= (1 + SLACK) * self._beat

    def _contact_proven(self) -> bool:
        now = time.monotonic()
        if now - self._last > (1 + SLACK) * self._beat:
            self._unbroken_since = now
        self._last = now
        return now - self._unbroken_since >= UNBROKEN
