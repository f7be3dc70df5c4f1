"""Processors run the jobs of a queue that have no task of their own."""

from __future__ import annotations

import pytest

from toril import Fixed, JobContext, Toril
from toril.errors import ConfigurationError


async def test_a_processor_runs_every_name_that_has_no_task(app: Toril, work) -> None:
    seen: list[tuple[str, object]] = []

    @app.processor("bank-sync")
    async def sync(job: JobContext) -> str:
        seen.append((job.name, job.data))
        return f"did {job.name}"

    @app.task(queue="bank-sync")
    async def own(amount: int) -> None:
        seen.append(("own", amount))

    queue = app.queue("bank-sync")
    jobs = await queue.add_many([("accounts", {"bank": "x"}), ("balances", [1, 2]), ("nothing", None)])
    await own.enqueue(5)
    await work()
    assert seen == [("accounts", {"bank": "x"}), ("balances", [1, 2]), ("nothing", {}), ("own", 5)]
    assert await jobs[0].result(timeout=5) == "did accounts"


async def test_a_sync_processor(app: Toril, work) -> None:
    @app.processor("mails")
    def send(job: JobContext) -> int:
        return len(job.data["to"])

    job = await app.queue("mails").add("welcome", {"to": ["a", "b"]})
    await work()
    assert await job.result(timeout=5) == 2


async def test_the_jobs_own_options_count(app: Toril, clock, work) -> None:
    attempts: list[int] = []

    @app.processor("mails")
    async def fail(job: JobContext) -> None:
        attempts.append(job.attempt)
        raise ValueError

    job = await app.queue("mails").add("welcome", attempts=2, backoff=Fixed(3))
    await work()
    clock.advance(3)
    await work()
    assert (attempts, await job.state()) == ([1, 2], "failed")


async def test_one_processor_a_queue_and_it_wants_the_context(app: Toril) -> None:
    @app.processor("mails")
    async def first(job: JobContext) -> None: ...

    with pytest.raises(ConfigurationError, match="mails: has a processor already, first"):

        @app.processor("mails")
        async def second(job: JobContext) -> None: ...

    with pytest.raises(ConfigurationError, match="JobContext"):

        @app.processor("other")
        async def without() -> None: ...
