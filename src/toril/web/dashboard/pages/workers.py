"""The workers that are alive, and what each runs; and how many serve a queue."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple

from starlette.responses import Response

from toril.store.views import LiveWorker
from toril.web.dashboard.visit import Visit

__all__ = ["PAGES", "Serving", "serving"]


class Serving(NamedTuple):
    """What serves a queue: slots of Toril's workers, and so many of Node's, whose slots are not known."""

    slots: int
    nodes: int

    def __str__(self) -> str:
        if not self.nodes:
            return f"{self.slots:,}"
        return f"{self.slots:,} + Node" if self.slots else "Node"


def serving(workers: Sequence[LiveWorker], queue: str) -> Serving:
    """Return what serves a queue."""
    found = [worker for worker in workers if queue in worker.info.queues]
    return Serving(sum(worker.info.queues[queue] for worker in found), sum(worker.nodes for worker in found))


async def show(visit: Visit) -> Response:
    """Show them, by host and process, Node's last; and the server that they share."""
    workers, server = await asyncio.gather(visit.app.workers(), visit.app.store.server())
    ordered = sorted(workers, key=lambda worker: (worker.nodes > 0, worker.info.host, worker.info.pid))
    return visit.page("workers.html", active="workers", workers=ordered, server=server)


PAGES = [("GET", "/workers", show)]
