"""A job as the store knows it: its states, the edges between them, its row."""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import UTC, datetime
from enum import StrEnum
from typing import Literal, NamedTuple

from toril.budget import Charge
from toril.dedup import Dedup
from toril.errors import InvalidOption
from toril.json import clean

__all__ = [
    "CANCELLED",
    "FAILURE_FLAGS",
    "TRANSITIONS",
    "ChildRecord",
    "IfFailed",
    "JobRecord",
    "JobState",
    "NewJob",
    "Node",
    "cancelled_by",
    "check_job_id",
    "check_name",
    "check_state",
    "expiry_reason",
]


class JobState(StrEnum):
    """The states of a job; the words are BullMQ's."""

    WAITING = "waiting"
    PRIORITIZED = "prioritized"
    DELAYED = "delayed"
    WAITING_CHILDREN = "waiting-children"
    ACTIVE = "active"
    COMPLETED = "completed"
    FAILED = "failed"


_READY = frozenset({JobState.WAITING, JobState.PRIORITIZED})

TRANSITIONS: dict[JobState, frozenset[JobState]] = {
    JobState.WAITING: frozenset({JobState.ACTIVE, JobState.PRIORITIZED, JobState.FAILED}),  # taken; priority; cancelled
    JobState.PRIORITIZED: frozenset({JobState.ACTIVE, JobState.WAITING, JobState.FAILED}),  # taken; none; cancelled
    JobState.DELAYED: _READY | {JobState.FAILED},  # step promotes what is due, or a hand does; cancelled
    JobState.WAITING_CHILDREN: _READY
    | {JobState.DELAYED}  # its last child ended; its delay counts from there
    | {JobState.FAILED},  # cancelled
    JobState.ACTIVE: _READY  # retried at once, released, rescued
    | {JobState.DELAYED}  # retried later, snoozed
    | {JobState.WAITING_CHILDREN}  # asked to wait for its children
    | {JobState.COMPLETED, JobState.FAILED},  # ended
    JobState.COMPLETED: _READY | {JobState.WAITING_CHILDREN},  # retried by hand
    JobState.FAILED: _READY | {JobState.WAITING_CHILDREN},  # retried by hand; its children may have been before it
}
"""The only list of edges; whatever else happens to a job is its removal."""

CANCELLED = "Cancelled: by "
"""What the reason of a cancelled job begins with, on every store."""


def cancelled_by(name: str) -> str:
    """Return the reason of a job that `name` has cancelled."""
    return f"{CANCELLED}{name}"


IfFailed = Literal["wait", "fail_parent", "continue_parent", "ignore_dependency", "remove_dependency"]
FAILURE_FLAGS: dict[IfFailed, str] = {  # BullMQ's short words; where it finds several, the first counts
    "fail_parent": "fpof",
    "continue_parent": "cpof",
    "ignore_dependency": "idof",
    "remove_dependency": "rdof",
}


def check_state(value: str, known: Collection[JobState] = tuple(JobState)) -> JobState:
    """Return a state by its word if it is among those known; raise InvalidOption."""
    if value not in known:
        raise InvalidOption(f"state {value!r}: expected one of {', '.join(known)}")
    return JobState(value)


class NewJob(NamedTuple):
    """A job that is about to be added. Texts are JSON; times are epoch milliseconds."""

    queue: str
    name: str
    data: str
    opts: str
    priority: int = 0
    due: int = 0  # 0: at once
    lifo: bool = False
    id: str | None = None  # None: the store makes one
    dedup: Dedup | None = None
    charge: Charge | None = None
    expires: int | None = None  # when it fails if no attempt was made


class Node(NamedTuple):
    """A job of a flow that is about to be added; a node stands behind its parent's.

    parent: the index of its parent's node; None: the root, or a child of a job that exists.
    """

    job: NewJob
    parent: int | None


class ChildRecord(NamedTuple):
    """A job as its parent knows it, also after it is gone."""

    id: str
    queue: str
    name: str  # empty where the store has forgotten it
    state: JobState | None  # as it is now; None: gone
    children: int  # that it has itself
    ended: str | None  # as it counts for the parent: completed, failed, or None: the parent waits for it
    value: str | None  # its result as JSON, or the reason of its failure


class JobRecord(NamedTuple):
    """One job as it stands in the store: never changed, only read again. Texts are JSON; times epoch ms."""

    id: str
    queue: str
    name: str
    data: str
    opts: str
    state: JobState
    priority: int
    timestamp: int  # when it was added
    due: int | None  # when it is delayed: until then
    starts: int  # times it was taken (BullMQ's ats); the number of its run while it is active
    attempts: int  # runs that ended by themselves (atm)
    stalls: int  # runs whose worker was lost (stc)
    processed_on: int | None  # last start
    finished_on: int | None
    progress: str | None
    result: str | None
    reason: str | None  # why the last run failed, plain text
    stack: str | None  # JSON list of the last stack traces, oldest first
    worker: str | None  # who took it last
    schedule: str | None  # the schedule that made it
    tick: int | None  # and the time it was made for
    parent: str | None  # "queue:id" of the job that waits for it
    deferred: str | None  # why it fails as soon as it is taken
    token: int | str = 0  # the store's own mark of this run


def expiry_reason(expires: int) -> str:
    """Return why a job has failed that was not started by `expires` (epoch milliseconds)."""
    when = datetime.fromtimestamp(expires / 1000, UTC).isoformat(timespec="milliseconds")
    return f"Expired: not started by {when}"


_INTEGER = re.compile(r"-?\d+")
# BullMQ keeps these beside the jobs under `<prefix>:<queue>:`, so a job of that id would overwrite them
_RESERVED = frozenset(
    [
        "wait",
        "prioritized",
        "delayed",
        "active",
        "waiting-children",
        "completed",
        "failed",
        "paused",
        "marker",
        "meta",
        "id",
        "pc",
        "events",
        "stalled",
        "stalled-check",
        "limiter",
        "repeat",
        "de",
        "dn",
        "metrics",
        "priority",
        "delay",
    ]
)


def check_name(what: str, name: str) -> str:
    """Return the name of a queue or a job if every store can carry it; raise InvalidOption otherwise."""
    if not isinstance(name, str) or not name or name != clean(name):
        raise InvalidOption(f"{what} {name!r}: expected text of at least one character, without lone surrogates")
    return name


def check_job_id(job_id: str) -> str:
    """Return a custom job id if every store can carry it; raise InvalidOption otherwise.

    The rules are BullMQ's: no integers (those are its own counter's), no colon, none of its key names.
    """
    problem = ""
    if not isinstance(job_id, str) or not 1 <= len(job_id) <= 255 or job_id != clean(job_id):  # noqa: PLR2004
        problem = "expected text of 1 to 255 characters, without lone surrogates"
    elif _INTEGER.fullmatch(job_id):
        problem = "an integer belongs to the queue's own counter; put a word before it"
    elif ":" in job_id:
        problem = "a colon divides BullMQ's keys; use another character"
    elif job_id in _RESERVED:
        problem = "BullMQ keeps a key of its own under that name"
    if problem:
        raise InvalidOption(f"job_id {job_id!r}: {problem}")
    return job_id
