"""`toril audit`: who did what to which jobs."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from toril.cli.desk import App, AsJson, at_store, document
from toril.cli.output import show_found

__all__ = ["audit"]


def audit(
    queue: Annotated[str | None, typer.Option(help="Of this queue alone.")] = None,
    who: Annotated[str | None, typer.Option(help="Of this user or token alone.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 20,
    before: Annotated[int | None, typer.Option(metavar="ID", min=1, help="The last one of the page before.")] = None,
    app: App = None,
    as_json: AsJson = False,
) -> None:
    """List what was done on the dashboard, over the API and by commands, the newest first.

    Example: toril audit --queue emails
    """
    from toril.web.api.audit import AuditPage, list_entries
    from toril.web.words import ago

    found = document(AuditPage, at_store(app, lambda desk, _: list_entries(desk, limit, before, queue, who)))
    now = time.time_ns() // 1_000_000
    rows: list[dict[str, Any]] = [
        {
            "id": str(entry["id"]),
            "when": ago(entry["at"], now),
            "who": entry["who"],
            "by": entry["origin"],
            "action": entry["action"],
            "queue": entry["queue"],
            "jobs": entry["count"] if entry["count"] is not None else len(entry["jobs"]) or None,
            "outcome": entry["outcome"],
            "detail": entry["detail"],
        }
        for entry in found["entries"]
    ]
    show_found(rows, as_json=as_json, document=found, nothing="nothing was done", cut="detail")
