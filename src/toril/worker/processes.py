"""Where CPU-bound tasks run: processes, one pipe each, so that one that dies takes nothing with it."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import pickle
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any

from toril.context import JobContext
from toril.log import WORKER_PROCESS_ENDS
from toril.tracing import carrier
from toril.worker.child import READY, Answer, Request, serve
from toril.worker.outcomes import ProcessDied, TimedOut

if TYPE_CHECKING:
    from toril.task import Task

__all__ = ["Processes"]

# never fork: a child of a process with threads inherits locks that nobody will release
_SPAWN = multiprocessing.get_context("spawn")
LAST = 1.0  # seconds that a child has to end when its pipe is closed


class Processes:
    """Children that run one job at a time each, started when a job needs one and kept for the next.

    max_jobs: a child ends after so many jobs; max_rss: or when it holds more megabytes after one. None: no limit.
    """

    def __init__(self, slots: int, max_jobs: int | None, max_rss: int | None) -> None:
        most = min(slots, os.cpu_count() or 1)
        self._room = asyncio.Semaphore(most)
        self._threads = ThreadPoolExecutor(most, thread_name_prefix="toril-process")
        self._max_jobs = max_jobs
        self._max_rss = max_rss
        self._idle: list[Child] = []

    async def run(self, task: Task[Any, Any], timeout: float | None, job: JobContext) -> str:
        """Run a task and return its result as JSON text; the child is killed after `timeout`, or when cancelled."""
        function = task.function
        request = (function.__module__, function.__qualname__, job.record.data, carrier())
        async with self._room:
            child = self._fresh()
            call = asyncio.get_running_loop().run_in_executor(self._threads, child.ask, request, timeout)
            try:
                await asyncio.wait([call])
            except asyncio.CancelledError:
                child.kill()
                await asyncio.wait([call])
                call.exception()
                raise
            answer = call.result()
            self._put_away(child, answer)
        if answer.peak:
            await job.log(f"peak memory {answer.peak / 1e6:,.0f} MB")
        if answer.text is None:
            raise answer.exception()
        return answer.text

    def close(self) -> None:
        """End the children."""
        while self._idle:
            self._idle.pop().end()
        self._threads.shutdown(wait=False)

    def _fresh(self) -> Child:
        while self._idle:
            child = self._idle.pop()
            if child.alive():
                return child
        return Child()

    def _put_away(self, child: Child, answer: Answer) -> None:
        full = self._max_rss is not None and answer.rss > self._max_rss * 1_000_000
        if full or child.jobs == self._max_jobs:
            why = f"{answer.rss / 1e6:,.0f} MB" if full else f"{child.jobs} jobs"
            WORKER_PROCESS_ENDS(pid=child.pid, after=why)
            self._threads.submit(child.end)
        else:
            self._idle.append(child)


class Child:
    """One process and the pipe to it. `ask` and `end` block; `kill` may be called from any thread."""

    def __init__(self) -> None:
        self.jobs = 0
        self.pid: int | None = None
        self._killed = threading.Event()
        self._process: Any = None
        self._pipe: Connection[Any, Any] | None = None

    def ask(self, request: Request, timeout: float | None) -> Answer:
        """Have a job run; raise TimedOut or ProcessDied, and then there is no process any more."""
        self.jobs += 1
        if self._pipe is None:
            self._start()
        assert self._pipe is not None
        try:
            self._pipe.send(request)
            self._hear(None)  # it has found the task: the run begins
            answer: Answer = pickle.loads(self._hear(timeout))  # noqa: S301  (our own child)
        except TimeoutError:
            self.kill()
            self._bury()
            raise TimedOut(timeout or 0) from None
        except (EOFError, OSError):
            raise ProcessDied(self._bury()) from None
        return answer

    def alive(self) -> bool:
        """Return whether it can take a job."""
        return self._process is None or self._process.is_alive()

    def kill(self) -> None:
        """End it at once, with whatever it has started itself."""
        self._killed.set()
        if self._process is None or self._process.exitcode is not None:
            return
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except (AttributeError, ProcessLookupError, PermissionError):  # Windows; not yet a group of its own
            self._process.kill()

    def end(self) -> None:
        """Let it end by itself, by force if it does not."""
        if self._pipe is not None:
            self._pipe.close()
            self._process.join(LAST)
            self.kill()
            self._process.join()

    def _start(self) -> None:
        self._pipe, other = _SPAWN.Pipe()
        self._process = _SPAWN.Process(target=serve, args=(other,), name="toril-process", daemon=False)
        self._process.start()
        self.pid = self._process.pid
        other.close()
        if self._killed.is_set():
            self.kill()
        try:
            assert self._hear(None) == READY
        except (EOFError, OSError):
            raise ProcessDied(self._bury()) from None

    def _hear(self, timeout: float | None) -> bytes:
        """Return the next message; raise TimeoutError, or EOFError if there will be none."""
        assert self._pipe is not None
        if not wait([self._pipe, self._process.sentinel], timeout):
            raise TimeoutError
        if not self._pipe.poll():
            raise EOFError
        return self._pipe.recv_bytes()

    def _bury(self) -> int:
        """Wait for a process that has ended or is about to; return its exit code."""
        self._process.join(LAST)
        if self._process.exitcode is None:  # it has closed its pipe and goes on
            self.kill()
            self._process.join()
        if self._pipe is not None:
            self._pipe.close()
        return self._process.exitcode or 0
