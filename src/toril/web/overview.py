"""How queues do, from what the store tells: for the admin API, the dashboard and the health checks."""

from __future__ import annotations

import asyncio
import difflib
import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import BaseModel, Field

from toril.app import Toril
from toril.fingerprint import Failures
from toril.job import JobRecord, JobState
from toril.queue import Queue
from toril.store.views import LiveWorker, QueueInfo
from toril.web.problems import Problem

__all__ = ["Latency", "QueueLine", "Spread", "counted", "failures", "find_queue", "latency", "lines", "names", "oldest"]

SAMPLE = 200  # newest completed jobs from which latency is told
TOGETHER = 20  # queues that are asked at a time
GROUPING = 0.02  # seconds of one answer for grouping failures that nobody has looked at yet
LATE = 60.0  # seconds of waiting after which a queue is called late
_READY = (JobState.WAITING, JobState.PRIORITIZED)


class Spread(BaseModel):
    """Seconds: half, 95 and 99 of a hundred took no longer."""

    p50: float
    p95: float
    p99: float


class Latency(BaseModel):
    """How long the newest completed jobs waited and ran; None: there are none."""

    jobs: int
    wait: Spread | None = Field(description="From when it could be taken to its last start.")
    run: Spread | None


class QueueLine(BaseModel):
    """A queue in a list."""

    name: str
    counts: Mapping[str, int] = Field(description="By state; `ready` is waiting and prioritized together.")
    health: Literal["ok", "late", "paused", "unserved", "limited"] = Field(
        description="late: the oldest waits for more than a minute; unserved: jobs are ready and no worker serves it; "
        "limited: nothing is taken for the moment."
    )
    paused: Mapping[str, Any] | None = Field(description="By whom, why, since when; null: it is not.")
    closed: str | None = Field(description="Why nothing is taken now.")
    workers: int
    slots: int
    oldest: float | None = Field(description="Seconds that the oldest ready job has waited.")


async def names(app: Toril) -> list[str]:
    """Return the queues that have been used, and those that the application's tasks name, by name."""
    return sorted({*await app.store.queues(), *app.served_queues()})


def counted(info: QueueInfo) -> dict[str, int]:
    """Return a queue's counts by state, and `ready`, as Queue.counts does."""
    return {
        **{state.value: count for state, count in info.counts.items()},
        "ready": sum(info.counts[state] for state in _READY),
    }


async def find_queue(app: Toril, name: str) -> Queue:
    """Return a queue that is known; raise Problem 404."""
    known = await names(app)
    if name not in known:
        near = difflib.get_close_matches(name, known, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise Problem(404, "queue-not-found", f"there is no queue {name!r}{hint}")
    return app.queue(name)


async def lines(app: Toril, chosen: Sequence[str] | None = None) -> list[QueueLine]:
    """Return a line for each queue, by name."""
    wanted, workers = await names(app) if chosen is None else list(chosen), await app.workers()
    found: list[QueueLine] = []
    for start in range(0, len(wanted), TOGETHER):
        some = wanted[start : start + TOGETHER]
        found += await asyncio.gather(*(_line(app.queue(name), workers) for name in some))
    return found


async def failures(queues: Sequence[Queue]) -> list[Failures]:
    """Return the failures of each queue in groups, as far as one answer comes; the next one goes on from there."""
    give_up = time.monotonic() + GROUPING
    return [await queue.failures(within=max(give_up - time.monotonic(), 0.0)) for queue in queues]


async def oldest(queue: Queue) -> float | None:
    """Return the seconds since the first ready job of a queue could be taken; None: none is ready."""
    pages = [await queue.jobs(state, limit=1) for state in _READY]
    since = [_ready_since(job.record) for page in pages for job in page.jobs]
    return max((queue.app.clock.now() - at) / 1000 for at in since) if since else None


async def latency(queue: Queue) -> Latency:
    """Return how long the newest completed jobs of a queue waited and ran."""
    records = [job.record for job in (await queue.jobs(JobState.COMPLETED, limit=SAMPLE, newest=True)).jobs]
    timed = [(record, record.processed_on, record.finished_on) for record in records]
    waits = [max(started - _ready_since(record), 0) for record, started, _ in timed if started is not None]
    runs = [max(ended - started, 0) for _, started, ended in timed if started is not None and ended is not None]
    return Latency(jobs=len(records), wait=_spread(waits), run=_spread(runs))


async def _line(queue: Queue, workers: Sequence[LiveWorker]) -> QueueLine:
    info, waited = await queue.app.store.info(queue.name), await oldest(queue)
    serving = [worker for worker in workers if queue.name in worker.info.queues]
    counts = counted(info)
    ready = counts["ready"]
    health: Literal["ok", "late", "paused", "unserved", "limited"] = "ok"
    if info.paused is not None:
        health = "paused"
    elif ready and not serving:
        health = "unserved"
    elif ready and info.closed is not None:
        health = "limited"
    elif waited is not None and waited > LATE:
        health = "late"
    return QueueLine(
        name=queue.name,
        counts=counts,
        health=health,
        paused=info.paused,
        closed=info.closed,
        workers=len(serving),
        slots=sum(worker.info.queues[queue.name] for worker in serving),
        oldest=waited,
    )


def _ready_since(record: JobRecord) -> int:
    """Return when a job could first be taken: when it was added, or when its delay or its schedule's tick was over."""
    return max(record.timestamp, record.tick or 0, record.due or 0)


def _spread(milliseconds: list[int]) -> Spread | None:
    if not milliseconds:
        return None
    ordered = sorted(milliseconds)
    p50, p95, p99 = (ordered[min(len(ordered) * share // 100, len(ordered) - 1)] / 1000 for share in (50, 95, 99))
    return Spread(p50=p50, p95=p95, p99=p99)
