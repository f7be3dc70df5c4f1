"""The registry of live workers, and the tokens under which they take jobs."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from toril.errors import StoreRefused
from toril.json import decode, dump
from toril.store.redis.client import Client
from toril.store.redis.guests import guests
from toril.store.redis.keys import names_for
from toril.store.redis.scripts import script
from toril.store.runs import Run
from toril.store.views import LiveWorker, RunningJob, WorkerInfo

__all__ = ["Enrolled", "enrol", "leave", "live", "renew"]


@dataclass
class Attempt:
    """A step that has not been answered yet: what is known of it when it is tried again."""

    number: int
    flows: dict[Run, tuple[list[str], list[Any]]] = field(default_factory=dict)  # of runs that wait for children
    left: dict[Run, Any] = field(default_factory=dict)  # what the store said to those


@dataclass
class Enrolled:
    """A worker of this process. Its id is what BullMQ calls a worker's name; a token is `<uuid>:<lane>.<step>`."""

    info: WorkerInfo
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    lanes: list[str] = field(default_factory=list)
    unanswered: dict[str, Attempt] = field(default_factory=dict)
    _numbers: Any = field(default_factory=lambda: count(1))

    @property
    def id(self) -> str:
        """Who it is: host, process, and a mark of its own."""
        return f"toril:{self.info.host}:{self.info.pid}:{self.mark}:{self.info.name}"

    @property
    def lease(self) -> int:
        """Its lease in milliseconds."""
        return round(self.info.lease * 1000)

    def attempt(self, queue: str) -> tuple[Attempt, bool]:
        """Return a lane's next step, and whether it repeats one that was never answered."""
        if (earlier := self.unanswered.get(queue)) is not None:
            return earlier, True
        self.unanswered[queue] = Attempt(next(self._numbers))
        return self.unanswered[queue], False

    def token(self, queue: str, number: int) -> str:
        """Return the token of a lane's step."""
        return f"{self.lane(queue)}.{number}"

    def lane(self, queue: str) -> str:
        """Return what the tokens of a lane begin with, before a dot."""
        if queue not in self.lanes:
            self.lanes.append(queue)
        return f"{self.mark}:{self.lanes.index(queue)}"

    def queue_of(self, run: Run) -> str:
        """Return the queue of a run that this worker has taken."""
        return self.lanes[int(str(run.token).rpartition(":")[2].partition(".")[0])]


def _registry(prefix: str) -> str:
    return f"{prefix}::toril:workers"


def _card(prefix: str, worker: str) -> str:
    return f"{prefix}::toril:worker:{worker}"


def _keys(prefix: str, worker: str) -> tuple[str, str]:
    return _registry(prefix), _card(prefix, worker)


async def enrol(client: Client, prefix: str, worker: Enrolled, now: int) -> None:
    """Enter a worker."""
    info = worker.info
    fields = {
        "name": info.name,
        "host": info.host,
        "pid": info.pid,
        "lease": info.lease,
        "queues": dump(dict(info.queues)),
    }
    told = [part for field in fields.items() for part in field]
    await client.run(script("enrol"), _keys(prefix, worker.id), (now, worker.id, worker.lease * 3, *told))


async def renew(client: Client, prefix: str, worker: Enrolled, now: int) -> bool:
    """Let a worker's lease count from now; enter it anew and return False if it had been forgotten."""
    known = await client.run(script("beat"), _keys(prefix, worker.id), (now, worker.id, worker.lease * 3), None)
    if not known:
        await enrol(client, prefix, worker, now)
    return bool(known)


async def leave(client: Client, prefix: str, worker: str) -> None:
    """Forget a worker."""
    await client.call("ZREM", _registry(prefix), worker)
    await client.call("DEL", _card(prefix, worker))


async def live(client: Client, prefix: str, now: int) -> list[LiveWorker]:
    """Return the workers that live, BullMQ's own among them, with what each runs."""
    found = [*await _leased(client, prefix, now), *await _guests(client, prefix)]
    for queue in sorted({queue for worker in found for queue in worker.info.queues}):
        for taker, run in await _running(client, prefix, queue):
            for number, worker in enumerate(found):
                if worker.has(queue, taker):
                    held = sorted([*worker.runs, run], key=lambda run: run.since)
                    found[number] = worker._replace(runs=held)
    return sorted(found, key=lambda worker: worker.id)


async def _leased(client: Client, prefix: str, now: int) -> list[LiveWorker]:
    """Return our workers whose lease holds; forget those that are long gone."""
    beats = await client.call("ZRANGE", _registry(prefix), 0, -1, "WITHSCORES")
    found: list[LiveWorker] = []
    for worker, beat in zip(beats[::2], beats[1::2], strict=True):
        flat = await client.call("HGETALL", _card(prefix, worker))
        card = dict(zip(flat[::2], flat[1::2], strict=True)) if isinstance(flat, list) else flat
        age = (now - float(beat)) / 1000
        if not card:
            await client.call("ZREM", _registry(prefix), worker)
        elif age <= float(card["lease"]):
            queues: dict[str, int] = decode(card["queues"])
            info = WorkerInfo(card["name"], card["host"], int(card["pid"]), float(card["lease"]), queues)
            found.append(LiveWorker(worker, info, max(age, 0.0), []))
    return found


async def _guests(client: Client, prefix: str) -> list[LiveWorker]:
    try:
        return await guests(client, prefix)
    except StoreRefused:  # hosted servers keep CLIENT LIST to themselves
        return []


async def _running(client: Client, prefix: str, queue: str) -> Sequence[tuple[str, RunningJob]]:
    """Return who runs what of a queue."""
    rows = await client.run(script("running"), names_for(prefix, queue).pair, ("",))
    return [(worker, RunningJob(queue, job_id, name, int(since or 0))) for job_id, name, worker, since in rows]
