"""Random trees of jobs end as a few lines of plain Python say."""

from __future__ import annotations

import asyncio
from typing import NamedTuple, get_args

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stores import EmptyStore
from toril import Call, Flow, JobContext, JobState, WaitForChildren, Worker
from toril.family import Tree
from toril.job import IfFailed


class Plan(NamedTuple):
    """A node: whether its own run fails, what its failure means for its parent, on which queue, what is below."""

    fails: bool
    if_failed: IfFailed
    queue: str
    below: tuple[Plan, ...]


def nodes(below: st.SearchStrategy[tuple[Plan, ...]]) -> st.SearchStrategy[Plan]:
    fails = st.sampled_from([False, False, True])
    return st.builds(Plan, fails, st.sampled_from(get_args(IfFailed)), st.sampled_from(["a", "b"]), below)


trees = st.recursive(nodes(st.just(())), lambda inner: nodes(st.lists(inner, max_size=3).map(tuple)), max_leaves=12)


def expected(plan: Plan) -> JobState:
    """Return how a node ends. Whoever runs while children are pending asks to wait for them."""
    ends = [(child.if_failed, expected(child)) for child in plan.below]
    if ("fail_parent", JobState.FAILED) in ends:
        return JobState.FAILED
    if ("wait", JobState.FAILED) in ends or any(end is JobState.WAITING_CHILDREN for _, end in ends):
        return JobState.WAITING_CHILDREN
    return JobState.FAILED if plan.fails else JobState.COMPLETED


def compare(plan: Plan, tree: Tree) -> None:
    assert tree.state is expected(plan)
    told = [
        child for child in plan.below if (child.if_failed, expected(child)) != ("remove_dependency", JobState.FAILED)
    ]
    for below, node in zip(told, tree.children, strict=True):
        compare(below, node)


async def run(kind: type[EmptyStore], plan: Plan, slots: int) -> None:
    async with kind() as store, store.app() as app:

        async def node(job: JobContext, fails: bool) -> None:
            if (await job.children()).pending:
                raise WaitForChildren
            if fails:
                raise ValueError

        tasks = {queue: app.task(queue=queue, name=f"node-{queue}")(node) for queue in ("a", "b")}

        def grow(plan: Plan) -> Call[None] | Flow[None]:
            call = tasks[plan.queue].using(if_failed=plan.if_failed).call(plan.fails)
            return Flow(call, map(grow, plan.below)) if plan.below else call

        root = grow(plan)
        job = await app.enqueue_flow(root if isinstance(root, Flow) else Flow(root, []))
        await Worker(app, dict.fromkeys(tasks, slots), burst=True).run()
        compare(plan, await job.tree())
        for queue in tasks:
            counts = await app.queue(queue).counts()
            assert (counts["ready"], counts["active"], counts["delayed"]) == (0, 0, 0)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(plan=trees, slots=st.sampled_from([1, 5]))
def test_trees_end_as_their_policies_say(store_kind: type[EmptyStore], plan: Plan, slots: int) -> None:
    asyncio.run(run(store_kind, plan, slots))
