"""The two sides of the wire, with the same words: what a test asks of Node it can ask of Python.

Options are BullMQ's (`jobId`, `delay` in milliseconds, …); Python's side translates them into Toril's public API.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import interop_jobs

from ledger import Ledger
from nodes import Node, NodeError
from toril import Dedup, Exponential, Fixed, Flow, JobFailed, Keep, Rate, Toril, Worker
from toril.store.views import WorkerInfo
from toril.task import Call, Task

__all__ = ["NodeSide", "PythonSide", "Side"]

Tree = dict[str, Any]


class Side(ABC):
    """An application that adds jobs, and a worker that runs what is ready, one job after the other."""

    @abstractmethod
    async def add(self, queue: str, name: str, data: Any = None, **options: Any) -> str:
        """Add a job and return its id."""

    @abstractmethod
    async def add_many(self, queue: str, jobs: list[tuple[str, Any]], **options: Any) -> list[str]:
        """Add jobs of the same options in bulk and return their ids."""

    @abstractmethod
    async def result(self, queue: str, job_id: str) -> Any:
        """Wait until a job has ended and return what it returned; raise JobFailed with the reason of a failure."""

    @abstractmethod
    async def flow(self, tree: Tree) -> None:
        """Add a flow, as FlowProducer.add has it."""

    @abstractmethod
    async def schedule(self, queue: str, schedule_id: str, repeat: Tree, name: str, data: Any, opts: Tree) -> None:
        """Upsert a job scheduler."""

    @abstractmethod
    async def run(self, queue: str) -> None:
        """Run jobs until none is ready."""

    @abstractmethod
    def working(self, queue: str) -> AbstractAsyncContextManager[None]:
        """Let a worker with one slot run within the context."""

    @abstractmethod
    async def take(self, queue: str) -> str | None:
        """Take a job by hand and leave it active; return its id."""

    @abstractmethod
    async def stall(self, queue: str) -> None:
        """Take a job and lose it: its lock runs out, and it is found so."""

    @abstractmethod
    async def pause(self, queue: str) -> None:
        """Pause a queue."""

    @abstractmethod
    async def resume(self, queue: str) -> None:
        """Resume it."""

    @abstractmethod
    async def promote(self, queue: str) -> None:
        """Promote all delayed jobs."""

    @abstractmethod
    async def retry(self, queue: str, job_id: str) -> None:
        """Retry a failed job."""

    @abstractmethod
    async def limit(self, queue: str, most: int, milliseconds: int) -> None:
        """Set a rate limit for all workers together."""


class NodeSide(Side):
    """BullMQ on Node."""

    def __init__(self, node: Node) -> None:
        self.node = node

    async def add(self, queue: str, name: str, data: Any = None, **options: Any) -> str:
        options.pop("stalls", None)  # a matter of its workers, 1 by default
        job_id: str = (await self._queue(queue, "add", name, {} if data is None else data, options))["id"]
        return job_id

    async def add_many(self, queue: str, jobs: list[tuple[str, Any]], **options: Any) -> list[str]:
        calls = [{"name": name, "data": data, "opts": options} for name, data in jobs]
        return [job["id"] for job in await self._queue(queue, "addBulk", calls)]

    async def result(self, queue: str, job_id: str) -> Any:
        try:
            return await self._call("result", queue, job_id)
        except NodeError as error:
            raise JobFailed(job_id, str(error)) from None

    async def flow(self, tree: Tree) -> None:
        await self._call("add", tree)

    async def schedule(self, queue: str, schedule_id: str, repeat: Tree, name: str, data: Any, opts: Tree) -> None:
        template = {"name": name, "data": data, "opts": opts}
        await self._queue(queue, "upsertJobScheduler", schedule_id, repeat, template)

    async def run(self, queue: str) -> None:
        await self._call("run", queue, {"name": "someone", "metrics": {"maxDataPoints": 10_080}})

    @asynccontextmanager
    async def working(self, queue: str) -> AsyncIterator[None]:
        await self._call("work", queue, {"name": "someone"})
        yield
        await self._call("rest", queue)

    async def take(self, queue: str) -> str | None:
        job = await self._call("take", queue, "token", {"name": "someone"})
        return None if job is None else job["id"]

    async def stall(self, queue: str) -> None:
        await self._call("stall", queue, {"name": "someone"})

    async def pause(self, queue: str) -> None:
        await self._queue(queue, "pause")

    async def resume(self, queue: str) -> None:
        await self._queue(queue, "resume")

    async def promote(self, queue: str) -> None:
        await self._queue(queue, "promoteJobs")

    async def retry(self, queue: str, job_id: str) -> None:
        await asyncio.to_thread(self.node.job, queue, job_id, "retry")

    async def limit(self, queue: str, most: int, milliseconds: int) -> None:
        await self._queue(queue, "setGlobalRateLimit", most, milliseconds)

    async def _queue(self, queue: str, method: str, *args: Any) -> Any:
        return await asyncio.to_thread(self.node.queue, queue, method, *args)

    async def _call(self, method: str, *args: Any) -> Any:
        return await asyncio.to_thread(self.node.call, method, *args)


class PythonSide(Side):
    """Toril through its public API; where a test takes a job by hand, through the store's seam."""

    def __init__(self, app: Toril, ledger: Ledger, age: Callable[[float], None]) -> None:
        self.app, self.ledger, self._age = app, ledger, age
        self._tasks: dict[tuple[str, str], Task[..., Any]] = {}

    async def add(self, queue: str, name: str, data: Any = None, **options: Any) -> str:
        job = await self.app.queue(queue).add(name, {} if data is None else data, **_options(options))
        return job.id

    async def add_many(self, queue: str, jobs: list[tuple[str, Any]], **options: Any) -> list[str]:
        return [job.id for job in await self.app.queue(queue).add_many(jobs, **_options(options))]

    async def result(self, queue: str, job_id: str) -> Any:
        job = await self.app.queue(queue).get(job_id)
        assert job is not None
        return await job.result(20)

    async def flow(self, tree: Tree) -> None:
        await self.app.enqueue_flow(self._flow(tree))

    async def schedule(self, queue: str, schedule_id: str, repeat: Tree, name: str, data: Any, opts: Tree) -> None:
        when = {"every": repeat["every"] / 1000} if "every" in repeat else {"cron": repeat["pattern"]}
        when |= {key: repeat[key] for key in ("tz", "limit") if key in repeat}
        await self.app.schedule(self._call(queue, name, data, opts), id=schedule_id, **when)

    async def run(self, queue: str) -> None:
        await self._worker(queue, burst=True).run()

    @asynccontextmanager
    async def working(self, queue: str) -> AsyncIterator[None]:
        worker = self._worker(queue)
        running = asyncio.create_task(worker.run())
        yield
        worker.stop()
        await running

    def _worker(self, queue: str, *, burst: bool = False) -> Worker:
        if queue not in self.app.processors:
            interop_jobs.serve(self.app, self.ledger, queue)
        return Worker(self.app, {queue: 1}, burst=burst)

    async def take(self, queue: str) -> str | None:
        info = WorkerInfo("by-hand", "here", 1, self.app.settings.lease, {queue: 1})
        worker = await self.app.store.enrol(info)
        taken = (await self.app.store.step(queue, worker, [], [], 1)).taken
        return taken[0].id if taken else None

    async def stall(self, queue: str) -> None:
        await self.take(queue)
        self._age(30)  # the lease, and the pause between two looks for lost workers, are over
        await self.app.store.rescue(queue)

    async def pause(self, queue: str) -> None:
        await self.app.queue(queue).pause()

    async def resume(self, queue: str) -> None:
        await self.app.queue(queue).resume()

    async def promote(self, queue: str) -> None:
        await self.app.queue(queue).promote_all()

    async def retry(self, queue: str, job_id: str) -> None:
        await self.app.queue(queue).retry(job_id)

    async def limit(self, queue: str, most: int, milliseconds: int) -> None:
        await self.app.queue(queue).set_limits(rate=Rate(most, milliseconds / 1000))

    def _flow(self, tree: Tree) -> Flow[Any]:
        parent = self._call(tree["queueName"], tree["name"], tree.get("data"), tree.get("opts", {}))
        below = [self._flow(child) if "children" in child else self._leaf(child) for child in tree["children"]]
        return Flow(parent, below)

    def _leaf(self, tree: Tree) -> Call[Any]:
        return self._call(tree["queueName"], tree["name"], tree.get("data"), tree.get("opts", {}))

    def _call(self, queue: str, name: str, data: Any, opts: Tree) -> Call[Any]:
        task = self._tasks.get((queue, name))
        if task is None:
            task = self._tasks[queue, name] = self._declared(queue, name)
        return task.using(**_options(opts)).call(**(data or {}))

    def _declared(self, queue: str, name: str) -> Task[..., Any]:
        """Return a task of that name: jobs of a name have one shape, that of the behaviour."""
        if name == "echo":

            async def function(n: int) -> None: ...
        elif name == "fail":

            async def function(times: int) -> None: ...
        else:

            async def function() -> None: ...

        caller = Toril(self.app.url, settings=self.app.settings, clock=self.app.clock)  # so that no name is taken twice
        return caller.task(name=name, queue=queue)(function)


def _options(options: Tree) -> Tree:
    """Return Toril's words for BullMQ's options."""
    given = dict(options)
    found: Tree = {}
    for theirs, ours in (
        ("jobId", "job_id"),
        ("attempts", "attempts"),
        ("priority", "priority"),
        ("lifo", "lifo"),
        ("stalls", "max_stalls"),
    ):
        if theirs in given:
            found[ours] = given.pop(theirs)
    if "delay" in given:
        found["delay"] = given.pop("delay") / 1000
    if backoff := given.pop("backoff", None):
        found["backoff"] = {"fixed": Fixed, "exponential": Exponential}[backoff["type"]](backoff["delay"] / 1000)
    if dedup := given.pop("deduplication", None):
        ttl = dedup["ttl"] / 1000 if "ttl" in dedup else None
        flags = {"extend": dedup.get("extend", False), "replace": dedup.get("replace", False)}
        found["dedup"] = Dedup(dedup["id"], ttl, keep_last=dedup.get("keepLastIfActive", False), **flags)
    for theirs, ours in (("removeOnComplete", "keep_completed"), ("removeOnFail", "keep_failed")):
        if theirs in given:
            keep = given.pop(theirs)
            found[ours] = 0 if keep is True else Keep(count=None) if keep is False else keep
    for flag, word in (
        ("failParentOnFailure", "fail_parent"),
        ("continueParentOnFailure", "continue_parent"),
        ("ignoreDependencyOnFailure", "ignore_dependency"),
        ("removeDependencyOnFailure", "remove_dependency"),
    ):
        if given.pop(flag, False):
            found["if_failed"] = word
    assert not given, f"no word of Toril's for {sorted(given)}"
    return found
