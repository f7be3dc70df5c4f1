"""How long jobs waited and ran in this process, and what became of them, for Prometheus."""

from __future__ import annotations

import sys
from functools import cache
from typing import TYPE_CHECKING

from toril.job import JobRecord
from toril.store.runs import Failed, Outcome
from toril.worker.outcomes import error_of, word_of

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from toril.app import Toril
    from toril.clock import Clock

__all__ = ["Meter", "instruments", "meter_for"]

BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200)  # seconds


class Instruments:
    """The metrics of this process's workers, on a registry of their own."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Histogram

        labels = ("queue", "task")
        self.registry: CollectorRegistry = CollectorRegistry()
        self.wait = Histogram(
            "toril_job_wait_seconds", "From when a job could be taken to its start.", labels,
            buckets=BUCKETS, registry=self.registry,
        )  # fmt: skip
        self.run = Histogram(
            "toril_job_run_seconds", "What one run took.", labels, buckets=BUCKETS, registry=self.registry
        )
        self.attempts = Counter(
            "toril_job_attempts", "Runs that ended, by what became of the job.", (*labels, "outcome"),
            registry=self.registry,
        )  # fmt: skip
        self.failures = Counter(
            "toril_job_failures", "Jobs that failed for good, by exception.", (*labels, "exception"),
            registry=self.registry,
        )  # fmt: skip


@cache
def instruments() -> Instruments:
    """Return this process's metrics, made at the first call. Needs prometheus_client."""
    return Instruments()


class Meter:
    """Measures the runs of one application's worker."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._on = instruments()

    def ended(self, record: JobRecord, outcome: Outcome) -> None:
        """Note what a run took and what became of it."""
        labels = (record.queue, record.name)
        if record.processed_on is not None:
            ready = max(record.timestamp, record.tick or 0)
            if record.starts == 1:  # a retry's wait is its backoff's
                self._on.wait.labels(*labels).observe(max(record.processed_on - ready, 0) / 1000)
            self._on.run.labels(*labels).observe(max(self._clock.now() - record.processed_on, 0) / 1000)
        self._on.attempts.labels(*labels, word_of(outcome)).inc()
        if isinstance(outcome, Failed):
            self._on.failures.labels(*labels, error_of(outcome.reason)).inc()


def meter_for(app: Toril) -> Meter | None:
    """Return a meter if this process has somebody to show it to: a health port, or the web part's `/metrics`."""
    if app.settings.worker_health_check_port is None and "toril.web" not in sys.modules:
        return None
    try:
        return Meter(app.clock)
    except ImportError:  # prometheus_client comes with toril[web]
        return None
