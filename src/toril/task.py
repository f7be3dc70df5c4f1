"""A function that can be enqueued: typed arguments in, a job out."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, Unpack

from toril.arguments import Arguments, Names, result_adapter
from toril.budget import Budget
from toril.errors import ConfigurationError, InvalidOption, NoEventLoop
from toril.handlers import Handler
from toril.job import NewJob, check_name
from toril.json import check_integers
from toril.options import Options, Policy, carried, declared, resolve
from toril.secret import masked

if TYPE_CHECKING:
    from toril.handle import Job
    from toril.queue import Queue

__all__ = ["Call", "Task", "require_loop"]

P = ParamSpec("P")
R_co = TypeVar("R_co", covariant=True)
H = TypeVar("H", bound=Handler)


class Call(Generic[R_co]):
    """A validated call that has not been enqueued: for `enqueue_many`, flows and schedules."""

    __slots__ = ("data", "policy", "task", "text")

    def __init__(self, task: Task[..., R_co], data: str, policy: Policy, text: str) -> None:
        self.task = task
        self.data = data  # JSON
        self.policy = policy
        self.text = text  # the policy as JSON

    def __repr__(self) -> str:
        return f"<Call {self.task.name} {masked(self.data)}>"

    def new_job(self, now: int) -> NewJob:
        """Return the job to add, `now` being the moment from which its delay counts."""
        return new_job(self.task.queue.name, self.task.name, self.data, self.policy, self.text, now)


def new_job(queue: str, name: str, data: str, policy: Policy, text: str, now: int) -> NewJob:
    """Return a job to add; texts are JSON, `now` in epoch milliseconds. Raises InvalidOption."""
    due = policy.run_at or (now + round(policy.delay * 1000) if policy.delay else 0)
    expires = policy.expires_at(now) if policy.expires else None
    if expires and expires <= due:
        raise InvalidOption(f"expires: expected a time after the job's delay or run_at, got {policy.expires}")
    charge = policy.budget.charge(data) if policy.budget else None
    return NewJob(
        queue, name, data, text, policy.priority, due, policy.lifo, policy.job_id, policy.dedup, charge, expires
    )


class Task(Generic[P, R_co]):
    """A registered function. Calling it runs it here and now; `enqueue` makes a job of the call."""

    def __init__(
        self,
        function: Callable[..., Any],
        queue: Queue,
        options: Mapping[str, Any],
        *,
        name: str | None = None,
        process: bool = False,
        names: Names | None = None,
    ) -> None:
        _refuse_function(function)
        self.function = function
        self.queue = queue
        self.name = check_name("task", function.__name__ if name is None else name)
        self.process = process
        self.is_async = inspect.iscoroutinefunction(function)
        self.arguments = Arguments(function, queue.app.settings.secret_keys, names)
        self.result_type = result_adapter(function)  # reads a result back as what the function returns
        self.options = self._own(options)
        self.failed_handlers: list[Handler] = []
        self._using: Mapping[str, Any] = {}
        self._plan: tuple[Mapping[str, Any], Policy, str] | None = None
        self._refuse()
        self.__doc__ = function.__doc__
        self.__wrapped__ = function

    def _refuse(self) -> None:
        budget = resolve(declared(self.options)).budget
        if budget and budget.argument not in {None, *self.arguments.fields.values()}:
            raise ConfigurationError(f"task {self.name}: budget key {budget.key}: there is no such field in its data")
        if self.process and (self.is_async or self.arguments.wants_context):
            raise ConfigurationError(
                f"task {self.name}: process=True expects a plain function without JobContext; it runs in a process "
                "of its own"
            )

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<Task {self.name} on {self.queue.name}>"

    @property
    def policy(self) -> Policy:
        """What its jobs say of themselves: the queue's defaults, then the task's options, then `using`."""
        return self._planned()[1]

    def on_failed(self, handler: H) -> H:
        """Have a function called, in the worker, with the JobEvent of each job of this task that failed for good.

        It is called once a job, by the worker that recorded the failure; a plain function is called in a thread.
        What it raises is logged and changes nothing.
        """
        self.failed_handlers.append(handler)
        return handler

    def using(self, **options: Unpack[Options]) -> Task[P, R_co]:
        """Return this task with other options for the calls made through it; raise InvalidOption."""
        copy: Task[P, R_co] = object.__new__(Task)
        copy.__dict__.update(self.__dict__)
        copy._using = {**self._using, **self._own(carried(options))}
        copy._plan = None
        copy._planned()
        return copy

    def call(self, /, *args: P.args, **kwargs: P.kwargs) -> Call[R_co]:
        """Return a validated call; raise InvalidArguments, InvalidData or DataTooLarge."""
        _, policy, text = self._planned()
        data = self.arguments.write(self.name, args, kwargs)
        check_integers(data, self.queue.app.store.largest, self.name)
        policy.check_size(self.name, data)
        return Call(self, data, policy, text)

    def enqueue(self, /, *args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, Job[R_co]]:
        """Add a job for this call and return it, once it is in the store.

        The arguments are checked at the call (InvalidArguments, InvalidData, DataTooLarge), before anything is awaited;
        without a running event loop it raises NoEventLoop there too. Awaiting it raises StoreUnavailable if the store
        does not answer within a second, and QueueFull or BudgetExceeded if there is such a limit.
        """
        call = self.call(*args, **kwargs)
        require_loop(f"{self.name}.enqueue_sync(...)")
        return self.queue.enqueue(call)

    def enqueue_sync(self, /, *args: P.args, **kwargs: P.kwargs) -> Job[R_co]:
        """Add a job for this call from blocking code: Django, Flask, scripts. Raises LoopRunning on a loop's thread."""
        return self.queue.app.run(self.queue.enqueue(self.call(*args, **kwargs)))

    def _own(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return options of this task: a budget among them is its own, not its queue's."""
        budget = options.get("budget")
        return {**options, "budget": budget.of(self.name)} if isinstance(budget, Budget) else dict(options)

    def _planned(self) -> tuple[Mapping[str, Any], Policy, str]:
        defaults = self.queue.options
        if self._plan is None or self._plan[0] is not defaults:
            policy = resolve(defaults, self.options, self._using)
            self._plan = (defaults, policy, policy.to_json())
        return self._plan


def _refuse_function(function: Callable[..., Any]) -> None:
    if not inspect.isroutine(function):
        raise ConfigurationError(f"task: expected a function, got {function!r}")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigurationError(f"task {function.__name__}: expected a function that returns, got a generator")


def require_loop(instead: str) -> None:
    """Raise NoEventLoop unless an event loop runs on this thread."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise NoEventLoop(f"no event loop runs here: use {instead}") from None
