"""The entry point: which commands there are. Each imports what is heavy only when it runs."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from toril.cli.demo import demo
from toril.cli.dev import dev
from toril.cli.doctor import doctor
from toril.cli.mail import mail
from toril.cli.messages import messages
from toril.cli.recovery import backup, hold, release, restore
from toril.cli.schedules import schedules
from toril.cli.serve import serve
from toril.cli.settings import settings
from toril.cli.tokens import token, user
from toril.cli.worker import worker
from toril.errors import TorilError

__all__ = ["app", "main"]

app = typer.Typer(name="toril", no_args_is_help=True, pretty_exceptions_enable=False)
app.command()(demo)
app.command()(worker)
app.command()(serve)
app.command()(dev)
app.command()(doctor)
app.command()(settings)
app.command()(backup)
app.command()(restore)
app.command()(hold)
app.command()(release)
app.add_typer(schedules, name="schedules")
mail.add_typer(messages)
app.add_typer(mail, name="mail")
app.add_typer(token, name="token")
app.add_typer(user, name="user")


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"toril {version('toril')}")
        raise typer.Exit


@app.callback()
def _toril(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Background jobs and messages for Python web applications."""


def main() -> None:
    """Run the command line; what is wrong is said in one line on stderr, with exit code 1."""
    try:
        app()
    except TorilError as error:
        print(f"toril: {error}", file=sys.stderr)
        raise SystemExit(1) from error
