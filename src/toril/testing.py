"""For the tests of applications: their own tasks on a store in memory, at a time that the test moves. No mocks.

# conftest.py
from shop.jobs import app
from toril.testing import fixture

jobs = fixture(app)

# test_shop.py
async def test_a_new_customer_is_welcomed(jobs):
    await sign_up("ana@example.com")
    await jobs.assert_enqueued(welcome, to="ana@example.com")
    await jobs.run_pending()
    jobs.advance(hours=24)
    assert await jobs.run_pending() == 1
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

from toril.app import Toril
from toril.clock import ManualClock
from toril.handle import Job
from toril.job import JobState
from toril.json import decode, encode
from toril.store import make_store
from toril.task import Task

__all__ = ["Jobs", "fixture", "jobs_of"]

_PAGE = 1_000
PENDING = (JobState.WAITING, JobState.PRIORITIZED, JobState.DELAYED, JobState.WAITING_CHILDREN)


class Jobs:
    """The jobs of an application under test."""

    def __init__(self, app: Toril, clock: ManualClock) -> None:
        self.app = app
        self.clock = clock

    def advance(self, seconds: float = 0.0, **more: float) -> None:
        """Move the clock forward by `seconds` and what `more` says in timedelta's words: `hours=24`."""
        self.clock.advance(seconds + timedelta(**more).total_seconds())

    async def run_pending(self) -> int:
        """Run the jobs that are ready, and those that they make, until none is; return how many ran."""
        return await self.app.run_pending()

    async def enqueued(self, task: Task[..., Any] | str | None = None) -> list[Job[Any]]:
        """Return the jobs that have not run yet: all, or those of a task (or of a name)."""
        name = task.name if isinstance(task, Task) else task
        found: list[Job[Any]] = []
        for queue in await self.app.store.queues():
            for state in PENDING:
                after: str | None = None
                while True:
                    page = await self.app.queue(queue).jobs(state, limit=_PAGE, after=after)
                    found += [job for job in page.jobs if name in {None, job.name}]
                    if (after := page.after) is None:
                        break
        return found

    async def assert_enqueued(self, task: Task[..., Any] | str, **arguments: object) -> Job[Any]:
        """Return the one job of a task that waits with these arguments (others may be anything).

        Raises AssertionError that lists what waits instead, also if there are several.
        """
        fields = task.arguments.fields if isinstance(task, Task) else {}
        wanted = decode(encode({fields.get(name, name): value for name, value in arguments.items()}))
        waiting = await self.enqueued(task)
        matching = [job for job in waiting if wanted.items() <= decode(job.record.data).items()]
        if len(matching) != 1:
            name = task.name if isinstance(task, Task) else task
            lines = "".join(f"\n  {job.name} {job.record.data} ({job.record.state})" for job in await self.enqueued())
            raise AssertionError(
                f"expected one job of {name} with {wanted}, found {len(matching)}; waiting: {lines or 'nothing'}"
            )
        return matching[0]

    async def assert_not_enqueued(self, task: Task[..., Any] | str) -> None:
        """Raise AssertionError if a job of the task waits."""
        if waiting := await self.enqueued(task):
            job = waiting[0]
            raise AssertionError(f"expected no job of {job.name}, found {len(waiting)}: {job.record.data}")


@asynccontextmanager
async def jobs_of(app: Toril) -> AsyncIterator[Jobs]:
    """Put an application on an empty store in memory and a clock that stands still, until the context ends."""
    store, clock = app.store, app.clock
    moved = ManualClock(now=clock.now())
    app.store, app.clock = make_store("sqlite:///:memory:", app.settings, moved), moved
    try:
        yield Jobs(app, moved)
    finally:
        await app.store.close()
        app.store, app.clock = store, clock


def fixture(app: Toril) -> Callable[..., Any]:
    """Return a pytest fixture that gives each test the `Jobs` of `app`, on a store of its own.

    It is an async fixture: the test suite needs pytest-asyncio or anyio's plugin.
    """
    import pytest

    @pytest.fixture
    async def jobs() -> AsyncIterator[Jobs]:
        async with jobs_of(app) as found:
            yield found

    return jobs
