"""Queues: what is in them, how they do, and what can be done to a whole one."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field

from toril.checks import LARGEST
from toril.fingerprint import Failures
from toril.job import JobState
from toril.limits import Limits, Rate
from toril.web.api.table import Routes
from toril.web.auth import Principal
from toril.web.desk import Desk
from toril.web.gate import READ, TheDesk, Who
from toril.web.masking import shown_text
from toril.web.overview import Latency, QueueLine, failures, find_queue, latency, lines

__all__ = ["QueueName", "routes"]

QueueName = Annotated[str, Path(min_length=1, max_length=255, examples=["emails"])]
ENTRIES = 1_440  # of a chart: a day by the minute, a week by seven
routes = Routes("queues")


class Model(BaseModel):
    """A body that is refused if it says more than is known."""

    model_config = ConfigDict(extra="forbid")


class QueueList(BaseModel):
    """All queues that have been used or that this application's tasks name, by name."""

    queues: list[QueueLine]


class MinuteOut(BaseModel):
    """What ended within the `each` minutes that begin at `at`."""

    at: int
    completed: int
    failed: int


class FailureOut(BaseModel):
    """Failures of one kind: task, exception, message without what differs each time."""

    id: str
    task: str
    exception: str
    message: str
    count: int
    first: int
    last: int
    job_id: str = Field(description="The last job that failed so.")


class FailuresOut(BaseModel):
    """Groups of the newest failures, the largest first: `looked` of `total` failed jobs were read. A first look at many
    groups as many as it has the time for, the next one goes on: up to 10,000.
    """

    groups: list[FailureOut]
    looked: int
    total: int


class ForecastOut(BaseModel):
    """Jobs that arrive and end in a second, how many are ready or active, and the seconds until none is."""

    arrival: float
    service: float
    backlog: int
    seconds: float | None = Field(description="None: they arrive at least as fast as they end.")


class RateModel(Model):
    """At most `n` jobs are started in `per` seconds."""

    n: int = Field(ge=1, le=LARGEST)
    per: float = Field(1.0, ge=0.001, le=366 * 86_400)


class LimitsModel(Model):
    """What all workers together run of a queue; null: no limit."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"concurrency": 20, "rate": {"n": 100, "per": 60}}}
    )

    concurrency: int | None = Field(None, ge=1, le=LARGEST)
    rate: RateModel | None = None
    max_length: int | None = Field(None, ge=1, le=LARGEST, description="Jobs that may wait or be delayed.")


class QueueOut(QueueLine):
    """One queue in full."""

    limits: LimitsModel
    priorities: Mapping[int, int] = Field(description="Ready jobs by priority; 0: without one.")
    forecast: ForecastOut
    latency: Latency
    each: int = Field(description="Minutes that an entry of `minutes` stands for: the fewest that make 1,440 or less.")
    minutes: list[MinuteOut]
    failures: FailuresOut


class PauseModel(Model):
    """Why."""

    why: str = Field("", max_length=1_000, examples=["the payment provider is down"])


class CleanModel(Model):
    """Which jobs are removed: those of one state that ended (or were added) so long ago."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"state": "completed", "older_than": 86_400, "limit": 10_000}}
    )

    state: JobState
    older_than: float = Field(0.0, ge=0, le=3_153_600_000, description="Seconds.")
    limit: int | None = Field(None, ge=1, le=LARGEST)


class DrainModel(Model):
    """Whether delayed jobs are removed, too."""

    delayed: bool = False


class Count(BaseModel):
    """How many jobs it was done to."""

    count: int


@routes.get("/queues", dependencies=READ, response_model=QueueList)
async def list_queues(desk: TheDesk) -> Any:
    """List all queues with their counts and how they are."""
    return {"queues": await lines(desk.app)}


@routes.get("/queues/{queue}", dependencies=READ, response_model=QueueOut)
async def get_queue(
    desk: TheDesk, who: Who, queue: QueueName, minutes: Annotated[int, Query(ge=1, le=10_080)] = 60
) -> Any:
    """Show one queue: throughput by the minute, latency, the oldest that waits, failures, its end."""
    found, each = await find_queue(desk.app, queue), math.ceil(minutes / ENTRIES)
    info, (line,) = await desk.app.store.info(queue), await lines(desk.app, [queue])
    priorities, metrics, forecast, times, failures = await asyncio.gather(
        found.counts_by_priority(),
        found.metrics(math.ceil(minutes / each) * each, each=each),
        found.forecast(),
        latency(found),
        _failures(desk, who, queue),
    )
    return {
        **line.model_dump(),
        "limits": _limits(info.limits, info.max_length),
        "priorities": priorities,
        "forecast": forecast._asdict(),
        "latency": times,
        "each": each,
        "minutes": [{"at": at, "completed": done, "failed": failed} for at, done, failed, _ in metrics.minutes],
        "failures": failures,
    }


@routes.get("/queues/{queue}/failures", dependencies=READ, response_model=FailuresOut)
async def get_failures(
    desk: TheDesk,
    who: Who,
    queue: QueueName,
    whole: Annotated[bool, Query(description="Answer when the newest 10,000 are grouped, and not before.")] = False,
) -> Any:
    """Group the failed jobs of a queue by what went wrong."""
    found = await find_queue(desk.app, queue)
    return _groups(await found.failures(), who) if whole else await _failures(desk, who, queue)


@routes.post("/queues/{queue}/pause", status_code=204)
async def pause(desk: TheDesk, who: Who, queue: QueueName, body: PauseModel | None = None) -> None:
    """Let no more jobs be taken; those that run go on."""
    found = await find_queue(desk.app, queue)
    why = body.why if body else ""
    async with desk.audit.acting(who, "pause", queue, detail=why):
        await found.pause(by=who.name, why=why)


@routes.post("/queues/{queue}/resume", status_code=204)
async def resume(desk: TheDesk, who: Who, queue: QueueName) -> None:
    """Let jobs be taken again."""
    found = await find_queue(desk.app, queue)
    async with desk.audit.acting(who, "resume", queue):
        await found.resume()


@routes.post("/queues/{queue}/clean", response_model=Count)
async def clean(desk: TheDesk, who: Who, queue: QueueName, body: CleanModel) -> Any:
    """Remove old jobs of one state."""
    found = await find_queue(desk.app, queue)
    async with desk.audit.acting(who, "clean", queue, detail=f"{body.state}, older than {body.older_than:g} s") as act:
        act.count = await found.clean(body.state, older_than=body.older_than, limit=body.limit)
    return {"count": act.count}


@routes.post("/queues/{queue}/drain", response_model=Count)
async def drain(desk: TheDesk, who: Who, queue: QueueName, body: DrainModel | None = None) -> Any:
    """Remove all jobs that are ready now; active ones go on."""
    found, delayed = await find_queue(desk.app, queue), body is not None and body.delayed
    async with desk.audit.acting(who, "drain", queue, detail="delayed too" if delayed else "") as act:
        act.count = await found.drain(delayed=delayed)
    return {"count": act.count}


@routes.put("/queues/{queue}/limits", response_model=LimitsModel)
async def set_limits(desk: TheDesk, who: Who, queue: QueueName, body: LimitsModel) -> Any:
    """Limit what all workers together run of a queue, and how many jobs may wait in it."""
    found = await find_queue(desk.app, queue)
    rate = None if body.rate is None else Rate(body.rate.n, body.rate.per)
    async with desk.audit.acting(who, "limits", queue, detail=body.model_dump_json()):
        await found.set_limits(concurrency=body.concurrency, rate=rate)
        await found.limit_length(body.max_length)
    return body


@routes.delete("/queues/{queue}", response_model=Count)
async def obliterate(desk: TheDesk, who: Who, queue: QueueName, force: bool = False) -> Any:
    """Remove a paused queue with all that is in it; `force`: though jobs of it are active."""
    found = await find_queue(desk.app, queue)
    async with desk.audit.acting(who, "obliterate", queue, detail="by force" if force else "") as act:
        act.count = await found.obliterate(force=force)
    return {"count": act.count}


async def _failures(desk: Desk, who: Principal, queue: str) -> dict[str, Any]:
    (found,) = await failures([desk.app.queue(queue)])
    return _groups(found, who)


def _groups(found: Failures, who: Principal) -> dict[str, Any]:
    groups = [
        {
            **group.fingerprint._asdict(),
            "id": group.fingerprint.id,
            "message": shown_text(group.fingerprint.message, who),
            "count": group.count,
            "first": group.first,
            "last": group.last,
            "job_id": group.job_id,
        }
        for group in found.groups[:100]
    ]
    return {"groups": groups, "looked": found.looked, "total": found.total}


def _limits(limits: Limits, max_length: int | None) -> dict[str, Any]:
    rate = None if limits.rate is None else {"n": limits.rate.n, "per": limits.rate.per}
    return {"concurrency": limits.concurrency, "rate": rate, "max_length": max_length}
