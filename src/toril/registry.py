"""What an application declares: its tasks and processors, their schedules, and what happens around their runs."""

from __future__ import annotations

import difflib
import inspect
from abc import abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, Unpack, overload

from toril.arguments import Names
from toril.context import JobContext
from toril.decorators import ScheduleDecorator, TakesAnything, TaskDecorator
from toril.errors import ConfigurationError, InvalidArguments, UnknownTask
from toril.handlers import Handler, Handlers, Kind
from toril.options import TaskOptions
from toril.queue import Queue
from toril.schedule import Cron
from toril.store.views import ScheduleInfo, ScheduleRecord
from toril.task import Task
from toril.timetable import Bounds, Plan, distance

if TYPE_CHECKING:
    from toril.settings import Settings

__all__ = ["Registry", "Service"]

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")
Service = Callable[[], Awaitable[None]]
Middleware = Callable[[JobContext, Callable[[], Awaitable[Any]]], Awaitable[Any]]
M = TypeVar("M", bound=Middleware)
H = TypeVar("H", bound=Handler)


class Registry:
    """The part of a Toril that code declares, once, before anything runs."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.tasks: dict[str, Task[..., Any]] = {}
        self.processors: dict[str, Task[..., Any]] = {}
        self.handlers = Handlers()
        self.middleware: Middleware | None = None
        self._schedules: dict[str, tuple[Task[..., Any], Plan]] = {}
        self._services: list[tuple[str, Service]] = []
        self._closers: list[Service] = []

    @abstractmethod
    def queue(self, name: str, **defaults: Unpack[TaskOptions]) -> Queue:
        """Return the queue of that name."""

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
        names: Names | None = None,
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
        names: Names | None = None,
        **options: Unpack[TaskOptions],
    ) -> Task[..., Any] | TaskDecorator:
        """Register a function as a task: `@app.task` or `@app.task(queue=…, attempts=…, …)`.

        name: the job name; default: the function's. process: run it in a process of its own, which a timeout kills.
        names: "camel" if Node shares the task: what is `user_id` here is `userId` in the job's data.
        options: see TaskOptions. A plain function runs in a thread, an async one on the worker's loop; a first
        parameter annotated JobContext receives the run. Raises ConfigurationError, InvalidOption.
        """

        def make(function: Callable[..., Any]) -> Task[..., Any]:
            task: Task[..., Any] = Task(function, self.queue(queue), options, name=name, process=process, names=names)
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

    def service(self, run: Service, *, queue: str) -> None:
        """Let `run`, an async function, run beside the lanes of every worker that serves `queue`.

        It is cancelled when the worker stops, and started again after a pause if it raises.
        """
        self._services.append((queue, run))

    def on_close(self, close: Service) -> None:
        """Let `close`, an async function, be awaited when the application closes, after its workers."""
        self._closers.append(close)

    # -- what workers and queues ask

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

    def stale_schedules(
        self, stored: Iterable[ScheduleInfo], queues: Iterable[str] | None = None
    ) -> list[ScheduleRecord]:
        """Return those of the stored schedules that code once declared and does no more; queues: default: served."""
        looked_at = set(self.served_queues() if queues is None else queues)
        found = (info.schedule for info in stored if info.schedule.declared and info.schedule.queue in looked_at)
        return [schedule for schedule in found if schedule.id not in self._schedules]

    def services_for(self, queues: Iterable[str]) -> list[Service]:
        """Return the services that belong beside lanes of these queues."""
        served = set(queues)
        return list(dict.fromkeys(run for queue, run in self._services if queue in served))
