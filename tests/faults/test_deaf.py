"""A worker that can no longer poll ends, so that its supervisor starts a fresh one; one that has no reason to does not."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path

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
