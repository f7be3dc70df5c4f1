"""Trees of jobs that are taken away, whole or in part."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from toril import Call, Flow, Job, JobContext, JobNotFound, JobState, Toril, Worker
from toril.errors import WrongState
from toril.task import Task

Node = Task[[str], str]


@pytest.fixture
def leaf(app: Toril) -> Node:
    @app.task(queue="leaves")
    async def leaf(label: str) -> str:
        if label == "bad":
            raise ValueError(label)
        return label

    return leaf


@pytest.fixture
def branch(app: Toril) -> Node:
    """A parent that returns its name and what its children returned."""

    @app.task(queue="branches")
    async def branch(job: JobContext, label: str) -> str:
        children = await job.children()
        return f"{label}({','.join(str(child.result) for child in children if child.ended == 'completed')})"

    return branch


async def grow(app: Toril, branch: Node, below: Iterable[Call[str] | Flow[str]], label: str = "root") -> Job[str]:
    return await app.enqueue_flow(Flow(branch.call(label), below))


async def left(app: Toril) -> dict[str, int]:
    """Return how many jobs each queue has, in whatever state."""
    queues = [app.queue(name) for name in ("leaves", "branches")]
    return {queue.name: sum((await queue.counts()).values()) - (await queue.counts())["ready"] for queue in queues}


async def test_a_job_goes_with_all_that_is_below_it(app, leaf, branch, work) -> None:
    other = await leaf.enqueue("other")
    middle = Flow(branch.call("middle"), [leaf.using(delay=60).call("b"), leaf.using(priority=3).call("c")])
    root = await grow(app, branch, [leaf.call("a"), middle])
    await root.remove()
    assert await left(app) == {"leaves": 1, "branches": 0}
    await work()
    assert await other.result() == "other"


async def test_children_that_have_ended_go_too(app, leaf, branch, work) -> None:
    middle = Flow(branch.using(delay=60).call("middle"), [leaf.call("a")])
    ignored = leaf.using(if_failed="ignore_dependency").call("bad")
    root = await grow(app, branch, [middle, ignored, leaf.call("bad")])
    await work()
    assert await left(app) == {"leaves": 3, "branches": 2}
    await root.remove()
    assert await left(app) == {"leaves": 0, "branches": 0}


async def test_its_own_parent_goes_on_without_it(app, leaf, branch, work) -> None:
    root = await grow(app, branch, [Flow(branch.call("middle"), [leaf.call("a")])])
    (middle,) = await root.children()
    await middle.job.remove()
    assert await root.state() is JobState.WAITING
    await work()
    assert await root.result() == "root()"
    assert await left(app) == {"leaves": 0, "branches": 1}


async def test_it_may_go_alone(app, leaf, branch, work) -> None:
    root = await grow(app, branch, [leaf.call("a")])
    (child,) = await root.children()
    await root.remove(children=False)
    await work()
    assert await child.job.result() == "a"
    assert await child.job.parent() is None


async def test_of_many_each_goes_with_its_own(app, leaf, branch) -> None:
    roots = [await grow(app, branch, [leaf.call("a"), leaf.call("b")]) for _ in range(3)]
    inner = [child.job.id for child in await roots[0].children()]
    ids = [root.id for root in roots[:2]]
    assert await app.queue("branches").remove_many([*ids, "no-such"]) == ids
    assert await app.queue("leaves").remove_many(inner) == []
    assert await left(app) == {"leaves": 2, "branches": 1}
    assert await app.queue("branches").remove_many([roots[2].id], children=False) == [roots[2].id]
    assert await left(app) == {"leaves": 2, "branches": 0}


async def test_children_are_told_of_before_their_parents(app, leaf, branch, store) -> None:
    root = await grow(app, branch, [Flow(branch.call("middle"), [leaf.call("a")])])
    (middle,) = await root.children()
    (below,) = await middle.job.children()
    stream = await app.events().start()
    await root.remove()
    heard = [await anext(stream) for _ in range(3)]
    if not store.one_log:  # then the order of events is that of each queue alone
        heard.sort(key=lambda event: event.queue == root.queue.name)
    assert [(event.kind, event.job_id) for event in heard] == [
        ("removed", job.id) for job in (below.job, middle.job, root)
    ]
    assert [event.body["prev"] for event in heard] == ["waiting", "waiting-children", "waiting-children"]


async def test_nothing_goes_while_a_job_below_runs(app, leaf, branch, clock) -> None:
    release = asyncio.Event()

    @app.task(queue="slow")
    async def slow() -> None:
        await release.wait()

    root = await grow(app, branch, [leaf.call("a"), Flow(branch.call("middle"), [slow.call()])])
    worker = Worker(app, {"slow": 1})
    running = asyncio.create_task(worker.run())
    while (await app.queue("slow").counts())["active"] == 0:
        await asyncio.sleep(0.005)
    with pytest.raises(WrongState, match="a job below it is active on a live worker"):
        await root.remove()
    assert await left(app) == {"leaves": 1, "branches": 2}
    release.set()
    worker.stop()
    await running
    await root.remove()
    assert await left(app) == {"leaves": 0, "branches": 0}


async def test_what_has_not_run_can_be_given_up(app, leaf, branch, work) -> None:
    done = leaf.call("done")
    root = await grow(app, branch, [done])
    await work()
    later = [leaf.using(delay=60).call("a"), Flow(branch.call("middle"), [leaf.using(delay=60).call("b")])]
    root = await grow(app, branch, [leaf.call("done"), *later])
    await work()
    assert await root.remove_unprocessed_children() == 3
    assert await root.state() is JobState.WAITING
    await work()
    assert await root.result() == "root(done)"
    assert await root.remove_unprocessed_children() == 0


async def test_what_runs_or_has_failed_is_not_given_up(app, leaf, branch, work) -> None:
    started, release = asyncio.Event(), asyncio.Event()

    @app.task(queue="slow")
    async def slow() -> str:
        started.set()
        await release.wait()
        return "slow"

    middle = Flow(branch.call("middle"), [leaf.call("bad")])
    root = await grow(app, branch, [leaf.call("bad"), slow.call(), leaf.using(delay=60).call("late"), middle])
    running = asyncio.create_task(work(slots=2))
    await started.wait()
    while (await app.queue("leaves").counts())["failed"] < 2:
        await asyncio.sleep(0.005)
    assert await root.remove_unprocessed_children() == 2  # the late one, and the middle one, but not what failed below
    assert await root.state() is JobState.WAITING_CHILDREN
    assert (await app.queue("leaves").counts())["failed"] == 2
    release.set()
    await running
    assert [child.state for child in await root.children()] == [JobState.FAILED, JobState.COMPLETED]
    assert await root.state() is JobState.WAITING_CHILDREN


async def test_a_child_can_leave_its_parent(app, leaf, branch, work) -> None:
    root = await grow(app, branch, [leaf.using(delay=60).call("a"), leaf.call("b")])
    slow, quick = [child.job for child in await root.children()]
    assert await slow.detach()
    assert await slow.parent() is None
    assert not await slow.detach()
    assert await root.state() is JobState.WAITING_CHILDREN
    await work()
    assert await root.result() == "root(b)"
    assert await slow.state() is JobState.DELAYED
    assert not await quick.detach()  # its parent does not wait for it any more
    assert await quick.parent() is not None


async def test_a_parent_runs_when_its_last_child_has_left_it(app, leaf, branch, work) -> None:
    root = await grow(app, branch, [leaf.using(if_failed="fail_parent").call("bad")])
    (child,) = await root.children()
    assert await child.job.detach()
    assert await root.state() is JobState.WAITING
    await work()
    assert await root.result() == "root()"  # what became of the child is no concern of its
    assert await child.job.state() is JobState.FAILED


async def test_what_is_not_there_has_no_family(app, leaf, branch) -> None:
    job = await leaf.enqueue("a")
    assert not await job.detach()
    assert await job.remove_unprocessed_children() == 0
    await job.remove()
    for verb in (job.detach, job.remove, job.remove_unprocessed_children):
        with pytest.raises(JobNotFound, match=job.id):
            await verb()
