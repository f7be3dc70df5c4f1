"""What a running job knows about itself and may say while it runs."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from toril.adding import add_flow
from toril.family import Children, read_children
from toril.job import JobRecord
from toril.json import check_integers, clip, decode, encode
from toril.options import Policy
from toril.store.runs import Note, Run

if TYPE_CHECKING:
    from toril.app import Toril
    from toril.flow import Flow
    from toril.handle import Job
    from toril.task import Call

__all__ = ["JobContext", "Said"]

R = TypeVar("R")


class Said:
    """The answer of `progress` and `log`: it may be awaited and there is nothing to wait for."""

    __slots__ = ()

    def __await__(self) -> Generator[Any, None, None]:
        return
        yield


_SAID = Said()


class JobContext:
    """One run of a job. A task that wants it takes it as its first parameter.

    `progress` and `log` take effect when they are called and travel with the worker's next step (0.1 s later at
    most), so a sync task calls them and an async one may await them.
    """

    __slots__ = (
        "_app",
        "_hear",
        "_lines",
        "_policy",
        "_progress",
        "_told",
        "_veil",
        "_waits",
        "cancelled",
        "record",
        "run",
    )

    def __init__(
        self,
        record: JobRecord,
        policy: Policy,
        hear: Callable[[JobContext], None],
        app: Toril,
        veil: Callable[[str], str] = str,
    ) -> None:
        self.record = record
        self.run = Run(record.id, record.starts, record.token)
        self.cancelled: str | None = None
        """Who wants the job cancelled: a sync task may look, and return or raise; nothing else can stop its thread."""
        self._policy = policy
        self._hear = hear
        self._app = app
        self._veil = veil  # masks secrets in a text
        self._waits = False  # to be heard
        self._progress: str | None = None
        self._told: str | None = None  # the progress that is known
        self._lines: list[str] = []

    def __repr__(self) -> str:
        return f"<JobContext {self.name} {self.id} attempt {self.attempt} of {self.attempts}>"

    @property
    def id(self) -> str:
        """The job's id."""
        return self.record.id

    @property
    def name(self) -> str:
        """The job's name, which is its task's."""
        return self.record.name

    @property
    def queue(self) -> str:
        """The name of its queue."""
        return self.record.queue

    @property
    def data(self) -> Any:
        """Its data as plain JSON values."""
        return decode(self.record.data)

    @property
    def attempt(self) -> int:
        """The number of this attempt: 1 for the first."""
        return self.record.attempts + 1

    @property
    def attempts(self) -> int:
        """How many attempts it has at most."""
        return self._policy.attempts

    def progress(self, value: object) -> Said:
        """Record how far the run is: a share from 0 to 1, or any JSON. Raises InvalidData."""
        self._progress = check_integers(encode(value, "progress"), self._app.store.largest, "progress")
        self._speak()
        return _SAID

    def log(self, line: object) -> Said:
        """Add a line to the job's log; one of more than 8 kB is cut, with a mark that says so."""
        self._lines.append(clip(self._veil(str(line))))
        if len(self._lines) > 2 * self._policy.keep_logs:  # what no step has carried yet would be trimmed anyway
            del self._lines[: -self._policy.keep_logs]
        self._speak()
        return _SAID

    async def children(self) -> Children:
        """Return the job's children: their results and failures. A sync task calls `app.run(job.children())`."""
        from toril.handle import Job

        return await read_children(Job(self._app.queue(self.queue), self.id, self.name, self.record))

    async def add_children(self, children: Iterable[Call[R] | Flow[R]]) -> list[Job[R]]:
        """Add calls and flows as children of this job, all or none, and return their jobs.

        The run goes on; it cannot complete while one of them is pending: raise WaitForChildren to wait for them. A
        run that is rescued or retried adds them again, unless they have ids of their own; WaitForChildren can add
        children without that risk. Raises InvalidOption, StoreUnavailable, WrongState, QueueFull,
        BudgetExceeded.
        """
        from toril.flow import Flow, checked_children, nodes_of
        from toril.handle import Job

        found, _ = checked_children(children)
        nodes = nodes_of(found, self._app.clock.now())
        ids = await add_flow(self._app.store, nodes, (self.queue, self.run)) if nodes else []
        top = [job_id for job_id, node in zip(ids, nodes, strict=True) if node.parent is None]
        calls = [child.parent if isinstance(child, Flow) else child for child in found]
        return [Job(call.task.queue, job_id, call.task.name) for job_id, call in zip(top, calls, strict=True)]

    def said(self) -> Note | None:
        """Return what has been said since the last call, if anything (asked by the worker)."""
        self._waits = False  # first: what a thread says from here on is heard anew
        lines = self._lines[:]
        del self._lines[: len(lines)]
        progress = self._progress
        news = progress if progress is not self._told else None
        self._told = progress
        return Note(self.run, news, lines, self._policy.keep_logs) if lines or news is not None else None

    def ask_to_cancel(self, by: str) -> None:
        """Let a task in a thread know that it is to end (called by the worker)."""
        self.cancelled = by
        self._lines.append(clip(f"{by} asks to cancel; a thread cannot be stopped: the job ends when the thread does"))
        self._speak()

    def _speak(self) -> None:
        if not self._waits:
            self._waits = True
            self._hear(self)
