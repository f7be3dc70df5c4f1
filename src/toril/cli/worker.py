"""`toril worker`: a process that runs jobs."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from toril.errors import ConfigurationError

if TYPE_CHECKING:
    from toril.app import Toril

__all__ = ["worker"]

RET_STUCK = 3  # a task would not end: the process ends without it


def worker(
    app: Annotated[str, typer.Argument(help="Where the application is: module:name.")],
    queues: Annotated[
        str | None,
        typer.Option(help="Queues and their slots: emails=5,reports=2. Default: all of the tasks'."),
    ] = None,
    burst: Annotated[bool, typer.Option("--burst", help="End when no job is ready any more.")] = False,
    grace: Annotated[
        float | None,
        typer.Option(help="Seconds that running jobs have to end after SIGTERM. Default: TORIL_GRACE."),
    ] = None,
    reload: Annotated[bool, typer.Option("--reload", help="Start anew when the code changes.")] = False,
) -> None:
    """Run jobs until SIGTERM or Ctrl-C: then take no more, finish what runs within the grace, hand back the rest.

    Example: toril worker shop.jobs:app --queues emails=5,reports=2
    """
    if reload:
        _reload(app, queues, grace)
        return
    from toril.cli.loading import load_app
    from toril.cli.logs import configure
    from toril.worker import Worker
    from toril.worker.banner import banner
    from toril.worker.loop import run

    application = load_app(app)
    configure(application.settings)

    async def main() -> None:
        process = Worker(application, parse_queues(queues, application), burst=burst, grace=grace, signals=True)
        for line in banner(application, process.queues):
            typer.echo(line)
        try:
            await process.run()
        finally:
            await application.close()
        if process.stuck:
            typer.echo(f"{process.stuck} tasks would not end; their jobs were handed back", err=True)
            sys.stdout.flush()
            os._exit(RET_STUCK)  # what still runs must not outlive its hand-back

    run(main())


def _reload(app: str, queues: str | None, grace: float | None) -> None:
    from toril.cli.reloading import run_reloading

    given = (("--queues", queues), ("--grace", grace))
    run_reloading([["worker", app, *(text for name, value in given if value for text in (name, str(value)))]], {})


def parse_queues(text: str | None, app: Toril) -> dict[str, int] | None:
    """Read `emails=5,reports=2`; a name alone has the queue's own slots. Raise ConfigurationError."""
    if text is None:
        return None
    queues: dict[str, int] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, slots = part.partition("=")
        if not name or (slots and not slots.isdecimal()):
            raise ConfigurationError(f"--queues {part!r}: expected name=slots, such as emails=5")
        queues[name] = int(slots) if slots else app.queue(name).slots
    return queues
