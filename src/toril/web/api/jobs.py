"""Jobs: found, looked at, added, and asked to run again, sooner or not at all."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field

from toril.errors import JobNotFound
from toril.handle import Job
from toril.json import decode
from toril.web.api.queues import Model, QueueName
from toril.web.api.shapes import JobPageOut, JobRef, JobSummary, options_of, summary
from toril.web.api.table import Routes
from toril.web.auth import Principal
from toril.web.desk import Desk
from toril.web.gate import READ, READ_OR_SEND, TheDesk, Who
from toril.web.masking import shown_data, shown_text, unmasked
from toril.web.overview import find_queue
from toril.web.problems import Problem
from toril.web.verbs import Verb, act_on, act_on_all, reprocess

__all__ = ["routes"]

LOG_LINES = 200  # newest log lines that come with a job
JobId = Annotated[str, Path(min_length=1, max_length=255, examples=["1042"])]
Filter = Annotated[
    str,
    Query(
        max_length=1_000,
        description="`state:failed name:report* data.user:42 error:timeout since:1h`; all words must be true.",
        examples=["state:failed since:1h"],
    ),
]
After = Annotated[str | None, Query(max_length=2_000, description="Where the page before ended.")]
routes = Routes("jobs")


class WhyOut(BaseModel):
    """Why a job is not running, or where it runs: a word for programs and a sentence."""

    code: str
    text: str
    until: int | None


class ChildOut(JobRef):
    """A child of a job."""

    state: str | None = Field(description="Null: it is gone.")
    ended: str | None = Field(description="`completed`, `failed`, or null: the parent waits for it.")


class Moment(BaseModel):
    """Something in the life of a job."""

    at: int
    what: str


class JobOut(JobSummary):
    """A job in full."""

    options: dict[str, Any]
    result: Any
    stack: list[str] = Field(description="Stack traces of its last failures, oldest first.")
    log: list[str] = Field(description="Its newest log lines.")
    timeline: list[Moment]
    children: list[ChildOut]
    why: WhyOut
    worker: str | None


class LogOut(BaseModel):
    """Log lines, oldest first; `total` of the job."""

    lines: list[str]
    total: int


class Selection(Model):
    """Which jobs, and what is done to them: to those of `ids`, or to all that match `filter`."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"example": {"verb": "retry", "filter": "state:failed error:timeout since:1h"}},
    )

    verb: Verb
    ids: list[Annotated[str, Field(max_length=255)]] | None = Field(None, min_length=1, max_length=10_000)
    filter: str | None = Field(None, min_length=1, max_length=1_000)
    after: str | None = Field(None, max_length=2_000, description="With `filter`: what the call before returned.")


class SelectionDone(BaseModel):
    """What was done."""

    count: int
    ids: list[str] = Field(description="The first 1,000 jobs that it was done to.")
    skipped: int = Field(description="Jobs that were gone, or not in a state for it.")
    after: str | None = Field(description="Not null: there are more; make the call again with it.")


class Changes(Model):
    """What is changed of a job; what is not given stays."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"priority": 1}})

    data: Any = Field(None, description="All of the data; where a mask stands, what is stored stays.")
    delay: float | None = Field(None, ge=0, le=3_153_600_000, description="Seconds from now; of a delayed job.")
    priority: int | None = Field(None, ge=0, le=2_097_151)


class NewData(Model):
    """The data with which a job runs again."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"example": {"data": {"to": "ana@example.com"}}})

    data: Any


@routes.get("/queues/{queue}/jobs", dependencies=READ, response_model=JobPageOut)
async def find_jobs(
    desk: TheDesk,
    who: Who,
    queue: QueueName,
    filter: Filter = "",  # noqa: A002
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
    after: After = None,
) -> Any:
    """Find jobs, the newest first. A page keeps its place while jobs come and go, and says how far it looked."""
    page = await (await find_queue(desk.app, queue)).search(filter, limit=limit, after=after)
    return {**page._asdict(), "jobs": [summary(job, who) for job in page.jobs]}


@routes.post("/queues/{queue}/jobs/actions", response_model=SelectionDone)
async def act_on_selection(desk: TheDesk, who: Who, queue: QueueName, body: Selection) -> Any:
    """Do something to chosen jobs, or to all that match a filter (for a few seconds; then call again with `after`)."""
    found = await find_queue(desk.app, queue)
    if (body.ids is None) == (body.filter is None):
        raise Problem(422, "invalid-request", "ids, filter: expected one of them")
    if body.ids is not None:
        done = await act_on(desk, who, found, body.verb, body.ids)
    else:
        done = await act_on_all(desk, who, found, body.verb, body.filter or "", after=body.after)
    return {"count": len(done.ids), "ids": done.ids[:1_000], "skipped": done.skipped, "after": done.after}


@routes.get("/queues/{queue}/jobs/{job_id}", dependencies=READ_OR_SEND, response_model=JobOut)
async def get_job(desk: TheDesk, who: Who, queue: QueueName, job_id: JobId) -> Any:
    """Show one job with its options, failures, log, timeline, children, and why it is not running."""
    job = await _find(desk, queue, job_id)
    record, lines, children = job.record, await job.log(), await job.children()
    return {
        **summary(job, who),
        "options": options_of(record.opts),
        "result": shown_data(record.result, who),
        "stack": [shown_text(trace, who) for trace in _stack(record.stack)],
        "log": [shown_text(line, who) for line in lines[-LOG_LINES:]],
        "timeline": _timeline(job),
        "children": [
            {"queue": child.job.queue.name, "id": child.job.id, "name": child.job.name, "state": child.state,
             "ended": child.ended} for child in children
        ],
        "why": _why(await job.why(), who),
        "worker": record.worker,
    }  # fmt: skip


@routes.get("/queues/{queue}/jobs/{job_id}/log", dependencies=READ, response_model=LogOut)
async def get_log(
    desk: TheDesk,
    who: Who,
    queue: QueueName,
    job_id: JobId,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 1_000,
) -> Any:
    """Return log lines of a job, oldest first."""
    lines = await (await _find(desk, queue, job_id)).log()
    return {"lines": [shown_text(line, who) for line in lines[offset : offset + limit]], "total": len(lines)}


@routes.patch("/queues/{queue}/jobs/{job_id}", status_code=204)
async def change_job(desk: TheDesk, who: Who, queue: QueueName, job_id: JobId, body: Changes) -> None:
    """Change a job's data, delay or priority, all at once."""
    job = await _find(desk, queue, job_id)
    given = body.model_dump(exclude_unset=True)
    if "data" in given:
        given["data"] = unmasked(given["data"], decode(job.record.data))
    async with desk.audit.acting(who, "change", queue, ids=[job_id], detail=", ".join(given)):
        await job.change(**given)


@routes.post("/queues/{queue}/jobs/{job_id}/retry", status_code=204)
async def retry_job(desk: TheDesk, who: Who, queue: QueueName, job_id: JobId) -> None:
    """Let a failed or completed job run again."""
    await act_on(desk, who, await find_queue(desk.app, queue), Verb.RETRY, [job_id])


@routes.post("/queues/{queue}/jobs/{job_id}/reprocess", status_code=204)
async def reprocess_job(desk: TheDesk, who: Who, queue: QueueName, job_id: JobId, body: NewData) -> None:
    """Let a failed or completed job run again with other data."""
    await reprocess(desk, who, await _find(desk, queue, job_id), body.data)


@routes.post("/queues/{queue}/jobs/{job_id}/promote", status_code=204)
async def promote_job(desk: TheDesk, who: Who, queue: QueueName, job_id: JobId) -> None:
    """Let a delayed job be taken now."""
    await act_on(desk, who, await find_queue(desk.app, queue), Verb.PROMOTE, [job_id])


@routes.post("/queues/{queue}/jobs/{job_id}/cancel", status_code=204)
async def cancel_job(desk: TheDesk, who: Who, queue: QueueName, job_id: JobId) -> None:
    """Let a job that has not ended fail as cancelled."""
    await act_on(desk, who, await find_queue(desk.app, queue), Verb.CANCEL, [job_id])


@routes.delete("/queues/{queue}/jobs/{job_id}", status_code=204)
async def remove_job(desk: TheDesk, who: Who, queue: QueueName, job_id: JobId) -> None:
    """Remove a job, with what is below it in a flow."""
    await act_on(desk, who, await find_queue(desk.app, queue), Verb.REMOVE, [job_id])


async def _find(desk: Desk, queue: str, job_id: str) -> Job[Any]:
    job = await (await find_queue(desk.app, queue)).get(job_id)
    if job is None:
        raise JobNotFound(f"queue {queue} has no job {job_id}")
    return job


def _stack(text: str | None) -> list[str]:
    try:
        found = decode(text) if text else []
    except ValueError:  # somebody else's
        return [text or ""]
    return [str(trace) for trace in found] if isinstance(found, list) else [str(found)]


def _timeline(job: Job[Any]) -> list[dict[str, Any]]:
    record = job.record
    moments = [(record.timestamp, "added"), (record.due, "due"), (record.processed_on, "started")]
    moments.append((record.finished_on, str(record.state)))
    known = [(at, what) for at, what in moments if at is not None]
    return [{"at": at, "what": what} for at, what in sorted(known, key=lambda moment: moment[0])]


def _why(why: Any, who: Principal) -> dict[str, Any]:
    return {"code": why.code, "text": shown_text(why.text, who), "until": why.until}
