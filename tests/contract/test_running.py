"""Where tasks run, what they are told, and what a timeout does to them."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from datetime import date
from pathlib import Path
from typing import Any

import cpu
import pytest

from toril import JobContext, JobFailed, Toril, Worker
from toril.errors import ConfigurationError

pytestmark = pytest.mark.one_store  # threads and processes know nothing of the store


async def test_async_tasks_share_the_loop_and_sync_ones_have_threads(app: Toril, work) -> None:
    @app.task
    async def here() -> str:
        return threading.current_thread().name

    @app.task
    def elsewhere() -> str:
        return threading.current_thread().name

    @app.task
    def with_context(job: JobContext, factor: int) -> str:
        return f"{job.id} {job.name} {job.queue} {job.attempt} {job.data} {factor}"

    jobs = [await here.enqueue(), await elsewhere.enqueue(), await with_context.enqueue(2)]
    await work()
    first, second, third = [await job.result(timeout=5) for job in jobs]
    assert first == threading.current_thread().name
    assert second.startswith("toril-task")
    assert third == f"{jobs[2].id} with_context default 1 {{'factor': 2}} 2"


async def test_sync_tasks_of_a_worker_run_side_by_side(app: Toril, work) -> None:
    meet = threading.Barrier(3)

    @app.task
    def wait_for_the_others() -> None:
        meet.wait(timeout=5)

    jobs = [await wait_for_the_others.enqueue() for _ in range(3)]
    await work(slots=3)
    assert {await job.state() for job in jobs} == {"completed"}


async def test_a_worker_holds_no_more_than_its_slots(app: Toril, work) -> None:
    running, most = 0, 0

    @app.task
    async def count() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running, (await count.queue.counts())["active"])
        await asyncio.sleep(0.005)
        running -= 1

    await app.enqueue_many(count.call() for _ in range(30))
    await work(slots=4)
    assert most == 4


async def test_a_worker_that_is_cancelled_hands_back_what_runs_and_takes_no_more(app: Toril) -> None:
    begun, starts = asyncio.Event(), []

    @app.task
    async def slow(job: JobContext) -> None:
        starts.append(job.id)
        begun.set()
        await asyncio.sleep(60)

    jobs = [await slow.enqueue() for _ in range(2)]
    running = asyncio.create_task(Worker(app, {"default": 1}).run())
    await begun.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await app.workers() == []
    assert [(job.record.state, job.record.attempts) for job in jobs if await job.refresh()] == [("waiting", 0)] * 2
    assert starts == [jobs[0].id]


async def test_a_fault_in_one_lane_ends_the_others_with_it(app: Toril, monkeypatch: pytest.MonkeyPatch) -> None:
    step, begun = app.store.step, asyncio.Event()

    async def broken(queue: str, *arguments: Any) -> Any:
        if queue == "broken" and begun.is_set():
            raise RuntimeError("a fault of ours")
        return await step(queue, *arguments)

    @app.task(queue="sound")
    async def slow() -> None:
        begun.set()
        await app.queue("broken").add("x")
        await asyncio.sleep(60)

    monkeypatch.setattr(app.store, "step", broken)
    job = await slow.enqueue()
    with pytest.raises(RuntimeError, match="a fault of ours"):
        await Worker(app, {"sound": 1, "broken": 1}, grace=0.1).run()
    assert (await job.refresh()).state == "waiting"
    assert not [task for task in asyncio.all_tasks() if "Lane" in repr(task)]


async def test_a_worker_runs_once(app: Toril, work) -> None:
    @app.task
    async def noop() -> None: ...

    worker = Worker(app, burst=True)
    await worker.run()
    await noop.enqueue()
    with pytest.raises(ConfigurationError, match="this worker has run: make another"):
        await worker.run()


async def test_a_process_task_runs_in_a_process_of_its_own(app: Toril, work) -> None:
    add = app.task(process=True)(cpu.add.function)
    job = await add.enqueue(2, 3)
    await work()
    result = await job.result(timeout=5)
    assert result["sum"] == 5
    assert result["pid"] != os.getpid()


async def test_a_process_that_dies_fails_its_job_and_says_how(app: Toril, work) -> None:
    job = await app.task(process=True)(cpu.die.function).enqueue()
    await work()
    record = await job.refresh()
    assert (record.state, record.attempts) == ("failed", 1)
    assert record.reason == "ProcessDied: the process of this job ended with exit code 7"


async def test_a_segmentation_fault_fails_its_job_alone(app: Toril, work) -> None:
    bad, good = app.task(process=True)(cpu.crash.function), app.task(process=True)(cpu.add.function)
    crash = await bad.enqueue()
    others = [await good.enqueue(n, n) for n in range(3)]
    await work(slots=2)
    assert (await crash.refresh()).reason == "ProcessDied: the process of this job ended with signal SIGSEGV"
    assert [(await job.result(timeout=5))["sum"] for job in others] == [0, 2, 4]


async def test_what_a_process_raises_arrives_whatever_it_is(app: Toril, work) -> None:
    tasks = [app.task(process=True)(task.function) for task in (cpu.odd, cpu.interrupt, cpu.snooze, cpu.nan)]
    odd, interrupt, snooze, nan = [await task.enqueue() for task in tasks]
    await work()
    assert "Odd: it can be pickled, and not read back" in str((await odd.refresh()).reason)
    assert "raise Odd(1, 2)" in str(odd.record.stack)  # the place in its process
    assert "KeyboardInterrupt" in str((await interrupt.refresh()).reason)
    assert (await snooze.refresh()).state == "delayed"
    assert "result: expected a finite number" in str((await nan.refresh()).reason)


async def test_a_process_is_kept_for_the_next_job_and_ends_after_max_jobs(make_app, clock, work) -> None:
    app = make_app(clock, process_max_jobs=2)
    who = app.task(process=True)(cpu.who.function)
    jobs = [await who.enqueue() for _ in range(5)]
    await work(app)
    first, second, third, fourth, fifth = [await job.result(timeout=5) for job in jobs]
    assert first == second
    assert third == fourth
    assert len({first, third, fifth}) == 3


@pytest.mark.skipif(sys.platform != "linux", reason="nobody tells how much memory a process holds")
async def test_a_process_that_holds_too_much_after_its_job_ends(make_app, clock, work) -> None:
    app = make_app(clock, process_max_rss=200)
    eat, leak = app.task(process=True)(cpu.eat.function), app.task(process=True)(cpu.leak.function)
    jobs = [await task.enqueue(250) for task in (eat, leak, eat)]
    await work(app)
    first, second, third = [await job.result(timeout=5) for job in jobs]
    assert first == second  # what was given back does not count
    assert third != second


@pytest.mark.skipif(sys.platform != "linux", reason="nobody tells how much memory a process holds")
async def test_the_peak_of_each_jobs_memory_is_kept(app: Toril, work) -> None:
    eat = app.task(process=True)(cpu.eat.function)
    jobs = [await eat.enqueue(200), await eat.enqueue(1)]
    await work()
    big, small = [float((await job.log())[-1].removeprefix("peak memory ").removesuffix(" MB")) for job in jobs]
    assert big > 200 > small


async def test_arguments_and_results_have_their_types_again(app: Toril, work) -> None:
    seen: list[object] = []

    @app.task
    async def tomorrow(day: date, names: set[str]) -> date:
        seen.extend((day, names))
        return day.replace(day=day.day + 1)

    job = await tomorrow.enqueue(date(2026, 5, 4), names={"a"})
    await work()
    assert seen == [date(2026, 5, 4), {"a"}]
    assert await job.result(timeout=5) == date(2026, 5, 5)


# -- timeouts


async def test_an_async_task_is_cancelled_at_its_timeout(app: Toril, work) -> None:
    ended: list[str] = []

    @app.task(timeout=0.05)
    async def hang() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("cancelled")

    job = await hang.enqueue()
    await work()
    assert ended == ["cancelled"]
    with pytest.raises(JobFailed, match=r"longer than 0\.05 s"):
        await job.result(timeout=5)


async def test_a_timeout_of_the_tasks_own_is_its_own(app: Toril, work) -> None:
    @app.task(timeout=30)
    async def call_a_bank() -> None:
        async with asyncio.timeout(0.01):
            await asyncio.sleep(60)

    job = await call_a_bank.enqueue()
    await work()
    assert (await job.refresh()).reason == "TimeoutError"


async def test_a_timeout_uses_an_attempt(app: Toril, work) -> None:
    @app.task(timeout=0.05, attempts=2)
    async def slow_at_first(job: JobContext) -> int:
        await asyncio.sleep(60 if job.attempt == 1 else 0)
        return job.attempt

    job = await slow_at_first.enqueue()
    await work()
    assert await job.result(timeout=5) == 2


async def test_a_thread_that_is_over_time_keeps_its_slot_until_it_ends(app: Toril) -> None:
    release, begun = threading.Event(), threading.Event()
    starts: list[int] = []

    @app.task(timeout=0.4, attempts=2)
    def stubborn(job: JobContext) -> None:
        starts.append(job.record.starts)
        begun.set()
        if job.attempt == 1:
            release.wait(timeout=10)

    job = await stubborn.enqueue()
    running = asyncio.create_task(Worker(app, {"default": 1}, burst=True).run())
    await asyncio.to_thread(begun.wait, 5)
    await asyncio.sleep(0.6)  # longer than its timeout: a retry would have begun
    assert (starts, await job.state()) == ([1], "active")
    release.set()
    await running
    assert (starts, await job.state()) == ([1, 2], "completed")


async def test_a_thread_that_never_ends_makes_its_worker_drain_and_end(app: Toril) -> None:
    release = threading.Event()

    @app.task(timeout=0.2, attempts=2)
    def stuck() -> None:
        release.wait(timeout=20)

    @app.task
    async def meanwhile() -> str:
        await asyncio.sleep(0.6)  # longer than two timeouts
        return "done"

    jobs = await stuck.enqueue(), await meanwhile.enqueue()
    worker = Worker(app, {"default": 2}, grace=1.5)
    async with asyncio.timeout(10):
        await worker.run()  # nobody has stopped it
    assert worker.stuck == 1
    assert await jobs[1].result(timeout=5) == "done"
    record = await jobs[0].refresh()
    assert (record.state, record.attempts, record.reason) == ("waiting", 1, "TimeoutError: ran longer than 0.2 s")
    assert "timed out after 0.2 s; its thread cannot be stopped" in (await jobs[0].log())[0]
    release.set()


async def test_a_process_is_killed_at_its_timeout(app: Toril, work, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    job = await app.task(process=True, timeout=2)(cpu.hang.function).enqueue(str(note))
    begin = time.monotonic()
    await work()
    assert time.monotonic() - begin < 20
    assert "longer than 2 s" in str((await job.refresh()).reason)
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text(encoding="ascii")), 0)
