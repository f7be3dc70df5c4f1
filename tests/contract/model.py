"""A queue in plain Python: what every store must agree with. Slow and obvious; its time is that of the clock given.

Where BullMQ's layout has it otherwise than SQLite's, `bullmq` says which holds: a lease is a job's, not its worker's; a
job that was lost goes before all that wait, whatever its priority, and so does a parent whose last child is removed; of
several that were put before their priority the first is the one with the lowest id.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from toril import ManualClock

ENDED = ("completed", "failed")
READY = ("waiting", "prioritized")


@dataclass
class Link:
    """What a parent knows of a child: `pending`, `completed`, `failed` (and it goes on) or `fatal` (and it fails)."""

    policy: str
    state: str = "pending"


@dataclass
class ModelJob:
    """A job, and the run that holds it while it is active."""

    number: int
    id: str
    priority: int
    state: str = "waiting"
    due: int = 0
    starts: int = 0
    attempts: int = 0
    stalls: int = 0
    worker: str = ""
    ended: int = 0  # when active: since when
    progress: str | None = None
    lines: list[str] = field(default_factory=list)
    parent: ModelJob | None = None
    links: dict[str, Link] = field(default_factory=dict)  # of its children, by their ids
    delay: int = 0  # milliseconds from when its children have ended
    deferred: bool = False  # it fails when it is taken
    tick: int | None = None  # the time of the schedule that made it
    front: bool = False  # it was put before the others of its priority
    turn: int = 0  # counts those who were taken
    held_until: float = 0.0

    @property
    def waits(self) -> bool:
        return any(link.state == "pending" for link in self.links.values())


@dataclass
class ModelSchedule:
    """`every` milliseconds; `next` is the tick whose job waits."""

    every: int
    missed: str
    limit: int | None
    next: int | None = None
    ticks: int = 0

    def after(self, tick: int, now: int) -> int:
        """Return the tick after `tick`: each one, or the first that is not past."""
        following = tick + self.every
        if self.missed == "all" or following >= now:
            return following
        while following <= now:
            following += self.every
        return following


class Model:
    """One queue. Ready jobs stand in lists, first to be taken first."""

    def __init__(self, clock: ManualClock, keep: int, stalls: int, lease: float, *, bullmq: bool) -> None:
        self.clock, self.keep, self.stalls, self.lease, self.bullmq = clock, keep, stalls, lease, bullmq
        self.jobs: dict[str, ModelJob] = {}
        self.waiting: list[ModelJob] = []
        self.prioritized: dict[int, list[ModelJob]] = {}
        self.paused = False
        self.beats: dict[str, float] = {}  # worker → end of its lease
        self.turns = 0
        self.schedule: ModelSchedule | None = None
        self.number = 0

    # -- looking

    def is_there(self, job: ModelJob) -> bool:
        return self.jobs.get(job.id) is job

    def named_parent(self, job: ModelJob) -> ModelJob | None:
        """Return the parent that a job names; on BullMQ's layout another may have come to that name."""
        if job.parent is None:
            return None
        found = self.jobs.get(job.parent.id)
        return found if self.bullmq or found is job.parent else None

    def is_held(self, job: ModelJob) -> bool:
        """Return whether a live worker runs a job."""
        until = job.held_until if self.bullmq else self.beats.get(job.worker, -1.0)
        return job.state == "active" and until >= self.clock.monotonic()

    def beat(self, worker: str, jobs: list[ModelJob]) -> None:
        """Renew a worker's lease, and those of the jobs that it holds, as far as they need it."""
        now = self.clock.monotonic()
        self.beats[worker] = now + self.lease
        for job in jobs:
            if job.held_until - now < self.lease * 2 / 3:
                job.held_until = now + self.lease

    def is_awaited(self, job: ModelJob) -> bool:
        """Return whether the schedule goes on when a job is taken: it was made for the next tick of it."""
        return self.schedule is not None and job.tick == self.schedule.next is not None and job.starts == 0

    def delayed(self) -> list[ModelJob]:
        return sorted((job for job in self.jobs.values() if job.state == "delayed"), key=lambda j: (j.due, j.number))

    def ended(self, state: str) -> list[ModelJob]:
        """Return the jobs that have ended so, the first to end first; of one moment, by id where BullMQ has it so."""
        jobs = [job for job in self.jobs.values() if job.state == state]
        if self.bullmq:
            return sorted(jobs, key=lambda j: (j.ended, j.id))
        return sorted(jobs, key=lambda j: (j.ended, j.number))

    def in_line(self, state: str) -> list[ModelJob]:
        """Return the jobs of a ready state in the order in which they are taken."""
        if state == "waiting":
            return list(self.waiting)
        return [job for priority in sorted(self.prioritized) for job in self._of_priority(priority)]

    def _of_priority(self, priority: int) -> list[ModelJob]:
        line = self.prioritized[priority]
        if not self.bullmq:
            return line
        return [
            *sorted((job for job in line if job.front), key=lambda j: j.id),
            *(job for job in line if not job.front),
        ]

    def counts(self) -> dict[str, int]:
        states = (*READY, "delayed", "waiting-children", "active", *ENDED)
        return {state: sum(job.state == state for job in self.jobs.values()) for state in states}

    def tree(self, job: ModelJob) -> Iterator[ModelJob]:
        """Yield a job and all that is below it."""
        yield job
        for child_id in job.links:
            child = self.jobs.get(child_id)
            if child is not None and child.parent is job:
                yield from self.tree(child)

    def unprocessed(self, job: ModelJob) -> Iterator[ModelJob]:
        """Yield what a job waits for and nobody has begun, and what that waits for."""
        for child_id, link in job.links.items():
            child = self.jobs.get(child_id)
            if link.state == "pending" and child is not None and child.state != "failed" and not self.is_held(child):
                yield child
                yield from self.unprocessed(child)

    # -- coming

    def add(self, job_id: str, priority: int = 0, due: int = 0, *, lifo: bool = False) -> ModelJob:
        self.number += 1
        job = self.jobs[job_id] = ModelJob(self.number, job_id, priority, due=due)
        if due > self.clock.now():
            job.state = "delayed"
        else:
            self.ready(job, front=lifo)
        return job

    def link(self, parent: ModelJob, child: ModelJob, policy: str) -> None:
        """Let a parent wait for a child, unless that has completed already."""
        child.parent = parent
        parent.links[child.id] = Link(policy, "completed" if child.state == "completed" else "pending")

    def ready(self, job: ModelJob, *, front: bool = False) -> None:
        job.state = "prioritized" if job.priority else "waiting"
        job.front = front
        line = self.prioritized.setdefault(job.priority, []) if job.priority else self.waiting
        line.insert(0 if front else len(line), job)

    def leave_line(self, job: ModelJob) -> None:
        if job.state in READY:
            line = self.prioritized[job.priority] if job.state == "prioritized" else self.waiting
            line.remove(job)

    def await_children(self, job: ModelJob) -> None:
        self.leave_line(job)
        job.state = "waiting-children"

    # -- running

    def take(self, want: int, worker: str) -> list[ModelJob]:
        for job in self.delayed():
            if job.due <= self.clock.now():
                self.ready(job)
        if self.paused:
            return []
        taken = [*self.in_line("waiting"), *self.in_line("prioritized")][:want]
        for job in taken:
            self.leave_line(job)
            job.state, job.worker, job.starts, job.ended = "active", worker, job.starts + 1, self.clock.now()
            self.turns += 1
            job.turn, job.held_until = self.turns, self.clock.monotonic() + self.lease
        for job in taken:
            self.advance(job)
        return taken

    def complete(self, job: ModelJob, keep: int) -> bool:
        """Let a run return; return False if a child lets the job fail instead."""
        job.attempts += 1
        if any(link.state in {"pending", "fatal"} for link in job.links.values()):
            self.fail(job)
            return False
        job.state, job.ended = "completed", self.clock.now()
        if not keep:
            del self.jobs[job.id]
        link = self._link_of(job)
        if job.parent is not None and link is not None and link.state == "pending":
            link.state = "completed"
            self.release(job.parent)
        if keep:
            self._trim("completed")
        return True

    def fail(self, job: ModelJob) -> None:
        """Let a job fail for good: what that means for its parent is written in the link."""
        self.leave_line(job)
        job.state, job.ended, job.deferred = "failed", self.clock.now(), False
        link, parent = self._link_of(job), job.parent
        if parent is not None and link is not None and link.state == "pending" and link.policy != "wait":
            if link.policy == "remove_dependency":
                del parent.links[job.id]
            else:
                link.state = "fatal" if link.policy == "fail_parent" else "failed"
            if link.policy == "fail_parent":
                parent.deferred = parent.deferred or parent.state not in ENDED
                self.release(parent, at_once=True, from_delayed=True)
            else:
                self.release(parent, at_once=link.policy == "continue_parent")
        self._trim("failed")

    def release(self, job: ModelJob, *, at_once: bool = False, from_delayed: bool = False, gone: bool = False) -> None:
        """Let a parent go on if it waits for no child any more (`at_once`: even if it does; `gone`: one is removed)."""
        was_delayed = job.state == "delayed"
        waited = job.state == "waiting-children" and (at_once or not job.waits)
        if not self.is_there(job) or not (waited or (was_delayed and from_delayed)):
            return
        if gone and self.bullmq:
            self.before_all(job)
        elif job.delay and not job.starts and not was_delayed:
            job.state, job.due = "delayed", self.clock.now() + job.delay
        else:
            self.ready(job, front=not job.priority)

    def before_all(self, job: ModelJob) -> None:
        job.state = "waiting"
        self.waiting.insert(0, job)

    def rescue(self) -> set[str]:
        lost = [job for job in self.jobs.values() if job.state == "active" and not self.is_held(job)]
        for job in sorted(lost, key=lambda j: j.turn if self.bullmq else (j.ended, j.number), reverse=True):
            job.stalls += 1
            if job.stalls > self.stalls:
                self.fail(job)
            elif self.bullmq:
                self.before_all(job)
            else:
                self.ready(job, front=True)
        return {job.id for job in lost}

    # -- going

    def remove(self, jobs: list[ModelJob]) -> None:
        """Let jobs be gone; nobody waits for them any more."""
        for job in jobs:
            self.leave_line(job)
            del self.jobs[job.id]
        for job in jobs:
            link = self._link_of(job)
            if job.parent is not None and link is not None and link.state == "pending":
                self.detach(job, job.parent)

    def detach(self, job: ModelJob, parent: ModelJob) -> None:
        del parent.links[job.id]
        job.parent = None
        self.release(parent, gone=True)

    def retry(self, jobs: list[ModelJob]) -> None:
        """Let ended jobs run again: their parents wait for them, and they for children that are pending."""
        for job in jobs:
            self.ready(job)
        for job in jobs:
            if link := self._link_of(job):
                link.state = "pending"
        for job in jobs:
            if job.waits:
                self.await_children(job)

    def _link_of(self, job: ModelJob) -> Link | None:
        parent = job.parent
        return parent.links.get(job.id) if parent is not None and self.is_there(parent) else None

    def _trim(self, state: str) -> None:
        ended = self.ended(state)
        self.remove(ended[: max(0, len(ended) - self.keep)])

    # -- schedules

    def put_schedule(self, every: int, missed: str, limit: int | None, *, immediately: bool) -> bool:
        old, now = self.schedule, self.clock.now()
        new = ModelSchedule(every, missed, limit)
        waiting = self._awaited(old)
        same = old is not None and (old.every, old.missed, old.limit) == (every, missed, limit)
        if same and (waiting is not None or old.next is None):
            return False
        self.schedule = new
        if waiting is not None and waiting.tick is not None and waiting.tick <= now and missed != "skip":
            new.next, new.ticks = waiting.tick, 1
            return True
        if waiting is not None:
            self.remove([waiting])
        new.ticks = old.ticks if same else 0
        new.next = self._make(old.after(old.next, now) if same else now)
        new.ticks += 1
        return True

    def remove_schedule(self) -> bool:
        if self.schedule is None:
            return False
        waiting = self._awaited(self.schedule)
        if waiting is not None and waiting.state == "delayed":
            self.remove([waiting])
        self.schedule = None
        return True

    def advance(self, job: ModelJob) -> None:
        """Let the schedule whose next tick has just been taken (or cancelled) make the one after it."""
        schedule = self.schedule
        if schedule is None or job.tick is None or job.tick != schedule.next:
            return
        if schedule.limit is not None and schedule.ticks >= schedule.limit:
            schedule.next = None
            return
        schedule.next = self._make(schedule.after(job.tick, self.clock.now()))
        schedule.ticks += 1

    def _awaited(self, schedule: ModelSchedule | None) -> ModelJob | None:
        job = None if schedule is None else self.jobs.get(f"repeat:s:{schedule.next}")
        return job if job is not None and job.state in {*READY, "delayed"} else None

    def _make(self, tick: int) -> int:
        """Add the job of the first tick from `tick` on that has none."""
        assert self.schedule is not None
        while f"repeat:s:{tick}" in self.jobs:
            tick += self.schedule.every
        self.add(f"repeat:s:{tick}", due=tick).tick = tick
        return tick
