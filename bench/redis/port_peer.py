"""BullMQ's own Python port in one of the roles (see node_peer.mjs): port_peer.py ROLE URL N CONCURRENCY."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import sys
import time
from typing import Any

import uvloop
from bullmq import Queue, Worker

ROLE, URL, N, CONCURRENCY = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
CHUNK, WARM = 1_000, 50
CONNECTION = {"connection": f"{URL}?max_connections=1000"}  # its default of 100 is too small for 100 slots


def job(number: int) -> dict[str, Any]:
    return {"i": number, "pad": "x" * 160}


def say(value: object) -> None:
    print(json.dumps(value), flush=True)


async def work() -> None:
    starts: list[tuple[int, float]] = []
    ended = asyncio.Event()

    async def run(job: Any, token: str) -> None:
        starts.append((job.data["i"], time.monotonic()))

    worker = Worker("bench", run, {**CONNECTION, "concurrency": CONCURRENCY})
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    say({"ready": True})
    await ended.wait()
    say({"starts": starts, "cpu": time.process_time()})
    await worker.close(force=True)


async def bulk(queue: Queue) -> dict[str, Any]:
    await queue.addBulk([{"name": "noop", "data": job(0)}])
    jobs = [{"name": "noop", "data": job(number)} for number in range(1, N)]
    begin, used = time.monotonic(), time.process_time()
    for start in range(0, len(jobs), CHUNK):
        await queue.addBulk(jobs[start : start + CHUNK])
    return {"count": N - 1, "seconds": time.monotonic() - begin, "cpu": time.process_time() - used}


async def single(queue: Queue) -> dict[str, Any]:
    for number in range(WARM):
        await queue.add("noop", job(number))
    begin, used = time.monotonic(), time.process_time()
    for number in range(N):
        await queue.add("noop", job(number))
    return {"count": N, "seconds": time.monotonic() - begin, "cpu": time.process_time() - used}


async def paced(queue: Queue) -> dict[str, Any]:
    sent = []
    for number in range(-5, N):
        await asyncio.sleep(0.02 + 0.04 * random.random())
        at = time.monotonic()
        await queue.add("noop", job(number))
        if number >= 0:
            sent.append((number, at))
    return {"sent": sent}


async def main() -> None:
    if ROLE == "work":
        await work()
        return
    queue = Queue("bench", CONNECTION)
    say(await {"bulk": bulk, "single": single, "paced": paced}[ROLE](queue))
    await queue.close()


uvloop.run(main())
