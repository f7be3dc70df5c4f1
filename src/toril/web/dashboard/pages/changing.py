"""What is done to a queue: pause, resume, retry and promote all, clean, drain, limits; and adding a job."""

from __future__ import annotations

import math
from typing import Any, cast

from starlette.responses import Response

from toril import InvalidJob, JobState, Rate
from toril.errors import InvalidData, InvalidOption
from toril.json import decode
from toril.options import Options
from toril.web.dashboard.visit import Visit
from toril.web.masking import unmasked
from toril.wording import number_of

__all__ = ["PAGES", "number", "read_json", "whole"]

_EMPTY = {"name": "", "data": "{\n}", "delay": "", "priority": "", "attempts": "", "job_id": "", "like": ""}


async def pause(visit: Visit) -> Response:
    """Let no more jobs be taken."""
    queue, why = visit.queue, visit.said("why")
    async with visit.acting("pause", queue.name, detail=why):
        await queue.pause(by=visit.name, why=why)
    return _back(visit, f"Queue {queue.name} is paused.")


async def resume(visit: Visit) -> Response:
    """Let jobs be taken again."""
    async with visit.acting("resume", visit.queue.name):
        await visit.queue.resume()
    return _back(visit, f"Queue {visit.queue.name} runs again.")


async def drain(visit: Visit) -> Response:
    """Remove all jobs that wait."""
    delayed = visit.said("delayed") == "yes"
    async with visit.acting("drain", visit.queue.name, detail="delayed jobs too" if delayed else "") as act:
        act.count = await visit.queue.drain(delayed=delayed)
    return _back(visit, f"Removed {number_of(act.count, 'job')}.")


async def clean(visit: Visit) -> Response:
    """Remove old jobs of one state."""
    state, hours = visit.said("state"), number("hours", visit.said("hours", "0")) or 0.0
    async with visit.acting("clean", visit.queue.name, detail=f"{state}, older than {hours:g} h") as act:
        act.count = await visit.queue.clean(state, older_than=hours * 3600)
    return _back(visit, f"Removed {number_of(act.count, f'{state} job')}.")


async def obliterate(visit: Visit) -> Response:
    """Remove the queue with all that is in it, if its name was given once more."""
    queue = visit.queue
    if visit.said("sure") != queue.name:
        raise InvalidOption(f"sure: expected the queue's name, {queue.name}")
    async with visit.acting("obliterate", queue.name) as act:
        act.count = await queue.obliterate()
    return visit.back(visit.url(), f"Queue {queue.name} is removed with {number_of(act.count, 'job')}.")


async def limit(visit: Visit) -> Response:
    """Set what all workers together may run of the queue."""
    most, jobs = (whole(name, visit.said(name)) for name in ("concurrency", "jobs"))
    per = number("per", visit.said("per"))
    rate = None if jobs is None else Rate(jobs, 1.0 if per is None else per)
    async with visit.acting("set-limits", visit.queue.name, detail=f"concurrency {most}, rate {rate}"):
        await visit.queue.set_limits(concurrency=most, rate=rate)
    return _back(visit, "The limits are set.")


async def form(visit: Visit) -> Response:
    """Show the form that adds a job."""
    visit.check_may_act()
    if not visit.ask("like"):
        return _form(visit, "", {"name": visit.ask("name")})
    record = (await visit.job(visit.ask("like"))).record
    values = {"name": record.name, "data": visit.mask_json(record.data), "priority": str(record.priority or "")}
    return _form(visit, "", values | {"like": record.id})


async def add(visit: Visit) -> Response:
    """Add a job; a form that cannot be understood is shown again, with what is wrong."""
    queue, name = visit.queue, visit.said("name")
    try:
        options, data = _options(visit), read_json(visit.said("data"))
        if visit.said("like"):
            data = unmasked(data, decode((await visit.job(visit.said("like"))).record.data))
        async with visit.acting("add", queue.name, detail=name) as act:
            job = await queue.add(name, data, **options)
            act.ids = [job.id]
    except InvalidJob as error:
        return _form(visit, str(error), {key: str(value) for key, value in visit.form.items()})
    return visit.back(visit.url("queues", queue.name, "jobs", job.id), f"Job {job.id} is added.")


def _form(visit: Visit, fault: str, values: dict[str, str]) -> Response:
    here = [task for task in visit.app.tasks.values() if task.queue.name == visit.queue.name]
    tasks = {task.name: [*task.arguments.fields.values()] for task in sorted(here, key=lambda task: task.name)}
    return visit.page(
        "add.html",
        400 if fault else 200,
        active="",
        queue=visit.queue,
        fault=fault,
        values=_EMPTY | values,
        tasks=tasks,
    )


def _options(visit: Visit) -> Options:
    options: dict[str, Any] = {name: whole(name, visit.said(name)) for name in ("priority", "attempts")}
    options |= {"delay": number("delay", visit.said("delay")), "job_id": visit.said("job_id") or None}
    return cast(Options, {name: value for name, value in options.items() if value is not None})


def number(name: str, text: str) -> float | None:
    """Return the number that a field of a form holds, None for an empty one; raise InvalidOption."""
    if not text:
        return None
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise InvalidOption(f"{name}: expected a number, got {text[:40]!r}")
    return found


def whole(name: str, text: str) -> int | None:
    """Return the whole number that a field of a form holds, None for an empty one; raise InvalidOption."""
    try:
        return int(text) if text else None
    except ValueError:
        raise InvalidOption(f"{name}: expected a whole number, got {text[:40]!r}") from None


def read_json(text: str) -> Any:
    """Return what a field of a form holds as JSON; raise InvalidData that says where it goes wrong."""
    try:
        return decode(text or "{}")
    except ValueError as error:
        raise InvalidData(f"data: expected JSON: {error}") from None


def _back(visit: Visit, said: str) -> Response:
    return visit.back(visit.url("queues", visit.queue.name, state=_known(visit.said("tab"))), said)


def _known(state: str) -> str | None:
    return state if state in set(JobState) else None


PAGES = [
    ("POST", "/queues/{queue}/pause", pause),
    ("POST", "/queues/{queue}/resume", resume),
    ("POST", "/queues/{queue}/drain", drain),
    ("POST", "/queues/{queue}/clean", clean),
    ("POST", "/queues/{queue}/obliterate", obliterate),
    ("POST", "/queues/{queue}/limits", limit),
    ("GET", "/queues/{queue}/add", form),
    ("POST", "/queues/{queue}/add", add),
]
