"""Two Node and two Python workers drain one queue; one of each is killed, and the queue is paused for a while."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from signal import SIGCONT, SIGSTOP

import pytest
from keyspace import Keys
from sides import NodeSide, PythonSide, Side

from ledger import Ledger
from nodes import SCRIPTS
from processes import TORIL, Process, Processes, until

JOBS, SLOTS = 5_000, 8
NODE_WORKER = {"concurrency": SLOTS, "lockDuration": 4_000, "stalledInterval": 2_000}


# Most do nothing much, some fail and are retried at once or later, some take their time: name, data, options, share.
KINDS = [
    ("echo", {"n": 1}, {}, 0.7),
    ("slow", {"ms": 60}, {}, 0.14),
    ("fail", {"times": 1}, {"attempts": 3}, 0.08),
    ("fail", {"times": 2}, {"attempts": 3, "backoff": {"type": "exponential", "delay": 100}}, 0.08),
]


async def fill(side: Side, count: int) -> None:
    """Add so many jobs to the queue, in slices, so that the kinds are mixed."""
    for _ in range(10):
        for name, data, options, share in KINDS:
            await side.add_many("fleet", [(name, data)] * round(count * share / 10), **options)


class Fleet:
    """The workers, by the language they are written in."""

    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self.living: dict[str, list[Process]] = {"node": [], "python": []}
        self.killed: set[int] = set()

    def start(self, kind: str) -> None:
        if kind == "node":
            command = ("node", SCRIPTS / "work.mjs", "fleet", json.dumps(NODE_WORKER))
        else:
            command = (TORIL, "worker", "interop_jobs:app", "--queues", f"fleet={SLOTS}")
        self.living[kind].append(self._processes.start(*command, QUEUES="fleet"))

    async def replace(self, kind: str, ledger: Ledger) -> None:
        """Kill one with -9 while it is at work, and start another."""
        victim = self.living[kind].pop(0)
        while True:
            await until(lambda: victim.pid in busy(ledger))
            victim.signal(SIGSTOP)  # what it has begun by now it will not end
            if victim.pid in busy(ledger):
                break
            victim.signal(SIGCONT)
        victim.kill()
        self.killed.add(victim.pid)
        self.start(kind)

    def pids(self, kind: str) -> set[int]:
        return {worker.pid for worker in self.living[kind]} | self.killed


@pytest.mark.slow
async def test_a_mixed_fleet(
    node_side: NodeSide, python_side: PythonSide, processes: Processes, ledger: Ledger, keys: Keys
) -> None:
    node_side.node.call("listen", "fleet")
    for side in (node_side, python_side):
        await fill(side, JOBS // 2)
    fleet = Fleet(processes)
    for kind in ("node", "python", "node", "python"):
        fleet.start(kind)

    def ended() -> int:
        return len({entry.job for entry in ledger.entries("end")})

    await until(lambda: ended() > JOBS * 0.1, 60)
    await fleet.replace("node", ledger)
    await until(lambda: ended() > JOBS * 0.2, 60)
    await fleet.replace("python", ledger)
    await until(lambda: ended() > JOBS * 0.4, 60)
    await node_side.pause("fleet")
    before = await quiet(ledger)
    await asyncio.sleep(1)
    assert len(ledger.entries()) == before, "a job was started while the queue was paused"
    await python_side.resume("fleet")
    await until(lambda: ended() == JOBS, 120)
    await until(lambda: keys.client.llen(f"{keys.prefix}:fleet:active") == 0)

    again: Counter[int] = Counter()
    cut = {(entry.job, entry.start) for entry in ledger.entries("cut")}  # these failed, and were to be retried
    for runs in ledger.starts_by_job().values():
        for run in runs[:-1]:
            if (run.job, run.start) not in cut:
                assert run.pid in fleet.killed, f"{run} ran again though its worker lived"
                again[run.pid] += 1
    assert set(again) == fleet.killed
    shares = Counter(entry.pid for entry in ledger.entries("end"))
    assert all(sum(shares[pid] for pid in fleet.pids(kind)) > JOBS / 10 for kind in ("node", "python")), shares

    def heard() -> Counter[str]:
        return Counter(name for name, _ in node_side.node.call("heard", "fleet"))

    await until(lambda: heard()["completed"] == JOBS)
    assert (heard()["paused"], heard()["resumed"]) == (1, 1)
    assert heard()["stalled"] >= again.total()  # what was taken by who died may not have begun
    counts = {
        state: keys.client.execute_command("ZCARD", f"{keys.prefix}:fleet:{state}") for state in ("failed", "delayed")
    }
    assert counts == {"failed": 0, "delayed": 0}


def busy(ledger: Ledger) -> set[int]:
    """Return the processes that have started what they have not ended yet."""
    open_runs = Counter(entry.pid for entry in ledger.entries("start"))
    open_runs.subtract(entry.pid for what in ("end", "cut") for entry in ledger.entries(what))
    return set(+open_runs)


async def quiet(ledger: Ledger) -> int:
    """Wait until what ran when the queue was paused has ended; return how many jobs had been started."""
    while True:
        before = len(ledger.entries())
        await asyncio.sleep(0.5)
        if len(ledger.entries()) == before:
            return before
