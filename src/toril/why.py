"""Why a job is not running: one answer, computed from what the store tells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from toril.clock import utc
from toril.job import ChildRecord, JobRecord, JobState
from toril.options import Policy
from toril.store.views import LiveWorker, QueueInfo
from toril.wording import number_of

__all__ = ["PUT_BACK", "Why", "explain"]

PUT_BACK = "put back since "  # begins the reason of a job that no worker understood yet: a deploy goes on


class Why(NamedTuple):
    """The answer: a word for programs, a sentence for people, and until when, if that is known (epoch ms).

    code: ended, active, timed-out, lost, waiting-children, put-back, delayed, paused, unserved, rate-limited,
        limit-full, busy, next.
    """

    code: str
    text: str
    until: int | None = None


def explain(
    job: JobRecord, info: QueueInfo, workers: Sequence[LiveWorker], children: Sequence[ChildRecord], now: int
) -> Why:
    """Return why a job is not running now, or what runs it. `now`: epoch milliseconds."""
    match job.state:
        case JobState.COMPLETED | JobState.FAILED:
            reason = f": {job.reason}" if job.state is JobState.FAILED and job.reason else ""
            return Why("ended", f"it {job.state} at {_time(job.finished_on)}{reason}")
        case JobState.ACTIVE:
            return _active(job, workers, now)
        case JobState.WAITING_CHILDREN:
            return _waiting(children)
        case JobState.DELAYED if job.due and job.due > now:
            return _delayed(job)
    return _ready(job, info, workers)


def _active(job: JobRecord, workers: Sequence[LiveWorker], now: int) -> Why:
    worker = next((worker for worker in workers if worker.has(job.queue, job.worker)), None)
    since = _time(job.processed_on)
    if worker is None:
        return Why("lost", f"it was taken at {since}, and its worker's lease has run out: it will be taken over")
    if worker.nodes:
        return Why("active", f"it has run since {since} on {_node(worker)}")
    place = f"{worker.info.host} (pid {worker.info.pid})"
    timeout = _timeout(job)
    if timeout is not None and now > (job.processed_on or now) + timeout * 1000:
        return Why(
            "timed-out",
            f"it has run since {since} on {place} and should have ended after {timeout:g} s: what it does cannot be "
            "stopped and keeps its slot until it ends",
        )
    return Why("active", f"it has run since {since} on {place}")


def _waiting(children: Sequence[ChildRecord]) -> Why:
    """One that has failed is named first: nothing but a hand ends that wait."""
    pending = sorted((child for child in children if child.ended is None), key=lambda child: child.state != "failed")
    if not pending:  # the last one ended just now
        return Why("waiting-children", "it waits for its children to end")
    first, more = pending[0], len(pending) - 1
    text = f"it waits for its child {first.queue}:{first.id}" + (f" ({first.name})" if first.name else "")
    if first.state is JobState.FAILED:
        text += ", which has failed: retry or remove it"
    elif first.state is not None:
        text += f", which is {first.state}"
    return Why("waiting-children", text + (f"; and for {more:,} more" if more else ""))


def _timeout(job: JobRecord) -> float | None:
    try:
        return Policy.from_json(job.opts).timeout
    except (ValueError, TypeError):  # somebody else's
        return None


def _delayed(job: JobRecord) -> Why:
    when = f"it is due at {_time(job.due)}"
    if job.reason and job.reason.startswith(PUT_BACK):
        return Why("put-back", f"{when}; {job.reason}", job.due)
    failed = f"; its last run failed: {job.reason}" if job.reason and job.attempts else ""
    return Why("delayed", when + failed, job.due)


def _ready(job: JobRecord, info: QueueInfo, workers: Sequence[LiveWorker]) -> Why:
    if info.paused is not None:
        at, by, why = (info.paused.get(name) for name in ("at", "by", "why"))
        known = (f" by {by}" if by else "") + (f" since {_time(at)}" if at else "")
        text = f"queue {job.queue} has been paused{known}" if known else f"queue {job.queue} is paused"
        return Why("paused", f"{text}: {why}" if why else text)
    serving = [worker for worker in workers if job.queue in worker.info.queues]
    if not serving:
        others = sorted({queue for worker in workers for queue in worker.info.queues})
        known = f"live workers serve {', '.join(others)}" if others else "no worker is alive"
        return Why("unserved", f"no worker serves queue {job.queue}: {known}")
    if info.opens_at is not None:
        limit = info.limits.rate
        rate = f" (at most {number_of(limit.n, 'job')} in {limit.per:g} s)" if limit else ""
        return Why("rate-limited", f"queue {job.queue} is {info.closed}{rate}", info.opens_at)
    if info.closed is not None:
        return Why("limit-full", f"queue {job.queue} runs as many jobs at once as it may: {info.limits.concurrency:,}")
    return _next(job.queue, serving)


def _next(queue: str, serving: Sequence[LiveWorker]) -> Why:
    if any(worker.nodes for worker in serving):
        return Why("next", "Node workers serve it: it is taken as soon as one has a free slot and it is first in line")
    slots = sum(worker.info.queues[queue] for worker in serving)
    busy = sum(run.queue == queue for worker in serving for run in worker.runs)
    if busy >= slots:
        return Why("busy", f"all {slots} slots of {len(serving)} workers are busy")
    return Why("next", f"{slots - busy} of {slots} slots are free: it is taken as soon as it is first in line")


def _node(worker: LiveWorker) -> str:
    return f"Node worker {worker.info.name}" if worker.info.name else "a Node worker without a name"


def _time(at: int | None) -> str:
    return "an unknown time" if at is None else utc(at).isoformat(timespec="seconds")
