"""A queue in plain Python: what every store must agree with. Slow, obvious, without a clock of its own."""

from __future__ import annotations

from dataclasses import dataclass, field

ENDED = ("completed", "failed")


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
    ended: int = 0
    progress: str | None = None
    lines: list[str] = field(default_factory=list)


@dataclass
class Model:
    """One queue. Ready jobs stand in lists, first to be taken first."""

    jobs: dict[str, ModelJob] = field(default_factory=dict)
    waiting: list[ModelJob] = field(default_factory=list)
    prioritized: dict[int, list[ModelJob]] = field(default_factory=dict)
    paused: bool = False
    beats: dict[str, float] = field(default_factory=dict)  # worker → end of its lease

    def add(self, job: ModelJob, now: int, *, lifo: bool = False) -> None:
        self.jobs[job.id] = job
        if job.due > now:
            job.state = "delayed"
        else:
            self.ready(job, front=lifo)

    def ready(self, job: ModelJob, *, front: bool = False) -> None:
        job.state = "prioritized" if job.priority else "waiting"
        line = self.prioritized.setdefault(job.priority, []) if job.priority else self.waiting
        line.insert(0 if front else len(line), job)

    def delayed(self) -> list[ModelJob]:
        return sorted((job for job in self.jobs.values() if job.state == "delayed"), key=lambda j: (j.due, j.number))

    def in_line(self, state: str) -> list[ModelJob]:
        """Return the jobs of a ready state in the order in which they are taken."""
        if state == "waiting":
            return list(self.waiting)
        return [job for priority in sorted(self.prioritized) for job in self.prioritized[priority]]

    def take(self, want: int, worker: str, now: int) -> list[ModelJob]:
        for job in self.delayed():
            if job.due <= now:
                self.ready(job)
        if self.paused:
            return []
        taken = [*self.in_line("waiting"), *self.in_line("prioritized")][:want]
        for job in taken:
            self.leave_line(job)
            job.state, job.worker, job.starts = "active", worker, job.starts + 1
        return taken

    def leave_line(self, job: ModelJob) -> None:
        line = self.prioritized[job.priority] if job.state == "prioritized" else self.waiting
        line.remove(job)

    def end(self, job: ModelJob, state: str, keep: int, now: int) -> None:
        job.state, job.ended = state, now
        job.attempts += 1
        if keep:
            self.trim(state, keep)
        else:
            del self.jobs[job.id]

    def trim(self, state: str, keep: int) -> None:
        ended = sorted((j for j in self.jobs.values() if j.state == state), key=lambda j: (j.ended, j.number))
        for old in ended[: max(0, len(ended) - keep)]:
            del self.jobs[old.id]

    def rescue(self, monotonic: float, most: int, now: int) -> set[str]:
        lost = [j for j in self.jobs.values() if j.state == "active" and self.beats.get(j.worker, -1.0) < monotonic]
        for job in sorted(lost, key=lambda j: (j.ended, j.number), reverse=True):
            job.stalls += 1
            if job.stalls > most:
                job.state, job.ended = "failed", now
            else:
                self.ready(job, front=True)
        return {job.id for job in lost}

    def counts(self) -> dict[str, int]:
        states = ("waiting", "prioritized", "delayed", "waiting-children", "active", *ENDED)
        return {state: sum(job.state == state for job in self.jobs.values()) for state in states}
