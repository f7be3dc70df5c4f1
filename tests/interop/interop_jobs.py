"""What a job of each name does, in Python: `behaviours.mjs` does the same. `toril worker interop_jobs:app` serves it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from ledger import Ledger
from toril import JobContext, Toril, Unrecoverable

Behaviour = Callable[[JobContext], Awaitable[Any]]


async def echo(job: JobContext) -> Any:
    return job.data


async def slow(job: JobContext) -> None:
    await asyncio.sleep(job.data["ms"] / 1000)


async def fail(job: JobContext) -> str:
    """Fail in the first `times` attempts."""
    if job.record.attempts < job.data["times"]:
        raise RuntimeError("boom")
    return "recovered"


async def hopeless(job: JobContext) -> None:
    raise Unrecoverable("no use")


async def talk(job: JobContext) -> str:
    await job.progress(50)
    await job.log("half way")
    await job.log("nearly there")
    await asyncio.sleep(0.2)  # progress travels with the next step, 0.1 s later at most, and only the latest
    await job.progress({"step": "last", "of": 2})
    return "said"


async def total(job: JobContext) -> int:
    """Add up what the children returned."""
    return sum(child.result["n"] for child in await job.children() if child.ended == "completed")


async def hang(job: JobContext) -> str:
    """Never end in the first run."""
    if job.record.starts == 1:
        await asyncio.sleep(600)
    return "alive"


BEHAVIOURS: dict[str, Behaviour] = {b.__name__: b for b in (echo, slow, fail, hopeless, talk, hang)} | {"sum": total}


def serve(app: Toril, ledger: Ledger, queue: str) -> None:
    """Let workers of an application do what the names of a queue's jobs say."""

    @app.processor(queue)
    async def behave(job: JobContext) -> Any:
        with ledger.run(job):
            return await BEHAVIOURS[job.name](job)


app = Toril()  # TORIL_URL says where, TORIL_PREFIX under which prefix
for name in filter(None, os.environ.get("QUEUES", "").split(",")):
    serve(app, Ledger(Path(os.environ["LEDGER"])), name)
