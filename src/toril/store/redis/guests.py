"""Workers of BullMQ's own beside ours, as the server's list of clients shows them by the names of their connections."""

from __future__ import annotations

import base64
from binascii import Error as NotBase64
from collections.abc import Iterator, Mapping
from typing import Any

from toril.store.redis.client import Client
from toril.store.views import LiveWorker, WorkerInfo

__all__ = ["client_name", "guests"]

LOCK = 30.0  # seconds: what BullMQ's workers hold a job for


def client_name(prefix: str, queue: str) -> str:
    """Return the name of a connection on which a worker of ours waits, which BullMQ counts as one of a worker."""
    return f"{prefix}:{base64.b64encode(queue.encode()).decode()}:w:toril"


async def guests(client: Client, prefix: str) -> list[LiveWorker]:
    """Return BullMQ's workers, those of one queue and name together; raise StoreRefused if we may not look."""
    found: dict[tuple[str, str], list[str]] = {}
    for ask in await client.nodes():
        for fields in _lines(await ask("CLIENT", "LIST")):
            for queue, worker in _served(prefix, fields.get("name", "")):
                found.setdefault((queue, worker), []).append(fields.get("addr", "").rpartition(":")[0])
    return [_worker(queue, worker, hosts) for (queue, worker), hosts in sorted(found.items())]


def _served(prefix: str, name: str) -> Iterator[tuple[str, str]]:
    """Yield the queue and the name of the worker whose connection has a name; none if it is ours, or no worker's."""
    encoded, _, worker = name.removeprefix(f"{prefix}:").partition(":w:")
    if not name.startswith(f"{prefix}:") or worker == "toril":
        return
    try:
        yield base64.b64decode(encoded, validate=True).decode(), worker
    except (NotBase64, UnicodeDecodeError):
        return


def _worker(queue: str, name: str, hosts: list[str]) -> LiveWorker:
    info = WorkerInfo(name, ", ".join(sorted(set(hosts))), 0, LOCK, {queue: 0})
    return LiveWorker(f"bullmq:{queue}:{name}", info, 0.0, [], len(hosts))


def _lines(reply: Any) -> list[Mapping[str, str]]:
    if isinstance(reply, str):
        return [dict(field.split("=", 1) for field in line.split(" ") if "=" in field) for line in reply.splitlines()]
    return list(reply)
