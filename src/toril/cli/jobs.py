"""`toril jobs` and `toril job`: find jobs, look at one."""

from __future__ import annotations

import shlex
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from toril.cli.desk import App, AsJson, QueueName, at_store, document
from toril.cli.output import show_found, show_json
from toril.cli.sheet import sheet
from toril.job import JobState

if TYPE_CHECKING:
    from toril.web.auth import Principal
    from toril.web.desk import Desk

__all__ = ["job", "jobs"]


def jobs(
    queue: QueueName,
    state: Annotated[JobState | None, typer.Option(help="In this state: short for a filter's state:….")] = None,
    text: Annotated[
        str,
        typer.Option(
            "--filter", help="Such as 'name:report* data.user:42 error:timeout since:1h'; all words must be true."
        ),
    ] = "",
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 20,
    after: Annotated[str | None, typer.Option(metavar="CURSOR", help="Where the page before ended.")] = None,
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """Find jobs of a queue, the newest first, by the same filter as on the dashboard.

    Example: toril jobs emails --filter "state:failed error:timeout since:1h"
    """
    from toril.web.words import ago

    wanted = f"{text} state:{state}".strip() if state else text
    page = at_store(app, lambda desk, who: _find(desk, who, queue, wanted, limit, after))
    now = time.time_ns() // 1_000_000
    rows = [
        {
            "id": found["id"],
            "name": found["name"],
            "state": found["state"],
            "attempts": found["attempts"],
            "added": ago(found["timestamp"], now),
            "reason": found["reason"],
        }
        for found in page["jobs"]
    ]
    show_found(rows, as_json=as_json, document=page, nothing=f"no job of {queue} matches", cut="reason")
    if page["after"] and not as_json:
        typer.echo(f"there are more: --after {shlex.quote(page['after'])}", err=True)


async def _find(desk: Desk, who: Principal, queue: str, wanted: str, limit: int, after: str | None) -> dict[str, Any]:
    """Return a page as the admin API does, but look on until there are `limit` jobs or all have been looked at."""
    from toril.web.api.jobs import find_jobs
    from toril.web.api.shapes import JobPageOut

    found: list[dict[str, Any]] = []
    while True:
        page = document(JobPageOut, await find_jobs(desk, who, queue, wanted, limit - len(found), after))
        found += page["jobs"]
        after = page["after"]
        if after is None or len(found) == limit:
            return {**page, "jobs": found}


def job(
    queue: QueueName,
    job_id: Annotated[str, typer.Argument(metavar="ID", help="The job's id.")],
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """Show one job: why it does not run, its times, data, options, failures, children and log; secrets masked.

    Example: toril job emails 1042
    """
    from toril.web.api.jobs import JobOut, get_job

    found = document(JobOut, at_store(app, lambda desk, who: get_job(desk, who, queue, job_id)))
    if as_json:
        show_json(found)
    else:
        typer.echo("\n".join(sheet(found, time.time_ns() // 1_000_000)))
