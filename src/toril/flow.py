"""Trees of jobs: a parent and the children that it waits for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Generic, TypeVar

from toril.errors import InvalidOption
from toril.job import Node
from toril.task import Call

__all__ = ["Flow", "WaitForChildren", "checked_children", "nodes_of"]

MOST_NODES = 1_000  # of one flow: it is added in one call, all or nothing

R_co = TypeVar("R_co", covariant=True)


class Flow(Generic[R_co]):
    """A call that runs when its children have ended: calls, or flows of their own.

    parent: `task.call(...)`; its delay and priority count from the moment when its children have ended.
    children: calls and flows, on any queues. `task.using(if_failed=…).call(...)` says what becomes of the parent if
        one of them fails for good; without it the parent waits until that child is retried or removed.

    Raises InvalidOption.
    """

    __slots__ = ("children", "parent", "size")

    def __init__(self, parent: Call[R_co], children: Iterable[Call[Any] | Flow[Any]]) -> None:
        self.parent = _checked(parent, "parent", (Call,))
        self.children, below = checked_children(children)
        self.size = _limited(1 + below)
        if self.children and parent.policy.run_at is not None:
            raise InvalidOption("run_at: a parent runs when its children have ended; a delay counts from there")

    def __repr__(self) -> str:
        return f"<Flow {self.parent.task.name} of {len(self.children)} children>"


class WaitForChildren(Exception):
    """Raised by a task: leave this run, and run again when the job's children have ended; no attempt is used.

    children: calls and flows to be added first, in the same step as the run is left. So no crash adds them twice. If
        the store cannot add them (QueueFull, BudgetExceeded, WrongState) the job fails for good, and says so.
    """

    def __init__(self, children: Iterable[Call[Any] | Flow[Any]] = ()) -> None:
        self.children, _ = checked_children(children)
        super().__init__()

    def __str__(self) -> str:
        return "waits for its children"


def checked_children(children: Iterable[object]) -> tuple[tuple[Call[Any] | Flow[Any], ...], int]:
    """Return children as a tuple and how many jobs they are; raise InvalidOption naming what is no child."""
    if isinstance(children, (Call, Flow)):
        raise InvalidOption("children: expected a list of calls and flows, got one alone")
    found = tuple(_checked(child, f"children[{index}]", (Call, Flow)) for index, child in enumerate(children))
    return found, _limited(sum(child.size if isinstance(child, Flow) else 1 for child in found))


def nodes_of(roots: Iterable[Call[Any] | Flow[Any]], now: int) -> list[Node]:
    """Return the jobs of trees, each behind its parent; `now`: from when delays count (epoch milliseconds)."""
    nodes: list[Node] = []
    left: list[tuple[Call[Any] | Flow[Any], int | None]] = [(root, None) for root in roots]
    left.reverse()
    while left:
        item, parent = left.pop()
        if isinstance(item, Flow):
            left += [(child, len(nodes)) for child in reversed(item.children)]
            item = item.parent
        nodes.append(Node(item.new_job(now), parent))
    return nodes


def _limited(size: int) -> int:
    if size > MOST_NODES:
        raise InvalidOption(f"flow: expected {MOST_NODES:,} jobs at most; let a child add children of its own")
    return size


def _checked(thing: Any, place: str, kinds: tuple[type, ...]) -> Any:
    if not isinstance(thing, kinds):
        expected = " or ".join("task.call(…)" if kind is Call else "a Flow" for kind in kinds)
        raise InvalidOption(f"{place}: expected {expected}, got {thing!r}")
    if isinstance(thing, Call) and thing.policy.dedup is not None:
        raise InvalidOption(f"{place}, dedup: a job of a flow has none, its parent waits for it; give it a job_id")
    return thing
