"""How long an idle worker takes from `enqueue` to the start of the handler, in milliseconds."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from bench.measures import make_app
from toril import Toril, Worker

SAMPLES = 300
PAUSE = 0.005  # seconds between samples, so that the worker is idle again


def ticking(app: Toril, started: asyncio.Queue[float] | None = None):  # noqa: ANN201  (typed by the decorator)
    """Register the task that tells when it was started (CLOCK_MONOTONIC, which processes share)."""

    @app.task(queue="tick")
    async def tick() -> float:
        now = time.monotonic()
        if started is not None:
            started.put_nowait(now)
        return now

    return tick


async def in_one_process(folder: Path) -> list[float]:
    """Return samples with the worker on the caller's own loop."""
    app = make_app(folder)
    started: asyncio.Queue[float] = asyncio.Queue()
    tick = ticking(app, started)
    samples = []
    async with app:
        worker = Worker(app, {"tick": 10})
        running = asyncio.create_task(worker.run())
        await (await tick.enqueue()).result(5)
        await started.get()
        for _ in range(SAMPLES):
            begin = time.monotonic()
            await tick.enqueue()
            samples.append((await started.get() - begin) * 1000)
            await asyncio.sleep(PAUSE)
        worker.stop()
        await running
    return samples


async def across_processes(folder: Path) -> list[float]:
    """Return samples with the worker in a process of its own."""
    app = make_app(folder)
    tick = ticking(app)
    child = await asyncio.create_subprocess_exec(sys.executable, "-m", "bench.latency", str(folder))
    samples = []
    try:
        async with app:
            await (await tick.enqueue()).result(20)
            for _ in range(SAMPLES):
                begin = time.monotonic()
                job = await tick.enqueue()
                samples.append((await job.result(5) - begin) * 1000)
                await asyncio.sleep(PAUSE)
    finally:
        child.terminate()
        await child.wait()
    return samples


async def serve(folder: Path) -> None:
    """Run the worker of `across_processes` until it is terminated."""
    app = make_app(folder)
    ticking(app)
    async with app:
        await Worker(app, {"tick": 10}, signals=True).run()


if __name__ == "__main__":
    from toril.worker.loop import run

    run(serve(Path(sys.argv[1])))
