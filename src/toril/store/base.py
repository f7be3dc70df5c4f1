"""The Store seam: each verb says what becomes true. No type of any database appears here.

Every verb is atomic and may be awaited on any event loop. Times are epoch milliseconds, texts are JSON. A verb
that the store cannot carry out raises StoreUnavailable and leaves nothing half-written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from toril.job import JobRecord, JobState, NewJob
from toril.limits import Limits
from toril.options import LOG_LINES, Keep

__all__ = [
    "Completed",
    "Delayed",
    "Event",
    "Extended",
    "Failed",
    "Limited",
    "Note",
    "Outcome",
    "Page",
    "QueueInfo",
    "Released",
    "Run",
    "ScheduleRecord",
    "Step",
    "Store",
    "WorkerInfo",
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


class Limited(NamedTuple):
    """The run met a limit of somebody else's: released, and the queue is closed until `until`."""

    run: Run
    until: int


Outcome = Completed | Failed | Delayed | Released | Limited


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
    cancelled: Sequence[tuple[Run, str]] = ()  # runs whose job has failed as cancelled instead of coming back, by whom


class Extended(NamedTuple):
    """What a worker learns with each renewal of its lease."""

    lost: Sequence[Run]  # no longer its own: rescued, removed, or taken by another
    cancelled: Sequence[tuple[Run, str]]  # to be cancelled, and who asked


class Event(NamedTuple):
    """Something that became true for a job. `body` is what BullMQ's event of that name carries."""

    cursor: int
    queue: str
    kind: str  # added, active, completed, failed, delayed, waiting, stalled, progress, removed, …
    at: int
    body: Mapping[str, Any]


class Page(NamedTuple):
    """Jobs of one state, and the token with which the next page begins (None: that was the last)."""

    jobs: Sequence[JobRecord]
    after: str | None


class QueueInfo(NamedTuple):
    """A queue's counts by state, since when, by whom and why it is paused (None: it is not), its limits."""

    counts: Mapping[JobState, int]
    paused: Mapping[str, Any] | None
    limits: Limits
    closed: str | None  # as in Step
    max_length: int | None = None  # jobs that may wait or be delayed


class WorkerInfo(NamedTuple):
    """A worker as it enrols itself; `lease` in seconds."""

    name: str
    host: str
    pid: int
    lease: float
    queues: Mapping[str, int]


class ScheduleRecord(NamedTuple):
    """A schedule as declared: `cron` (with `tz`) or `every` milliseconds, and the job that it makes."""

    id: str
    queue: str
    cron: str | None
    tz: str | None
    every: int | None
    missed: str
    name: str
    data: str
    opts: str


class Store(Protocol):
    """Where jobs live."""

    async def open(self) -> None:
        """Make the store ready, or raise StoreRefused or StoreUnavailable with what is wrong."""

    async def close(self) -> None:
        """Finish what was begun and let go of every connection."""

    def forget(self) -> None:
        """This process is a fork: what its parent had opened is not its own; it opens anew at the next use."""

    async def add(self, jobs: Sequence[NewJob]) -> list[str]:
        """All of `jobs` (1,000 at most) are in their queues, or none; return their ids in order.

        A job whose custom id its queue has already is not added: the id of the one that is there is returned. So is
        that of the job that holds its `dedup` key, after what the Dedup says has been done. Those that are added are
        charged to their budgets. Raises QueueFull, BudgetExceeded.
        """

    async def step(
        self, queue: str, worker: str, outcomes: Sequence[Outcome], notes: Sequence[Note], want: int
    ) -> Step:
        """Every outcome and note of a run that is still its job's is recorded; what is due is promoted; up to
        `want` ready jobs are active under `worker`'s lease, in order, and schedules that they came from have their
        next job. A step whose reply is lost is repeated by the store itself and changes nothing twice.
        """

    async def enrol(self, worker: WorkerInfo) -> str:
        """The worker is known and holds a lease; return the id under which it takes jobs."""

    async def leave(self, worker: str) -> None:
        """The worker is forgotten; what it still holds can be rescued at once."""

    async def extend(self, worker: str, runs: Sequence[Run]) -> Extended:
        """The worker's lease counts from now; return which of `runs` are lost, and which are to be cancelled."""

    async def rescue(self, queue: str) -> Sequence[str]:
        """Active jobs whose lease has run out wait at the front again (or have failed, if that happened more than
        `max_stalls` times); return their ids. Only for a worker whose own contact with the store is unbroken.
        """

    async def expire(self, queue: str) -> Sequence[str]:
        """Ready and delayed jobs of which no attempt was made in time have failed; return their ids. Keys and budgets
        whose time is over are forgotten.
        """

    async def wait(self, queue: str, until: int | None) -> None:
        """Return when the queue may have work to take, at `until` at the latest; now and then for no reason."""

    async def get(self, queue: str, job_id: str) -> JobRecord | None:
        """Return the job, or None."""

    async def list(self, queue: str, state: JobState, limit: int, after: str | None, *, newest: bool) -> Page:
        """Return jobs of one state, in the order in which they will be taken or have ended."""

    async def info(self, queue: str) -> QueueInfo:
        """Return a queue's counts and controls; a queue that nobody has used is empty."""

    async def queues(self) -> Sequence[str]:
        """Return the names of all queues that have been used."""

    async def logs(self, queue: str, job_id: str) -> Sequence[str]:
        """Return the log lines of a job, oldest first."""

    async def pause(self, queue: str, by: str, why: str) -> None:
        """No job of the queue is taken until it is resumed."""

    async def resume(self, queue: str) -> None:
        """Jobs of the queue are taken again."""

    async def retry(self, queue: str, state: JobState, job_ids: Sequence[str] | None) -> Sequence[str]:
        """Ended jobs in `state` (those of `job_ids`, or up to 1,000) are ready again; return their ids."""

    async def set_limits(self, queue: str, limits: Limits) -> None:
        """Whatever the number of workers, no more jobs of the queue are active, or started in a time, than given."""

    async def cancel(self, queue: str, job_id: str, by: str) -> JobState | None:
        """A job that is neither active nor ended has failed as cancelled; an active one will, as soon as its worker
        hears of it (or in place of its return to the queue); return the state that it was in, None: there is none.
        """

    async def limit_length(self, queue: str, max_length: int | None) -> None:
        """`add` refuses what would make more than `max_length` jobs wait or be delayed."""

    async def dedup_owner(self, queue: str, key: str) -> str | None:
        """Return the id of the job that holds a deduplication key, or None."""

    async def forget_dedup(self, queue: str, key: str) -> bool:
        """Nobody holds the key, and nothing is added when its job ends; return whether somebody held it."""

    async def put_schedule(self, schedule: ScheduleRecord) -> bool:
        """The schedule is as given and has its next job; return False if it was so already and nothing changed."""

    async def schedules(self) -> Sequence[ScheduleRecord]:
        """Return all schedules, by id."""

    async def cursor(self) -> int:
        """Return a mark behind the newest event."""

    async def events(self, after: int, wait: float) -> Sequence[Event]:
        """Return events behind a mark, waiting up to `wait` seconds for the first."""
