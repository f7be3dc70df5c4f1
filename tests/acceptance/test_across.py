"""What one process does, another sees: results, notes, pauses, wake-ups."""

from __future__ import annotations

import asyncio
import time

from ledger import Ledger
from processes import Processes, until
from toril import Queue


async def test_the_result_of_a_job_that_is_not_kept(queue: Queue, processes: Processes, ledger: Ledger) -> None:
    await queue.pause()
    worker = processes.worker(20)
    jobs = await queue.add_many([("nap", {"seconds": 0})] * 20, keep_completed=0)
    waiting = [asyncio.create_task(job.result(timeout=20)) for job in jobs]
    listener = queue.app.listener()
    async with asyncio.timeout(10):
        while len(listener._wanted) < 20 or listener._ready is None or not listener._ready.done():
            await asyncio.sleep(0.01)
    await queue.resume()
    assert await asyncio.gather(*waiting) == [[1, worker.pid]] * 20
    assert not any((await queue.counts()).values())


async def test_an_idle_worker_is_woken_at_once(queue: Queue, processes: Processes, ledger: Ledger) -> None:
    await queue.add("nap", {"seconds": 0})
    processes.worker()
    await until(lambda: ledger.entries("end"))
    waits = []
    for _ in range(10):
        await asyncio.sleep(0.1)  # let it fall asleep
        began = time.monotonic()
        job = await queue.add("nap", {"seconds": 0})
        await job.result(timeout=10)
        waits.append(ledger.entries()[-1].at - began)
    assert sorted(waits)[5] < 0.2  # its own next look would come after seconds


async def test_a_pause_reaches_workers_of_other_processes(queue: Queue, processes: Processes, ledger: Ledger) -> None:
    first = await queue.add("nap", {"seconds": 1})
    second = await queue.add("nap", {"seconds": 0})
    processes.worker()
    await until(ledger.entries)
    await queue.pause(by="ana")
    await first.result(timeout=10)
    await asyncio.sleep(0.5)
    assert await second.state() == "waiting"
    await queue.resume()
    await second.result(timeout=10)
