"""What a store tells of jobs, queues, workers and schedules. Times are epoch milliseconds, texts are JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from toril.job import JobRecord, JobState
from toril.limits import Limits

__all__ = [
    "Cleaned",
    "Event",
    "Found",
    "Heard",
    "LiveWorker",
    "Metrics",
    "Minute",
    "Page",
    "QueueInfo",
    "Reason",
    "RunningJob",
    "ScheduleInfo",
    "ScheduleRecord",
    "ServerInfo",
    "WorkerInfo",
]


class Event(NamedTuple):
    """Something that became true for a job or a queue. `body` is what BullMQ's event of that name carries.

    `cursor` marks its place: whoever goes on behind it misses nothing and hears nothing twice. `attempt_failed` is
    derived from what follows it; `gap` says that events behind the mark were no longer kept.
    """

    cursor: str
    queue: str
    kind: str  # the words of EVENT_KINDS in toril.events
    at: int
    body: Mapping[str, Any]

    @property
    def job_id(self) -> str | None:
        """The job that it is about; None: it is about the queue."""
        return self.body.get("jobId")


class Heard(NamedTuple):
    """Events in their order, and the mark behind all that was looked at (that of other queues too)."""

    events: Sequence[Event]
    mark: str


class Page(NamedTuple):
    """Jobs of one state, and the token with which the next page begins (None: that was the last)."""

    jobs: Sequence[JobRecord]
    after: str | None


class Found(NamedTuple):
    """Jobs that match a filter, how many jobs were looked at since the first page, of how many, and where to go on."""

    jobs: Sequence[JobRecord]
    after: str | None
    looked: int
    total: int


class Reason(NamedTuple):
    """When and why a job has failed."""

    at: int
    id: str
    name: str
    reason: str


class Cleaned(NamedTuple):
    """The ids of jobs that were removed, and the mark from which to go on (None: all were looked at)."""

    ids: Sequence[str]
    after: str | None


class Minute(NamedTuple):
    """What ended within the minute that begins at `at`, and how many jobs had ever arrived early in it."""

    at: int
    completed: int
    failed: int
    arrived: int


class Metrics(NamedTuple):
    """How many jobs ever ended and arrived, and the minutes, oldest first, in which some ended."""

    completed: int
    failed: int
    arrived: int
    minutes: Sequence[Minute]


class QueueInfo(NamedTuple):
    """A queue's counts by state, since when, by whom and why it is paused (None: it is not), its limits."""

    counts: Mapping[JobState, int]
    paused: Mapping[str, Any] | None
    limits: Limits
    closed: str | None  # as in Step
    max_length: int | None = None  # jobs that may wait or be delayed
    opens_at: int | None = None  # as in Step


class WorkerInfo(NamedTuple):
    """A worker as it enrols itself; `lease` in seconds."""

    name: str
    host: str
    pid: int
    lease: float
    queues: Mapping[str, int]


class RunningJob(NamedTuple):
    """A job that a worker has in its hands, since when."""

    queue: str
    id: str
    name: str
    since: int


class LiveWorker(NamedTuple):
    """A worker whose lease holds: the id under which it takes jobs, who it is, how many seconds ago it renewed.

    nodes: not 0 for workers of BullMQ's own: how many of one queue and name this stands for; their slots are not known.
    """

    id: str
    info: WorkerInfo
    age: float
    runs: Sequence[RunningJob]
    nodes: int = 0

    def has(self, queue: str, worker: str | None) -> bool:
        """Return whether it is who took a job of a queue, by what the job says."""
        if self.nodes:
            return queue in self.info.queues and self.info.name == (worker or "")
        return self.id == worker


class ScheduleRecord(NamedTuple):
    """A schedule as given: `cron` (with `tz`) or `every` milliseconds, its bounds, and the job that it makes."""

    id: str
    queue: str
    cron: str | None
    tz: str | None
    every: int | None
    missed: str
    name: str
    data: str
    opts: str
    start: int | None = None  # no tick before
    end: int | None = None  # nor after
    limit: int | None = None  # ticks at most
    declared: bool = False  # by code, at the start of a worker


class ScheduleInfo(NamedTuple):
    """A schedule and how far it is."""

    schedule: ScheduleRecord
    next: int | None  # the tick whose job waits; None: there is none any more
    last: int | None  # the tick whose job was taken last
    ticks: int  # made since the schedule was last changed


class ServerInfo(NamedTuple):
    """What the database behind a store tells of itself; sizes in bytes, None where there is no such figure."""

    kind: str  # sqlite or redis
    version: str
    memory: int | None = None
    memory_limit: int | None = None  # None: no limit
    policy: str | None = None  # what it does when the limit is reached
    evicted: int | None = None  # keys that it has thrown away: jobs that are lost
    persistence: str | None = None  # what survives its end
    size: int | None = None  # of the file
