"""The way into the store: jobs take along the trace that they are part of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from toril import tracing
from toril.job import NewJob, Node

if TYPE_CHECKING:
    from toril.store.base import Store
    from toril.store.runs import Run

__all__ = ["add", "add_flow", "carrying"]


async def add(store: Store, jobs: Sequence[NewJob]) -> list[str]:
    """Add jobs, 1,000 at most, and return their ids; see `Store.add` for what it raises."""
    spans = tracing.spans()
    if spans is None:
        return await store.add(jobs)
    with spans.enqueue(jobs) as span:
        carried = spans.carrier()
        ids = await store.add([tracing.stamped(job, carried) for job in jobs] if carried else jobs)
        if len(ids) == 1:
            span.set_attribute("messaging.message.id", ids[0])
        return ids


async def add_flow(store: Store, nodes: Sequence[Node], parent: tuple[str, Run] | None) -> list[str]:
    """Add a flow and return the ids of its jobs; see `Store.add_flow`."""
    spans = tracing.spans()
    if spans is None:
        return await store.add_flow(nodes, parent)
    with spans.enqueue([node.job for node in nodes]):
        return await store.add_flow(carrying(nodes), parent)


def carrying(nodes: Sequence[Node]) -> Sequence[Node]:
    """Return the jobs of a flow with the current trace context."""
    carried = tracing.carrier()
    if carried is None:
        return nodes
    return [node._replace(job=tracing.stamped(node.job, carried)) for node in nodes]
