"""Workers that are killed: nothing is lost, and nothing runs twice that was not running there."""

from __future__ import annotations

import asyncio
import os
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from ledger import Ledger
from processes import Processes, until
from toril import JobFailed, Queue


@pytest.mark.slow
async def test_ten_of_four_workers_are_killed_while_2000_jobs_run(
    queue: Queue, processes: Processes, ledger: Ledger
) -> None:
    await queue.add_many([("nap", {"seconds": 0.2})] * 2_000, max_stalls=3, keep_completed=5_000)
    living = [processes.worker(5) for _ in range(4)]
    await until(ledger.entries)
    killed: dict[int, float] = {}
    for _ in range(10):
        await asyncio.sleep(1)
        victim = living.pop(0)  # the eldest, so that none lives long
        killed[victim.pid] = victim.kill()
        living.append(processes.worker(5))

    async with asyncio.timeout(60):
        while (counts := await queue.counts())["completed"] < 2_000:
            await asyncio.sleep(0.2)

    assert (counts["failed"], counts["active"], counts["ready"], counts["delayed"]) == (0, 0, 0, 0)
    assert len({entry.job for entry in ledger.entries("end")}) == 2_000
    again: list[float] = []
    for starts in ledger.starts_by_job().values():
        for run, following in pairwise(starts):
            assert run.pid in killed, f"{run} was started again though its worker was not killed"
            again.append(following.at - killed[run.pid])
    assert len(again) >= 10  # or the kills hit nothing
    assert max(again) < 15


@pytest.mark.slow
async def test_a_kill_costs_no_attempt_and_a_job_that_kills_every_worker_fails(
    queue: Queue, processes: Processes, ledger: Ledger
) -> None:
    job = await queue.add("nap", {"seconds": 60, "again": 60}, attempts=1, max_stalls=1)
    worker = processes.worker(TORIL_LEASE="1")
    await until(ledger.entries)
    worker.kill()
    worker = processes.worker(TORIL_LEASE="1")
    await until(lambda: len(ledger.entries()) == 2)
    record = await job.refresh()
    assert (record.starts, record.attempts, record.stalls) == (2, 0, 1)
    worker.kill()
    worker = processes.worker(TORIL_LEASE="1")
    with pytest.raises(JobFailed, match="its worker died 2 times while it ran"):
        await job.result(timeout=20)
    record = await job.refresh()
    assert (record.starts, record.attempts, record.stalls) == (2, 0, 2)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent was killed")
async def test_the_process_of_a_task_dies_with_its_worker(queue: Queue, processes: Processes, ledger: Ledger) -> None:
    await queue.add("crunch", {"label": "it", "seconds": 60})
    worker = processes.worker()
    (entry,) = await until(ledger.entries)
    assert entry.pid != worker.pid
    worker.kill()

    def gone() -> bool:
        try:
            os.kill(entry.pid, 0)
        except ProcessLookupError:
            return True
        stat = Path(f"/proc/{entry.pid}/stat").read_text(encoding="ascii")
        return stat.rpartition(")")[2].split()[0] == "Z"  # dead, and nobody has waited for it yet

    await until(gone)
