"""A job's children as it sees them: what they returned, which failed; and the tree below it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, overload

from toril.job import ChildRecord, JobState
from toril.json import decode_or

if TYPE_CHECKING:
    from toril.handle import Job
    from toril.task import Task

__all__ = ["Child", "Children", "Tree", "read_children", "read_tree"]

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Child:
    """A child as it counts for its parent.

    job: its handle. state: as it is now; None: it is gone. ended: `completed`, `failed` (and the parent need not wait
    for it), or None: the parent waits for it. result: what it returned, as plain JSON values. reason: why it failed.
    """

    job: Job[Any]
    state: JobState | None
    ended: str | None
    result: Any
    reason: str | None


class Children(Sequence[Child]):
    """The children of a job, in the order in which they were added."""

    def __init__(self, children: Sequence[Child], texts: Sequence[str | None]) -> None:
        self._children = children
        self._texts = texts

    def __repr__(self) -> str:
        return f"<Children {len(self)}: {len(self.failed)} failed, {len(self.pending)} pending>"

    def __len__(self) -> int:
        return len(self._children)

    @overload
    def __getitem__(self, index: int) -> Child: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Child]: ...
    def __getitem__(self, index: int | slice) -> Child | Sequence[Child]:
        return self._children[index]

    def __iter__(self) -> Iterator[Child]:
        return iter(self._children)

    def results(self, task: Task[..., R]) -> list[R]:
        """Return what the completed children of a task returned, each as the type that the task declares."""
        return [
            task.result_type.validate_json(text or "null")
            for child, text in zip(self._children, self._texts, strict=True)
            if child.ended == "completed" and child.job.name == task.name
        ]

    @property
    def failed(self) -> list[Child]:
        """Those that failed for good and are not waited for."""
        return [child for child in self._children if child.ended == "failed"]

    @property
    def pending(self) -> list[Child]:
        """Those that the parent waits for, among them failed ones whose failure lets it wait."""
        return [child for child in self._children if child.ended is None]


@dataclass(frozen=True, slots=True)
class Tree:
    """A job and what is below it. state: None: it is gone, and what was below it is not known."""

    job: Job[Any]
    state: JobState | None
    children: tuple[Tree, ...]

    def __iter__(self) -> Iterator[Tree]:
        """Yield this node and all below it, parents first."""
        yield self
        for child in self.children:
            yield from child


async def read_children(job: Job[Any]) -> Children:
    """Return the children of a job."""
    found = await _records(job)
    return Children([_child(job, record) for record in found], [record.value for record in found])


async def read_tree(job: Job[Any], state: JobState | None, *, leaf: bool = False) -> Tree:
    """Return a job with all that is below it; `leaf`: it is known to have no children."""
    records = [] if leaf else await _records(job)
    below = await asyncio.gather(
        *(read_tree(_child(job, record).job, record.state, leaf=not record.children) for record in records)
    )
    return Tree(job, state, tuple(below))


async def _records(job: Job[Any]) -> Sequence[ChildRecord]:
    return await job.queue.app.store.children(job.queue.name, job.id)


def _child(parent: Job[Any], record: ChildRecord) -> Child:
    job = type(parent)(parent.queue.app.queue(record.queue), record.id, record.name)
    completed, failed = record.ended == "completed", record.ended == "failed"
    result = decode_or(record.value, None) if completed else None
    return Child(job, record.state, record.ended, result, record.value if failed else None)
