"""One action on many jobs: on those that were chosen on a page, or on all that its filter finds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from starlette.responses import Response

from toril import Job, JobState, Queue, TorilError
from toril.errors import InvalidOption
from toril.web.dashboard.pages.queues import whole_filter
from toril.web.dashboard.visit import Visit

__all__ = ["PAGES"]

_BULK = 1_000  # jobs that are read and changed at once
_TOGETHER = 50  # jobs that are cancelled at once: the store has no verb for many
_LONGEST = 20.0  # seconds of one request; the rest is left, and the answer says so
_SAID = {"retry": "run again", "promote": "may run now", "remove": "are removed", "cancel": "are cancelled"}


async def act(visit: Visit) -> Response:
    """Do it, and say how many jobs it was done to."""
    verb, queue = visit.said("verb"), visit.queue
    if verb not in _SAID:
        raise InvalidOption(f"verb: expected one of {', '.join(_SAID)}, got {verb!r}")
    state = JobState(visit.said("state")) if visit.said("state") in set(JobState) else None
    ids = [str(job_id) for job_id in visit.form.getlist("id")]
    every = visit.said("scope") == "all"
    text = whole_filter(state, visit.said("q")) if every else ""
    async with visit.acting(verb, queue.name, ids=[] if every else ids, detail=text) as action:
        if every:
            action.count, left = await _on_all(queue, verb, text, visit.name)
        else:
            jobs = [job for job in await asyncio.gather(*map(queue.get, ids)) if job]
            action.count, left = await _VERBS[verb](queue, jobs, visit.name), False
    rest = ": that is not all yet, do it again for the rest" if left else ""
    skipped = "" if every or action.count == len(ids) else f" ({len(ids) - action.count} could not be)"
    to = visit.url("queues", queue.name, state=state, q=visit.said("q"))
    return visit.back(to, f"{action.count:,} jobs {_SAID[verb]}{skipped}{rest}.")


async def _on_all(queue: Queue, verb: str, text: str, by: str) -> tuple[int, bool]:
    """Do it to all that a filter finds; return to how many, and whether some are left for want of time."""
    loop = asyncio.get_running_loop()
    end, after, done = loop.time() + _LONGEST, None, 0
    while True:
        page = await queue.search(text, limit=_BULK, after=after)
        done += await _VERBS[verb](queue, page.jobs, by)
        after = page.after
        if after is None or loop.time() > end:
            return done, after is not None


async def _retry(queue: Queue, jobs: Sequence[Job[Any]], _: str) -> int:
    done = 0
    for state in (JobState.FAILED, JobState.COMPLETED):
        ids = [job.id for job in jobs if job.record.state is state]
        done += len(await queue.retry_many(ids, state)) if ids else 0
    return done


async def _remove(queue: Queue, jobs: Sequence[Job[Any]], _: str) -> int:
    return len(await queue.remove_many(job.id for job in jobs))


async def _promote(_queue: Queue, jobs: Sequence[Job[Any]], _: str) -> int:
    return await _each(jobs, lambda job: job.promote())


async def _cancel(_queue: Queue, jobs: Sequence[Job[Any]], by: str) -> int:
    return await _each(jobs, lambda job: job.cancel(by=by))


async def _each(jobs: Sequence[Job[Any]], verb: Callable[[Job[Any]], Awaitable[None]]) -> int:
    """Do something to each job, and count those that allowed it: others may have moved on meanwhile."""

    async def one(job: Job[Any]) -> bool:
        try:
            await verb(job)
        except TorilError:
            return False
        return True

    done = 0
    for start in range(0, len(jobs), _TOGETHER):
        done += sum(await asyncio.gather(*map(one, jobs[start : start + _TOGETHER])))
    return done


_VERBS: dict[str, Callable[[Queue, Sequence[Job[Any]], str], Awaitable[int]]] = {
    "retry": _retry,
    "promote": _promote,
    "remove": _remove,
    "cancel": _cancel,
}

PAGES = [("POST", "/queues/{queue}/selection", act)]
