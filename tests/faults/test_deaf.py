"""A worker that can no longer poll ends, so that its supervisor starts a fresh one; one that has no reason to does not."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

from processes import until
from toril import Toril, Worker
from toril.worker.watchdog import RET_DEAF


def test_a_worker_that_hears_nothing_of_a_store_that_answers_ends(tmp_path: Path) -> None:
    script = Path(__file__).with_name("deaf.py")
    done = subprocess.run(
        [sys.executable, script, tmp_path / "jobs.db"], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.returncode == RET_DEAF, done.stderr
    assert "no poll for" in done.stderr
    assert "Thread" in done.stderr  # and where each thread stood


async def test_the_age_of_the_last_poll(app: Toril) -> None:
    begun, end = asyncio.Event(), asyncio.Event()

    @app.task(queue="work")
    async def long() -> None:
        begun.set()
        await end.wait()

    worker = Worker(app, {"work": 1})
    running = asyncio.create_task(worker.run())
    await long.enqueue()
    await asyncio.wait_for(begun.wait(), 10)
    assert worker.poll_age == 0.0  # all slots are taken: there is nothing to ask
    end.set()
    await asyncio.sleep(0)
    worker.stop()
    await running
    assert worker.poll_age < 5


async def test_a_lane_that_looks_for_no_more_jobs_is_not_deaf(app: Toril) -> None:
    """Its burst is over, or it was told to stop, while another job takes longer than the loop's patience."""
    begun, end = asyncio.Event(), asyncio.Event()

    @app.task(queue="work")
    async def long() -> None:
        begun.set()
        await end.wait()

    await long.enqueue()
    worker = Worker(app, {"work": 2, "other": 1}, burst=True)
    running = asyncio.create_task(worker.run())
    await asyncio.wait_for(begun.wait(), 10)
    await until(lambda: worker.silence["other"] == 0.0)
    worker.stop()
    assert worker.poll_age == 0.0
    end.set()
    await running
