"""What ended in a span of time, and how long jobs waited and ran: many are read for it, and not at each look."""

from __future__ import annotations

from collections.abc import Sequence

from toril import Queue
from toril.store.views import Minute
from toril.web.dashboard.charts import Span
from toril.web.overview import Latency, latency

__all__ = ["Rates"]

_FRESH = {"hour": 0.0, "day": 15.0, "week": 60.0}  # seconds for which an answer serves
_LATELY = 5.0  # the same, for how long jobs waited and ran


class Rates:
    """The rates of one application's queues."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[float, Sequence[Minute]]] = {}
        self._latencies: dict[str, tuple[float, Latency]] = {}

    async def of(self, queue: Queue, span: Span) -> Sequence[Minute]:
        """Return what ended in each part of a span, oldest first."""
        now, key = queue.app.clock.monotonic(), (queue.name, span.name)
        known = self._known.get(key)
        if known is not None and now - known[0] < _FRESH[span.name]:
            return known[1]
        found = (await queue.metrics(span.minutes, each=span.each)).minutes
        if _FRESH[span.name]:
            self._known[key] = now, found
        return found

    async def latency(self, queue: Queue) -> Latency:
        """Return how long the newest completed jobs of a queue waited and ran."""
        now, known = queue.app.clock.monotonic(), self._latencies.get(queue.name)
        if known is None or now - known[0] >= _LATELY:
            known = self._latencies[queue.name] = now, await latency(queue)
        return known[1]
