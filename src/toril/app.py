"""Toril: one store, its tasks, queues, schedules and clock; where the parts are put together."""

from __future__ import annotations

import asyncio
import contextlib
import difflib
import inspect
import logging
import os
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Self, TypeVar, Unpack, overload

from toril import sync
from toril.clock import Clock, SystemClock
from toril.context import JobContext
from toril.decorators import ScheduleDecorator, TakesAnything, TaskDecorator
from toril.errors import ConfigurationError, InvalidArguments, InvalidJob, InvalidSchedule, UnknownTask
from toril.events import EventStream, Listener
from toril.flow import Flow, nodes_of
from toril.handlers import Handler, Handlers, Kind
from toril.options import TaskOptions
from toril.queue import Job, Queue, add_all
from toril.schedule import Cron
from toril.store import make_store
from toril.store.base import LiveWorker
from toril.task import Call, Task, require_loop
from toril.timetable import Bounds, Plan, Scheduled, distance, scheduled

if TYPE_CHECKING:
    from toril.settings import Settings
    from toril.worker import Worker

__all__ = ["Toril"]

log = logging.getLogger("toril")

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
Service = Callable[[], Awaitable[None]]
Middleware = Callable[[JobContext, Callable[[], Awaitable[Any]]], Awaitable[Any]]
M = TypeVar("M", bound=Middleware)
H = TypeVar("H", bound=Handler)


class Toril:
    """An application's jobs.

    url: where they live (`sqlite:///jobs.db`); None: what the settings say (TORIL_URL, REDIS_HOST, …).
    settings: None reads them from the environment and `.env`.
    clock: None is the machine's; tests pass one that they move.

    Nothing is opened before the first use. Raises InvalidSettings, InvalidStoreURL.
    """

    def __init__(self, url: str | None = None, *, settings: Settings | None = None, clock: Clock | None = None) -> None:
        from toril.settings import Settings

        self.settings = settings or Settings()
        self.clock = clock or SystemClock()
        self.url = url or self.settings.store_url
        self.store = make_store(self.url, self.settings, self.clock)
        self.tasks: dict[str, Task[..., Any]] = {}
        self.processors: dict[str, Task[..., Any]] = {}
        self.handlers = Handlers()
        self.middleware: Middleware | None = None
        self._queues: dict[str, Queue] = {}
        self._schedules: dict[str, tuple[Task[..., Any], Plan]] = {}
        self._services: list[tuple[str, Service]] = []
        self._closers: list[Service] = []
        self._listeners: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Listener] = weakref.WeakKeyDictionary()
        _apps.add(self)

    # -- declaring

    @overload
    def task(self, function: TakesAnything[P, Coroutine[Any, Any, R]], /) -> Task[P, R]: ...
    @overload
    def task(self, function: Callable[Concatenate[JobContext, P], Coroutine[Any, Any, R]], /) -> Task[P, R]: ...
    @overload
    def task(self, function: Callable[P, Coroutine[Any, Any, R]], /) -> Task[P, R]: ...
    @overload
    def task(self, function: TakesAnything[P, R], /) -> Task[P, R]: ...
    @overload
    def task(self, function: Callable[Concatenate[JobContext, P], R], /) -> Task[P, R]: ...
    @overload
    def task(self, function: Callable[P, R], /) -> Task[P, R]: ...
    @overload
    def task(
        self,
        function: None = None,
        /,
        *,
        name: str | None = None,
        queue: str = "default",
        process: bool = False,
        **options: Unpack[TaskOptions],
    ) -> TaskDecorator: ...
    def task(
        self,
        function: Callable[..., Any] | None = None,
        /,
        *,
        name: str | None = None,
        queue: str = "default",
        process: bool = False,
        **options: Unpack[TaskOptions],
    ) -> Task[..., Any] | TaskDecorator:
        """Register a function as a task: `@app.task` or `@app.task(queue=…, attempts=…, …)`.

        name: the job name; default: the function's. process: run it in a process of its own, which a timeout kills.
        options: see TaskOptions. A plain function runs in a thread, an async one on the worker's loop; a first
        parameter annotated JobContext receives the run. Raises ConfigurationError, InvalidOption.
        """

        def make(function: Callable[..., Any]) -> Task[..., Any]:
            task: Task[..., Any] = Task(function, self.queue(queue), options, name=name, process=process)
            if task.name in self.tasks:
                raise ConfigurationError(f"task {task.name}: registered twice; give one of them another name")
            self.tasks[task.name] = task
            return task

        return TaskDecorator(make) if function is None else make(function)

    def processor(
        self, queue: str, **options: Unpack[TaskOptions]
    ) -> Callable[[Callable[[JobContext], T]], Callable[[JobContext], T]]:
        """Register one function for all jobs of a queue whose name has no task of its own.

        It takes the JobContext, with the job's `name` and `data`. Raises ConfigurationError, InvalidOption.
        """

        def register(function: Callable[[JobContext], T]) -> Callable[[JobContext], T]:
            task: Task[..., Any] = Task(function, self.queue(queue), options)
            if not task.arguments.wants_context:
                raise ConfigurationError(f"processor {task.name}: expected one parameter annotated JobContext")
            if queue in self.processors:
                raise ConfigurationError(f"queue {queue}: has a processor already, {self.processors[queue].name}")
            self.processors[queue] = task
            return function

        return register

    def cron(self, expression: str, *, tz: str | None = None, **bounds: Unpack[Bounds]) -> ScheduleDecorator:
        """Run a task (or a function, which becomes one) without arguments at the times that a cron line names.

        tz: IANA zone; default: the application's. bounds: see Bounds. The task's name is the schedule's id. Raises
        InvalidSchedule, and ConfigurationError for a task that has a schedule already.
        """
        return self._scheduled(Plan.make(Cron(expression, tz or self.settings.timezone), bounds))

    def every(self, interval: float | timedelta, **bounds: Unpack[Bounds]) -> ScheduleDecorator:
        """Run a task (or a function, which becomes one) without arguments at a fixed distance, first at once.

        interval: seconds or a timedelta, a millisecond at least. bounds, and what it raises: as for `cron`.
        """
        return self._scheduled(Plan.make(distance(interval), bounds))

    def _scheduled(self, plan: Plan) -> ScheduleDecorator:
        def schedule(function: Callable[..., Any]) -> Task[..., Any]:
            task: Task[..., Any] = function if isinstance(function, Task) else self.task(function)
            if task.name in self._schedules:
                raise ConfigurationError(f"task {task.name}: has a schedule already; give each schedule a task")
            try:
                plan.record(task.name, task.call(), declared=True)
            except InvalidArguments as error:
                raise ConfigurationError(
                    f"task {task.name}: a schedule has no arguments to give: {error}; app.schedule(...) takes some"
                ) from None
            self._schedules[task.name] = (task, plan)
            return task

        return ScheduleDecorator(schedule)

    def around(self, function: M) -> M:
        """Run every job of the worker inside of an async function: `async def f(job, call_next): …`.

        It gets the JobContext and an async function that runs the task and returns (or raises) what the task does;
        what it returns itself is the result. There is one, for tracing, logging and the like; its own time does not
        count for a timeout. Raises ConfigurationError.
        """
        if self.middleware is not None:
            raise ConfigurationError("around: the application has one already; call it from a new one")
        is_async = inspect.iscoroutinefunction(function)  # on its own: mypy would forget what M is
        if not is_async:
            raise ConfigurationError(f"around: expected an async function of (job, call_next), got {function!r}")
        self.middleware = function
        return function

    def on(self, kind: Kind) -> Callable[[H], H]:
        """Have a function called, in the worker, with the JobEvent of each job that an event happens to.

        kind: `completed`, `failed` (for good), `attempt_failed` (it will be retried), `progress`, `stalled` (its worker
        was lost). Handlers run beside the jobs, one after the other, a plain function in a thread; what one raises is
        logged and changes nothing. A worker calls those that were declared before it was started.
        Raises ConfigurationError.
        """

        def register(handler: H) -> H:
            self.handlers.add(kind, handler)
            return handler

        return register

    def queue(self, name: str, **defaults: Unpack[TaskOptions]) -> Queue:
        """Return the queue of that name, always the same object; with options, declare its jobs' defaults."""
        if name not in self._queues:
            self._queues[name] = Queue(self, name)
        queue = self._queues[name]
        return queue.declare(**defaults) if defaults else queue

    def service(self, run: Service, *, queue: str) -> None:
        """Let `run`, an async function, run beside the lanes of every worker that serves `queue`.

        It is cancelled when the worker stops, and started again after a pause if it raises.
        """
        self._services.append((queue, run))

    def on_close(self, close: Service) -> None:
        """Let `close`, an async function, be awaited when the application closes, after its workers."""
        self._closers.append(close)

    # -- using

    def enqueue_many(self, calls: Iterable[Call[R]]) -> Coroutine[Any, Any, list[Job[R]]]:
        """Add validated calls and return their jobs, in order; atomic up to 1,000, then in calls of 1,000.

        Raises InvalidJob and NoEventLoop at the call; StoreUnavailable, and PartlyAdded with the ids done when a later
        thousand fails.
        """
        listed = _listed(calls)
        require_loop("app.enqueue_many_sync(...)")
        return self._enqueue_many(listed)

    def enqueue_many_sync(self, calls: Iterable[Call[R]]) -> list[Job[R]]:
        """Add validated calls from blocking code, as `enqueue_many` does. Raises LoopRunning on a loop's thread."""
        return self.run(self._enqueue_many(_listed(calls)))

    async def _enqueue_many(self, calls: list[Call[R]]) -> list[Job[R]]:
        now = self.clock.now()
        ids = await add_all(self, [call.new_job(now) for call in calls])
        return [Job(call.task.queue, job_id, call.task.name) for job_id, call in zip(ids, calls, strict=True)]

    async def enqueue_flow(self, flow: Flow[R]) -> Job[R]:
        """Add a tree of jobs, all or none, across queues, and return the job of its root.

        Every node keeps the options of its call. A call with a `job_id` that its queue has already stands for that
        job, and nothing is added below it. Blocking code: `app.run(app.enqueue_flow(...))`. Raises StoreUnavailable,
        QueueFull, BudgetExceeded, and WrongState if such a job has another parent.
        """
        ids = await self.store.add_flow(nodes_of([flow], self.clock.now()), None)
        return Job(flow.parent.task.queue, ids[0], flow.parent.task.name)

    async def schedule(
        self,
        call: Call[Any],
        *,
        id: str,  # noqa: A002
        cron: str | None = None,
        every: float | timedelta | None = None,
        tz: str | None = None,
        **bounds: Unpack[Bounds],
    ) -> bool:
        """Let a call be made at the times of a cron line, or `every` so many seconds, until `unschedule(id)`.

        A schedule of that id is changed; if it is stored so already, nothing is touched and this returns False.
        Raises InvalidSchedule, InvalidOption, StoreUnavailable.
        """
        if (cron is None) == (every is None):
            raise InvalidSchedule("cron, every: expected one of them")
        if tz is not None and cron is None:
            raise InvalidSchedule("tz: belongs to cron")
        rule = Cron(cron, tz or self.settings.timezone) if cron is not None else distance(every or 0)
        plan = Plan.make(rule, bounds)
        if plan.end is not None and plan.end < self.clock.now():
            raise InvalidSchedule(f"end: expected a moment to come, got {bounds['end']!r}")
        record = plan.record(id, call, declared=False)
        return await self.store.put_schedule(record, immediately=plan.immediately)

    async def unschedule(self, schedule_id: str) -> bool:
        """Remove a schedule and its next job, unless that is ready to run; return False if there is none of that id."""
        return await self.store.remove_schedule(schedule_id)

    async def schedules(self) -> list[Scheduled]:
        """Return all schedules of the store, by id, with their next and last times."""
        return [scheduled(info) for info in await self.store.schedules()]

    async def prune_schedules(self, queues: Iterable[str] | None = None) -> list[str]:
        """Remove schedules that code once declared and this application does not; return their ids.

        queues: whose schedules to look at, default those that the application serves: other applications may share
        the store. What `schedule` has made stays.
        """
        looked_at = set(self.served_queues() if queues is None else queues)
        stale = [
            info.schedule.id
            for info in await self.store.schedules()
            if info.schedule.declared and info.schedule.id not in self._schedules and info.schedule.queue in looked_at
        ]
        return [schedule_id for schedule_id in stale if await self.store.remove_schedule(schedule_id)]

    async def run_pending(self, queues: Iterable[str] | None = None) -> int:
        """Run here and now the jobs that are ready, and those that they make, until none is; return how many ran.

        queues: default: all that the application's tasks name. For tests and scripts.
        """
        from toril.worker import Worker

        worker = Worker(self, None if queues is None else dict.fromkeys(queues, 10), burst=True)
        await worker.run()
        return worker.ran

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run any of Toril's coroutines from blocking code: `app.run(queue.counts())`. Raises LoopRunning."""
        return sync.run(coroutine)

    def events(self, *, queue: str | None = None, after: str | None = None) -> EventStream:
        """Return the stream of what happens to jobs: `async for event in app.events(queue="emails"): …`.

        queue: of this one alone. after: the `cursor` of an event or of an earlier stream, to go on behind it; None:
        what happens from now on. The last 10,000 steps are kept: who asks for older ones hears a `gap` first. The
        stream raises InvalidOption for what is no cursor.
        """
        return EventStream(self.store, queue, after)

    async def workers(self) -> Sequence[LiveWorker]:
        """Return the workers whose lease holds: where they are, what they serve, what each runs since when."""
        return await self.store.workers()

    def find(self, name: str) -> Task[..., Any]:
        """Return the task of that name; raise UnknownTask, which lists those that are known."""
        if name not in self.tasks:
            raise self.unknown(name)
        return self.tasks[name]

    def unknown(self, name: str) -> UnknownTask:
        """Return the error for a name that no task has."""
        known = sorted(self.tasks)
        near = difflib.get_close_matches(name, known, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        return UnknownTask(f"no worker here knows task {name!r} (known: {', '.join(known) or 'none'}){hint}")

    # -- life

    async def open(self) -> None:
        """Open the store; raise StoreRefused or StoreUnavailable if it cannot be used."""
        await self.store.open()

    async def close(self) -> None:
        """Let go of everything that was opened."""
        for close in reversed(self._closers):
            await close()
        await self.store.close()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def lifespan(
        self, workers: Mapping[str, int] | None = None
    ) -> Callable[[Any], contextlib.AbstractAsyncContextManager[None]]:
        """Return a lifespan for an ASGI application: `FastAPI(lifespan=app.lifespan(workers={"emails": 5}))`.

        It opens the store and, if `workers` names queues and slots, runs a worker inside the web process, which
        leaves signals to the server. At shutdown the worker stops first, then connections.
        """

        @contextlib.asynccontextmanager
        async def lifespan(_: Any) -> AsyncIterator[None]:
            async with self, self._working(workers):
                yield

        return lifespan

    @contextlib.asynccontextmanager
    async def _working(self, queues: Mapping[str, int] | None) -> AsyncIterator[None]:
        if not queues:
            yield
            return
        from toril.worker import Worker

        worker: Worker = Worker(self, queues)
        running = asyncio.create_task(worker.run(), name="toril-worker")
        running.add_done_callback(_report_end)
        try:
            yield
        finally:
            worker.stop()
            await running

    # -- what workers and queues ask

    def listener(self) -> Listener:
        """Return this loop's listener to the store's events."""
        return self._listeners.setdefault(asyncio.get_running_loop(), Listener(self.store))

    def task_options(self, name: str) -> Mapping[str, Any]:
        """Return the options that the task of that name declares; nothing for a name without a task."""
        task = self.tasks.get(name)
        return task.options if task else {}

    def check(self, name: str, data: str) -> str:
        """Check JSON data against the task of that name, if there is one; raise InvalidArguments.

        Return them as they are to be stored: with secrets encrypted.
        """
        task = self.tasks.get(name)
        return task.arguments.check(name, data) if task else data

    def served_queues(self) -> list[str]:
        """Return the queues that the application's tasks and processors name, by name."""
        return sorted({task.queue.name for task in self.tasks.values()} | set(self.processors))

    def declared_schedules(self) -> list[tuple[Task[..., Any], Plan]]:
        """Return the schedules that code declares: task and plan."""
        return list(self._schedules.values())

    def services_for(self, queues: Iterable[str]) -> list[Service]:
        """Return the services that belong beside lanes of these queues."""
        served = set(queues)
        return list(dict.fromkeys(run for queue, run in self._services if queue in served))

    async def put_schedules(self) -> None:
        """See that every declared schedule is stored as declared; what is so already is not touched."""
        for task, plan in self._schedules.values():
            record = plan.record(task.name, task.call(), declared=True)
            await self.store.put_schedule(record, immediately=plan.immediately)


def _listed(calls: Iterable[Call[R]]) -> list[Call[R]]:
    listed = list(calls)
    for call in listed:
        if not isinstance(call, Call):
            raise InvalidJob(f"enqueue_many: expected calls, such as task.call(…), got {call!r}")
    return listed


def _report_end(running: asyncio.Task[None]) -> None:
    """Say at once when a worker inside a web process has ended by itself."""
    if not running.cancelled() and (error := running.exception()):
        log.critical("the worker in this process has ended, its queues are not served: %s", error, exc_info=error)


_apps: weakref.WeakSet[Toril] = weakref.WeakSet()


def _forget_inherited() -> None:
    """A forked child opens stores of its own: its parent's threads do not live here."""
    for app in _apps:
        app.store.forget()
        app._listeners.clear()  # noqa: SLF001


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_inherited)
