"""What Prometheus is told, computed when it asks: what is in the queues, who works, what became of mails."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from toril.app import Toril
from toril.errors import StoreUnavailable
from toril.store.views import ServerInfo
from toril.web.desk import Desk
from toril.web.overview import QueueLine, lines
from toril.worker.metering import instruments

__all__ = ["CONTENT_TYPE", "exposition"]

CONTENT_TYPE = CONTENT_TYPE_LATEST


async def exposition(desk: Desk) -> bytes:
    """Return the metrics as text: the store's and the log's as they are now, this process's workers' since it began.

    A store that does not answer is told by `toril_store_up 0`; what it would have told is missing then.
    """
    families: list[Metric] = []
    try:
        families += _queues(found := await lines(desk.app))
        families += await _totals(desk.app, found)
        families += _server(await desk.app.store.server())
        up = 1
    except StoreUnavailable:
        families, up = [], 0
    families.append(_gauge("toril_store_up", "Whether the job store answers.", [({}, up)]))
    families += await _mail(desk)
    registry = CollectorRegistry()
    registry.register(_Collected(families))
    return generate_latest(registry) + generate_latest(instruments().registry)


class _Collected(Collector):
    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        """Yield what was computed (called by prometheus_client)."""
        yield from self._families


def _queues(found: list[QueueLine]) -> Iterator[Metric]:
    states = [
        ({"queue": line.name, "state": state}, count)
        for line in found
        for state, count in line.counts.items()
        if state != "ready"
    ]
    yield _gauge("toril_jobs", "Jobs by queue and state.", states)
    yield _gauge("toril_queue_paused", "Whether a queue is paused.", _each(found, lambda line: line.paused is not None))
    yield _gauge("toril_queue_workers", "Workers that serve a queue.", _each(found, lambda line: line.workers))
    yield _gauge("toril_queue_slots", "Jobs that they can run at once.", _each(found, lambda line: line.slots))
    waits = _each(found, lambda line: line.oldest or 0.0)
    yield _gauge("toril_queue_oldest_seconds", "How long the oldest ready job has waited.", waits)


async def _totals(app: Toril, found: list[QueueLine]) -> list[Metric]:
    ended = CounterMetricFamily("toril_jobs_ended", "Jobs that ended for good, ever.", labels=("queue", "state"))
    for line in found:
        totals = await app.queue(line.name).metrics(1)
        ended.add_metric((line.name, "completed"), totals.completed)
        ended.add_metric((line.name, "failed"), totals.failed)
    return [ended]


def _server(server: ServerInfo) -> Iterator[Metric]:
    figures = (
        ("toril_store_memory_bytes", "Memory that the store's server uses.", server.memory),
        ("toril_store_memory_limit_bytes", "Memory that it may use.", server.memory_limit),
        ("toril_store_evicted_keys", "Keys that it has thrown away.", server.evicted),
        ("toril_store_size_bytes", "Size of the store's file.", server.size),
    )
    yield from (_gauge(name, text, [({}, value)]) for name, text, value in figures if value is not None)


async def _mail(desk: Desk) -> list[Metric]:
    if desk.mail_counts is None:
        return []
    try:
        counts = await desk.mail_counts.read()
    except StoreUnavailable:
        return [_gauge("toril_mail_log_up", "Whether the delivery log answers.", [({}, 0)])]
    return [
        _gauge("toril_mail_log_up", "Whether the delivery log answers.", [({}, 1)]),
        _gauge("toril_mails", "Mails by status.", [({"status": status}, count) for status, count in counts.items()]),
    ]


def _each(found: list[QueueLine], value: Callable[[QueueLine], float]) -> list[tuple[dict[str, str], float]]:
    return [({"queue": line.name}, value(line)) for line in found]


def _gauge(name: str, text: str, samples: Iterable[tuple[dict[str, str], float]]) -> Metric:
    listed = list(samples)
    family = GaugeMetricFamily(name, text, labels=list(listed[0][0]) if listed else [])
    for labels, value in listed:
        family.add_metric(list(labels.values()), float(value))
    return family
