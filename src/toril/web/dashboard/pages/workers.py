"""The workers that are alive, and what each runs."""

from __future__ import annotations

from starlette.responses import Response

from toril.web.dashboard.visit import Visit

__all__ = ["PAGES"]


async def show(visit: Visit) -> Response:
    """Show them, by host and process."""
    workers = await visit.app.workers()
    ordered = sorted(workers, key=lambda worker: (worker.info.host, worker.info.pid))
    return visit.page("workers.html", active="workers", workers=ordered)


PAGES = [("GET", "/workers", show)]
