"""Workers that stand still: stopped, held up by the store, or blocked by their own task."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from ledger import Ledger
from processes import Processes, until
from toril import Queue


@pytest.mark.slow
async def test_a_stopped_worker_cannot_report_a_job_that_another_took_over(
    queue: Queue, processes: Processes, ledger: Ledger
) -> None:
    job = await queue.add("nap", {"seconds": 0.5, "again": 3})
    stopped = processes.worker(TORIL_LEASE="1")
    await until(ledger.entries)
    stopped.signal(signal.SIGSTOP)
    other = processes.worker(TORIL_LEASE="1")
    await until(lambda: [entry for entry in ledger.entries() if entry.pid == other.pid])
    stopped.signal(signal.SIGCONT)  # its nap is over, the other's is not
    await until(lambda: "too late" in stopped.output or "was taken over" in stopped.output)
    assert await job.state() == "active"
    assert await job.result(timeout=10) == [2, other.pid]
    record = await job.refresh()
    assert (record.starts, record.attempts, record.stalls) == (2, 1, 1)


@pytest.mark.slow
async def test_a_stopped_worker_may_report_what_nobody_took_over(
    queue: Queue, processes: Processes, ledger: Ledger
) -> None:
    job = await queue.add("nap", {"seconds": 2})
    worker = processes.worker()
    await until(ledger.entries)
    worker.signal(signal.SIGSTOP)
    await asyncio.sleep(12)  # past the lease of 10 s
    assert await job.state() == "active"
    worker.signal(signal.SIGCONT)
    assert await job.result(timeout=10) == [1, worker.pid]
    record = await job.refresh()
    assert (record.starts, record.attempts, record.stalls) == (1, 1, 0)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["polite", "stranger"])
async def test_a_process_stopped_inside_a_write_makes_nobodys_job_run_twice(
    queue: Queue, processes: Processes, ledger: Ledger, file: Path, kind: str
) -> None:
    await queue.add_many([("nap", {"seconds": 2})] * 60)
    for _ in range(4):
        processes.worker(5)
    await until(lambda: len(ledger.entries()) >= 20)
    await asyncio.sleep(5)  # until they trust their contact enough to judge each other
    holder = processes.script("hold.py", str(file), "0.5", kind)
    await until(lambda: "held" in holder.output)
    holder.signal(signal.SIGSTOP)
    begun = len(ledger.entries())
    await asyncio.sleep(15)
    assert len(ledger.entries()) == begun  # it did hold them up
    holder.signal(signal.SIGCONT)
    await until(lambda: len(ledger.entries("end")) >= 60, timeout=30)
    async with asyncio.timeout(10):
        while (await queue.counts())["completed"] < 60:
            await asyncio.sleep(0.1)
    assert [entry for entry in ledger.entries() if entry.start > 1] == []
    assert "locked" not in processes.output


@pytest.mark.slow
async def test_a_task_that_blocks_the_loop_keeps_its_lease(queue: Queue, processes: Processes, ledger: Ledger) -> None:
    job = await queue.add("block", {"seconds": 30})
    processes.worker()
    await until(ledger.entries)
    other = processes.worker()
    await queue.add("nap", {"seconds": 0})
    await until(lambda: [entry for entry in ledger.entries() if entry.pid == other.pid])  # it would be there
    await job.result(timeout=40)
    record = await job.refresh()
    assert (record.starts, record.attempts, record.stalls) == (1, 1, 0)


@pytest.mark.slow
async def test_a_loop_that_turns_no_more_ends_its_worker_and_says_where_it_hangs(
    queue: Queue, processes: Processes, ledger: Ledger
) -> None:
    job = await queue.add("spin")
    worker = processes.worker(TORIL_LEASE="1", TORIL_LOOP_PATIENCE="2")
    await until(ledger.entries)
    assert await worker.ended(10) == 1
    assert "in spin" in worker.output
    processes.worker(TORIL_LEASE="1")
    await job.result(timeout=20)
    record = await job.refresh()
    assert (record.starts, record.attempts, record.stalls) == (2, 1, 1)
