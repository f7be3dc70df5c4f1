"""What Node adds in the tests that compare who ran it: each scenario fills queues and has them run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from sides import Side

__all__ = ["SCENARIOS", "Scenario"]

Scenario = Callable[[Side, Side], Awaitable[None]]


async def standard(adds: Side, runs: Side) -> None:
    for number in range(5):
        await adds.add("Q", "echo", {"n": number}, jobId=f"j{number}", lifo=number == 3)
    await runs.run("Q")


async def priorities(adds: Side, runs: Side) -> None:
    for number, priority in enumerate((5, 1, 0, 5, 2_097_151)):
        await adds.add("Q", "echo", {"n": number}, jobId=f"j{number}", priority=priority)
    await runs.run("Q")


async def delayed(adds: Side, runs: Side) -> None:
    for number, priority in enumerate((0, 3)):
        await adds.add("Q", "echo", {"n": number}, jobId=f"j{number}", priority=priority, delay=50 + number)
    await asyncio.sleep(0.1)
    await runs.run("Q")


async def failures(adds: Side, runs: Side) -> None:
    await adds.add("Q", "fail", {"times": 1}, jobId="again", attempts=3)
    await adds.add("Q", "fail", {"times": 9}, jobId="never", attempts=2)
    await adds.add("Q", "hopeless", jobId="hopeless", attempts=5)
    await adds.add(
        "Q", "fail", {"times": 1}, jobId="later", attempts=2, backoff={"type": "exponential", "delay": 60_000}
    )
    await runs.run("Q")
    await adds.promote("Q")
    await adds.retry("Q", "never")
    await runs.run("Q")


async def retention(adds: Side, runs: Side) -> None:
    await adds.add("Q", "echo", jobId="kept")
    await adds.add("Q", "echo", jobId="gone", removeOnComplete=True)
    await adds.add("Q", "fail", {"times": 9}, jobId="fails", removeOnFail=True)
    for number in range(4):
        await adds.add("Q", "echo", jobId=f"j{number}", removeOnComplete={"count": 2})
    await adds.add("Q", "echo", jobId="aged", removeOnComplete={"age": 3600, "count": 100})
    await runs.run("Q")


async def deduplication(adds: Side, runs: Side) -> None:
    for number, options in enumerate(
        ({"id": "x"}, {"id": "x"}, {"id": "y", "ttl": 60_000}, {"id": "y", "ttl": 60_000})
    ):
        await adds.add("Q", "echo", {"n": number}, deduplication=options)
    await runs.run("Q")


async def progress_and_logs(adds: Side, runs: Side) -> None:
    await adds.add("Q", "talk", jobId="j")
    await adds.add("Q", "talk", jobId="keeps one line", keepLogs=1)
    await runs.run("Q")


async def flow(adds: Side, runs: Side) -> None:
    def child(name: str, **opts: object) -> dict[str, object]:
        data = {"times": 9} if opts else {"n": 1}
        return {"name": "fail" if opts else "echo", "queueName": "C", "data": data, "opts": {"jobId": name, **opts}}

    children = [child("c1"), child("c2"), child("c3", ignoreDependencyOnFailure=True)]
    children += [child("c4", removeDependencyOnFailure=True)]
    await adds.flow(
        {"name": "sum", "queueName": "Q", "opts": {"jobId": "adds up"[:4], "priority": 2}, "children": children}
    )
    deeper = {"name": "sum", "queueName": "C", "opts": {"jobId": "middle", "failParentOnFailure": True}}
    deeper |= {"children": [child("c5", failParentOnFailure=True)]}
    await adds.flow({"name": "sum", "queueName": "Q", "opts": {"jobId": "fails"}, "children": [deeper]})
    await runs.run("C")
    await runs.run("Q")


async def schedule(adds: Side, runs: Side) -> None:
    await adds.schedule("Q", "sid", {"every": 3_600_000}, "echo", {"n": 1}, {"attempts": 2})
    await runs.run("Q")


async def paused(adds: Side, runs: Side) -> None:
    await adds.add("Q", "echo", jobId="a")
    await adds.pause("Q")
    await adds.add("Q", "echo", jobId="b")
    await adds.resume("Q")
    await runs.run("Q")


SCENARIOS: dict[str, Scenario] = {
    f.__name__: f
    for f in (
        standard,
        priorities,
        delayed,
        failures,
        retention,
        deduplication,
        progress_and_logs,
        flow,
        schedule,
        paused,
    )
}
