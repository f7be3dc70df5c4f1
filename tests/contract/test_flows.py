"""Flows: parents that wait for their children, what a failed child means, children that are added at run time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from toril import Flow, Job, JobContext, JobFailed, JobState, ManualClock, Toril, WaitForChildren
from toril.errors import InvalidOption, WrongState
from toril.flow import nodes_of
from toril.keep import Keep
from toril.store.runs import Awaiting, Completed, Failed, Run
from toril.store.views import Event, WorkerInfo
from toril.task import Task


@pytest.fixture
def ran() -> list[str]:
    """What ran, in order."""
    return []


@pytest.fixture
def part(app: Toril, ran: list[str]) -> Task[[str], int]:
    """A child on a queue of its own; it fails while its label begins with `bad`."""

    @app.task(queue="parts")
    async def part(label: str) -> int:
        ran.append(label)
        if label.startswith("bad"):
            raise ValueError(label)
        return len(label)

    return part


@pytest.fixture
def whole(app: Toril, ran: list[str], part: Task[[str], int]) -> Task[[], list[object]]:
    """A parent that returns what it learns of its children: results, failures, how many are pending."""

    @app.task(queue="wholes")
    async def whole(job: JobContext) -> list[object]:
        ran.append("whole")
        children = await job.children()
        return [children.results(part), [child.reason for child in children.failed], len(children.pending)]

    return whole


@pytest.fixture
def flaky(app: Toril) -> tuple[Task[[], str], Callable[[], None]]:
    """A child that fails until it is mended, and what mends it."""
    mended: list[bool] = []

    @app.task(queue="parts")
    async def flaky() -> str:
        if not mended:
            raise ValueError
        return "mended"

    return flaky, lambda: mended.append(True)


async def events(app: Toril, job: Job) -> list[str]:
    """Return the kinds of all events of a job."""
    found: list[Event] = list((await app.store.events("0", 0)).events)
    return [event.kind for event in found if event.body.get("jobId") == job.id]


# -- adding


async def test_a_parent_runs_when_its_children_have_ended_and_reads_their_results(app, part, whole, work, ran) -> None:
    job = await app.enqueue_flow(Flow(whole.call(), [part.call("a"), part.call("bcd")]))
    assert await job.state() is JobState.WAITING_CHILDREN
    assert (await app.queue("wholes").counts())["waiting-children"] == 1
    await work()
    assert (ran, await job.result()) == (["a", "bcd", "whole"], [[1, 3], [], 0])
    assert (await app.queue("wholes").counts())["waiting-children"] == 0
    assert await events(app, job) == ["added", "waiting", "active", "completed"]


async def test_flows_nest(app, part, whole, work, ran) -> None:
    inner = Flow(whole.call(), [part.call("leaf")])
    job = await app.enqueue_flow(Flow(whole.call(), [inner, part.call("other")]))
    await work()
    assert ran.count("whole") == 2
    assert ran[-1] == "whole"
    assert await job.result() == [[5], [], 0]  # results are asked for by task; the inner flow's is another's
    (child, other) = await job.children()
    assert (child.result, other.result) == ([[4], [], 0], 5)


async def test_a_flow_without_children_is_its_parent_alone(app, whole, work) -> None:
    job = await app.enqueue_flow(Flow(whole.call(), []))
    await work()
    assert await job.result() == [[], [], 0]


async def test_a_flow_of_1000_jobs_is_added_whole_and_one_of_1001_not_at_all(app, part, whole, work) -> None:
    job = await app.enqueue_flow(Flow(whole.call(), [part.call("x") for _ in range(999)]))
    with pytest.raises(InvalidOption, match="1,000 jobs at most"):
        Flow(whole.call(), [Flow(whole.call(), [part.call("x") for _ in range(999)])])
    with pytest.raises(InvalidOption, match="1,000 jobs at most"):
        WaitForChildren([part.call("x") for _ in range(1001)])
    await work(slots=100)
    assert await job.result() == [[1] * 999, [], 0]


async def test_what_is_no_call_is_refused_where_it_is_written(part, whole) -> None:
    coroutine = part.enqueue("a")
    with pytest.raises(InvalidOption, match=r"children\[1\]: expected task.call"):
        Flow(whole.call(), [part.call("a"), coroutine])
    coroutine.close()
    with pytest.raises(InvalidOption, match="parent"):
        Flow(Flow(whole.call(), []), [part.call("a")])  # type: ignore[arg-type]
    with pytest.raises(InvalidOption, match="expected a list"):
        Flow(whole.call(), part.call("a"))  # type: ignore[arg-type]
    with pytest.raises(InvalidOption, match="if_failed: expected one of wait, fail_parent"):
        part.using(if_failed="fpof")  # type: ignore[typeddict-item]


async def test_priority_and_delay_of_a_parent_count_from_its_release(app, part, whole, work, clock, ran) -> None:
    job = await app.enqueue_flow(Flow(whole.using(delay=60, priority=3).call(), [part.call("a")]))
    clock.advance(600)
    await work()
    record = await job.refresh()
    assert (record.state, record.due, ran) == (JobState.DELAYED, clock.now() + 60_000, ["a"])
    clock.advance(60)
    await work()
    assert (await job.state(), (await job.refresh()).priority) == (JobState.COMPLETED, 3)


async def test_a_parent_goes_before_those_that_wait_already(app, part, work, ran) -> None:
    @app.task(queue="wholes")
    async def note(what: str) -> None:
        ran.append(what)

    await app.queue("wholes").pause()
    await app.enqueue_flow(Flow(note.call("parent"), [part.call("a")]))
    await app.enqueue_flow(Flow(note.using(priority=1).call("prioritized parent"), [part.call("b")]))
    for options in ({}, {"priority": 1}):
        await note.using(**options).enqueue("waits")
    await work()
    await app.queue("wholes").resume()
    await work()
    assert ran[2:] == ["parent", "waits", "waits", "prioritized parent"]  # that goes behind its class, as on BullMQ


async def test_a_moment_for_a_parent_is_refused(whole, part, clock) -> None:
    call = whole.using(run_at=datetime.fromtimestamp(clock.now() / 1000 + 5, UTC)).call()
    with pytest.raises(InvalidOption, match="run_at"):
        Flow(call, [part.call("a")])


async def test_a_child_that_waits_or_is_delayed_keeps_its_parent_waiting(app, part, whole, work, clock) -> None:
    job = await app.enqueue_flow(Flow(whole.call(), [part.call("a"), part.using(delay=60).call("b")]))
    await work()
    assert await job.state() is JobState.WAITING_CHILDREN
    clock.advance(60)
    await work()
    assert await job.result() == [[1, 1], [], 0]


async def test_retries_of_a_child_do_not_count_its_last_failure_does(app, part, whole, work, ran) -> None:
    child = part.using(attempts=3, if_failed="ignore_dependency").call("bad")
    job = await app.enqueue_flow(Flow(whole.call(), [child]))
    await work()
    assert (ran, (await job.result())[1]) == (["bad"] * 3 + ["whole"], ["ValueError: bad"])


# -- a child that fails


async def test_by_default_a_parent_waits_for_a_failed_child_until_it_is_retried(app, part, flaky, whole, work) -> None:
    task, mend = flaky
    job = await app.enqueue_flow(Flow(whole.call(), [task.call(), part.call("a")]))
    await work()
    assert await job.state() is JobState.WAITING_CHILDREN
    (failed, done) = await job.children()
    assert (failed.state, failed.ended, done.ended) == (JobState.FAILED, None, "completed")
    await failed.job.retry()
    await work()
    assert await job.state() is JobState.WAITING_CHILDREN  # it failed again
    mend()
    await failed.job.retry()
    await work()
    assert await job.result() == [[1], [], 0]


@pytest.mark.parametrize(
    ("if_failed", "state"),
    [
        ("wait", JobState.WAITING_CHILDREN),
        ("ignore_dependency", JobState.WAITING_CHILDREN),
        ("remove_dependency", JobState.WAITING_CHILDREN),
        ("fail_parent", JobState.FAILED),
        ("continue_parent", JobState.FAILED),  # for it returns while one is pending
    ],
)
async def test_only_two_policies_end_the_wait_for_others(app, part, whole, work, ran, if_failed, state) -> None:
    late = part.using(delay=60, if_failed="remove_dependency").call("late")
    job = await app.enqueue_flow(Flow(whole.call(), [part.using(if_failed=if_failed).call("bad"), late]))
    await work()
    assert await job.state() is state
    assert ("whole" in ran) is (if_failed == "continue_parent")


async def test_ignored_failures_are_told_to_the_parent(app, part, whole, work) -> None:
    bad = part.using(if_failed="ignore_dependency")
    job = await app.enqueue_flow(Flow(whole.call(), [bad.call("bad1"), part.call("a"), bad.call("bad2")]))
    await work()
    assert await job.result() == [[1], ["ValueError: bad1", "ValueError: bad2"], 0]


async def test_dropped_dependencies_are_not_told(app, part, whole, work) -> None:
    children = [part.using(if_failed="remove_dependency").call("bad"), part.call("a")]
    job = await app.enqueue_flow(Flow(whole.call(), children))
    await work()
    assert await job.result() == [[1], [], 0]
    assert len(await job.children()) == 1


async def test_a_failed_child_fails_its_parent_and_that_its_own(app, part, whole, work, ran) -> None:
    bad = part.using(if_failed="fail_parent", lifo=True).call("bad")
    inner = Flow(whole.using(if_failed="fail_parent").call(), [bad, part.using(delay=60).call("late")])
    job = await app.enqueue_flow(Flow(whole.call(), [inner, part.call("a")]))
    await work()
    (below, _) = await job.children()
    with pytest.raises(JobFailed, match=r"child parts:\w+ failed"):
        await below.job.result()
    with pytest.raises(JobFailed, match=rf"child wholes:{below.job.id} failed"):
        await job.result()
    assert "whole" not in ran
    record = await job.refresh()
    assert (record.attempts, record.deferred) == (1, None)


async def test_a_parent_can_go_on_at_once_and_wait_for_the_rest(app, part, work, clock, ran) -> None:
    @app.task(queue="wholes")
    async def careful(job: JobContext) -> list[int]:
        children = await job.children()
        ran.append(f"{len(children.failed)} failed, {len(children.pending)} pending")
        if children.pending:
            raise WaitForChildren
        return children.results(part)

    children = [part.using(if_failed="continue_parent").call("bad"), part.using(delay=60).call("late")]
    job = await app.enqueue_flow(Flow(careful.call(), children))
    await work()
    assert (ran, await job.state()) == (["bad", "1 failed, 1 pending"], JobState.WAITING_CHILDREN)
    clock.advance(60)
    await work()
    assert (ran[2:], await job.result()) == (["late", "1 failed, 0 pending"], [4])
    assert (await job.refresh()).attempts == 1


async def test_a_parent_that_returns_while_children_are_pending_fails(app, part, whole, work) -> None:
    children = [part.using(if_failed="continue_parent").call("bad"), part.using(delay=60).call("late")]
    job = await app.enqueue_flow(Flow(whole.call(), children))
    await work()
    with pytest.raises(JobFailed, match=r"it returned while its child parts:\w+ was pending"):
        await job.result()


# -- removal and retention


@pytest.mark.parametrize("keep", [0, 1], ids=["none", "one"])
async def test_results_outlive_the_children_that_are_not_kept(app, part, whole, work, keep) -> None:
    calls = [part.using(keep_completed=keep).call(label) for label in ("a", "bc", "def")]
    job = await app.enqueue_flow(Flow(whole.call(), calls))
    await work()
    assert await job.result() == [[1, 2, 3], [], 0]
    states = [child.state for child in await job.children()]
    assert states == [None, None, JobState.COMPLETED if keep else None]


async def test_a_failed_child_that_is_not_kept_is_not_waited_for(app, part, whole, work) -> None:
    job = await app.enqueue_flow(Flow(whole.call(), [part.using(keep_failed=0).call("bad"), part.call("a")]))
    await work()
    assert await job.result() == [[1], [], 0]


async def test_a_failed_child_that_retention_removes_is_not_waited_for(app, part, whole, work) -> None:
    bad = part.using(keep_failed=1)
    job = await app.enqueue_flow(Flow(whole.call(), [bad.call("bad")]))
    await work()
    assert await job.state() is JobState.WAITING_CHILDREN
    await bad.enqueue("bad too")
    await work()
    assert await job.result() == [[], [], 0]


async def test_children_end_well_after_their_parent_is_gone(app, part, work, clock) -> None:
    @app.task(queue="wholes")
    async def hasty(job: JobContext) -> None:
        await job.add_children([part.using(delay=60).call("late")])
        raise ValueError

    job = await hasty.using(keep_failed=0).enqueue()
    await work()
    assert await app.queue("wholes").get(job.id) is None
    clock.advance(60)
    await work()
    (child,) = (await app.queue("parts").jobs("completed")).jobs
    assert await child.result() == 4
    assert await child.parent() is None


# -- retries


async def test_a_retried_flow_waits_for_the_children_that_were_retried(app, part, flaky, whole, work) -> None:
    task, mend = flaky
    job = await app.enqueue_flow(Flow(whole.call(), [task.using(if_failed="fail_parent").call(), part.call("a")]))
    await work()
    assert await job.state() is JobState.FAILED
    mend()
    (child, _) = await job.children()
    await child.job.retry()
    await job.retry()
    assert await job.state() is JobState.WAITING_CHILDREN
    await work()
    assert await job.state() is JobState.COMPLETED
    assert [child.result for child in await job.children()] == ["mended", 1]


async def test_retrying_all_failed_jobs_of_a_flow_makes_it_whole(app, part, flaky, work) -> None:
    task, mend = flaky

    @app.task(queue="parts")
    async def whole(job: JobContext) -> list[str]:
        return (await job.children()).results(task)

    job = await app.enqueue_flow(Flow(whole.call(), [task.using(if_failed="fail_parent").call()]))
    await work()
    assert (await app.queue("parts").counts())["failed"] == 2
    mend()
    await app.queue("parts").retry_all()
    counts = await app.queue("parts").counts()
    assert (counts["waiting-children"], counts["ready"], counts["failed"]) == (1, 1, 0)
    await work()
    assert await job.result() == ["mended"]


async def test_a_parent_retried_alone_fails_for_its_child_again(app, part, whole, work) -> None:
    job = await app.enqueue_flow(Flow(whole.call(), [part.using(if_failed="fail_parent").call("bad")]))
    await work()
    await job.retry()
    await work()
    with pytest.raises(JobFailed, match="child parts:"):
        await job.result()


async def test_a_parent_that_fails_by_itself_is_retried_with_its_childrens_results(app, part, work) -> None:
    seen: list[list[int]] = []

    @app.task(queue="wholes", attempts=3)
    async def unlucky(job: JobContext) -> int:
        seen.append((await job.children()).results(part))
        if job.attempt < 3:
            raise ValueError
        return job.attempt

    job = await app.enqueue_flow(Flow(unlucky.call(), [part.call("a")]))
    await work()
    assert (await job.result(), seen) == (3, [[1]] * 3)


# -- children at run time


@pytest.fixture
def splitter(app: Toril, part: Task[[str], int], ran: list[str]) -> Task[[list[str]], int]:
    @app.task(queue="wholes")
    async def splitter(job: JobContext, labels: list[str]) -> int:
        children = await job.children()
        if not children:
            ran.append("split")
            raise WaitForChildren(part.call(label) for label in labels)
        ran.append("join")
        return sum(children.results(part))

    return splitter


async def test_a_run_can_add_children_and_wait_for_them(app, splitter, work, ran) -> None:
    job = await splitter.enqueue(["a", "bc"])
    await work()
    assert (ran, await job.result()) == (["split", "a", "bc", "join"], 3)
    record = await job.refresh()
    assert (record.starts, record.attempts) == (2, 1)
    assert await events(app, job) == ["added", "active", "waiting-children", "waiting", "active", "completed"]


async def test_a_run_that_waits_for_nothing_comes_back_at_once(app, work) -> None:
    @app.task
    async def patient(job: JobContext) -> int:
        if job.record.starts == 1:
            raise WaitForChildren
        return job.record.starts

    job = await patient.enqueue()
    await work()
    assert await job.result() == 2


async def test_children_added_by_a_run_that_goes_on_are_waited_for_when_it_asks(app, part, whole, work, ran) -> None:
    @app.task(queue="wholes")
    async def adds(job: JobContext) -> list[int]:
        if job.record.starts == 1:
            flow = Flow(whole.call(), [part.call("leaf")])
            (first, second) = await job.add_children([part.call("ab"), flow])
            assert (first.name, second.name, await job.add_children([])) == ("part", "whole", [])
            raise WaitForChildren
        return (await job.children()).results(part)

    job = await adds.enqueue()
    await work()
    assert (sorted(ran), await job.result()) == (["ab", "leaf", "whole"], [2])


async def test_a_sync_task_reads_and_adds_children_too(app, part, work) -> None:
    @app.task(queue="wholes")
    def blocking(job: JobContext) -> list[int]:
        if job.record.starts == 1:
            app.run(job.add_children([part.call("ab")]))
            raise WaitForChildren
        return app.run(job.children()).results(part)

    job = await blocking.enqueue()
    await work()
    assert await job.result() == [2]


async def test_a_run_that_is_over_adds_no_children(app, part, work, clock: ManualClock) -> None:
    contexts: list[JobContext] = []

    @app.task
    async def leak(job: JobContext) -> None:
        contexts.append(job)

    await leak.enqueue()
    await work()
    with pytest.raises(WrongState, match="is over"):
        await contexts[0].add_children([part.call("a")])
    assert (await app.queue("parts").counts())["ready"] == 0


async def test_a_child_at_run_time_that_fails_its_parent_fails_it_at_its_return(app, part, work, ran) -> None:
    @app.task(queue="wholes")
    async def busy(job: JobContext) -> str:
        await job.add_children([part.using(if_failed="fail_parent").call("bad")])
        await work()  # another worker meanwhile
        return "done"

    job = await busy.enqueue()
    await work()
    with pytest.raises(JobFailed, match="child parts:"):
        await job.result()
    assert ran == ["bad"]


# -- own ids


async def test_a_flow_whose_root_is_there_is_not_added_again(app, part, whole, work) -> None:
    flow = Flow(whole.using(job_id="month-3").call(), [part.call("a")])
    first, second = await app.enqueue_flow(flow), await app.enqueue_flow(flow)
    assert (first.id, second.id, (await app.queue("parts").counts())["ready"]) == ("month-3", "month-3", 1)
    await work()
    assert (await app.enqueue_flow(flow)).id == "month-3"
    assert (await app.queue("parts").counts())["ready"] == 0


async def test_a_child_that_is_there_is_taken_on_with_what_it_returned(app, part, whole, work) -> None:
    await part.using(job_id="done").enqueue("abc")
    await work()
    await part.using(job_id="to-do").enqueue("ab")
    calls = [part.using(job_id="done").call("other"), part.using(job_id="to-do").call("other")]
    job = await app.enqueue_flow(Flow(whole.call(), calls))
    await work()
    assert await job.result() == [[3, 2], [], 0]


async def test_a_parent_whose_children_were_all_done_runs_at_once(app, part, whole, work) -> None:
    await part.using(job_id="done").enqueue("abc")
    await work()
    job = await app.enqueue_flow(Flow(whole.call(), [part.using(job_id="done").call("abc")]))
    await work()
    assert await job.result() == [[3], [], 0]


async def test_a_job_has_one_parent_and_a_refused_flow_adds_nothing(app, part, whole) -> None:
    shared = part.using(job_id="shared").call("a")
    await app.enqueue_flow(Flow(whole.call(), [shared]))
    before = [await app.queue(name).counts() for name in ("wholes", "parts")]
    with pytest.raises(WrongState, match="job shared of queue parts is a child of another job already"):
        await app.enqueue_flow(Flow(whole.call(), [part.call("b"), shared]))
    with pytest.raises(WrongState, match="another job"):
        await app.enqueue_flow(
            Flow(
                whole.call(),
                [part.using(job_id="twin").call("b"), Flow(whole.call(), [part.using(job_id="twin").call("b")])],
            )
        )
    assert [await app.queue(name).counts() for name in ("wholes", "parts")] == before


async def test_a_run_that_waits_for_anothers_child_fails_alone(app, part, whole, splitter, work) -> None:
    @app.task(queue="wholes")
    async def greedy(job: JobContext) -> None:
        raise WaitForChildren([part.using(job_id="shared").call("a")])

    await app.enqueue_flow(Flow(whole.call(), [part.using(job_id="shared", delay=5).call("a")]))
    job, other = await greedy.enqueue(), await splitter.enqueue(["a"])
    await work(slots=5)
    with pytest.raises(JobFailed, match="is a child of another job already"):
        await job.result()
    assert await other.result() == 1


async def test_nobody_waits_for_itself(app, part, work) -> None:
    @app.task(queue="wholes")
    async def circular(job: JobContext) -> None:
        raise WaitForChildren([circular.using(job_id="round").call()])

    job = await circular.using(job_id="round").enqueue()
    await work()
    with pytest.raises(JobFailed, match="cannot wait for itself"):
        await job.result()


# -- looking


async def test_a_tree_shows_all_that_is_below_a_job(app, part, whole, work) -> None:
    inner = Flow(whole.call(), [part.using(keep_completed=0).call("leaf"), part.using(delay=9).call("late")])
    job = await app.enqueue_flow(Flow(whole.call(), [part.call("a"), inner]))
    await work()
    tree = await job.tree()
    shape = [(node.job.name, node.state, len(node.children)) for node in tree]
    waiting = JobState.WAITING_CHILDREN
    assert shape == [
        ("whole", waiting, 2),
        ("part", JobState.COMPLETED, 0),
        ("whole", waiting, 2),
        ("part", None, 0),
        ("part", JobState.DELAYED, 0),
    ]
    assert (await tree.children[1].job.parent()).id == job.id
    assert await job.parent() is None


async def test_a_child_that_fails_its_parent_does_so_in_the_step_in_which_that_returns(app, clock) -> None:
    @app.task(queue="wholes")
    async def piece() -> None: ...

    job = await app.queue("wholes").add("x")
    worker = await app.store.enrol(WorkerInfo("w", "host", 1, 10, {"wholes": 2}))

    async def take() -> Run:
        (taken,) = (await app.store.step("wholes", worker, (), (), 1)).taken
        return Run(taken.id, taken.starts, taken.token)

    parent = await take()
    await app.store.add_flow(nodes_of([piece.using(if_failed="fail_parent").call()], clock.now()), ("wholes", parent))
    child = await take()
    ends = [Failed(child, "broken", None, Keep(10)), Completed(parent, "null", Keep(10))]
    step = await app.store.step("wholes", worker, ends, (), 0)
    assert (step.refused, step.failed) == ([], [(parent, f"child wholes:{child.id} failed")])
    assert await job.state() is JobState.FAILED


async def test_a_job_without_children_has_none(part, work) -> None:
    job = await part.enqueue("a")
    children = await job.children()
    assert (len(children), children.failed, children.pending, children.results(part)) == (0, [], [], [])
    assert [node.job.id for node in await job.tree()] == [job.id]


async def test_a_run_that_was_taken_over_adds_no_children_when_it_waits(app, part, whole, clock) -> None:
    job = await whole.enqueue()
    worker = await app.store.enrol(WorkerInfo("w", "host", 1, 10, {"wholes": 1}))
    (taken,) = (await app.store.step("wholes", worker, (), (), 1)).taken
    clock.advance(11)
    assert await app.store.rescue("wholes") == [job.id]
    run = Run(taken.id, taken.starts, taken.token)
    late = Awaiting(run, nodes_of([part.call("a")], clock.now()))
    assert (await app.store.step("wholes", worker, [late], (), 0)).refused == [run]
    assert (await app.queue("parts").counts())["ready"] == 0
