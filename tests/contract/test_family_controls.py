"""What people and time do to jobs that belong to a flow: removed, cancelled, expired; and what bounds their adding."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from toril import Dedup, Flow, Job, JobContext, JobState, ManualClock, Toril
from toril.task import Task

Part = Task[[str], str]
Whole = Task[[], list[object]]


@pytest.fixture
def part(app: Toril) -> Part:
    @app.task(queue="parts")
    async def part(label: str) -> str:
        return label

    return part


@pytest.fixture
def whole(app: Toril) -> Whole:
    """A parent that returns why its children failed, and how many they are."""

    @app.task(queue="wholes")
    async def whole(job: JobContext) -> list[object]:
        children = await job.children()
        return [[child.reason for child in children.failed], len(children)]

    return whole


async def of_one(app: Toril, whole: Whole, child: Part) -> tuple[Job, Job]:
    """Add a flow of one child; return parent and child."""
    parent = await app.enqueue_flow(Flow(whole.call(), [child.call("a")]))
    return parent, (await parent.children())[0].job


# -- removed


async def remove(app: Toril, child: Job, clock: ManualClock) -> None:
    await child.remove()


async def clean(app: Toril, child: Job, clock: ManualClock) -> None:
    clock.advance(60)
    assert await app.queue("parts").clean(await child.state(), older_than=timedelta(seconds=30)) == 1


async def obliterate(app: Toril, child: Job, clock: ManualClock) -> None:
    parts = app.queue("parts")
    await parts.pause()
    await parts.obliterate()


async def replace(app: Toril, child: Job, clock: ManualClock) -> None:
    await app.queue("parts").add("other", delay=90, dedup=Dedup("key", ttl=600, replace=True, extend=True))


@pytest.mark.parametrize("go", [remove, clean, obliterate])
@pytest.mark.parametrize("options", [{}, {"delay": 3_600}, {"priority": 4}], ids=["waiting", "delayed", "prioritized"])
async def test_a_child_that_is_removed_is_not_waited_for(app, part, whole, work, clock, go, options) -> None:
    parent, child = await of_one(app, whole, part.using(**options))
    await go(app, child, clock)
    assert await parent.state() is JobState.WAITING
    await work()
    assert await parent.result() == [[], 0]


async def test_a_child_that_another_job_replaces_is_not_waited_for(app, part, whole, work, clock) -> None:
    key = Dedup("key", ttl=600, replace=True, extend=True)
    await part.using(job_id="own", delay=60, dedup=key).enqueue("a")
    parent, child = await of_one(app, whole, part.using(job_id="own"))
    assert (child.id, await parent.state()) == ("own", JobState.WAITING_CHILDREN)
    await replace(app, child, clock)
    assert await parent.state() is JobState.WAITING
    await work()
    assert await parent.result() == [[], 0]


async def test_a_parent_that_is_removed_lets_its_children_be(app, part, whole, work) -> None:
    parent, child = await of_one(app, whole, part)
    await parent.remove()
    await work()
    assert await child.result() == "a"
    assert (await app.queue("wholes").counts())["waiting-children"] == 0


async def test_a_whole_flow_in_one_queue_goes_at_once(app, whole) -> None:
    await app.enqueue_flow(Flow(whole.call(), [whole.call(), Flow(whole.call(), [whole.call()])]))
    queue = app.queue("wholes")
    await queue.pause()
    assert await queue.obliterate() == 4
    assert set((await queue.counts()).values()) == {0}
