"""A queue: its counts, its rates, and the jobs of one state or those that a filter finds."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response

from toril import JobState
from toril.errors import InvalidFilter, InvalidOption
from toril.handle import Job
from toril.queue import SearchPage
from toril.web.dashboard.charts import SPANS, chart
from toril.web.dashboard.pages.workers import serving
from toril.web.dashboard.visit import Visit
from toril.web.overview import counted, oldest
from toril.why import Why

__all__ = ["PAGES", "whole_filter"]

_ROWS = 50  # jobs of a page
_NEWEST = frozenset({JobState.COMPLETED, JobState.FAILED})  # these are shown newest first
_ENDED_OR_RUNS = frozenset({JobState.COMPLETED, JobState.FAILED, JobState.ACTIVE})
_ORDER = ("active", "waiting", "prioritized", "delayed", "waiting-children", "completed", "failed")


async def show(visit: Visit) -> Response:
    """Show the queue."""
    queue, text = visit.queue, visit.ask("q")
    info, forecast = await asyncio.gather(visit.app.store.info(queue.name), queue.forecast())
    counts = counted(info)
    state = _state(visit, counts)
    span = SPANS.get(visit.ask("span"), SPANS["hour"])
    fault = ""
    try:
        page = await _found(visit, state, text)
    except (InvalidFilter, InvalidOption) as error:
        fault, page = str(error), SearchPage([], None, 0, 0)
    minutes, workers, waited, times = await asyncio.gather(
        visit.site.rates.of(queue, span), visit.app.workers(), oldest(queue), visit.site.rates.latency(queue)
    )
    return visit.page(
        "queue.html",
        400 if fault else 200,
        active="",
        queue=queue,
        state=state,
        text=text,
        fault=fault,
        page=page,
        rows=await rows(visit, page.jobs),
        counts=counts,
        order=_ORDER,
        paused=info.paused,
        limits=info.limits,
        chart=chart(minutes, span),
        forecast=forecast,
        waited=waited,
        times=times,
        serving=serving(workers, queue.name),
        names=sorted({job.name for job in page.jobs} | {task.name for task in visit.app.tasks.values()}),
    )


def _state(visit: Visit, counts: Mapping[str, int]) -> JobState | None:
    """Return the state that is asked for; without one, with a filter none, else the first that has jobs."""
    try:
        return JobState(visit.ask("state"))
    except ValueError:
        first = next((JobState(state) for state in _ORDER if counts[state]), JobState.WAITING)
        return None if visit.ask("q") else first


def whole_filter(state: JobState | None, text: str) -> str:
    """Return a filter within a state; a filter that names states itself is not narrowed."""
    return text if state is None or "state:" in text else f"state:{state} {text}".strip()


async def _found(visit: Visit, state: JobState | None, text: str) -> SearchPage:
    """Return the jobs of a state, or those among them that a filter finds."""
    after = visit.ask("after") or None
    if text or state is None:
        return await visit.queue.search(whole_filter(state, text), limit=_ROWS, after=after)
    page = await visit.queue.jobs(state, limit=_ROWS, after=after, newest=state in _NEWEST)
    return SearchPage(page.jobs, page.after, 0, 0)


async def rows(visit: Visit, jobs: Sequence[Job[Any]]) -> list[tuple[Job[Any], Why | None]]:
    """Return jobs with the reason why each that has neither begun nor ended does not run."""
    idle = [job for job in jobs if job.record.state not in _ENDED_OR_RUNS]
    reasons = dict(zip((job.id for job in idle), await visit.queue.why(idle), strict=True)) if idle else {}
    return [(job, reasons.get(job.id)) for job in jobs]


PAGES = [("GET", "/queues/{queue}", show)]
