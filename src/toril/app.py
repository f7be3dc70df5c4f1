"""Toril: one store, its tasks, queues, schedules and clock; where the parts are put together."""

from __future__ import annotations

import asyncio
import contextlib
import os
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, Unpack

from toril import sync
from toril.adding import add_flow
from toril.checks import instance
from toril.clock import Clock, SystemClock
from toril.errors import ConfigurationError, InvalidJob, StoreUnavailable
from toril.events import EventStream, Listener
from toril.flow import Flow, nodes_of
from toril.handle import Job
from toril.log import STORE_DOWN, WORKER_ENDED
from toril.options import TaskOptions
from toril.queue import Queue, add_all
from toril.scheduling import Scheduling
from toril.store import make_store
from toril.store.views import LiveWorker
from toril.task import Call, require_loop

if TYPE_CHECKING:
    from toril.settings import Settings
    from toril.worker import Worker

__all__ = ["Toril"]

R = TypeVar("R")
T = TypeVar("T")


class Toril(Scheduling):
    """An application's jobs.

    url: where they live (`sqlite:///jobs.db`); None: what the settings say (TORIL_URL, REDIS_HOST, …).
    settings: None reads them from the environment and `.env`.
    clock: None is the machine's; tests pass one that they move.

    Nothing is opened before the first use. Raises InvalidSettings, InvalidStoreURL.
    """

    def __init__(self, url: str | None = None, *, settings: Settings | None = None, clock: Clock | None = None) -> None:
        from toril.settings import Settings

        super().__init__(settings or Settings())
        self.clock = clock or SystemClock()
        self.url = url or self.settings.store_url
        self.store = make_store(self.url, self.settings, self.clock)
        self._queues: dict[str, Queue] = {}
        self._listeners: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, Listener] = weakref.WeakKeyDictionary()
        self._homes: weakref.WeakSet[asyncio.AbstractEventLoop] = weakref.WeakSet()
        _apps.add(self)

    def queue(self, name: str, **defaults: Unpack[TaskOptions]) -> Queue:
        """Return the queue of that name, always the same object; with options, declare its jobs' defaults."""
        if name not in self._queues:
            self._queues[name] = Queue(self, name)
        queue = self._queues[name]
        return queue.declare(**defaults) if defaults else queue

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
        instance(Flow, "Flow(task.call(…), [children])")("flow", flow)
        ids = await add_flow(self.store, nodes_of([flow], self.clock.now()), None)
        return Job(flow.parent.task.queue, ids[0], flow.parent.task.name)

    async def run_pending(self, queues: Iterable[str] | None = None) -> int:
        """Run here and now the jobs that are ready, and those that they make, until none is; return how many ran.

        queues: default: all that the application's tasks name. For tests and scripts. Raises ConfigurationError.
        """
        from toril.worker import Worker

        if isinstance(queues, str):  # an iterable of names of one letter
            raise ConfigurationError(f"queues: expected names of queues, got {queues!r} alone")
        worker = Worker(self, None if queues is None else dict.fromkeys(queues, 10), burst=True)
        await worker.run()
        return worker.ran

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run any of Toril's coroutines from blocking code: `app.run(queue.counts())`. Raises LoopRunning."""
        return sync.run(coroutine)

    async def run_aside(self, coroutine: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop of `run` from another loop, which goes on meanwhile.

        For what belongs to one event loop, such as a pool of connections. If the caller is cancelled, it runs to its
        end.
        """
        return await sync.run_aside(coroutine)

    def events(self, *, queue: str | None = None, after: str | None = None) -> EventStream:
        """Return the stream of what happens to jobs: `async for event in app.events(queue="emails"): …`.

        queue: of this one alone. after: the `cursor` of an event or of an earlier stream, to go on behind it; None:
        what happens from now on. The last 10,000 steps are kept: who asks for older ones hears a `gap` first. The
        stream raises InvalidOption for what is no cursor.
        """
        return EventStream(self.store, queue, after)

    async def queues(self) -> list[Queue]:
        """Return the queues that have been used, by whomever, and those that this application serves, by name."""
        names = {*await self.store.queues(), *self.served_queues()}
        return [self.queue(name) for name in sorted(names)]

    async def workers(self) -> Sequence[LiveWorker]:
        """Return the workers whose lease holds: where they are, what they serve, what each runs, and since when."""
        return await self.store.workers()

    # -- life

    async def open(self) -> None:
        """Open the store; raise StoreRefused if it must not be used. One that does not answer is told in the log."""
        try:
            await self.store.open()
        except StoreUnavailable as error:
            STORE_DOWN(error=error)

    async def close(self) -> None:
        """Let go of everything that was opened, even if a part of it cannot be closed and raises."""
        async with contextlib.AsyncExitStack() as last_first:
            last_first.push_async_callback(self.store.close)
            for close in self._closers:
                last_first.push_async_callback(close)

    @property
    def at_home(self) -> bool:
        """Whether the running event loop stays until the application closes on it: within `async with`, a lifespan."""
        return asyncio.get_running_loop() in self._homes

    async def __aenter__(self) -> Self:
        await self.open()
        self._homes.add(asyncio.get_running_loop())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._homes.discard(asyncio.get_running_loop())
        await self.close()

    def lifespan(
        self, workers: Mapping[str, int] | None = None
    ) -> Callable[[Any], contextlib.AbstractAsyncContextManager[None]]:
        """Return a lifespan for an ASGI application: `FastAPI(lifespan=app.lifespan(workers={"emails": 5}))`.

        It opens the store and, if `workers` names queues and slots, runs a worker inside the web process, which
        leaves signals to the server. At shutdown the worker stops first, then connections. A store that does not
        answer keeps no web process from starting: requests are told so until it does.
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


def _listed(calls: Iterable[Call[R]]) -> list[Call[R]]:
    listed = list(calls)
    for call in listed:
        if not isinstance(call, Call):
            raise InvalidJob(f"enqueue_many: expected calls, such as task.call(…), got {call!r}")
    return listed


def _report_end(running: asyncio.Task[None]) -> None:
    """Say at once when a worker inside a web process has ended by itself."""
    if not running.cancelled() and (error := running.exception()):
        WORKER_ENDED.raised(error, error=error)


_apps: weakref.WeakSet[Toril] = weakref.WeakSet()


def _forget_inherited() -> None:
    """A forked child opens stores of its own: its parent's threads do not live here."""
    for app in _apps:
        app.store.forget()
        app._listeners.clear()  # noqa: SLF001


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_inherited)
