"""One job, from its row to its outcome, in named steps."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from toril.adding import carrying
from toril.context import JobContext
from toril.errors import InvalidArguments, InvalidData, InvalidOption, RateLimited, Snooze, UnknownTask, Unrecoverable
from toril.flow import WaitForChildren, nodes_of
from toril.job import JobRecord, expiry_reason
from toril.json import check_integers, clip, decode, decode_or, dump, encode
from toril.options import KEEP_FAILED, Policy
from toril.retry import delay_after, own_delay
from toril.store.runs import Awaiting, Completed, Delayed, Failed, Limited, Outcome, Run
from toril.task import Task
from toril.why import PUT_BACK
from toril.worker.outcomes import TimedOut, is_our_end
from toril.worker.processes import Processes
from toril.worker.threads import Threads

if TYPE_CHECKING:
    from toril.app import Toril

__all__ = ["Executor"]

STACK = 32_768  # bytes of a traceback
STACKS = 10  # tracebacks that a job keeps
LATE = 60_000  # milliseconds after which a tick counts as missed
_OURS = str(Path(__file__).parents[1])  # a job's stack begins in its task
_FIRST_PUT_BACK, _LONGEST_PUT_BACK = 5_000, 60_000  # milliseconds


class Executor:
    """Runs jobs of one application."""

    def __init__(self, app: Toril, threads: Threads, processes: Processes) -> None:
        self._app = app
        self._threads = threads
        self._processes = processes

    async def run(self, run: Run, record: JobRecord, hear: Callable[[JobContext], None]) -> Outcome:
        """Run a job and return what has become of it; never raises but CancelledError."""
        try:
            policy = Policy.from_json(record.opts)
        except (ValueError, TypeError) as error:
            return Failed(run, f"its options cannot be read: {error}", None, KEEP_FAILED)
        unrun = self._without_running(record, run, policy)
        if unrun is not None:
            return unrun
        try:
            task, arguments = self._resolve(record)
        except (UnknownTask, InvalidArguments) as error:
            return self._put_back(record, run, policy, error)
        try:
            result = await self._perform(task, arguments, record, policy, hear)
        except BaseException as error:  # whatever a task raises is its outcome: Rust's panics are no Exception
            if is_our_end(error):
                raise
            return self._judge(record, run, policy, task, error)
        return Completed(run, result, policy.keep_completed)

    def is_over_time(self, run: Run) -> bool:
        """Return whether a run has timed out and only waits for its thread to end."""
        return run in self._threads.over_time

    def _without_running(self, record: JobRecord, run: Run, policy: Policy) -> Outcome | None:
        """Return what becomes of a job that must not run: a child has failed it, it is a missed tick, or expired."""
        if record.deferred:
            return Failed(run, record.deferred, _trail(record, record.deferred), policy.keep_failed)
        if policy.missed == "skip" and record.tick and self._app.clock.now() - record.tick > LATE:
            return Completed(run, "null", policy.keep_completed)
        expires = policy.expires_at(record.tick or record.timestamp) if policy.expires else None
        if expires is None or expires > self._app.clock.now() or record.attempts:
            return None
        return Failed(run, expiry_reason(expires), None, policy.keep_failed, 0)

    def _resolve(self, record: JobRecord) -> tuple[Task[..., Any], dict[str, Any]]:
        """Find the task and read its arguments; raise UnknownTask or InvalidArguments."""
        task = self._app.tasks.get(record.name) or self._app.processors.get(record.queue)
        if task is None:
            raise self._app.unknown(record.name)
        if task is self._app.processors.get(record.queue):
            return task, {}
        return task, task.arguments.read(task.name, record.data)

    async def _perform(
        self,
        task: Task[..., Any],
        arguments: dict[str, Any],
        record: JobRecord,
        policy: Policy,
        hear: Callable[[JobContext], None],
    ) -> str:
        """Run the task's function where it belongs; return its result as JSON text."""
        timeout, around = policy.timeout, self._app.middleware
        if task.is_async and around is None and timeout is None and not task.arguments.wants_context:
            result = await task.function(**arguments)  # the most frequent kind: nobody looks at the context
            return self._encoded(result)
        job = JobContext(record, policy, hear, self._app, task.arguments.veil(record.data))
        if around is not None:
            result = await around(job, lambda: self._call(task, arguments, job, timeout))
        elif task.process:
            text = await self._processes.run(task, timeout, job)
            return check_integers(text, self._app.store.largest, "result")
        else:
            result = await self._call(task, arguments, job, timeout)
        return self._encoded(result)

    def _encoded(self, result: object) -> str:
        """Return a result as JSON text; raise InvalidData."""
        if result is None:
            return "null"
        return check_integers(encode(result, "result"), self._app.store.largest, "result")

    async def _call(
        self, task: Task[..., Any], arguments: dict[str, Any], job: JobContext, timeout: float | None
    ) -> Any:
        if task.process:
            return decode(await self._processes.run(task, timeout, job))
        first = (job,) if task.arguments.wants_context else ()
        if not task.is_async:
            return await self._threads.run(partial(task.function, *first, **arguments), timeout, job)
        if timeout is None:
            return await task.function(*first, **arguments)
        return await _within(timeout, task.function(*first, **arguments))

    def _judge(
        self, record: JobRecord, run: Run, policy: Policy, task: Task[..., Any], error: BaseException
    ) -> Outcome:
        """Decide what an exception means for the job."""
        if isinstance(error, Snooze):
            return Delayed(run, self._app.clock.now() + round(error.seconds * 1000), None, None, 0)
        if isinstance(error, RateLimited):
            return Limited(run, self._app.clock.now() + round(error.seconds * 1000))
        if isinstance(error, WaitForChildren):
            try:
                return Awaiting(run, carrying(nodes_of(error.children, self._app.clock.now())))
            except InvalidOption as refused:  # a time by which a child expires has passed
                error = refused
        veil = task.arguments.veil(record.data)
        reason, stack = veil(_describe(error)), _stack(record, error, veil)
        attempt = record.attempts + 1
        final = isinstance(error, (Unrecoverable, InvalidData)) or attempt >= policy.attempts
        try:
            seconds = None if final else self._delay(policy, task, attempt)
        except Exception as fault:  # noqa: BLE001  (the task's own rule)
            seconds, reason = None, f"{reason}; and its backoff failed, {_describe(fault)}"
        if seconds is None:
            return Failed(run, reason, stack, policy.keep_failed)
        due = self._app.clock.now() + round(seconds * 1000) if seconds else 0
        return Delayed(run, due, reason, stack, 1)

    @staticmethod
    def _delay(policy: Policy, task: Task[..., Any], attempt: int) -> float | None:
        """Return the seconds before the next attempt; None if the task's own rule says that there is none."""
        backoff = task.policy.backoff if policy.backoff == "task" else policy.backoff
        if backoff is None or backoff == "task":
            return 0.0
        return own_delay(backoff, attempt) if callable(backoff) else delay_after(backoff, attempt)

    def _put_back(self, record: JobRecord, run: Run, policy: Policy, error: Exception) -> Outcome:
        """Give a job that this worker does not understand to a newer one, until the deploy must be over."""
        now, since = self._app.clock.now(), self._put_back_since(record)
        waited = now - since
        if waited >= self._app.settings.deploy_grace * 1000:
            return Failed(run, str(error), None, policy.keep_failed)
        pause = min(max(_FIRST_PUT_BACK, waited), _LONGEST_PUT_BACK)  # so they double: 5, 5, 10, 20, 40, 60, 60 …
        when = datetime.fromtimestamp(since / 1000, UTC).isoformat(timespec="milliseconds")
        return Delayed(run, now + pause, f"{PUT_BACK}{when}: {error}", None, 0)

    def _put_back_since(self, record: JobRecord) -> int:
        """Return when the job was first put back; its reason tells, on every store."""
        if record.reason and record.reason.startswith(PUT_BACK):
            with suppress(ValueError):  # a reason that only begins like ours
                when = record.reason[len(PUT_BACK) :].partition(": ")[0]
                return round(datetime.fromisoformat(when).timestamp() * 1000)
        return self._app.clock.now()


async def _within(seconds: float, coroutine: Any) -> Any:
    try:
        async with asyncio.timeout(seconds) as limit:
            return await coroutine
    except TimeoutError:
        if limit.expired():
            raise TimedOut(seconds) from None
        raise


def _describe(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:  # noqa: BLE001  (of its own __str__)
        text = ""
    if isinstance(error, Unrecoverable):
        return clip(text) or "Unrecoverable"
    name = "TimeoutError" if isinstance(error, TimedOut) else type(error).__name__
    return clip(f"{name}: {text}") if text else name


def _stack(record: JobRecord, error: BaseException, veil: Callable[[str], str]) -> str:
    """Return the job's stack traces with this one, the newest last."""
    trace = error.__traceback__
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_OURS):
        trace = trace.tb_next
    if trace is None and isinstance(error, Unrecoverable):
        return record.stack or dump([])  # a task of Toril's own gave up: its reason says it all, its frames nothing
    text = traceback.format_exception(type(error), error, trace or error.__traceback__)
    return _trail(record, clip(veil("".join(text)), STACK))


def _trail(record: JobRecord, newest: str) -> str:
    """Return what a job keeps of its failures: stack traces, or the reason where that is all there is."""
    earlier = decode_or(record.stack, [])
    return dump([*(earlier if isinstance(earlier, list) else []), newest][-STACKS:])
