"""One job a tick, whatever the number of workers, and whatever happens to them."""

from __future__ import annotations

import asyncio
import signal

import pytest

from ledger import Ledger
from processes import TORIL, Process, Processes, until

SCHEDULES = {"one", "two", "three", "four", "five"}  # as ticks.py declares them
SECONDS = 60


@pytest.mark.slow
async def test_two_processes_with_the_same_five_schedules_make_one_job_a_tick(
    processes: Processes, ledger: Ledger
) -> None:
    def worker() -> Process:
        return processes.start(TORIL, "worker", "ticks:app", "--queues", "ticks=5", TORIL_LEASE="2")

    async def all_take_part(*started: Process) -> None:
        await until(lambda: {process.pid for process in started} <= {entry.pid for entry in ledger.entries()})

    victim, witness = worker(), worker()
    await all_take_part(victim, witness)
    await asyncio.sleep(SECONDS / 2)
    victim.kill()
    successor = worker()
    await all_take_part(successor)
    await asyncio.sleep(SECONDS / 2)
    for process in (witness, successor):
        process.signal(signal.SIGTERM)
        assert await process.ended() == 0, processes.output

    again = [starts for starts in ledger.starts_by_job().values() if len(starts) > 1]
    assert all(starts[0].pid == victim.pid for starts in again), "only what the victim ran may have run again"
    ticks: dict[str, list[int]] = {name: [] for name in SCHEDULES}
    for job in ledger.starts_by_job():  # their ids are repeat:<schedule>:<epoch milliseconds>
        _, name, tick = job.split(":")
        ticks[name].append(int(tick))
    for name, found in ticks.items():
        first, last = min(found), max(found)
        assert sorted(found) == list(range(first, last + 1, 1000)), f"{name}: a tick was lost or made twice"
        assert last - first >= (SECONDS - 2) * 1000
