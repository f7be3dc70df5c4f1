"""`toril demo`: see it work."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["demo"]


def demo(
    once: Annotated[bool, typer.Option("--once", help="End when all is done, without the dashboard.")] = False,
    json: Annotated[
        bool, typer.Option("--json", help="Print the summary as one JSON object on the last line; implies --once.")
    ] = False,
    folder: Annotated[
        Path, typer.Option(help="Where it keeps its files; what an earlier demo left is removed.")
    ] = Path("toril-demo"),
) -> None:
    """Run the main job here, from 300 mails to the mailbox, and show it on the dashboard until Ctrl-C.

    A worker process, a local SMTP mailbox, a delayed job, a job with progress, a schedule. The exit code is 0 only if
    every mail that should have arrived is in the mailbox, once.

    Example: toril demo --once --json
    """
    from rich.console import Console

    from toril.demo.play import play
    from toril.worker.loop import run

    stay = not (once or json)
    if stay:
        import toril.web  # noqa: F401  # if the extra is missing, that is said before the run

    _empty(folder)
    try:
        summary = run(play(folder.absolute(), Console(), stay=stay))
    except KeyboardInterrupt:
        return
    if json:
        print(summary.as_json())
    if not summary.good:
        raise typer.Exit(1)


def _empty(folder: Path) -> None:
    """Make the folder, without what an earlier demo left; raise BadParameter if it holds anything else."""
    ours = re.compile(r"(jobs|mail)\.db(-\w+)?|worker\.log|mailbox")
    found = list(folder.iterdir()) if folder.exists() else []
    others = [path.name for path in found if not ours.fullmatch(path.name)]
    if others:
        raise typer.BadParameter(
            f"expected a folder of the demo alone, found {others[0]} in {folder}", param_hint="--folder"
        )
    if found:
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
