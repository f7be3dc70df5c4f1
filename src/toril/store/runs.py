"""What a worker tells the store of its runs, and what it is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from toril.job import JobRecord, Node
from toril.options import LOG_LINES, Keep

__all__ = [
    "Awaiting",
    "Completed",
    "Delayed",
    "Extended",
    "Failed",
    "Limited",
    "Note",
    "Outcome",
    "Released",
    "Run",
    "Step",
]


class Run(NamedTuple):
    """One start of one job: (id, number of starts) names it, the token is the store's own mark of it."""

    id: str
    number: int
    token: int | str


class Completed(NamedTuple):
    """The run returned: the job is completed, or gone if `keep.count` is 0."""

    run: Run
    result: str
    keep: Keep


class Failed(NamedTuple):
    """The run failed for good; `attempts` 0 if it did not end by itself."""

    run: Run
    reason: str
    stack: str | None
    keep: Keep
    attempts: int = 1


class Delayed(NamedTuple):
    """The job comes back at `due` (0: at once, at the back): a retry (`attempts` 1) or a snooze (0).

    `reason` replaces what an earlier run left.
    """

    run: Run
    due: int
    reason: str | None
    stack: str | None
    attempts: int


class Released(NamedTuple):
    """The run was given up unfinished: the job goes back to the front of its queue, no attempt used."""

    run: Run


class Awaiting(NamedTuple):
    """The run was left until the job's children have ended; `nodes` are added as its children first.

    If it waits for none, the job is ready again at the front. No attempt is used. If they cannot be added it fails.
    """

    run: Run
    nodes: Sequence[Node]


class Limited(NamedTuple):
    """The run met a limit of somebody else's: released, and the queue is closed until `until`."""

    run: Run
    until: int


Outcome = Completed | Failed | Delayed | Released | Limited | Awaiting


class Note(NamedTuple):
    """What a run has to say while it goes on: its latest progress, and log lines."""

    run: Run
    progress: str | None
    lines: Sequence[str]
    keep: int = LOG_LINES  # lines of the job that stay


@dataclass(frozen=True, slots=True)
class Step:
    """What a step did."""

    taken: Sequence[JobRecord]
    refused: Sequence[Run]  # outcomes of runs that are over: rescued, removed, or taken by another
    due_at: int | None  # when the next delayed job of the queue is due
    closed: str | None  # why nothing more may be taken: paused, rate limited until …, limit full; or None
    opens_at: int | None = None  # when that will change by itself
    failed: Sequence[tuple[Run, str]] = ()  # runs whose job has failed in place of their outcome, and why


class Extended(NamedTuple):
    """What a worker learns with each renewal of its lease."""

    lost: Sequence[Run]  # no longer its own: rescued, removed, or taken by another
    cancelled: Sequence[tuple[Run, str]]  # to be cancelled, and who asked
    forgotten: bool = False  # the store did not know the worker any more: what it holds may have been lost
