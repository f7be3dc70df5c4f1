"""A job: what it was given, how it went, why it does not run, and its verbs."""

from __future__ import annotations

from typing import Any, NamedTuple

from starlette.responses import Response

from toril import JobState
from toril.errors import InvalidOption
from toril.job import JobRecord
from toril.json import decode
from toril.options import Policy
from toril.web.dashboard.pages.changing import number, read_json, whole
from toril.web.dashboard.visit import Visit
from toril.web.masking import unmasked
from toril.web.verbs import Verb, act_on, reprocess
from toril.web.words import share

__all__ = ["PAGES", "Moment", "story"]

_LINES = 500  # of the log that a page shows, the last ones
_CHILDREN = 20  # that a page shows; the tree has the others


class Moment(NamedTuple):
    """One line of a job's timeline; `kind` is good, bad or nothing."""

    at: int
    text: str
    kind: str = ""


async def show(visit: Visit) -> Response:
    """Show the job."""
    job = await visit.job()
    record = job.record
    lines, children, why = await job.log(), await job.children(), await job.why()
    return visit.page(
        "job.html",
        active="",
        job=job,
        record=record,
        why=why,
        progress=share(record.progress),
        stacks=_stacks(record),
        lines=lines[-_LINES:],
        left_out=max(len(lines) - _LINES, 0),
        children=children[:_CHILDREN],
        pending=len(children.pending),
        total=len(children),
        story=story(record, visit.now),
        attempts=_attempts(record),
        worker=_worker(record.worker),
        ended=record.state in {JobState.COMPLETED, JobState.FAILED},
    )


def story(record: JobRecord, now: int) -> list[Moment]:
    """Return what is known of the times of a job, oldest first."""
    found = [Moment(record.timestamp, "Added")]
    if record.schedule:
        found[0] = Moment(record.timestamp, f"Added by schedule {record.schedule}")
    if record.processed_on:
        again = f" (start {record.starts})" if record.starts > 1 else ""
        found.append(Moment(record.processed_on, f"Started{again}"))
    if record.finished_on and record.state in {JobState.COMPLETED, JobState.FAILED}:
        kind = "good" if record.state is JobState.COMPLETED else "bad"
        found.append(Moment(record.finished_on, record.state.value.capitalize(), kind))
    elif record.state is JobState.DELAYED and record.due and record.due > now:
        found.append(Moment(record.due, "Due"))
    return found


def _attempts(record: JobRecord) -> int:
    """Return how many attempts it has; 1 if somebody else's options say something that nobody understands."""
    try:
        return Policy.from_json(record.opts).attempts
    except ValueError:
        return 1


def _worker(worker: str | None) -> str:
    """Return who took it last: host and process of one of ours on Redis, the name of one of Node's."""
    if not worker or worker.isdecimal():  # a row of SQLite's
        return ""
    if not worker.startswith("toril:"):
        return f"{worker} (Node)"
    host, _, rest = worker.removeprefix("toril:").partition(":")
    return f"{host} (pid {rest.partition(':')[0]})"


def _stacks(record: JobRecord) -> list[str]:
    """Return the stack traces, newest first."""
    try:
        found: Any = decode(record.stack or "[]")
    except ValueError:
        return [record.stack or ""]
    return [str(stack) for stack in reversed(found)] if isinstance(found, list) else [str(found)]


async def retry(visit: Visit) -> Response:
    """Let it run again, with other data if the form has some."""
    assert visit.principal is not None
    job = await visit.job()
    if visit.said("data"):
        await reprocess(visit.site.desk, visit.principal, job, read_json(visit.said("data")))
    else:
        await act_on(visit.site.desk, visit.principal, job.queue, Verb.RETRY, [job.id])
    return _back(visit, "It runs again.")


async def promote(visit: Visit) -> Response:
    """Let it be taken now."""
    job = await visit.job()
    async with visit.acting("promote", job.queue.name, ids=[job.id]):
        await job.promote()
    return _back(visit, "It may run now.")


async def cancel(visit: Visit) -> Response:
    """Let it fail as cancelled."""
    job = await visit.job()
    async with visit.acting("cancel", job.queue.name, ids=[job.id]):
        await job.cancel(by=visit.name)
    return _back(visit, "It is cancelled.")


async def remove(visit: Visit) -> Response:
    """Remove it, with what is below it."""
    job = await visit.job()
    async with visit.acting("remove", job.queue.name, ids=[job.id]):
        await job.remove()
    return visit.back(visit.url("queues", job.queue.name), f"Job {job.id} is removed.")


async def change(visit: Visit) -> Response:
    """Change its data, priority or delay."""
    job = await visit.job()
    priority, delay = whole("priority", visit.said("priority")), number("delay", visit.said("delay"))
    stored = decode(job.record.data)
    data = unmasked(read_json(visit.said("data")), stored) if visit.said("data") else None
    if data == stored:
        data = None
    if priority is None and delay is None and data is None:
        raise InvalidOption("data, priority, delay: expected at least one of them")
    changed = [name for name, value in (("data", data), ("priority", priority), ("delay", delay)) if value is not None]
    async with visit.acting("change", job.queue.name, ids=[job.id], detail=", ".join(changed)):
        await job.change(data=data, priority=priority, delay=delay)
    return _back(visit, "It is changed.")


def _back(visit: Visit, said: str) -> Response:
    return visit.back(visit.url("queues", visit.queue.name, "jobs", visit.id), said)


_PATH = "/queues/{queue}/jobs/{id}"
PAGES = [
    ("GET", _PATH, show),
    ("POST", f"{_PATH}/retry", retry),
    ("POST", f"{_PATH}/promote", promote),
    ("POST", f"{_PATH}/cancel", cancel),
    ("POST", f"{_PATH}/remove", remove),
    ("POST", f"{_PATH}/change", change),
]
