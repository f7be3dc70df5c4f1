"""The application that the worker processes of these tests serve: `toril worker jobs:app`."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress
from pathlib import Path

from ledger import Ledger
from toril import JobContext, Toril

app = Toril()  # TORIL_URL says where
ledger = Ledger(Path(os.environ["LEDGER"]))


@app.task(queue="work")
async def nap(job: JobContext, seconds: float, again: float = 0.0) -> list[int]:
    """Sleep for `seconds` in the first run and for `again` in every other."""
    with ledger.run(job):
        await asyncio.sleep(seconds if job.record.starts == 1 else again)
    return [job.record.starts, os.getpid()]


@app.task(queue="work")
async def block(job: JobContext, seconds: float) -> None:
    """Let the event loop of the worker stand still."""
    with ledger.run(job):
        time.sleep(seconds)


@app.task(queue="work")
def sit(job: JobContext, seconds: float, again: float = 0.0) -> None:
    """Hold a thread, which nothing can stop."""
    with ledger.run(job):
        time.sleep(seconds if job.record.starts == 1 else again)


@app.task(queue="work", process=True)
def crunch(label: str, seconds: float) -> None:
    """Hold a process of its own."""
    ledger.write(label, 1, "start")
    time.sleep(seconds)
    ledger.write(label, 1, "end")


@app.task(queue="work")
async def refuse_to_end(job: JobContext) -> None:
    """Take no notice of being cancelled."""
    with ledger.run(job):
        while True:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(60)


@app.task(queue="work")
async def spin(job: JobContext) -> None:
    """Never let the event loop turn again, unless a worker died of it before."""
    with ledger.run(job):
        while job.record.starts == 1:
            pass
