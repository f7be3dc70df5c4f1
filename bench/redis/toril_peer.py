"""Toril in one of the roles (see node_peer.mjs): toril_peer.py ROLE URL N CONCURRENCY. Typed calls, all defaults."""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from typing import Any

from toril import Toril, Worker
from toril.settings import Settings
from toril.worker.loop import run

ROLE, URL, N, CONCURRENCY = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
CHUNK, WARM = 1_000, 50
PAD = "x" * 160

app = Toril(URL, settings=Settings(env={}, dotenv=None))
starts: list[tuple[int, float]] = []


@app.task(queue="bench")
async def noop(i: int, pad: str) -> None:
    starts.append((i, time.monotonic()))


def say(value: object) -> None:
    print(json.dumps(value), flush=True)


async def work() -> None:
    worker = Worker(app, {"bench": CONCURRENCY}, signals=True)
    say({"ready": True})
    await worker.run()  # until SIGTERM
    say({"starts": starts, "cpu": time.process_time()})


async def bulk() -> dict[str, Any]:
    await app.enqueue_many([noop.call(i=0, pad=PAD)])
    begin, used = time.monotonic(), time.process_time()
    for start in range(1, N, CHUNK):
        await app.enqueue_many(noop.call(i=number, pad=PAD) for number in range(start, min(start + CHUNK, N)))
    return {"count": N - 1, "seconds": time.monotonic() - begin, "cpu": time.process_time() - used}


async def single() -> dict[str, Any]:
    for number in range(WARM):
        await noop.enqueue(i=number, pad=PAD)
    begin, used = time.monotonic(), time.process_time()
    for number in range(N):
        await noop.enqueue(i=number, pad=PAD)
    return {"count": N, "seconds": time.monotonic() - begin, "cpu": time.process_time() - used}


async def paced() -> dict[str, Any]:
    sent = []
    for number in range(-5, N):
        await asyncio.sleep(0.02 + 0.04 * random.random())
        at = time.monotonic()
        await noop.enqueue(i=number, pad=PAD)
        if number >= 0:
            sent.append((number, at))
    return {"sent": sent}


async def main() -> None:
    async with app:
        if ROLE == "work":
            await work()
        else:
            say(await {"bulk": bulk, "single": single, "paced": paced}[ROLE]())


run(main())
