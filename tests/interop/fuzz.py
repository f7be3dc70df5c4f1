"""Node and Python at work and at odds on the same queues, at random.

Both add, retry, remove, promote, pause, clean and schedule whatever they find, and a worker of each is killed again and
again. Meanwhile and when all is quiet `fuzz.lua` may find nothing wrong. What it has found is told, with exit code 1:

    PYTHONPATH=tests python tests/interop/fuzz.py [SECONDS [SEED]]
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from npm import install
from redis_servers import Server
from toril import StoreUnavailable, TorilError, Worker

HERE = Path(__file__).parent
PREFIX = "fuzz"
LOOK = (HERE / "fuzz.lua").read_text(encoding="utf-8")
LIFE = 3.0  # seconds of a worker that is killed


class Fleet:
    """Processes of both kinds; whatever runs is killed at the end."""

    def __init__(self, queues: tuple[str, ...]) -> None:
        self._queues = queues
        self._env = {**os.environ, "PYTHONPATH": f"{HERE}:{HERE.parent}"}
        self._running: list[subprocess.Popen[str]] = []

    def node(self, seconds: float, seed: int) -> subprocess.Popen[str]:
        return self._start("node", "fuzz.mjs", str(seconds), str(seed), *self._queues)

    def python(self) -> subprocess.Popen[str]:
        slots = ",".join(f"{queue}=4" for queue in self._queues)
        return self._start(sys.executable, "-m", "toril", "worker", "fuzz_moves:app", "--queues", slots)

    def _start(self, *command: str) -> subprocess.Popen[str]:
        started = subprocess.Popen(
            command, cwd=HERE / "node", env=self._env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        self._running.append(started)
        return started

    async def die_again_and_again(self, end: float) -> None:
        while time.monotonic() < end:
            victims = [self.python(), self.node(0, 1)]
            await asyncio.sleep(LIFE)
            for victim in victims:
                victim.kill()

    def end(self) -> None:
        for process in self._running:
            process.kill()
            process.wait()


async def meddle(dice: random.Random, end: float, errors: Counter[str]) -> None:
    from fuzz_moves import MOVES, QUEUES, app

    while time.monotonic() < end:
        [move] = dice.choices([move for _, move in MOVES], [share for share, _ in MOVES])
        try:
            await move(app.queue(dice.choice(QUEUES)), dice)
        except TorilError as error:
            errors[str(error) if isinstance(error, StoreUnavailable) else type(error).__name__] += 1


async def quiet(client: Any) -> None:
    """Let everything run that can; return when nothing is left to run."""
    from fuzz_moves import QUEUES, app

    for queue in map(app.queue, QUEUES):
        await queue.set_limits(concurrency=None, rate=None)
        for schedule in await app.schedules():
            await app.store.remove_schedule(queue.name, schedule.id)
        await queue.resume()
    busy = [f"{PREFIX}:{queue}:{place}" for queue in QUEUES for place in ("wait", "active", "delayed", "prioritized")]
    async with asyncio.timeout(90):
        while client.exists(*busy):
            for queue in map(app.queue, QUEUES):
                await queue.promote_all()
            await asyncio.sleep(0.2)


async def main(server: Server, seconds: float, seed: int) -> Counter[str]:
    """Return what was wrong, and how often it was seen."""
    from fuzz_moves import QUEUES, app

    errors: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    fleet, end = Fleet(QUEUES), time.monotonic() + seconds
    node = fleet.node(seconds, seed)
    assert node.stdout is not None
    with server.client() as client:

        def look() -> None:
            wrong.update(f"{queue}: {line}" for queue in QUEUES for line in client.eval(LOOK, 0, PREFIX, queue))

        async with app:
            worker = Worker(app, dict.fromkeys(QUEUES, 4))
            running = asyncio.create_task(worker.run())
            callers = [meddle(random.Random(seed + number), end, errors) for number in range(3)]
            meddling = asyncio.gather(*callers, fleet.die_again_and_again(end))
            try:
                while not meddling.done():
                    await asyncio.sleep(0.3)
                    look()
                await meddling
                told = [json.loads(await asyncio.to_thread(node.stdout.readline)) for _ in ("ready", "meddled")]
                await quiet(client)
                look()
            finally:
                fleet.end()
                worker.stop()
                await running
    sys.stdout.write(f"Python's errors: {dict(errors)}\nNode's: {json.dumps(told[-1][-1], indent=1)}\n")
    return wrong


def run(seconds: float = 60.0, seed: int = 1) -> int:
    """Return the exit code."""
    install(HERE / "node")
    with tempfile.TemporaryDirectory() as folder:
        server = Server(Path(folder) / "redis")
        os.environ |= {"TORIL_URL": server.url, "TORIL_PREFIX": PREFIX, "TORIL_LEASE": "2", "TORIL_LOG_LEVEL": "ERROR"}
        try:
            found = asyncio.run(main(server, seconds, seed))
        finally:
            server.kill()
    sys.stdout.writelines(f"{times} times: {line}\n" for line, times in found.most_common())
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(run(*map(int, sys.argv[1:])))
