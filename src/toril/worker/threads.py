"""Where sync tasks run: threads, which nothing can stop."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from toril.context import JobContext
from toril.log import JOB_STUCK
from toril.store.runs import Run
from toril.worker.outcomes import TimedOut

__all__ = ["Threads", "caught"]


class Threads:
    """A thread pool, started when the first job needs it.

    stuck: called when a thread has not ended after its timeout and as long again; only the end of the process helps.
    """

    def __init__(self, slots: int, stuck: Callable[[], None]) -> None:
        self._slots = slots
        self._stuck = stuck
        self._pool: ThreadPoolExecutor | None = None
        self.busy = 0
        self.over_time: set[Run] = set()

    async def run(self, function: Callable[[], Any], timeout: float | None, job: JobContext) -> Any:
        """Call `function` in a thread and return what it returns.

        Past its timeout the run keeps job, lease and slot until the thread has ended, so that no retry runs beside
        it; then it raises TimedOut. Asked to cancel, it tells the job and goes on waiting.
        """
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._slots, thread_name_prefix="toril-task")
        context = contextvars.copy_context()
        call = asyncio.get_running_loop().run_in_executor(self._pool, context.run, caught, function)
        self.busy += 1
        call.add_done_callback(self._ended)
        if await _done(call, timeout, job):
            result, error = call.result()
            if error is not None:
                raise error
            return result
        assert timeout is not None
        await job.log(f"timed out after {timeout:g} s; its thread cannot be stopped: the job ends when the thread does")
        self.over_time.add(job.run)
        try:
            if not await _done(call, timeout, job):
                JOB_STUCK(job=job.id, queue=job.queue, duration=2 * timeout)
                self._stuck()
                await _done(call, None, job)
        except asyncio.CancelledError:  # the worker ends without its thread, and this was an attempt all the same
            raise TimedOut(timeout) from None
        finally:
            self.over_time.discard(job.run)
        raise TimedOut(timeout)

    def close(self) -> None:
        """Let go of the threads."""
        if self._pool is not None:
            self._pool.shutdown(wait=False)

    def _ended(self, _: asyncio.Future[Any]) -> None:
        self.busy -= 1


def caught(function: Callable[..., Any], *arguments: Any) -> tuple[Any, BaseException | None]:
    """Call a function in a thread; return what it returns, and what it raises: no future can carry a StopIteration."""
    try:
        return function(*arguments), None
    except BaseException as error:  # noqa: BLE001  (whoever asked decides)
        return None, error


async def _done(call: asyncio.Future[Any], seconds: float | None, job: JobContext) -> bool:
    """Wait for a thread; return whether it has ended. Raises CancelledError if the run is given up."""
    loop = asyncio.get_running_loop()
    until = None if seconds is None else loop.time() + seconds
    while True:
        try:
            await asyncio.wait([call], timeout=None if until is None else until - loop.time())
        except asyncio.CancelledError as error:
            current = asyncio.current_task()
            if not error.args or current is None:
                raise
            current.uncancel()
            job.ask_to_cancel(error.args[0])
        else:
            return call.done()
