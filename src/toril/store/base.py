"""The Store seam: each verb says what becomes true. No type of any database appears here.

Every verb is atomic and may be awaited on any event loop. Times are epoch milliseconds, texts are JSON. A verb
that the store cannot carry out raises StoreUnavailable and leaves nothing half-written.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from toril.filter import Filter
from toril.finding import Finding
from toril.job import ChildRecord, JobRecord, JobState, NewJob, Node
from toril.limits import Limits
from toril.store.runs import Extended, Note, Outcome, Run, Step
from toril.store.views import (
    Cleaned,
    Found,
    Heard,
    LiveWorker,
    Metrics,
    Page,
    QueueInfo,
    Reason,
    ScheduleInfo,
    ScheduleRecord,
    ServerInfo,
    WorkerInfo,
)

__all__ = ["Store"]


class Store(Protocol):
    """Where jobs live."""

    @property
    def remote(self) -> bool:
        """Whether a step is carried out elsewhere, so that jobs can run meanwhile: a lane then takes half its slots at
        a time, and has jobs to run while it waits for the others.
        """

    @property
    def largest(self) -> int | None:
        """The largest whole number that all who share the store read as it is; None: any."""

    async def open(self) -> None:
        """Make the store ready, or raise StoreRefused or StoreUnavailable with what is wrong."""

    async def examine(self) -> Sequence[Finding]:
        """What whoever runs the store should know: whether it can lose jobs, who can reach it, whose clock is wrong."""

    async def strangers(self, queue: str) -> Finding | None:
        """Whether others than Toril's workers serve a queue; None where nobody else can."""

    async def close(self) -> None:
        """Finish what was begun and let go of every connection."""

    def forget(self) -> None:
        """This process is a fork: what its parent had opened is not its own; it opens anew at the next use."""

    async def server(self) -> ServerInfo:
        """Return what the database behind the store tells of itself."""

    async def add(self, jobs: Sequence[NewJob]) -> list[str]:
        """All of `jobs` (1,000 at most) are in their queues, or none; return their ids in order.

        A job whose custom id its queue has already is not added: the id of the one that is there is returned. So is
        that of the job that holds its `dedup` key, after what the Dedup says has been done. Those that are added are
        charged to their budgets. Raises QueueFull, BudgetExceeded.
        """

    async def add_flow(self, nodes: Sequence[Node], parent: tuple[str, Run] | None) -> list[str]:
        """All of `nodes` (1,000 at most) are in their queues, or none; return their ids in order.

        A node with children waits for them; one without a parent becomes a child of `parent`, a run given with its
        queue. A node whose custom id its queue has already stands for that job and adds nothing below it.
        Those that are added are charged to their budgets. Raises QueueFull, BudgetExceeded, and WrongState if such a
        job has another parent, or if `parent` is over.
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

    async def wait(self, queue: str, worker: str, until: int | None) -> None:
        """Return when the queue may have work that has come since the worker's last step, at `until` at the latest;
        now and then for no reason.
        """

    async def get(self, queue: str, job_id: str) -> JobRecord | None:
        """Return the job, or None."""

    async def children(self, queue: str, job_id: str) -> Sequence[ChildRecord]:
        """Return the children of a job, in the order in which they were added."""

    async def list(
        self, queue: str, state: JobState, limit: int, after: str | None, *, newest: bool, offset: int = 0
    ) -> Page:
        """Return jobs of one state, in the order in which they will be taken or have ended, `offset` left out."""

    async def search(self, queue: str, wanted: Filter, limit: int, after: str | None) -> Found:
        """Return the newest jobs that match, as far as a budget reaches: id, state and time are found by key."""

    async def failures(self, queue: str, limit: int) -> Mapping[int | str, int]:
        """Return when the newest failed jobs failed, the last one first, by the store's own mark of each."""

    async def reasons(self, queue: str, marks: Sequence[int | str]) -> Mapping[int | str, Reason]:
        """Return why jobs have failed, by their marks (1,000 at most); those that are failed no more are left out."""

    async def info(self, queue: str) -> QueueInfo:
        """Return a queue's counts and controls; a queue that nobody has used is empty."""

    async def priorities(self, queue: str) -> Mapping[int, int]:
        """Return how many ready jobs there are of each priority that occurs; 0 are those that wait without one."""

    async def metrics(self, queue: str, since: int) -> Metrics:
        """Return what ended in each minute from `since`; a week is kept."""

    async def workers(self) -> Sequence[LiveWorker]:
        """Return the workers whose lease holds, with what each runs."""

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

    async def promote(self, queue: str, job_ids: Sequence[str] | None) -> Sequence[str]:
        """Delayed jobs (those of `job_ids`, or up to 1,000, the next ones due) are ready now; return their ids."""

    async def change(self, queue: str, job_id: str, due: int | None, priority: int | None, data: str | None) -> bool:
        """A job is due at another time, has another priority or other data (None: as it was).

        Return False, and change nothing, if it is not there, or is to be due at a time and is not delayed.
        """

    async def remove(self, queue: str, job_ids: Sequence[str], *, children: bool) -> Sequence[str]:
        """Jobs and their logs are gone, each with all that is below it if `children`; return their ids.

        One that a live worker runs stays, with all above it, and so does the next job of a schedule.
        """

    async def remove_children(self, queue: str, job_id: str) -> int | None:
        """The children that a job waits for are gone, and likewise theirs, but none that has failed or that a live
        worker runs, nor what is below such a one; return how many. None: there is no such job.
        """

    async def detach(self, queue: str, job_id: str) -> bool | None:
        """The job's parent does not wait for it any more and is its parent no longer.

        Return False, and change nothing, if none waits for it; None: there is no such job.
        """

    async def clean(self, queue: str, state: JobState, before: int, limit: int, after: str | None) -> Cleaned:
        """Up to `limit` (1,000 at most) jobs of one state are gone: those that ended by `before`, or, not ended, were
        last taken or else added by then. The next jobs of schedules stay.
        """

    async def obliterate(self, queue: str, *, force: bool) -> int:
        """Up to 1,000 jobs of a paused queue are gone; when there were none: its schedules, metrics and controls.

        Return how many; raise WrongState if it is not paused, or has active jobs and `force` is not given.
        """

    async def put_schedule(self, schedule: ScheduleRecord, *, immediately: bool) -> bool:
        """The schedule is as given and has its next job, made for now if it is new or changed and `immediately` is
        set; return False if it was so already and nothing changed. A tick that is overdue stays, unless missed ones
        are skipped. One of that id that Toril has put into another queue is gone.
        """

    async def remove_schedule(self, queue: str, schedule_id: str) -> bool:
        """The schedule makes no more jobs; one that is ready stays. Return False if the queue has none of that id."""

    async def schedules(self, schedule_id: str | None = None) -> Sequence[ScheduleInfo]:
        """Return all schedules, or those of one id, by id and queue."""

    async def cursor(self, queue: str | None = None) -> str:
        """Return a mark behind the newest event (of one queue)."""

    async def events(self, after: str, wait: float, queue: str | None = None) -> Heard:
        """Return events (of one queue) behind a mark, waiting up to `wait` seconds for the first.

        A `gap` comes first if some behind the mark are kept no longer. Raises InvalidOption for what is no mark.
        """
