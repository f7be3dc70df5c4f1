"""The lanes of one worker: they run side by side, and none outlives the others."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence

from toril.job import JobState
from toril.log import WORKER_CUT_OFF, WORKER_HANDS_BACK
from toril.store.base import Store
from toril.store.runs import Extended, Run
from toril.worker.announcer import Announcer
from toril.worker.lane import Lane
from toril.worker.metering import Meter

__all__ = ["Lanes"]

AFTER_RELEASE = 1.0  # seconds that released runs have to end before the worker goes on without them


class Lanes:
    """The lanes of one worker, one for each of its queues.

    grace: seconds that running jobs have to end when the lanes are stopped. burst: end when no job is ready any more.
    """

    def __init__(self, store: Store, lanes: Sequence[Lane], *, grace: float, burst: bool) -> None:
        self._store = store
        self.all = lanes
        self._grace = grace
        self._burst = burst
        self.stopping = asyncio.Event()
        """Set once they take no more jobs."""
        self._given_up: list[asyncio.Task[None]] = []

    async def run(self, worker: str) -> None:
        """Run under the worker's lease until stopped (in a burst: until no job is ready); then hand back what runs.

        Cancelled, it hands back at once. Raises what a lane raises, by whose fault the others end as at a stop.
        """
        running = asyncio.ensure_future(self._run_all(worker))
        running.add_done_callback(lambda _: self.stopping.set())
        try:
            await self.stopping.wait()
            await asyncio.wait([running], timeout=self._grace)
        finally:
            self.stop()
            await self._end(running)

    def stop(self) -> None:
        """Take no more jobs."""
        self.stopping.set()
        for lane in self.all:
            lane.stop()

    def tell(self, announcer: Announcer | None, meter: Meter | None) -> None:
        """Let them tell of their jobs from now on."""
        for lane in self.all:
            lane.announcer, lane.meter = announcer, meter

    def hear(self, news: Extended) -> None:
        """Stop runs that others have taken over, or that somebody wants cancelled."""
        for lane in self.all:
            lane.lose(news.lost)
            lane.cancel(news.cancelled)

    def runs(self) -> Sequence[Run]:
        """Return what runs now; called from the heartbeat's thread as well."""
        return [run for lane in self.all for run in list(lane.running)]

    @property
    def ran(self) -> int:
        """How many runs have ended here."""
        return sum(lane.ran for lane in self.all)

    @property
    def refusing(self) -> int:
        """How many coroutines go on though their jobs were handed back."""
        return sum(not task.done() for task in self._given_up)

    @property
    def silence(self) -> Mapping[str, float]:
        """Seconds since each queue's lane last heard from the store; 0 while it has no free slot."""
        return {lane.queue: lane.poll_age for lane in self.all}

    async def _run_all(self, worker: str) -> None:
        again = True
        while again:
            ends = await asyncio.gather(*(self._run_one(lane, worker) for lane in self.all), return_exceptions=True)
            if fault := next(filter(None, ends), None):
                raise fault
            again = self._burst and not self.stopping.is_set() and await self._more()

    async def _run_one(self, lane: Lane, worker: str) -> None:
        try:
            await lane.run(worker)
        except Exception:
            self.stop()
            raise

    async def _more(self) -> bool:
        """Return whether the jobs of one queue have left work in another whose lane had ended."""
        infos = [await self._store.info(lane.queue) for lane in self.all]
        ready = (JobState.WAITING, JobState.PRIORITIZED)
        return any(info.counts[state] for info in infos for state in ready if info.closed is None)

    async def _end(self, running: asyncio.Future[None]) -> None:
        """Hand back what still runs, and see that no lane outlives the worker's lease."""
        runs = self.runs()
        if runs:
            WORKER_HANDS_BACK(jobs=len(runs), grace=self._grace)
        if runs or not running.done():
            self._given_up = [task for lane in self.all for task in lane.release()]
            await asyncio.wait([running, *self._given_up], timeout=AFTER_RELEASE)
        if not running.done():
            running.cancel()
            WORKER_CUT_OFF()
        with contextlib.suppress(asyncio.CancelledError):
            await running
