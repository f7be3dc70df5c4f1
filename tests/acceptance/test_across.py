"""What one process does, another sees: results, notes, pauses, wake-ups."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from ledger import Ledger
from processes import Process, Processes, until
from toril import Queue


async def test_the_result_of_a_job_that_is_not_kept(queue: Queue, processes: Processes, ledger: Ledger) -> None:
    await queue.pause()
    worker = processes.worker(20)
    jobs = await queue.add_many([("nap", {"seconds": 0})] * 20, keep_completed=0)
    waiting = [asyncio.create_task(job.result(timeout=20)) for job in jobs]
    async with asyncio.timeout(10):
        while queue.app.listener().hears(queue.name) < 20:
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


LIFE = ["added", "active", "completed"]


async def heard(listener: Process, jobs: list[str]) -> list[dict[str, Any]]:
    """Return what a process that listens tells of these jobs, once it has told of the end of all."""

    def told() -> list[dict[str, Any]]:
        events = [json.loads(line) for line in listener.output.splitlines() if line.endswith("}")]
        ended = {event["job"] for event in events if event["kind"] == "completed"}
        return events if ended >= set(jobs) else []

    return await until(told)


async def test_a_process_hears_within_a_second_what_happens_in_others(queue: Queue, processes: Processes) -> None:
    listener = processes.script("listen.py")
    await until(lambda: "listening" in listener.output)
    processes.worker(5)
    jobs = [await queue.add("nap", {"seconds": 0.01}) for _ in range(20)]
    ids = [job.id for job in jobs]
    events = await heard(listener, ids)
    assert {job: [event["kind"] for event in events if event.get("job") == job] for job in ids} == dict.fromkeys(
        ids, LIFE
    )
    assert max(event["age"] for event in events[1:]) < 1


async def test_a_process_that_was_away_goes_on_where_another_stopped(queue: Queue, processes: Processes) -> None:
    first = processes.script("listen.py")
    await until(lambda: "listening" in first.output)
    processes.worker(5)
    seen = (await heard(first, [(await queue.add("nap", {"seconds": 0})).id]))[-1]
    first.kill()
    ids = [job.id for job in await queue.add_many([("nap", {"seconds": 0})] * 20)]
    later = processes.script("listen.py", seen["cursor"])
    events = await heard(later, ids)
    assert {job: [event["kind"] for event in events if event.get("job") == job] for job in ids} == dict.fromkeys(
        ids, LIFE
    )
    assert "gap" not in {event["kind"] for event in events}
