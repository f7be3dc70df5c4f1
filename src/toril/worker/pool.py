"""Where tasks run that would block the event loop: threads for sync tasks, processes for CPU-bound ones."""

from __future__ import annotations

import asyncio
import contextvars
import ctypes
import importlib
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, Any

from toril.errors import MissingExtra, Snooze
from toril.json import encode

if TYPE_CHECKING:
    from pebble import ProcessPool

    from toril.task import Task

__all__ = ["Pools", "ProcessDied", "TimedOut"]

PR_SET_PDEATHSIG = 1  # Linux: the signal that a process gets when its parent dies


class TimedOut(Exception):
    """A run took longer than its timeout."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"ran longer than {seconds:g} s")


class ProcessDied(Exception):
    """The process that ran a job ended before the job did."""

    def __init__(self, exitcode: int) -> None:
        cause = f"exit code {exitcode}" if exitcode >= 0 else f"signal {signal.Signals(-exitcode).name}"
        super().__init__(f"the process of this job ended with {cause}")


class Pools:
    """A thread pool and a process pool, each started when the first job needs it."""

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._threads: ThreadPoolExecutor | None = None
        self._processes: ProcessPool | None = None
        self.busy_threads = 0

    async def in_thread(self, function: Callable[[], Any], timeout: float | None) -> Any:
        """Call `function` in a thread. After `timeout` it cannot be stopped: this returns when it has ended."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(self._slots, thread_name_prefix="toril-task")
        context = contextvars.copy_context()
        call = asyncio.get_running_loop().run_in_executor(self._threads, context.run, function)
        self.busy_threads += 1
        call.add_done_callback(self._thread_ended)
        if timeout is None:
            return await asyncio.shield(call)  # a run that is given up must not hide that its thread goes on
        await asyncio.wait([call], timeout=timeout)
        if call.done():
            return call.result()
        await asyncio.wait([call])
        raise TimedOut(timeout)

    async def in_process(self, task: Task[..., Any], data: str, timeout: float | None) -> str:
        """Run a task in a process of its own and return its result as JSON text; it is killed after `timeout`."""
        pool = self._processes = self._processes or _process_pool(self._slots)
        function = task.function
        future = pool.schedule(_run_in_child, args=[function.__module__, function.__qualname__, data], timeout=timeout)
        try:
            return await asyncio.wrap_future(future)
        except TimeoutError:
            if timeout is None:
                raise
            raise TimedOut(timeout) from None
        except BrokenProcessPool:  # the processes died before they could begin
            if self._processes is pool:
                self._processes = None
            raise Snooze(1) from None
        except OSError as error:
            if (code := getattr(error, "exitcode", None)) is None:  # the task's own
                raise
            raise ProcessDied(code) from None

    def close(self) -> None:
        """Let go of the threads and end the processes."""
        if self._threads is not None:
            self._threads.shutdown(wait=False)
        if self._processes is not None:
            self._processes.stop()  # type: ignore[no-untyped-call]
            self._processes.join()

    def _thread_ended(self, _: asyncio.Future[Any]) -> None:
        self.busy_threads -= 1


def _process_pool(slots: int) -> ProcessPool:
    try:
        from pebble import ProcessPool
    except ImportError:
        raise MissingExtra("process=True", "process") from None
    return ProcessPool(
        max_workers=min(slots, os.cpu_count() or 1),
        # never fork: a child of a process with threads inherits locks that nobody will release
        context=multiprocessing.get_context("spawn"),
        initializer=_prepare_child,
    )


def _prepare_child() -> None:
    """Leave Ctrl-C and a group's SIGTERM to the worker, and die with it even if it is killed."""
    if hasattr(os, "setsid"):
        os.setsid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _run_in_child(module: str, name: str, data: str) -> str:
    """Find the task in a fresh process, run it, and return its result as JSON text."""
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    task: Task[..., Any] = found
    return encode(task.function(**task.arguments.read(task.name, data)), "result")
