"""`toril doctor`: what is wrong, and what to do."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from toril.cli.desk import App, AsJson
from toril.cli.loading import find_app, load_mailer
from toril.cli.output import show
from toril.finding import Finding

__all__ = ["doctor"]


def doctor(
    app: App = None,
    mailer: Annotated[str | None, typer.Option(help="Where its mailer is: module:name.")] = None,
    as_json: AsJson = False,
) -> None:
    """Look at settings, store, queues, schedules, clock and mail; exit code 1 if anything is wrong.

    Example: toril doctor --app shop.jobs:app --mailer shop.jobs:mailer
    """
    from toril.doctor import examine

    application = find_app(app)
    sender = load_mailer(mailer) if mailer else None

    async def look() -> list[Finding]:
        try:
            return [finding async for finding in examine(application, sender)]
        finally:
            await application.close()

    found = asyncio.run(look())
    show([finding._asdict() for finding in found], as_json=as_json)
    if any(finding.verdict == "wrong" for finding in found):
        raise typer.Exit(1)
