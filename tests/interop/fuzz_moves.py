"""What Python does in `fuzz.py`: jobs of either end well or not, and each move changes whatever it finds."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from toril import Dedup, Exponential, Fixed, Flow, Job, JobContext, Keep, Queue, Rate, Toril, Unrecoverable
from toril.job import FAILURE_FLAGS, JobState

__all__ = ["MOVES", "QUEUES", "app"]

QUEUES = ("one", "two")
READY = (JobState.WAITING, JobState.PRIORITIZED, JobState.DELAYED)
POLICIES = (*FAILURE_FLAGS, "wait")

DEPTH = 2  # of trees

app = Toril()  # TORIL_URL says where, TORIL_PREFIX under which prefix
Move = Callable[[Queue, random.Random], Awaitable[object]]


async def work(job: JobContext) -> int:
    await asyncio.sleep(random.random() / 50)
    if random.random() < 0.2:
        job.log("line")
        job.progress(0.5)
    chance = random.random()
    if chance < 0.1:
        raise RuntimeError("boom")
    if chance < 0.13:
        raise Unrecoverable("no use")
    return random.randrange(100)


for name in QUEUES:
    app.processor(name)(work)


def options(dice: random.Random) -> dict[str, Any]:
    """Return options of a job, most often few."""
    keep = dice.choice([Keep(0), Keep(5), Keep(100, 1.0), Keep(1_000)])
    choices: dict[str, Any] = {
        "priority": dice.randrange(1, 4),
        "delay": dice.random() / 2,
        "lifo": True,
        "expires": 1 + dice.random(),
        "backoff": dice.choice([Fixed(0.05), Exponential(0.05)]),
    }
    chosen = {name: value for name, value in choices.items() if dice.random() < 0.25}
    return chosen | {"attempts": dice.randrange(1, 4), "keep_completed": keep, "keep_failed": keep}


def key(dice: random.Random) -> Dedup:
    """Return one of few keys, of every mode."""
    number = dice.randrange(3)
    modes: list[dict[str, Any]] = [{}, {"ttl": 0.2}, {"replace": True, "ttl": 0.3, "extend": True}, {"keep_last": True}]
    mode = dice.randrange(len(modes))
    return Dedup(f"{mode}-{number}", **modes[mode])


@app.task(queue="one", name="parent")
async def parent(number: int) -> int:
    return number


@app.task(queue="two", name="child", attempts=2)
async def child(number: int) -> int:
    if random.random() < 0.3:
        raise RuntimeError("boom")
    return number


def tree(dice: random.Random, depth: int = DEPTH) -> Any:
    """Return a flow, or a call alone."""
    of_a_child = {"if_failed": dice.choice(POLICIES)} if depth < DEPTH else {}
    call = dice.choice([parent, child]).using(**of_a_child).call(depth)
    if depth <= 0:
        return call
    return Flow(call, [tree(dice, depth - dice.randrange(1, 3)) for _ in range(dice.randrange(1, 4))])


async def found(queue: Queue, dice: random.Random, *states: JobState) -> AsyncIterator[Job]:
    """Yield a job of one of these states, if there is any."""
    page = await app.store.list(queue.name, dice.choice(states), 20, None, newest=dice.random() < 0.5)
    if page.jobs and (job := await queue.get(dice.choice(page.jobs).id)):
        yield job


def to_one(change: Callable[[Job, random.Random], Awaitable[object]], *states: JobState) -> Move:
    """Return a move that changes a job of one of these states."""

    async def move(queue: Queue, dice: random.Random) -> None:
        async for job in found(queue, dice, *states):
            await change(job, dice)

    return move


async def pause(queue: Queue, dice: random.Random) -> None:
    await queue.pause()
    await asyncio.sleep(dice.random() / 10)
    await queue.resume()


async def limit(queue: Queue, _: random.Random) -> None:
    await queue.set_limits(concurrency=2, rate=Rate(5, 0.1))
    await asyncio.sleep(0.2)
    await queue.set_limits(concurrency=None, rate=None)


async def clean(queue: Queue, dice: random.Random) -> None:
    await queue.clean(dice.choice([*READY, JobState.COMPLETED, JobState.FAILED]), limit=10)


async def remove_some(queue: Queue, dice: random.Random) -> None:
    page = await app.store.list(queue.name, dice.choice(tuple(JobState)), 8, None, newest=True)
    await queue.remove_many([job.id for job in page.jobs], children=dice.random() < 0.7)


# How often, and what.
MOVES: list[tuple[float, Move]] = [
    (20, lambda queue, dice: queue.add("plain", {}, **options(dice))),
    (5, lambda queue, dice: queue.add_many([("bulk", {})] * 10, **options(dice))),
    (6, lambda queue, dice: queue.add("keyed", {}, dedup=key(dice), **options(dice))),
    (6, lambda queue, dice: app.enqueue_flow(tree(dice))),
    (4, to_one(lambda job, _: job.retry(), JobState.FAILED, JobState.COMPLETED)),
    (3, to_one(lambda job, _: job.promote(), JobState.DELAYED)),
    (4, to_one(lambda job, dice: job.remove(children=dice.random() < 0.7), *JobState)),
    (2, to_one(lambda job, dice: job.change(priority=dice.randrange(4)), *READY)),
    (2, to_one(lambda job, dice: job.change(delay=dice.random() / 3), JobState.DELAYED)),
    (3, to_one(lambda job, _: job.cancel(by="fuzz"), *READY, JobState.ACTIVE, JobState.WAITING_CHILDREN)),
    (1, to_one(lambda job, _: job.remove_unprocessed_children(), JobState.WAITING_CHILDREN)),
    (1, to_one(lambda job, _: job.detach(), *READY)),
    (1, pause),
    (1, limit),
    (1, clean),
    (1, remove_some),
    (1, lambda queue, _: queue.promote_all()),
    (1, lambda queue, _: queue.retry_all()),
    (0.3, lambda queue, dice: queue.drain(delayed=dice.random() < 0.5)),
    (1, lambda queue, dice: queue.schedule("tick", {}, id=f"s{dice.randrange(3)}", every=dice.uniform(0.2, 0.5))),
    (1, lambda queue, dice: app.store.remove_schedule(queue.name, f"s{dice.randrange(3)}")),
]
