"""When a queue will be empty, from how fast jobs arrive and end."""

from __future__ import annotations

from typing import NamedTuple

from toril.store.views import Metrics

__all__ = ["WINDOW", "Forecast", "forecast"]

WINDOW = 10 * 60_000  # milliseconds that rates are taken from


class Forecast(NamedTuple):
    """Jobs that arrive and end in a second, how many are ready or active, and the seconds until none is.

    `seconds` is None when jobs arrive at least as fast as they end.
    """

    arrival: float
    service: float
    backlog: int
    seconds: float | None


def forecast(metrics: Metrics, backlog: int, now: int) -> Forecast:
    """Return the forecast from the metrics of the last 10 minutes and the number of jobs ready or active now."""
    arrival = service = 0.0
    if metrics.minutes:
        first = metrics.minutes[0]
        elapsed = max(now - first.at, 1_000) / 1000
        service = sum(minute.completed + minute.failed for minute in metrics.minutes) / elapsed
        arrival = max(metrics.arrived - first.arrived, 0) / elapsed
    net = service - arrival
    seconds = 0.0 if backlog == 0 else backlog / net if net > 0 else None
    return Forecast(arrival, service, backlog, seconds)
