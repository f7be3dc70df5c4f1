"""What people and time do to jobs that belong to a flow: removed, cancelled, expired; and what bounds their adding."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from toril import (
    Budget,
    BudgetExceeded,
    Dedup,
    Flow,
    Job,
    JobContext,
    JobState,
    ManualClock,
    QueueFull,
    Toril,
    WaitForChildren,
)
from toril.errors import InvalidOption
from toril.flow import nodes_of
from toril.store.runs import Awaiting, Run
from toril.store.views import WorkerInfo
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


async def drain(app: Toril, child: Job, clock: ManualClock) -> None:
    assert await app.queue("parts").drain(delayed=True) == 1


async def obliterate(app: Toril, child: Job, clock: ManualClock) -> None:
    parts = app.queue("parts")
    await parts.pause()
    await parts.obliterate()


async def replace(app: Toril, child: Job, clock: ManualClock) -> None:
    await app.queue("parts").add("other", delay=90, dedup=Dedup("key", ttl=600, replace=True, extend=True))


@pytest.mark.parametrize("go", [remove, clean, drain, obliterate])
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
    await parent.remove(children=False)
    await work()
    assert await child.result() == "a"
    assert (await app.queue("wholes").counts())["waiting-children"] == 0


async def test_a_whole_flow_in_one_queue_goes_at_once(app, whole) -> None:
    await app.enqueue_flow(Flow(whole.call(), [whole.call(), Flow(whole.call(), [whole.call()])]))
    queue = app.queue("wholes")
    await queue.pause()
    assert await queue.obliterate() == 4
    assert set((await queue.counts()).values()) == {0}


# -- cancelled, expired


async def cancel(app: Toril, child: Job, clock: ManualClock, work: Callable[[], Awaitable[None]]) -> str:
    await child.cancel(by="ana")
    return "Cancelled: by ana"


async def expire_unseen(app: Toril, child: Job, clock: ManualClock, work: Callable[[], Awaitable[None]]) -> str:
    clock.advance(60)
    assert await app.store.expire("parts") == [child.id]
    return "expired"


async def expire_taken(app: Toril, child: Job, clock: ManualClock, work: Callable[[], Awaitable[None]]) -> str:
    clock.advance(60)
    await work()
    return "expired"


ENDS = pytest.mark.parametrize("end", [cancel, expire_unseen, expire_taken])


@ENDS
@pytest.mark.parametrize("keep_failed", [0, 10])
@pytest.mark.parametrize("if_failed", ["ignore_dependency", "continue_parent", "remove_dependency"])
async def test_the_failure_of_a_child_that_never_ran_counts(
    app, part, whole, work, clock, end, keep_failed: int, if_failed
) -> None:
    options = {"expires": 60, "keep_failed": keep_failed, "if_failed": if_failed}
    parent, child = await of_one(app, whole, part.using(**options))
    reason = await end(app, child, clock, work)
    await work()
    reasons, known = await parent.result()
    if if_failed == "remove_dependency":
        assert (reasons, known) == ([], 0)
    else:
        assert (len(reasons), known) == (1, 1)
        assert reason in reasons[0].lower() or reason == reasons[0]


@ENDS
@pytest.mark.parametrize("keep_failed", [0, 10])
async def test_it_fails_its_parent_and_that_its_own(app, part, whole, work, clock, end, keep_failed: int) -> None:
    inner = Flow(
        whole.using(if_failed="fail_parent").call(),
        [part.using(expires=60, keep_failed=keep_failed, if_failed="fail_parent").call("a")],
    )
    parent = await app.enqueue_flow(Flow(whole.call(), [inner]))
    middle = (await parent.children())[0].job
    child = (await middle.children())[0].job
    await end(app, child, clock, work)
    await work()
    assert (await middle.refresh()).reason == f"child parts:{child.id} failed"
    assert (await parent.refresh()).reason == f"child wholes:{middle.id} failed"


@ENDS
async def test_by_default_its_parent_waits_until_it_is_retried(app, part, whole, work, clock, end) -> None:
    parent, child = await of_one(app, whole, part.using(expires=60))
    await end(app, child, clock, work)
    await work()
    assert (await child.state(), await parent.state()) == (JobState.FAILED, JobState.WAITING_CHILDREN)
    await child.retry()
    await work()
    assert await parent.result() == [[], 1]


async def test_a_waiting_parent_is_cancelled_and_its_children_go_on(app, part, whole, work) -> None:
    inner = Flow(whole.using(if_failed="ignore_dependency").call(), [part.call("a")])
    parent = await app.enqueue_flow(Flow(whole.call(), [inner]))
    middle = (await parent.children())[0].job
    child = (await middle.children())[0].job
    await middle.cancel(by="ana")
    assert (await middle.state(), (await app.queue("wholes").counts())["waiting-children"]) == (JobState.FAILED, 0)
    assert await parent.state() is JobState.WAITING
    await work()
    assert (await child.result(), await parent.result()) == ("a", [["Cancelled: by ana"], 1])
    assert (await middle.refresh()).reason == "Cancelled: by ana"


async def test_a_cancelled_parent_that_is_retried_waits_again(app, part, whole, work) -> None:
    parent, _ = await of_one(app, whole, part)
    await parent.cancel(by="ana")
    await parent.retry()
    assert await parent.state() is JobState.WAITING_CHILDREN
    await work()
    assert await parent.result() == [[], 1]


async def test_a_run_that_was_cancelled_waits_for_no_children(app, part) -> None:
    job = await app.queue("wholes").add("x")
    worker = await app.store.enrol(WorkerInfo("w", "host", 1, 10, {"wholes": 1}))
    (taken,) = (await app.store.step("wholes", worker, (), (), 1)).taken
    await job.cancel(by="ana")
    run = Run(taken.id, taken.starts, taken.token)
    late = Awaiting(run, nodes_of([part.call("a")], app.clock.now()))
    step = await app.store.step("wholes", worker, [late], (), 1)
    assert (step.refused, step.failed, step.taken) == ([], [(run, "Cancelled: by ana")], [])
    assert (await job.state(), (await app.queue("parts").counts())["ready"]) == (JobState.FAILED, 0)


async def test_handlers_hear_that_a_parent_failed_which_returned_too_early(app, part, work) -> None:
    heard = []
    app.on("completed")(heard.append)
    app.on("failed")(heard.append)

    @app.task(queue="early")
    async def early(job: JobContext) -> None:
        await job.add_children([part.using(delay=60).call("a")])

    job = await early.enqueue()
    await work()
    assert [(event.kind, event.job.id) for event in heard] == [("failed", job.id)]
    assert "returned while its child" in heard[0].reason


# -- what bounds the adding


async def test_a_flow_has_no_deduplicated_jobs(part, whole) -> None:
    once = Dedup("key")
    with pytest.raises(InvalidOption, match=r"parent, dedup: .*give it a job_id"):
        Flow(whole.using(dedup=once).call(), [])
    with pytest.raises(InvalidOption, match=r"children\[1\], dedup: "):
        Flow(whole.call(), [part.call("a"), part.using(dedup=once).call("b")])
    with pytest.raises(InvalidOption, match=r"children\[0\], dedup: "):
        WaitForChildren([part.using(dedup=once).call("b")])


async def nothing(app: Toril) -> bool:
    return not any([*(await app.queue("parts").counts()).values(), *(await app.queue("wholes").counts()).values()])


async def test_a_flow_finds_room_in_all_its_queues_or_is_not_added(app, part, whole, work) -> None:
    parts = app.queue("parts")
    await parts.limit_length(2)
    await app.queue("wholes").limit_length(1)
    with pytest.raises(QueueFull, match="queue parts is full"):
        await app.enqueue_flow(Flow(whole.call(), [part.call("a"), part.call("b"), part.call("c")]))
    assert await nothing(app)
    job = await app.enqueue_flow(Flow(whole.call(), [part.call("a"), part.call("b")]))
    other = await app.enqueue_flow(Flow(whole.call(), []))  # the other one does not stand in its queue yet
    with pytest.raises(QueueFull, match="queue wholes is full"):
        await app.enqueue_flow(Flow(whole.call(), []))
    await work()
    assert await job.result() == [[], 2]
    assert await other.result() == [[], 0]


async def test_a_flow_is_charged_to_its_budgets_whole_or_not_at_all(app, whole, work, clock: ManualClock) -> None:
    @app.task(queue="parts", budget=Budget(3, per=60, key="data.user"))
    async def load(user: str) -> None: ...

    async def add(*users: str) -> Job:
        return await app.enqueue_flow(Flow(whole.call(), [load.call(user) for user in users]))

    with pytest.raises(BudgetExceeded, match="user=ana") as error:
        await add("bob", "ana", "ana", "ana", "ana")
    assert error.value.retry_after == 60
    assert await nothing(app)
    await add("bob", "ana", "ana", "bob", "bob")  # nothing was charged before
    clock.advance(20)
    with pytest.raises(BudgetExceeded) as error:
        await add("ana", "ana")
    assert error.value.retry_after == 40
    await load.enqueue("ana")
    with pytest.raises(BudgetExceeded):
        await load.enqueue("ana")
    clock.advance(40)
    await add("ana", "ana", "ana")


async def test_children_at_run_time_are_bounded_too(app, part, work) -> None:
    await app.queue("parts").limit_length(1)

    @app.task(queue="wholes")
    async def split(job: JobContext, waits: bool) -> str:
        calls = [part.call("a"), part.call("b")]
        if waits:
            raise WaitForChildren(calls)
        with pytest.raises(QueueFull):
            await job.add_children(calls)
        return "refused"

    waiting, adding, beside = await split.enqueue(waits=True), await split.enqueue(waits=False), await part.enqueue("c")
    await work(slots=3)
    record = await waiting.refresh()
    assert (record.state, record.reason[:19]) == (JobState.FAILED, "queue parts is full")
    assert (await adding.result(), await beside.result()) == ("refused", "c")


async def test_a_child_that_has_expired_when_it_is_added_fails_the_attempt(app, part, work, clock) -> None:
    past = datetime.fromtimestamp(clock.now() / 1000 - 5, UTC)

    @app.task(queue="wholes")
    async def split() -> None:
        raise WaitForChildren([part.using(expires=past, delay=1).call("a")])

    job = await split.using(attempts=1).enqueue()
    await work()
    assert (await job.refresh()).reason.startswith("InvalidOption: expires")


async def test_a_parent_expires_when_its_children_take_too_long(app, part, whole, work, clock) -> None:
    job = await app.enqueue_flow(Flow(whole.using(expires=60).call(), [part.call("a")]))
    clock.advance(61)
    assert await app.store.expire("wholes") == []
    assert await job.state() is JobState.WAITING_CHILDREN
    await work()
    record = await job.refresh()
    assert (record.state, record.starts <= 1, "expired" in record.reason.lower()) == (JobState.FAILED, True, True)
