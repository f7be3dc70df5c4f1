"""What a full disk does to an application and its worker: `disk_full.py {tmpfs|limit} FOLDER`, in a process of its own.

`tmpfs` mounts a small file system (which takes a mount namespace), `limit` lets no file grow beyond a few hundred kB.
"""

from __future__ import annotations

import asyncio
import contextlib
import resource
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from toril import JobContext, PartlyAdded, StoreUnavailable, Toril, Worker
from toril.settings import Settings

KILOBYTE = "x" * 1_000


def tmpfs(folder: Path) -> tuple[Callable[[], None], Callable[[], None]]:
    """Return what fills the disk and what makes room again."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", folder], check=True)
    ballast = folder / "ballast"

    def fill() -> None:
        with contextlib.suppress(OSError), ballast.open("ab", buffering=0) as file:
            while True:
                file.write(b"x" * 512)

    return fill, ballast.unlink


def limit(folder: Path) -> tuple[Callable[[], None], Callable[[], None]]:
    """Return the same for a limit on the size of files."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def fill() -> None:
        largest = max(path.stat().st_size for path in folder.iterdir())
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, hard))

    return fill, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


async def main(place: Callable, folder: Path) -> None:
    fill, make_room = place(folder)
    app = Toril(f"sqlite:///{folder}/jobs.db", settings=Settings(env={}, dotenv=None))
    ran: Counter[str] = Counter()
    go_on = asyncio.Event()

    @app.task(queue="slow")
    async def wait(job: JobContext) -> None:
        ran[job.id] += 1
        await go_on.wait()

    async with app:
        slow = await wait.enqueue()
        worker = Worker(app)
        working = asyncio.create_task(worker.run())
        while not ran:
            await asyncio.sleep(0.01)
        queue = app.queue("many")
        known = await fill_up(queue, fill)
        await nothing_is_half_written(queue, known)
        go_on.set()  # the worker cannot record that it is done
        await asyncio.sleep(0.5)
        make_room()
        await slow.result(timeout=20)
        assert (await slow.refresh()).starts == ran[slow.id] == 1
        known.append((await queue.add("one more", KILOBYTE)).id)
        await part_of_a_bulk(queue, fill, known)
        make_room()
        known += [job.id for job in await queue.add_many([("rest", KILOBYTE)] * 500)]
        assert await ids(queue) == known
        worker.stop()
        await working
    ((verdict,),) = sqlite3.connect(folder / "jobs.db").execute("PRAGMA integrity_check").fetchall()
    assert verdict == "ok", verdict


async def fill_up(queue, fill: Callable[[], None]) -> list[str]:
    """Add jobs while the disk fills up; return the ids of those that were accepted."""
    known = [(await queue.add("first", KILOBYTE)).id]
    fill()
    for _ in range(2_000):  # what the log has room for
        try:
            known.append((await queue.add("next", KILOBYTE)).id)
        except StoreUnavailable:
            return known
    raise AssertionError("the disk did not fill up")


async def nothing_is_half_written(queue, known: list[str]) -> None:
    """See that what is refused is not there, and that one can still look."""
    fits = len(known)
    for _ in range(3):
        try:
            await queue.add_many([("bulk", KILOBYTE * 5)] * 1_000)
        except StoreUnavailable:
            continue
        raise AssertionError("5 MB were accepted by a full disk")
    assert await ids(queue) == known
    assert (await queue.counts())["ready"] == fits


async def part_of_a_bulk(queue, fill: Callable[[], None], known: list[str]) -> None:
    """Let the disk fill up in the middle of several thousands."""
    adding = asyncio.create_task(queue.add_many([("part", KILOBYTE)] * 10_000))
    while (await queue.counts())["ready"] < len(known) + 1_000:
        await asyncio.sleep(0)
    fill()
    (error,) = await asyncio.gather(adding, return_exceptions=True)
    assert isinstance(error, PartlyAdded), error
    assert error.total == 10_000
    assert len(error.ids) % 1_000 == 0
    known += error.ids
    assert await ids(queue) == known


async def ids(queue) -> list[str]:
    """Return the ids of all jobs that wait."""
    found, after = [], None
    while True:
        page = await queue.jobs("waiting", limit=1_000, after=after)
        found += [job.id for job in page.jobs]
        if (after := page.after) is None:
            return found


asyncio.run(main({"tmpfs": tmpfs, "limit": limit}[sys.argv[1]], Path(sys.argv[2])))
