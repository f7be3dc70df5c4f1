"""Workers that live, and what each runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, Field

from toril.store.views import LiveWorker
from toril.web.api.shapes import JobRef
from toril.web.api.table import Routes
from toril.web.gate import READ, TheDesk

__all__ = ["routes"]

routes = Routes("workers")


class RunOut(JobRef):
    """A job that a worker has in its hands."""

    since: int


class WorkerOut(BaseModel):
    """A worker whose lease holds, or BullMQ's own workers of one queue and name together."""

    id: str
    name: str
    nodes: int = Field(description="0 for a worker of Toril's; else how many of BullMQ's this stands for.")
    host: str
    pid: int = Field(description="0 if it is not known, as of BullMQ's.")
    age: float = Field(description="Seconds since it gave a sign of life.")
    queues: Mapping[str, int] = Field(description="Its slots by queue; 0 where they are not known.")
    runs: list[RunOut]


class WorkerList(BaseModel):
    """All workers."""

    workers: list[WorkerOut]


@routes.get("/workers", dependencies=READ, response_model=WorkerList)
async def list_workers(desk: TheDesk) -> Any:
    """List the workers that live."""
    return {"workers": [_shown(worker) for worker in await desk.app.workers()]}


def _shown(worker: LiveWorker) -> dict[str, Any]:
    return {
        "id": worker.id,
        "name": worker.info.name,
        "nodes": worker.nodes,
        "host": worker.info.host,
        "pid": worker.info.pid,
        "age": worker.age,
        "queues": worker.info.queues,
        "runs": [run._asdict() for run in worker.runs],
    }
