"""Leases on bad days: the shortest one, and rescuers that were held up as long as those whom they judge."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from toril import ManualClock, Toril, Worker
from toril.maintenance.rescuer import Rescuer
from toril.store.views import WorkerInfo


@contextmanager
def nobody_may_write(folder: Path) -> Iterator[None]:
    """Hold the lock with which writers of several processes take turns, as a process does that was stopped."""
    lock = os.open(folder / "jobs.db-lock", os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield
    finally:
        os.close(lock)


async def held_jobs(app: Toril, *queues: str) -> None:
    """Let a worker that cannot renew its lease hold a job of each queue."""
    worker = await app.store.enrol(WorkerInfo("ana", "host", 1, 10.0, dict.fromkeys(queues, 1)))
    for queue in queues:
        await app.queue(queue).add("x")
        await app.store.step(queue, worker, [], [], 1)


async def test_a_rescuer_that_had_to_wait_for_the_file_robs_nobody(
    make_app, clock: ManualClock, tmp_path: Path
) -> None:
    app, other = make_app(clock), make_app(clock)
    await held_jobs(app, "work")
    await other.open()
    with nobody_may_write(tmp_path):
        rescue = asyncio.create_task(other.store.rescue("work"))
        await asyncio.sleep(0.05)
        clock.advance(15)
    assert list(await rescue) == []
    assert (await app.queue("work").counts())["active"] == 1
    assert len(await other.store.rescue("work")) == 1  # nobody renewed, though everybody could


async def test_nor_in_the_queues_that_it_would_have_swept_next(make_app, clock: ManualClock, tmp_path: Path) -> None:
    app, other = make_app(clock), make_app(clock)
    await held_jobs(app, "mails", "reports")
    await other.open()
    with nobody_may_write(tmp_path):
        sweep = asyncio.create_task(Rescuer(other.store, ["mails", "reports"]).sweep())
        await asyncio.sleep(0.05)
        clock.advance(15)
    await sweep
    for queue in ("mails", "reports"):
        assert (await app.queue(queue).counts())["active"] == 1


async def test_a_worker_that_lives_keeps_even_the_shortest_lease(make_app) -> None:
    app, other = make_app(lease=1), make_app()

    @app.task
    async def last() -> None:
        await asyncio.sleep(3)

    job = await last.enqueue()
    running = asyncio.create_task(Worker(app, burst=True).run())
    while not running.done():
        assert list(await other.store.rescue("default")) == []
        await asyncio.sleep(0.002)
    assert (await job.refresh()).starts == 1
