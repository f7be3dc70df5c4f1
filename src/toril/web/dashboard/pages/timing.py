"""The form of a schedule: a new one, or other times and data for one that is there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from starlette.responses import Response

from toril.errors import InvalidJob, InvalidSchedule
from toril.json import dump
from toril.schedule import Cron
from toril.timetable import Plan, Scheduled, check_schedule_id
from toril.web.dashboard.pages.changing import number, read_json, whole
from toril.web.dashboard.visit import Visit
from toril.web.masking import unmasked
from toril.web.words import cron, every

__all__ = ["PAGES"]

_RUNS = 5  # that the form shows before it is saved
_EMPTY = dict.fromkeys(("id", "queue", "task", "cron", "every", "tz", "start", "end", "limit"), "") | {
    "data": "{\n}",
    "missed": "once",
}


async def new(visit: Visit) -> Response:
    """Show the form of a new schedule."""
    visit.check_may_act()
    zone = visit.app.settings.timezone
    return await _form(visit, _EMPTY | {"tz": zone, "queue": visit.ask("queue"), "task": visit.ask("task")})


async def add(visit: Visit) -> Response:
    """Show when the schedule of a form will run; once that was seen, store it."""
    values = _values(visit)
    try:
        await _check_id(visit, values["id"])
        queue, plan, data = visit.app.queue(values["queue"]), _plan(visit, values), read_json(values["data"])
        queue.text_of(values["task"], data)
        if not _seen(visit, plan):
            return await _form(visit, values, plan=plan)
        async with visit.acting("add-schedule", queue.name, detail=f"{values['id']}: {_words(plan)}"):
            await queue.schedule(values["task"], data, id=values["id"], **_times(values))
    except (InvalidJob, InvalidSchedule) as error:
        return await _form(visit, values, fault=str(error))
    return visit.back(visit.url("schedules"), f"Schedule {values['id']} is stored.")


async def edit(visit: Visit) -> Response:
    """Show the form of one that is there."""
    visit.check_may_act()
    found = await _found(visit)
    zone = ZoneInfo(found.tz or "UTC")
    bounds = {name: _written(getattr(found, name), zone) for name in ("start", "end")}
    values = {name: str(getattr(found, name) or "") for name in ("id", "queue", "task", "cron", "tz", "limit")}
    each = "" if found.every is None else f"{found.every:g}"
    data = visit.mask_json(dump(found.data))
    return await _form(visit, values | bounds | {"every": each, "data": data, "missed": found.missed}, old=found)


async def change(visit: Visit) -> Response:
    """Show when it will run by the form; once that was seen, change it."""
    found = await _found(visit)
    values = _values(visit) | {"id": found.id, "queue": found.queue, "task": found.task}
    try:
        plan, data = _plan(visit, values), unmasked(read_json(values["data"]), found.data)
        if not _seen(visit, plan):
            return await _form(visit, values, plan=plan, old=found)
        async with visit.acting("change-schedule", found.queue, detail=f"{found.id}: {_words(plan)}"):
            await visit.app.reschedule(found.id, data, queue=found.queue, **_times(values))
    except (InvalidJob, InvalidSchedule) as error:
        return await _form(visit, values, fault=str(error), old=found)
    return visit.back(visit.url("schedules"), f"Schedule {found.id} is changed.")


async def _form(
    visit: Visit, values: Mapping[str, str], *, fault: str = "", plan: Plan | None = None, old: Scheduled | None = None
) -> Response:
    """Show the form, with what is wrong with it or with the first runs of its plan."""
    return visit.page(
        "timing.html",
        400 if fault else 200,
        active="schedules",
        values=values,
        fault=fault,
        old=old,
        words=_words(plan) if plan else "",
        runs=plan.times(visit.now, _RUNS) if plan else [],
        seen=plan or "",
        queues=[queue.name for queue in await visit.app.queues()],
        tasks=sorted(visit.app.tasks),
        zones=sorted(available_timezones()),
    )


async def _found(visit: Visit) -> Scheduled:
    return await visit.app.get_schedule(visit.id, queue=visit.of_queue)


async def _check_id(visit: Visit, schedule_id: str) -> None:
    """Raise InvalidSchedule for an id that no schedule may have, or that another one has."""
    check_schedule_id(schedule_id)
    if any(one.id == schedule_id for one in await visit.app.schedules()):
        raise InvalidSchedule(f"id: there is a schedule {schedule_id!r} already: edit that one")


def _values(visit: Visit) -> dict[str, str]:
    values = {name: visit.said(name) for name in _EMPTY}
    return values | {"tz": values["tz"] or visit.app.settings.timezone}


def _times(values: Mapping[str, str]) -> dict[str, Any]:
    """Return what a form says of times, as `Toril.plan` takes it; raise InvalidSchedule, InvalidOption."""
    line, distance = values["cron"], number("every", values["every"])
    zone = _zone(values["tz"] if line else "UTC")
    return {
        "cron": line or None,
        "every": distance,
        "tz": values["tz"] if line else None,
        "start": _read("start", values["start"], zone),
        "end": _read("end", values["end"], zone),
        "limit": whole("limit", values["limit"]),
        "missed": values["missed"],
    }


def _plan(visit: Visit, values: Mapping[str, str]) -> Plan:
    return visit.app.plan(**_times(values))


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # the plan says what is wrong with it
        return ZoneInfo("UTC")


def _read(name: str, text: str, zone: ZoneInfo) -> datetime | None:
    """Return a moment of a form, which stands there as the clocks of a zone show it; raise InvalidSchedule."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=zone) if text else None
    except ValueError:
        raise InvalidSchedule(f"{name}: expected a date and a time, got {text!r}") from None


def _written(at: datetime | None, zone: ZoneInfo) -> str:
    return "" if at is None else at.astimezone(zone).replace(tzinfo=None).isoformat(timespec="milliseconds")


def _words(plan: Plan) -> str:
    if isinstance(plan.rule, Cron):
        return cron(plan.rule.expression, plan.rule.tz)
    return every(plan.rule.milliseconds / 1000)


def _seen(visit: Visit, plan: Plan) -> bool:
    """Return whether the form was sent by who has seen the runs of just this plan."""
    return visit.said("act") == "save" and visit.said("seen") == str(plan)


PAGES = [
    ("GET", "/schedules/new", new),
    ("POST", "/schedules/new", add),
    ("GET", "/schedules/{id}/edit", edit),
    ("POST", "/schedules/{id}/edit", change),
]
