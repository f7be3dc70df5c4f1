"""What a process does that dies after its n-th call of the store, and the application that it shares with the test.

Each scenario writes what was acknowledged to it; each run of a job writes that it began, and that it ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

from toril import JobCancelled, JobContext, RateLimited, Snooze, Toril, Worker
from toril.clock import Clock, SystemClock
from toril.settings import Settings
from toril.store.views import WorkerInfo

QUEUE = "work"
LEASE = 10.0


class Later(Clock):
    """The machine's clock, some seconds ahead. It is no SystemClock: a store must not take its server's in its place."""

    def __init__(self, ahead: float) -> None:
        self.ahead = ahead
        self._real = SystemClock()

    def now(self) -> int:
        return self._real.now() + round(self.ahead * 1000)

    def monotonic(self) -> float:
        return self._real.monotonic() + self.ahead


class Ledger(NamedTuple):
    """A file that knows nothing of the store: one line an effect."""

    path: Path

    def write(self, *words: object) -> None:
        with self.path.open("a", encoding="utf-8") as file:
            file.write(" ".join(map(str, (*words, os.getpid()))) + "\n")

    def lines(self, what: str) -> list[list[str]]:
        """Return the words behind `what`, the process's id last."""
        if not self.path.exists():
            return []
        lines = (line.split() for line in self.path.read_text(encoding="utf-8").splitlines())
        return [words[1:] for words in lines if words[0] == what]


class Place(NamedTuple):
    """What the processes share: a store, the settings that it takes, and the file of the ledger."""

    url: str
    settings: dict[str, Any]
    path: Path

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.path)


Begins = Callable[[JobContext], bool]


def make_app(place: Place, ahead: float, crash_at: int | None = None, *, scheduled: bool = False) -> Toril:
    """Return an application whose tasks end in each way that there is."""
    settings = Settings(env={}, dotenv=None, crash_at=crash_at, **place.settings)
    app = Toril(place.url, settings=settings, clock=Later(ahead))
    ledger = place.ledger

    def begins(job: JobContext) -> bool:
        """Write that a run has begun; return whether it is the first, but for those whose worker was lost."""
        ledger.write("run", job.id, job.record.starts)
        return job.record.starts - job.record.stalls == 1

    declare_ends(app, begins)
    declare_returns(app, begins, hangs=crash_at is not None)
    if scheduled:

        @app.every(3_600)
        @app.task(queue=QUEUE)
        async def tick(job: JobContext) -> None:
            begins(job)

    return app


def declare_ends(app: Toril, begins: Begins) -> None:
    """Declare tasks whose first run is their last."""

    @app.task(queue=QUEUE)
    async def complete(job: JobContext) -> None:
        begins(job)

    @app.task(queue=QUEUE)
    async def fail(job: JobContext) -> None:
        begins(job)
        raise ValueError

    @app.task(queue=QUEUE)
    async def speak(job: JobContext) -> None:
        begins(job)
        job.progress(0.5)
        job.log("half way")
        await asyncio.sleep(0.15)  # so that it travels with a step of its own


def declare_returns(app: Toril, begins: Begins, *, hangs: bool) -> None:
    """Declare tasks whose first run ends so that there is another."""

    @app.task(queue=QUEUE, attempts=2)
    async def retry(job: JobContext) -> None:
        if begins(job):
            raise ValueError

    @app.task(queue=QUEUE)
    async def snooze(job: JobContext) -> None:
        if begins(job):
            raise Snooze(5)

    @app.task(queue=QUEUE)
    async def limited(job: JobContext) -> None:
        if begins(job):
            raise RateLimited(5)

    @app.task(queue=QUEUE)
    async def hang(job: JobContext) -> None:
        begins(job)
        if hangs:
            await asyncio.sleep(60)


ENDS = ("complete", "retry", "fail", "snooze", "limited", "speak")
RETURNS = {"retry": 1, "snooze": 1, "limited": 1}  # runs after which a job comes back by itself


async def add(app: Toril, ledger: Ledger) -> None:
    """Add jobs in every way."""
    queue = app.queue(QUEUE)
    for _ in range(2):
        ledger.write("added", (await queue.add("complete")).id)
    for job in await queue.add_many([("complete", None)] * 3):
        ledger.write("added", job.id)
    for _ in range(2):
        ledger.write("added", (await queue.add("complete", job_id="own")).id)
    ledger.write("added", (await queue.add("complete", delay=5)).id)


async def outcomes(app: Toril, ledger: Ledger) -> None:
    """Run jobs that end in each way."""
    del ledger
    await Worker(app, {QUEUE: 2}, burst=True).run()


async def hand_back(app: Toril, ledger: Ledger) -> None:
    """Stop a worker whose job does not end."""
    worker = Worker(app, {QUEUE: 1}, grace=0.05)
    running = asyncio.create_task(worker.run())
    async with asyncio.timeout(10):
        while not ledger.lines("run"):
            await asyncio.sleep(0.01)
    worker.stop()
    await running


async def rescue(app: Toril, ledger: Ledger) -> None:
    """Take over the jobs of a worker that is lost."""
    del ledger
    await app.store.rescue(QUEUE)
    await Worker(app, {QUEUE: 2}, burst=True).run()


async def schedules(app: Toril, ledger: Ledger) -> None:
    """Declare a schedule and run its first job."""
    del ledger
    await Worker(app, {QUEUE: 1}, burst=True).run()


async def pause(app: Toril, ledger: Ledger) -> None:
    """Pause and resume a queue, with a worker between."""
    queue = app.queue(QUEUE)
    await queue.pause(by="ana")
    ledger.write("paused")
    await Worker(app, {QUEUE: 1}, burst=True).run()
    ledger.write("resuming")
    await queue.resume()
    await Worker(app, {QUEUE: 1}, burst=True).run()


async def cancel(app: Toril, ledger: Ledger) -> None:
    """Cancel a job that waits and one that runs."""
    queue = app.queue(QUEUE)
    first, second = (await queue.jobs("waiting")).jobs
    await second.cancel(by="ana")
    ledger.write("cancelled", second.id)
    worker = Worker(app, {QUEUE: 1})
    running = asyncio.create_task(worker.run())
    async with asyncio.timeout(10):
        while not ledger.lines("run"):
            await asyncio.sleep(0.01)
        await first.cancel(by="ana")
        ledger.write("cancelled", first.id)
    with contextlib.suppress(JobCancelled):
        await first.result(10)
    worker.stop()
    await running


Scenario = Callable[[Toril, Ledger], Awaitable[None]]
SCENARIOS: dict[str, tuple[Scenario, list[str]]] = {
    "add": (add, []),
    "outcomes": (outcomes, [*ENDS]),
    "hand back": (hand_back, ["hang"]),
    "rescue": (rescue, ["complete", "complete"]),
    "schedules": (schedules, []),
    "pause": (pause, ["complete"]),
    "cancel": (cancel, ["hang", "complete"]),
}
"""Each scenario, and the names of the jobs that are there before it."""


def play(name: str, place: Place, crash_at: int) -> None:
    """Play a scenario in this process, which dies after its `crash_at`-th call of the store."""
    app = make_app(place, 100, crash_at, scheduled=name == "schedules")

    async def main() -> None:
        async with app:
            await SCENARIOS[name][0](app, place.ledger)

    asyncio.run(main())


async def hold(app: Toril) -> None:
    """Have all jobs held by a worker that is never heard of again."""
    lost = await app.store.enrol(WorkerInfo("lost", "host", 1, LEASE, {QUEUE: 10}))
    await app.store.step(QUEUE, lost, [], [], 10)
