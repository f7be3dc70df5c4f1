"""A wall clock that jumps: leases do not notice, jobs are neither lost nor run twice."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing
from pathlib import Path

import pytest

from toril import Toril, Worker
from toril.store.views import WorkerInfo

DAY = 86_400_000


class WallClock:
    """The machine's clocks, the wall clock off by so many milliseconds."""

    off = 0

    def now(self) -> int:
        return time.time_ns() // 1_000_000 + self.off

    def monotonic(self) -> float:
        return time.monotonic()


@pytest.mark.parametrize("jump", [DAY, -DAY], ids=["forward", "back"])
async def test_a_jump_while_jobs_run(make_app, jump: int) -> None:
    clock = WallClock()
    app: Toril = make_app(clock)
    starts: list[str] = []
    go_on = asyncio.Event()

    @app.task(keep_completed=10)
    async def work(name: str) -> None:
        starts.append(name)
        await go_on.wait()

    for name in ("a", "b"):
        await work.enqueue(name)
    await work.using(delay=3_600).enqueue("due in an hour")
    worker = Worker(app, {"default": 5})
    running = asyncio.create_task(worker.run())
    async with asyncio.timeout(10):
        while len(starts) < 2:
            await asyncio.sleep(0.01)
        clock.off = jump
        assert list(await app.store.rescue("default")) == []
        job = await work.enqueue("c")
        while "c" not in starts:
            await asyncio.sleep(0.01)
        go_on.set()
        await job.result()
        while (await work.queue.counts())["active"]:
            await asyncio.sleep(0.01)
    worker.stop()
    await running
    counts = await work.queue.counts()
    if jump > 0:
        assert (sorted(starts), counts["completed"]) == (["a", "b", "c", "due in an hour"], 4)
    else:
        assert (sorted(starts), counts["completed"], counts["delayed"]) == (["a", "b", "c"], 3, 1)


async def test_after_a_reboot_no_lease_of_before_holds(make_app, tmp_path: Path) -> None:
    """The clock of leases begins anew then: a lease of before would seem to hold for as long as the machine was up."""
    app: Toril = make_app()
    job = await app.queue("work").add("x")
    worker = await app.store.enrol(WorkerInfo("ana", "host", 1, 10.0, {"work": 1}))
    await app.store.step("work", worker, [], [], 1)
    assert list(await app.store.rescue("work")) == []
    assert len(await app.workers()) == 1
    with closing(sqlite3.connect(tmp_path / "jobs.db")) as link, link:
        link.execute("UPDATE worker SET boot = 'the one before', beat = beat + 1000000")
    assert await app.workers() == []
    assert list(await app.store.rescue("work")) == [job.id]
    assert (await job.refresh()).stalls == 1
