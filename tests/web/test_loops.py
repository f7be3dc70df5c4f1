"""One application in many event loops: one after the other, several at once, and none at all."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from asgiref.sync import async_to_sync, sync_to_async

from toril import Task, Toril, Worker
from toril.errors import LoopRunning, NoEventLoop


@pytest.fixture
def double(app: Toril) -> Task[[int], int]:
    @app.task
    async def double(number: int) -> int:
        return 2 * number

    return double


async def doubled(app: Toril, double: Task[[int], int], numbers: range) -> list[int]:
    """Enqueue, run and hear of jobs, all on this loop."""
    worker = Worker(app)
    running = asyncio.create_task(worker.run())
    jobs = [await double.enqueue(number) for number in numbers]
    results = [await job.result(timeout=20) for job in jobs]
    worker.stop()
    await running
    return results


def test_two_loops_one_after_the_other(app: Toril, double: Task[[int], int]) -> None:
    for _ in range(2):
        assert asyncio.run(doubled(app, double, range(20))) == list(range(0, 40, 2))


def test_two_loops_one_after_the_other_that_each_open_and_close(app: Toril, double: Task[[int], int]) -> None:
    async def life() -> list[int]:
        async with app:
            return await doubled(app, double, range(20))

    for _ in range(2):
        assert asyncio.run(life()) == list(range(0, 40, 2))


def test_two_threads_with_a_loop_each_at_the_same_time(app: Toril, double: Task[[int], int]) -> None:
    with ThreadPoolExecutor(2) as pool:
        halves = [pool.submit(asyncio.run, doubled(app, double, numbers)) for numbers in (range(200), range(200, 400))]
        assert halves[0].result() + halves[1].result() == list(range(0, 800, 2))


def test_a_blocking_call_that_is_interrupted_leaves_nothing_running(app: Toril) -> None:
    caller, ended = threading.get_ident(), threading.Event()

    async def wait() -> None:
        while sys._current_frames()[caller].f_code is not threading.Condition.wait.__code__:
            await asyncio.sleep(0.001)
        signal.pthread_kill(caller, signal.SIGINT)
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    with pytest.raises(KeyboardInterrupt):
        app.run(wait())
    assert ended.wait(5)


async def test_what_cannot_be_closed_keeps_nothing_else_open(app: Toril, double: Task[[int], int]) -> None:
    closed: list[str] = []

    async def close() -> None:
        closed.append("first")

    async def fail() -> None:
        if not closed:
            raise RuntimeError("no luck")

    app.on_close(close)
    app.on_close(fail)
    await double.enqueue(1)
    with pytest.raises(RuntimeError, match="no luck"):
        await app.close()
    assert (closed, "toril-writer" in {thread.name for thread in threading.enumerate()}) == (["first"], False)


def test_a_loop_per_call_leaves_nothing_behind(app: Toril, double: Task[[int], int], tmp_path: Path) -> None:
    @async_to_sync
    async def view(number: int) -> int:
        return await (await double.enqueue(number)).result(timeout=20)

    with _worker(app):
        assert [view(number) for number in range(3)] == [0, 2, 4]
        before = (_descriptors(), len(list(tmp_path.iterdir())))
        assert [view(number) for number in range(30)] == list(range(0, 60, 2))
        assert (_descriptors(), len(list(tmp_path.iterdir()))) == before


def test_blocking_calls_beside_a_running_loop(app: Toril, double: Task[[int], int]) -> None:
    @async_to_sync
    async def view(number: int) -> int:
        job = await sync_to_async(double.enqueue_sync)(number)
        return await job.result(timeout=20)

    with _worker(app):
        assert view(21) == 42
        assert app.run(double.enqueue_sync(4).result(timeout=20)) == 8


async def test_a_blocking_call_on_a_running_loop_is_refused(app: Toril, double: Task[[int], int]) -> None:
    with pytest.raises(LoopRunning, match="await the coroutine"):
        double.enqueue_sync(1)
    with pytest.raises(LoopRunning, match="await the coroutine"):
        app.run(app.queue("default").counts())
    assert (await app.queue("default").counts())["waiting"] == 0


def test_an_enqueue_without_a_loop_is_refused_at_the_call(app: Toril, double: Task[[int], int]) -> None:
    with pytest.raises(NoEventLoop, match=r"use double\.enqueue_sync"):
        double.enqueue(1)
    with pytest.raises(NoEventLoop, match=r"use app\.enqueue_many_sync"):
        app.enqueue_many([double.call(1)])
    assert app.run(app.queue("default").counts())["waiting"] == 0


def test_many_calls_from_blocking_code(app: Toril, double: Task[[int], int]) -> None:
    jobs = app.enqueue_many_sync(double.call(number) for number in range(3))
    assert [app.run(job.state()) for job in jobs] == ["waiting"] * 3


class _worker:  # noqa: N801
    """A worker in a thread with a loop of its own."""

    def __init__(self, app: Toril) -> None:
        self._app = app
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()))

    async def _run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._worker = Worker(self._app)
        self._ready.set()
        await self._worker.run()

    def __enter__(self) -> None:
        self._thread.start()
        self._ready.wait()

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._worker.stop)
        self._thread.join()


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))
