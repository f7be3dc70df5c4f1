"""`toril demo`: see it work."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["demo"]


def demo(
    once: Annotated[bool, typer.Option("--once", help="End when all is done.")] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print the summary as one JSON object on the last line.")
    ] = False,
    folder: Annotated[
        Path, typer.Option(help="Where it keeps its files; what an earlier demo left is removed.")
    ] = Path("toril-demo"),
) -> None:
    """Run the main job here: a worker process, a local SMTP mailbox, 300 mails, a delayed job, a schedule.

    With --once the exit code is 0 only if every mail that should have arrived is in the mailbox, once.

    Example: toril demo --once --json
    """
    from rich.console import Console

    from toril.demo.play import play
    from toril.demo.screen import show_summary
    from toril.worker.loop import run

    folder = folder.absolute()
    if (folder / "jobs.db").exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    console = Console()
    try:
        summary = run(play(folder, console, stay=not once))
    except KeyboardInterrupt:
        return
    if once:
        show_summary(console, summary)
    if json:
        print(summary.as_json())
    if not summary.good:
        raise typer.Exit(1)
