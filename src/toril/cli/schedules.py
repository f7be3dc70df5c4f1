"""`toril schedules`: what runs when, one run more, and the removal of what code declares no more."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toril.cli.desk import App, AsJson, at_store, document
from toril.cli.output import printable, say, show_found, show_json

if TYPE_CHECKING:
    from toril.app import Toril
    from toril.timetable import Scheduled
    from toril.web.auth import Principal
    from toril.web.desk import Desk

__all__ = ["schedules"]

schedules = typer.Typer(no_args_is_help=True, help="List schedules, run one now, remove what is not wanted any more.")
ScheduleId = Annotated[str, typer.Argument(metavar="ID", help="The schedule's id.")]
OfQueue = Annotated[str | None, typer.Option("--queue", help="Its queue, where several have one of that id.")]


@schedules.command("list")
def list_schedules(app: App = None, as_json: AsJson = False) -> None:
    """List all schedules of the store in words, with their next and last times."""
    from toril.web.api.schedules import ScheduleList, list_schedules

    async def work(desk: Desk, who: Principal) -> tuple[Any, list[dict[str, Any]]]:
        now = time.time_ns() // 1_000_000
        found = await list_schedules(desk, who)
        return found, [_row(desk.app, one, now) for one in found["schedules"]]

    found, rows = at_store(app, work)
    show_found(rows, as_json=as_json, document=document(ScheduleList, found), nothing="the store has no schedules")


@schedules.command("run")
def run_schedule(schedule_id: ScheduleId, queue: OfQueue = None, app: App = None, as_json: AsJson = False) -> None:
    """Add one more job of a schedule, to run now; its own times stay as they are."""
    from toril.web.api.schedules import run_schedule
    from toril.web.api.shapes import JobRef

    job = document(JobRef, at_store(app, lambda desk, who: run_schedule(desk, who, schedule_id, queue)))
    if as_json:
        show_json(job)
    else:
        typer.echo(f"added {printable(job['name'])} {printable(job['id'])} in {printable(job['queue'])}")


@schedules.command("remove")
def remove_schedule(schedule_id: ScheduleId, queue: OfQueue = None, app: App = None, as_json: AsJson = False) -> None:
    """Remove a schedule and its next job. One that code declares is back when a worker starts."""
    from toril.web.api.schedules import remove_schedule

    at_store(app, lambda desk, who: remove_schedule(desk, who, schedule_id, queue))
    say(f"removed {printable(schedule_id)}", {"id": schedule_id}, as_json=as_json)


@schedules.command("prune")
def prune_schedules(app: App = None, as_json: AsJson = False) -> None:
    """Remove schedules that code once declared for the application's queues and declares no more."""

    async def work(desk: Desk, who: Principal) -> list[str]:
        async with desk.audit.acting(who, "prune-schedules") as act:
            removed = await desk.app.prune_schedules()
            act.detail = ", ".join(removed)
        return removed

    removed = at_store(app, work)
    say("\n".join(f"removed {printable(one)}" for one in removed) or "nothing to remove", removed, as_json=as_json)


def _row(application: Toril, found: Scheduled, now: int) -> dict[str, Any]:
    from toril.web.words import ago, rule

    here = {task.name for task, _ in application.declared_schedules()}
    origin = "app.schedule" if not found.declared else "code" if found.id in here else "not in this code"
    return {
        "id": found.id,
        "queue": found.queue,
        "times": rule(found),
        "next": "ended" if found.next is None else ago(found.next, now),
        "last": "never" if found.last is None else ago(found.last, now),
        "from": origin,
    }
