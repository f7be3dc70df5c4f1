"""SIGTERM: take no more, finish what runs within the grace, hand the rest back without using an attempt."""

from __future__ import annotations

import os
import signal
import time

import pytest

from ledger import Ledger
from processes import Processes, until
from toril import Queue


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_what_runs_is_finished_and_nothing_more_is_taken(
    queue: Queue, processes: Processes, ledger: Ledger, number: signal.Signals
) -> None:
    running, waiting = await queue.add("nap", {"seconds": 1}), await queue.add("nap", {"seconds": 0})
    worker = processes.worker(1)
    await until(ledger.entries)
    worker.signal(number)
    assert await worker.ended() == 0
    assert [entry.job for entry in ledger.entries("end")] == [running.id]
    assert (await running.state(), await waiting.state()) == ("completed", "waiting")


async def test_an_idle_worker_stops_at_once(queue: Queue, processes: Processes, ledger: Ledger) -> None:
    await queue.add("nap", {"seconds": 0})
    worker = processes.worker(1)
    await until(lambda: ledger.entries("end"))
    began = time.monotonic()
    worker.signal(signal.SIGTERM)
    assert await worker.ended() == 0
    assert time.monotonic() - began < 2


async def test_what_does_not_end_within_the_grace_is_handed_back(
    queue: Queue, processes: Processes, ledger: Ledger
) -> None:
    job = await queue.add("nap", {"seconds": 60}, attempts=1)
    worker = processes.worker(1, "--grace", "0.3")
    await until(ledger.entries)
    worker.signal(signal.SIGTERM)
    assert await worker.ended(5) == 0
    record = await job.refresh()
    assert (record.state, record.starts, record.attempts, record.stalls) == ("waiting", 1, 0, 0)
    assert len(ledger.entries("cut")) == 1  # it was told, and could clean up
    other = processes.worker(1)
    assert await job.result(timeout=10) == [2, other.pid]
    assert (await job.refresh()).attempts == 1


@pytest.mark.parametrize("timeout", [None, 30], ids=["without", "with a timeout"])
async def test_a_thread_that_will_not_end_does_not_outlive_its_hand_back(
    queue: Queue, processes: Processes, ledger: Ledger, timeout: float | None
) -> None:
    job = await queue.add("sit", {"seconds": 6}, timeout=timeout)
    worker = processes.worker(1, "--grace", "0.3")
    (entry,) = await until(ledger.entries)
    began = time.monotonic()
    worker.signal(signal.SIGTERM)
    assert await worker.ended() == 3
    assert time.monotonic() - began < 4
    record = await job.refresh()
    assert (record.state, record.starts, record.attempts, record.stalls) == ("waiting", 1, 0, 0)
    processes.worker(1)
    await job.result(timeout=10)
    ends = [(end.start, end.pid) for end in ledger.entries("end")]
    assert [start for start, _ in ends] == [2]
    assert entry.pid not in {pid for _, pid in ends}


async def test_a_task_that_takes_no_notice_does_not_either(queue: Queue, processes: Processes, ledger: Ledger) -> None:
    job = await queue.add("refuse_to_end")
    worker = processes.worker(1, "--grace", "0.3")
    await until(ledger.entries)
    began = time.monotonic()
    worker.signal(signal.SIGTERM)
    assert await worker.ended() == 3
    assert time.monotonic() - began < 4
    record = await job.refresh()
    assert (record.state, record.starts, record.attempts, record.stalls) == ("waiting", 1, 0, 0)


@pytest.mark.slow
async def test_a_thread_that_is_over_time_for_long_ends_its_worker(
    queue: Queue, processes: Processes, ledger: Ledger
) -> None:
    job = await queue.add("sit", {"seconds": 60}, timeout=0.5, attempts=2)
    worker = processes.worker(1, "--grace", "0.3")
    await until(ledger.entries)
    assert await worker.ended(10) == 3
    assert (await job.refresh()).state in {"waiting", "delayed", "failed"}
    processes.worker(1)
    await job.result(timeout=20)


async def test_a_process_task_is_ended_and_handed_back(queue: Queue, processes: Processes, ledger: Ledger) -> None:
    job = await queue.add("crunch", {"label": "it", "seconds": 60})
    worker = processes.worker(1, "--grace", "0.3")
    (entry,) = await until(ledger.entries)
    worker.signal(signal.SIGTERM)
    assert await worker.ended() == 0
    record = await job.refresh()
    assert (record.state, record.starts, record.attempts, record.stalls) == ("waiting", 1, 0, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(entry.pid, 0)


async def test_jobs_that_are_handed_back_keep_their_order(queue: Queue, processes: Processes, ledger: Ledger) -> None:
    names = [(await queue.add("nap", {"seconds": 60})).id for _ in range(3)]
    behind = await queue.add("nap", {"seconds": 0})
    worker = processes.worker(3, "--grace", "0.3")
    await until(lambda: len(ledger.entries()) == 3)
    worker.signal(signal.SIGTERM)
    await worker.ended()
    assert [job.id for job in (await queue.jobs("waiting")).jobs] == [*names, behind.id]
