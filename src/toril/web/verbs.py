"""What operators do to jobs: to some that they chose, or to all that match a filter; each in the audit log."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from toril.errors import InvalidOption, JobNotFound, WrongState
from toril.filter import parse
from toril.handle import Job
from toril.job import JobState
from toril.json import decode
from toril.queue import Queue
from toril.web.auth import Principal
from toril.web.desk import Desk
from toril.web.masking import unmasked

__all__ = ["Done", "Verb", "act_on", "act_on_all", "count_all", "reprocess"]

PAGE = 1_000  # jobs that are found and changed at a time
TOGETHER = 50  # jobs that are cancelled at a time
BUDGET = 5.0  # seconds that one call goes on; `after` says where the next begins
_STATES = {
    "retry": (JobState.FAILED, JobState.COMPLETED),
    "promote": (JobState.DELAYED,),
    "cancel": tuple(state for state in JobState if state not in {JobState.FAILED, JobState.COMPLETED}),
    "remove": tuple(JobState),
}


class Verb(StrEnum):
    """What can be done to jobs."""

    RETRY = "retry"  # failed or completed ones run again
    PROMOTE = "promote"  # delayed ones are taken now
    CANCEL = "cancel"  # those that have not ended fail as cancelled
    REMOVE = "remove"  # they are gone, with what is below them


@dataclass(slots=True)
class Done:
    """What was done: the ids of the jobs it was done to, how many were not in a state for it, and where to go on.

    after: None: all that match have been looked at; else the call to be made again with it.
    """

    ids: list[str] = field(default_factory=list)
    skipped: int = 0
    after: str | None = None


async def act_on(desk: Desk, who: Principal, queue: Queue, verb: Verb, ids: Sequence[str]) -> Done:
    """Do something to chosen jobs, each on its own; those that are gone or in another state are skipped.

    Of a single one the error says why: raises JobNotFound, WrongState.
    """
    chosen = list(dict.fromkeys(ids))
    async with desk.audit.acting(who, verb, queue.name, ids=chosen) as act:
        if len(chosen) == 1:
            await _one(queue, verb, chosen[0], who)
            done = chosen
        else:
            done = await _many(queue, verb, chosen, None, who)
        act.ids = done
    return Done(done, len(chosen) - len(done))


async def act_on_all(
    desk: Desk, who: Principal, queue: Queue, verb: Verb, text: str, *, after: str | None = None
) -> Done:
    """Do something to all jobs that match a filter, for a few seconds; raises InvalidFilter.

    Of states in which it cannot be done none is looked at. A filter that names no state means, to retry, failed jobs
    alone. A job that comes to match meanwhile may be left out.
    """
    narrowed = _narrowed(verb, text, desk.app.clock.now())
    async with desk.audit.acting(who, verb, queue.name, detail=f"all that match {text!r}") as act:
        found = await _all(queue, verb, narrowed, after, who)
        act.ids, act.count = found.ids[:PAGE], len(found.ids)
    return found


async def count_all(queue: Queue, verb: Verb, text: str) -> int:
    """Return how many jobs `act_on_all` would do it to as things stand; raises InvalidFilter."""
    narrowed, count, after = _narrowed(verb, text, queue.app.clock.now()), 0, None
    while True:
        page = await queue.search(narrowed, limit=PAGE, after=after)
        count, after = count + sum(job.record.state in _STATES[verb] for job in page.jobs), page.after
        if after is None:
            return count


async def reprocess(desk: Desk, who: Principal, job: Job[Any], data: object) -> None:
    """Let an ended job run again with other data; where they hold a mask, what is stored there stays.

    Raises InvalidData, InvalidArguments, JobNotFound, WrongState.
    """
    record = await job.refresh()
    if record.state not in _STATES["retry"]:
        raise WrongState(f"job {job.id} is {record.state}: expected failed or completed")
    async with desk.audit.acting(who, "reprocess", job.queue.name, ids=[job.id]) as act:
        await job.change(data=unmasked(data, decode(record.data)))
        await job.retry()
        act.ids = [job.id]


def _narrowed(verb: Verb, text: str, now: int) -> str:
    """Return a filter without the states in which it cannot be done, unless those are named; raise InvalidFilter."""
    wanted = parse(text, now)
    usual = _STATES[verb][:1] if verb is Verb.RETRY else _STATES[verb]
    states = [state for state in wanted.states if state in _STATES[verb]] if wanted.states else usual
    if not states:
        raise InvalidOption(f"filter: no job in {', '.join(wanted.states)} can be asked to {verb}")
    return text if wanted.states else f"{text} state:{','.join(states)}"


async def _all(queue: Queue, verb: Verb, text: str, after: str | None, who: Principal) -> Done:
    done, begin = Done(after=after), time.monotonic()
    while True:
        page = await queue.search(text, limit=PAGE, after=done.after)
        by_state: dict[JobState, list[str]] = {}
        for job in page.jobs:
            by_state.setdefault(job.record.state, []).append(job.id)
        for state, ids in by_state.items():
            took = await _many(queue, verb, ids, state, who)
            done.ids += took
            done.skipped += len(ids) - len(took)
        done.after = page.after
        if page.after is None or time.monotonic() - begin > BUDGET:
            return done


async def _one(queue: Queue, verb: Verb, job_id: str, who: Principal) -> None:
    job = await queue.get(job_id)
    if job is None:
        raise JobNotFound(f"queue {queue.name} has no job {job_id}")
    match verb:
        case Verb.RETRY:
            await job.retry()
        case Verb.PROMOTE:
            await job.promote()
        case Verb.CANCEL:
            await job.cancel(by=who.name)
        case Verb.REMOVE:
            await job.remove()


async def _many(queue: Queue, verb: Verb, ids: Sequence[str], state: JobState | None, who: Principal) -> list[str]:
    """Do it to those for which it can be done; return their ids. state: of all of them, if that is known."""
    match verb:
        case Verb.RETRY:
            states = _STATES["retry"] if state is None else (state,)
            return [job_id for one in states for job_id in await queue.retry_many(ids, one)]
        case Verb.PROMOTE:
            return list(await queue.app.store.promote(queue.name, ids))
        case Verb.REMOVE:
            return await queue.remove_many(ids)
        case Verb.CANCEL:
            return await _cancel(queue, ids, who)


async def _cancel(queue: Queue, ids: Sequence[str], who: Principal) -> list[str]:
    done: list[str] = []
    for start in range(0, len(ids), TOGETHER):
        some = ids[start : start + TOGETHER]
        states = await asyncio.gather(*(queue.app.store.cancel(queue.name, job_id, who.name) for job_id in some))
        ended = {None, JobState.FAILED, JobState.COMPLETED}
        done += [job_id for job_id, state in zip(some, states, strict=True) if state not in ended]
    return done
