"""What is asked of a queue, as the scripts answer it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from toril.errors import BudgetExceeded, QueueFull, StoreRefused
from toril.job import ChildRecord, JobState
from toril.keep import Keep
from toril.limits import Limits, Rate
from toril.store.redis.client import Client
from toril.store.redis.searching import Window
from toril.store.views import Metrics, Minute, QueueInfo, ServerInfo

__all__ = ["EXCEEDED", "check_server", "children", "info", "kept", "metrics", "queues", "scores", "server"]

EXCEEDED = (QueueFull, BudgetExceeded)
BY_HAND = 2**53 - 1  # jobs "started" in a window that a task has closed
MINUTE = 60_000  # milliseconds
OLDEST = 5  # Redis versions before it cannot run what writes after it has asked for the time
SLOTS = 4096  # delayed scores of one millisecond


async def check_server(client: Client, shown: str) -> None:
    """Raise StoreRefused for a server that is too old."""
    text = await client.call("INFO", "server")
    version = text["redis_version"] if isinstance(text, dict) else _field(text, "redis_version")
    if int(version.partition(".")[0]) < OLDEST:
        raise StoreRefused(f"{shown}: Redis {version}, expected {OLDEST} or newer")


def _field(text: str, name: str) -> str:
    return next(line.partition(":")[2].strip() for line in text.splitlines() if line.startswith(f"{name}:"))


async def server(client: Client) -> ServerInfo:
    """Return what the server tells of itself; of a Cluster, the node that answers."""
    reply = await client.call("INFO")
    told = _fields(reply) if isinstance(reply, str) else {name: str(value) for name, value in reply.items()}
    limit = int(told.get("maxmemory", 0))
    log, snapshot = told.get("aof_enabled") == "1", told.get("rdb_last_save_time", "0") != "0"
    return ServerInfo(
        kind="redis",
        version=told.get("redis_version", "?"),
        memory=int(told["used_memory"]) if "used_memory" in told else None,
        memory_limit=limit or None,
        policy=told.get("maxmemory_policy"),
        evicted=int(told.get("evicted_keys", 0)),
        persistence="append-only file" if log else "snapshots" if snapshot else "none",
    )


def _fields(text: str) -> dict[str, str]:
    lines = (line.partition(":") for line in text.splitlines() if not line.startswith("#"))
    return {name: value.strip() for name, _, value in lines if name}


def kept(keep: Keep) -> tuple[int, int]:
    """Return how many are kept and for how long (ms), negative without bound."""
    return -1 if keep.count is None else keep.count, -1 if keep.age is None else round(keep.age * 1000)


def scores(state: JobState, window: Window) -> tuple[str, str]:
    """Return the lowest and highest score of a window."""
    factor = SLOTS if state is JobState.DELAYED else 1
    low = "-inf" if window.since is None else str(window.since * factor)
    high = "+inf" if window.until is None else f"({window.until * factor}"
    return low, high


def info(row: Sequence[Any], now: int) -> QueueInfo:
    """Return counts and controls."""
    counts = dict(zip(JobState, row[:7], strict=True))
    paused, by, why, at, concurrency, most, duration, length, used, left = row[7:]
    pause = {"by": by, "why": why, "at": int(at) if at else None} if paused else None
    rate = None if not most or int(most) >= BY_HAND else Rate(int(most), max(int(duration or 1000), 1) / 1000)
    closed, opens_at = None, None
    if paused:
        closed = "paused"
    elif most and left > 0 and int(used) >= int(most):
        opens_at = now + left
        closed = f"rate limited until {datetime.fromtimestamp(opens_at / 1000, UTC).isoformat(timespec='milliseconds')}"
    elif concurrency and counts[JobState.ACTIVE] >= int(concurrency):
        closed = "limit full"
    limits = Limits(int(concurrency) if concurrency else None, rate)
    return QueueInfo(counts, pause, limits, closed, int(length) if length else None, opens_at)


def metrics(row: Sequence[Any], since: int) -> Metrics:
    """Return the totals and the minutes from `since` in which a job ended."""
    ended: dict[int, list[int]] = {}
    totals: list[int] = []
    for column, (count, last, before, points) in enumerate(row[:2]):
        totals.append(int(count))
        if not last:
            continue
        minute = int(last) // MINUTE
        for back, number in enumerate([int(count) - int(before), *map(int, points)]):
            if number:
                ended.setdefault(minute - back, [0, 0])[column] += number
    arrived = {int(minute): int(number) for minute, _, number in (entry.partition(":") for entry in row[2])}
    first = since // MINUTE
    minutes = [
        Minute(minute * MINUTE, ended[minute][0], ended[minute][1], arrived.get(minute, 0))
        for minute in sorted(ended)
        if minute >= first
    ]
    return Metrics(totals[0], totals[1], sum(totals) + row[3], minutes)


def children(prefix: str, rows: Sequence[Sequence[Any]]) -> list[ChildRecord]:
    """Return children in the order in which they were added, as far as their ids and times tell it."""
    found = []
    for key, ended, value, name, state, count, added in rows:
        place, _, job_id = key.rpartition(":")
        queue = place.removeprefix(f"{prefix}:")
        known = JobState(state) if state else None
        record = ChildRecord(job_id, queue, name, known, count, ended or None, value if ended else None)
        found.append((int(added), job_id, record))
    return [record for *_, record in sorted(found, key=lambda item: item[:2])]


async def queues(client: Client, prefix: str) -> list[str]:
    """Return the names of all queues, those that only Node has used included."""
    known = set(await client.call("SMEMBERS", f"{prefix}::toril:queues"))
    return sorted(known | set(await client.scan_queues(prefix)))
