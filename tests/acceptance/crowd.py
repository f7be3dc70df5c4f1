"""One of several processes that add jobs and drain the queue at the same time: `crowd.py JOBS`."""

from __future__ import annotations

import asyncio
import signal
import sys

from jobs import app, nap

from toril import Worker


async def add(jobs: int) -> None:
    """Add half of the jobs one by one and half in bulk."""
    for _ in range(jobs // 2):
        await nap.enqueue(0)
    await app.enqueue_many(nap.call(0) for _ in range(jobs // 2))


async def main() -> None:
    worker = Worker(app, {"work": 10})
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.stop)
    async with app:
        await asyncio.gather(worker.run(), add(int(sys.argv[1])))


asyncio.run(main())
