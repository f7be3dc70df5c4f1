"""`toril schedules`: what runs when, and the removal of what code declares no more."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from toril.cli.output import show

if TYPE_CHECKING:
    from toril.app import Toril
    from toril.timetable import Scheduled

__all__ = ["schedules"]

schedules = typer.Typer(no_args_is_help=True, help="List schedules, or prune those that code declares no more.")
App = Annotated[str, typer.Argument(help="Where the application is: module:name.")]


@schedules.command("list")
def list_schedules(app: App, as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List all schedules of the application's store, with their next and last times."""
    from toril.cli.loading import load_app

    application = load_app(app)

    async def read() -> list[Scheduled]:
        async with application:
            return await application.schedules()

    show([_row(application, found) for found in asyncio.run(read())], as_json=as_json)


@schedules.command("prune")
def prune_schedules(app: App) -> None:
    """Remove schedules that code once declared for the application's queues and declares no more."""
    from toril.cli.loading import load_app

    application = load_app(app)

    async def prune() -> list[str]:
        async with application:
            return await application.prune_schedules()

    for schedule_id in asyncio.run(prune()):
        typer.echo(f"removed {schedule_id}")


def _row(application: Toril, found: Scheduled) -> dict[str, object]:
    here = {task.name for task, _ in application.declared_schedules()}
    origin = "app.schedule" if not found.declared else "code" if found.id in here else "not in this code"
    return {
        "id": found.id,
        "task": found.task,
        "queue": found.queue,
        "times": f"every {found.every:g} s" if found.every is not None else f"{found.cron} ({found.tz})",
        "next": found.next and found.next.isoformat(timespec="milliseconds"),
        "last": found.last and found.last.isoformat(timespec="milliseconds"),
        "from": origin,
    }
