"""Schedules in words, with their next and last times."""

from __future__ import annotations

from starlette.responses import Response

from toril.web.dashboard.visit import Visit

__all__ = ["PAGES"]


async def show(visit: Visit) -> Response:
    """Show them, the next one first."""
    found = await visit.app.schedules()
    ordered = sorted(found, key=lambda one: (one.next is None, one.next.timestamp() if one.next else 0, one.id))
    return visit.page("schedules.html", active="schedules", schedules=ordered)


async def run(visit: Visit) -> Response:
    """Run one now, beside its times."""
    async with visit.acting("run-schedule", visit.of_queue, detail=visit.id) as act:
        job = await visit.app.run_schedule(visit.id, queue=visit.of_queue)
        act.ids = [job.id]
    return visit.back(visit.url("queues", job.queue.name, "jobs", job.id), f"Added a job of schedule {visit.id}.")


async def remove(visit: Visit) -> Response:
    """Remove one with its next job."""
    async with visit.acting("remove-schedule", visit.of_queue, detail=visit.id):
        there = await visit.app.unschedule(visit.id, queue=visit.of_queue)
    said = f"Schedule {visit.id} is removed." if there else f"There was no schedule {visit.id} any more."
    return visit.back(visit.url("schedules"), said)


PAGES = [
    ("GET", "/schedules", show),
    ("POST", "/schedules/{id}/run", run),
    ("POST", "/schedules/{id}/remove", remove),
]
