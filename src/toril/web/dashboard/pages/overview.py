"""The first page: all queues, what ended lately, what fails most; and the live updates of every page."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response, StreamingResponse

from toril import Queue
from toril.forecast import Forecast
from toril.store.views import LiveWorker, Minute
from toril.web.dashboard.charts import SPANS, Chart, Span, chart, merged
from toril.web.dashboard.live import changes
from toril.web.dashboard.pages.errors import worst
from toril.web.dashboard.pages.workers import Serving, serving
from toril.web.dashboard.visit import Visit, guarded
from toril.web.overview import counted, failures
from toril.web.words import unplace

__all__ = ["PAGES"]

_ERRORS = 5  # groups that this page shows


@dataclass(frozen=True, slots=True)
class Line:
    """A queue as the overview shows it."""

    name: str
    counts: Mapping[str, int]
    paused: Mapping[str, Any] | None
    hour: Chart
    forecast: Forecast
    serving: Serving
    minutes: Sequence[Minute]


async def show(visit: Visit) -> Response:
    """Show all queues."""
    span = SPANS.get(visit.ask("span"), SPANS["hour"])
    queues, workers = await asyncio.gather(visit.app.queues(), visit.app.workers())
    lines = await asyncio.gather(*(_line(visit, queue, workers, span) for queue in queues))
    totals = {state: sum(line.counts[state] for line in lines) for state in (lines[0].counts if lines else ())}
    return visit.page(
        "overview.html",
        active="overview",
        lines=lines,
        totals=totals,
        workers=sum(worker.nodes or 1 for worker in workers),
        chart=chart(merged([line.minutes for line in lines]), span),
        errors=worst(queues, await failures(queues), _ERRORS),
    )


async def _line(visit: Visit, queue: Queue, workers: Sequence[LiveWorker], span: Span) -> Line:
    hour, rates = SPANS["hour"], visit.site.rates
    info, lately, minutes, forecast = await asyncio.gather(
        visit.app.store.info(queue.name), rates.of(queue, hour), rates.of(queue, span), queue.forecast()
    )
    return Line(
        queue.name,
        counted(info),
        info.paused,
        chart(lately, hour),
        forecast,
        serving(workers, queue.name),
        minutes,
    )


async def live(visit: Visit) -> Response:
    """Say when something has changed, for as long as the page is open."""
    queue = visit.ask("queue")
    stream = changes(visit.app, unplace(queue) if queue else None)
    return guarded(StreamingResponse(stream, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"}))


PAGES = [("GET", "/", show), ("GET", "/live", live)]
