"""One queue's jobs in one process: one step in flight, what finishes meanwhile goes with the next."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, repeat

from toril.clock import Clock
from toril.context import JobContext
from toril.errors import StoreUnavailable
from toril.job import JobRecord
from toril.log import JOB_CANCELLED, JOB_COMPLETED, JOB_NOT_RUN, JOB_TAKEN_OVER, JOB_TOO_LATE, WORKER_QUEUE_WAITING
from toril.options import KEEP_FAILED
from toril.store.base import Store
from toril.store.runs import Completed, Failed, Outcome, Released, Run, Step
from toril.worker.announcer import Announcer
from toril.worker.executor import Executor
from toril.worker.metering import Meter
from toril.worker.telling import tell_ended, tell_taken
from toril.worker.traced import Execute, traced

__all__ = ["Lane", "pauses"]

BATCH = 256  # outcomes and takes of one step: about 10 ms of a Redis store
NOTE_DELAY = 0.1  # seconds that progress and log lines may wait for a step to ride on
_OWN_END = "CancelledError: nobody asked for it but its own task"
PAUSES = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0)  # seconds between tries while the store does not answer


def pauses() -> Iterator[float]:
    """Yield the seconds between tries while the store does not answer, without end."""
    return chain(PAUSES, repeat(PAUSES[-1]))


class Lane:
    """Takes jobs of `queue` into `slots`, runs them with `executor`, reports them."""

    def __init__(self, store: Store, queue: str, slots: int, executor: Executor, clock: Clock, *, burst: bool) -> None:
        self.queue = queue
        self.slots = slots
        self.running: dict[Run, asyncio.Task[None]] = {}
        self.ran = 0  # runs that have ended
        self._store = store
        self._most = min(-(-slots // 2) if store.remote else slots, BATCH)  # jobs that one step takes
        self._executor = executor
        self._clock = clock
        self._burst = burst
        self._arrived: Sequence[JobRecord] = ()  # taken, and started as soon as the next step is under way
        self._finished: deque[Outcome] = deque()
        # Of those who have something to say; filled from the threads of sync tasks as well
        self._notes: deque[JobContext] = deque()
        self._note_timer: asyncio.TimerHandle | None = None
        self._wake = asyncio.Event()
        self._look = True  # there is a reason to look for jobs
        self._ear: asyncio.Task[None] | None = None
        self._due_at: int | None = None
        self._closing = False
        self._polled = time.monotonic()
        self._lost: set[Run] = set()
        self._cancelled: set[Run] = set()
        self._tells_all = False
        self.announcer: Announcer | None = None  # if there is anybody to be told
        self.meter: Meter | None = None  # if somebody measures

    async def run(self, worker: str) -> None:
        """Take and report jobs under the worker's lease until it is stopped; in a burst, until none is left."""
        self._loop = asyncio.get_running_loop()
        self._worker = worker
        self._look, self._polled = True, time.monotonic()
        while not self._done():
            want = 0 if self._closing else min(self.slots - len(self.running) - len(self._arrived), self._most)
            if self._finished or self._notes_due() or (want and self._look):
                self._apply(await self._step(worker, want), want)
            else:
                await self._pause(listen=want > 0)
        if self._ear is not None:
            self._ear.cancel()

    def stop(self) -> None:
        """Take no more jobs; `run` returns when those that run have ended and are reported."""
        self._closing = True
        self._wake.set()

    def release(self) -> list[asyncio.Task[None]]:
        """Hand back the jobs of what still runs, without an attempt used; return the tasks that were told to end."""
        self._start_arrived()
        given_up = [(run, task) for run, task in self.running.items() if task.cancel()]
        for run, _ in reversed(given_up):  # each goes to the front: the oldest ends up foremost
            if not self._executor.is_over_time(run):  # that one's outcome comes by itself
                self._end(run, Released(run))
        return [task for _, task in given_up]

    def lose(self, runs: Iterable[Run]) -> None:
        """Stop runs that another worker has taken over."""
        for run in runs:
            task = self.running.get(run)
            if task is not None:
                JOB_TAKEN_OVER(job=run.id, queue=self.queue)
                self._lost.add(run)
                task.cancel()

    def cancel(self, asked: Iterable[tuple[Run, str]]) -> None:
        """Stop runs that somebody wants cancelled; the store, which knows by whom, fails what comes back."""
        for run, by in asked:
            task = self.running.get(run)
            if task is not None and run not in self._cancelled:
                JOB_CANCELLED(job=run.id, queue=self.queue, by=by)
                self._cancelled.add(run)
                task.cancel(by)

    @property
    def poll_age(self) -> float:
        """Seconds since the store has answered; 0 while there is nothing to ask."""
        return 0.0 if self._idle() and not self._finished else time.monotonic() - self._polled

    # -- steps

    def _idle(self) -> bool:
        """Return whether it looks for no jobs: all slots are taken, it was stopped, or its burst is over."""
        return len(self.running) + len(self._arrived) >= self.slots or self._closing or self._done()

    def _done(self) -> bool:
        idle = not self.running and not self._arrived and not self._finished and not self._notes
        return idle and (self._closing or (self._burst and not self._look))

    async def _step(self, worker: str, want: int) -> Step:
        outcomes = [self._finished.popleft() for _ in range(min(len(self._finished), BATCH))]
        notes = [note for _ in range(len(self._notes)) if (note := self._notes.popleft().said())]
        if self._note_timer is not None:
            self._note_timer.cancel()
            self._note_timer = None
        failed = False
        for pause in pauses():
            try:
                step = await self._store.step(self.queue, worker, outcomes, notes, want)
            except StoreUnavailable as error:
                (WORKER_QUEUE_WAITING.again if failed else WORKER_QUEUE_WAITING)(queue=self.queue, error=error)
                failed = True
                await asyncio.sleep(pause)
            else:
                self._polled = time.monotonic()
                if self.announcer is not None:
                    self.announcer.recorded(outcomes, notes, step)
                return step
        raise AssertionError("unreachable")

    def _apply(self, step: Step, want: int) -> None:
        for run in step.refused:
            JOB_TOO_LATE(job=run.id, queue=self.queue)
        due_at = step.opens_at or step.due_at
        if due_at != self._due_at:
            self._due_at = due_at
            if self._ear is not None:  # it listens until another moment
                self._ear.cancel()
                self._ear = None
        if want:
            self._look = len(step.taken) == want
        if step.taken:
            self._start_arrived()
            self._arrived = step.taken
            if self._finished or self._look:
                self._loop.call_soon(self._start_arrived)  # the next step goes out first
            else:
                self._start_arrived()

    def _start_arrived(self) -> None:
        arrived, self._arrived = self._arrived, ()
        tell_taken(arrived)
        self._tells_all = JOB_COMPLETED.enabled
        execute = traced(self._executor.run)
        for record in arrived:
            self._start(record, execute)

    def _start(self, record: JobRecord, execute: Execute) -> None:
        run = Run(record.id, record.starts, record.token)
        if self.announcer is not None:
            self.announcer.taken(run, record)
        self.running[run] = self._loop.create_task(self._run(run, record, execute))

    async def _run(self, run: Run, record: JobRecord, execute: Execute) -> None:
        try:
            outcome = await execute(run, record, self._hear)
        except asyncio.CancelledError:
            if run in self.running and run not in self._lost:  # it was not told to end, or by an operator: see `_end`
                self._end(run, Failed(run, _OWN_END, None, KEEP_FAILED))
            self._forget(run)
            raise
        except Exception as error:  # noqa: BLE001  (a fault of ours must not hold the slot for ever)
            JOB_NOT_RUN.raised(error, job=run.id, queue=self.queue)
            outcome = Failed(run, f"its worker could not run it: {error!r}", None, KEEP_FAILED)
        if self.meter is not None:
            self.meter.ended(record, outcome)
        heard = self._tells_all or not isinstance(outcome, Completed)
        if heard and run not in self._lost and run not in self._cancelled:  # of those it was told who ended them
            tell_ended(record, outcome, self._clock.now())
        self._end(run, outcome)

    def _end(self, run: Run, outcome: Outcome) -> None:
        if self._forget(run):
            self.ran += 1
            if self._cancelled and run in self._cancelled:
                self._cancelled.discard(run)
                outcome = Released(run)
            self._finished.append(outcome)

    def _forget(self, run: Run) -> bool:
        """Free the slot of a run; return whether its outcome is still wanted."""
        if len(self.running) >= self.slots or self._closing:
            self._polled = time.monotonic()  # there was no reason to ask
        if self.running.pop(run, None) is None:
            return False
        self._wake.set()
        if run in self._lost:
            self._lost.discard(run)
            self._cancelled.discard(run)
            if self.announcer is not None:
                self.announcer.forget(run)
            return False
        return True

    # -- what wakes the lane up

    async def _pause(self, *, listen: bool) -> None:
        if listen and self._ear is None:
            self._ear = self._loop.create_task(self._listen())
        await self._wake.wait()
        self._wake.clear()

    async def _listen(self) -> None:
        try:
            await self._store.wait(self.queue, self._worker, self._due_at)
        except StoreUnavailable:
            await asyncio.sleep(PAUSES[-1])
        else:
            self._polled = time.monotonic()
        self._ear = None
        self._look = True
        self._wake.set()

    def _hear(self, job: JobContext) -> None:
        """Hear that a run has something to say, on whatever thread it runs."""
        self._notes.append(job)
        if self._note_timer is None:
            self._loop.call_soon_threadsafe(self._expect_notes)

    def _expect_notes(self) -> None:
        if self._notes and self._note_timer is None:
            self._note_timer = self._loop.call_later(NOTE_DELAY, self._wake.set)

    def _notes_due(self) -> bool:
        return bool(self._notes) and (
            self._closing or self._note_timer is None or self._note_timer.when() <= self._loop.time()
        )
