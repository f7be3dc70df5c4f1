"""Schedules: when each makes its next job; run one now; remove one."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

from fastapi import Path, Query
from pydantic import BaseModel

from toril.json import dump
from toril.timetable import Scheduled
from toril.web.api.shapes import JobRef
from toril.web.api.table import Routes
from toril.web.auth import Principal
from toril.web.gate import READ, TheDesk, Who
from toril.web.masking import shown_data

__all__ = ["routes"]

ScheduleId = Annotated[str, Path(min_length=1, max_length=255)]
OfQueue = Annotated[
    str | None, Query(min_length=1, max_length=255, description="Its queue, where several have one of that id.")
]
routes = Routes("schedules")


class ScheduleList(BaseModel):
    """All schedules, by id."""

    schedules: list[Scheduled]


@routes.get("/schedules", dependencies=READ, response_model=ScheduleList)
async def list_schedules(desk: TheDesk, who: Who) -> Any:
    """List all schedules with their next and last times."""
    return {"schedules": [_shown(found, who) for found in await desk.app.schedules()]}


@routes.post("/schedules/{schedule_id}/run", status_code=201, response_model=JobRef)
async def run_schedule(desk: TheDesk, who: Who, schedule_id: ScheduleId, queue: OfQueue = None) -> Any:
    """Add one more job of a schedule, to run now; its own times stay as they are."""
    found = await desk.app.get_schedule(schedule_id, queue=queue)
    async with desk.audit.acting(who, "run-schedule", found.queue, detail=schedule_id) as act:
        job = await desk.app.run_schedule(schedule_id, queue=found.queue)
        act.ids = [job.id]
    return {"queue": found.queue, "id": job.id, "name": job.name}


@routes.delete("/schedules/{schedule_id}", status_code=204)
async def remove_schedule(desk: TheDesk, who: Who, schedule_id: ScheduleId, queue: OfQueue = None) -> None:
    """Remove a schedule and its next job. One that code declares is back when a worker starts."""
    found = await desk.app.get_schedule(schedule_id, queue=queue)
    async with desk.audit.acting(who, "remove-schedule", found.queue, detail=schedule_id):
        await desk.app.unschedule(schedule_id, queue=found.queue)


def _shown(found: Scheduled, who: Principal) -> Scheduled:
    data = found.data
    return replace(found, data=shown_data(dump(data), who)) if isinstance(data, (dict, list)) else found
