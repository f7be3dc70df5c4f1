"""Flows: those that wait for their children, and one as a tree."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import Response

from toril import Job, JobState
from toril.web.dashboard.visit import Visit

__all__ = ["PAGES", "Node", "outline", "root_of"]

_NODES = 300  # of a tree that a page shows
_LEVELS = 50  # up to the root
_FLOWS = 50  # of each queue that the list shows


@dataclass(slots=True)
class Node:
    """A job of a tree. `more`: children that are left out."""

    job: Job[Any]
    state: JobState | None
    children: list[Node] = field(default_factory=list)
    more: int = 0


async def root_of(job: Job[Any]) -> Job[Any]:
    """Return the job at the top of a job's flow."""
    for _ in range(_LEVELS):
        parent = await job.parent()
        if parent is None:
            return job
        job = parent
    return job


async def outline(root: Job[Any], most: int = _NODES) -> Node:
    """Return a job with what is below it, level by level, `most` jobs at the most."""
    top = Node(root, await root.state())
    todo, left = deque([top]), most - 1
    while todo:
        node = todo.popleft()
        if node.state is None:  # gone: what was below it is not known
            continue
        found = await node.job.children()
        node.children = [Node(child.job, child.state) for child in found[:left]]
        node.more = len(found) - len(node.children)
        left -= len(node.children)
        todo += node.children
    return top


async def show(visit: Visit) -> Response:
    """Show the jobs that wait for their children and for which nobody waits."""
    queues = await visit.app.queues()
    pages = await asyncio.gather(*(queue.jobs(JobState.WAITING_CHILDREN, limit=_FLOWS) for queue in queues))
    roots = [job for page in pages for job in page.jobs if job.record.parent is None]
    children = await asyncio.gather(*(job.children() for job in roots))
    return visit.page("flows.html", active="flows", flows=list(zip(roots, children, strict=True)))


async def tree(visit: Visit) -> Response:
    """Show the whole flow of a job."""
    job = await visit.job()
    return visit.page("flow.html", active="flows", job=job, tree=await outline(await root_of(job)))


PAGES = [("GET", "/flows", show), ("GET", "/queues/{queue}/jobs/{id}/flow", tree)]
