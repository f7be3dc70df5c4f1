"""Many on one store, on one file strangers included: everybody waits a little, nobody is told that it is locked."""

from __future__ import annotations

import asyncio
import signal
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from ledger import Ledger
from processes import Processes, until
from toril import Queue, StoreUnavailable, Toril


@pytest.mark.slow
async def test_eight_processes_add_and_drain_at_once(queue: Queue, processes: Processes, ledger: Ledger) -> None:
    crowd = [processes.script("crowd.py", "200") for _ in range(8)]  # the first of them makes the file
    await until(lambda: len(ledger.entries("end")) >= 1_600 or "Error" in processes.output, timeout=60)
    for process in crowd:
        process.signal(signal.SIGTERM)
    codes = [await process.ended() for process in crowd]
    told = [line for line in processes.output.splitlines() if line and not line.startswith("store.at_risk: ")]
    assert told == []  # but that the Redis of the tests keeps nothing
    assert codes == [0] * 8
    assert set(Counter(entry.job for entry in ledger.entries()).values()) == {1}
    counts = await queue.counts()
    assert (counts["completed"], sum(counts.values())) == (1_000, 1_000)  # 1,000 are kept, nothing else is there
    assert len({entry.pid for entry in ledger.entries()}) == 8  # each had its share


async def test_a_stranger_that_holds_the_file(queue: Queue, processes: Processes, ledger: Ledger, file: Path) -> None:
    await queue.add("nap", {"seconds": 0}, job_id="before")
    worker = processes.worker()
    await until(lambda: ledger.entries("end"))
    stranger = processes.script("hold.py", str(file), "3", "stranger")
    await until(lambda: "held" in stranger.output)
    began = time.monotonic()
    with pytest.raises(StoreUnavailable, match="did not answer within 1 s") as refused:
        await queue.add("nap", {"seconds": 0}, job_id="meanwhile")
    assert 0.9 < time.monotonic() - began < 2
    assert not refused.value.undecided
    await stranger.ended()
    job = await queue.add("nap", {"seconds": 0}, job_id="after")
    assert await job.result(timeout=10) == [1, worker.pid]
    assert await queue.get("meanwhile") is None
    assert {entry.job for entry in ledger.entries()} == {"before", "after"}
    assert "locked" not in processes.output


@pytest.mark.slow
async def test_a_stranger_that_holds_the_file_for_long_is_named(
    queue: Queue, processes: Processes, ledger: Ledger, file: Path
) -> None:
    job = await queue.add("nap", {"seconds": 1})
    worker = processes.worker()
    await until(ledger.entries)
    stranger = processes.script("hold.py", str(file), "8", "stranger")
    await until(lambda: "held" in stranger.output)
    await until(lambda: "another program has held the file's write lock" in worker.output)
    await stranger.ended()
    assert await job.result(timeout=10) == [1, worker.pid]
    assert (await job.refresh()).starts == 1
    assert "locked" not in processes.output


async def test_the_first_use_of_a_file_that_a_stranger_holds(
    make_app: Callable[[], Toril], processes: Processes, file: Path
) -> None:
    async with make_app() as app:
        await app.queue("work").counts()
    stranger = processes.script("hold.py", str(file), "3", "stranger")
    await until(lambda: "held" in stranger.output)
    late = make_app().queue("work")
    turns, began = 0, time.monotonic()
    adding = asyncio.create_task(late.add("nap"))
    while not adding.done():
        await asyncio.sleep(0.01)
        turns += 1
    assert time.monotonic() - began < 2
    assert turns > 50  # the loop went on turning
    with pytest.raises(StoreUnavailable):
        await adding
    await stranger.ended()
    assert await late.get((await late.add("nap")).id) is not None
