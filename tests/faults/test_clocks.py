"""A wall clock that jumps: leases do not notice, jobs are neither lost nor run twice."""

from __future__ import annotations

import asyncio
import time

import pytest

from toril import Toril, Worker

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
