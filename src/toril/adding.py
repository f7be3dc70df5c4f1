"""The way into the store: jobs take along the trace that they are part of, and the log tells of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from toril import tracing
from toril.job import NewJob, Node
from toril.log import JOB_QUEUED

if TYPE_CHECKING:
    from toril.store.base import Store
    from toril.store.runs import Run

__all__ = ["add", "add_flow", "carrying"]


async def add(store: Store, jobs: Sequence[NewJob]) -> list[str]:
    """Add jobs, 1,000 at most, and return their ids; see `Store.add` for what it raises."""
    spans = tracing.spans()
    if spans is None:
        ids = await store.add(jobs)
    else:
        with spans.enqueue(jobs) as span:
            carried = spans.carrier()
            ids = await store.add([tracing.stamped(job, carried) for job in jobs] if carried else jobs)
            if len(ids) == 1:
                span.set_attribute("messaging.message.id", ids[0])
    _tell(ids, jobs)
    return ids


async def add_flow(store: Store, nodes: Sequence[Node], parent: tuple[str, Run] | None) -> list[str]:
    """Add a flow and return the ids of its jobs; see `Store.add_flow`."""
    spans, jobs = tracing.spans(), [node.job for node in nodes]
    if spans is None:
        ids = await store.add_flow(nodes, parent)
    else:
        with spans.enqueue(jobs):
            ids = await store.add_flow(carrying(nodes), parent)
    _tell(ids, jobs)
    return ids


def _tell(ids: Sequence[str], jobs: Sequence[NewJob]) -> None:
    if JOB_QUEUED.enabled:
        for job_id, job in zip(ids, jobs, strict=True):
            JOB_QUEUED(job=job_id, queue=job.queue, task=job.name)


def carrying(nodes: Sequence[Node]) -> Sequence[Node]:
    """Return the jobs of a flow with the current trace context."""
    carried = tracing.carrier()
    if carried is None:
        return nodes
    return [node._replace(job=tracing.stamped(node.job, carried)) for node in nodes]
