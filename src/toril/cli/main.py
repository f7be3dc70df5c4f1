"""The entry point: which commands there are. Each imports what is heavy only when it runs."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from toril.cli.audit import audit
from toril.cli.demo import demo
from toril.cli.dev import dev
from toril.cli.doctor import doctor
from toril.cli.emptying import clean, drain, obliterate
from toril.cli.jobs import job, jobs
from toril.cli.limits import limits
from toril.cli.mail import mail
from toril.cli.messages import messages
from toril.cli.queues import failures, pause, queues, resume
from toril.cli.recovery import backup, hold, release, restore
from toril.cli.schedules import schedules
from toril.cli.serve import serve
from toril.cli.settings import settings
from toril.cli.tokens import token, user
from toril.cli.verbs import VERBS, command
from toril.cli.worker import worker
from toril.cli.workers import workers
from toril.errors import ConfigurationError, InvalidFilter, InvalidJob, InvalidMessage, StoreUnavailable, TorilError

__all__ = ["app", "main"]

RET_FAILED = 1  # nothing was found, or it could not be done
RET_USAGE = 2  # what was asked, or a setting, makes no sense
RET_UNAVAILABLE = 69  # the store or the database does not answer: EX_UNAVAILABLE of sysexits.h

app = typer.Typer(name="toril", no_args_is_help=True, pretty_exceptions_enable=False)
RUN, JOBS, ACCESS, RECOVERY, MORE = "Run", "Jobs and queues", "Mail and access", "Recovery", "Set-up"
for panel, functions in {
    RUN: (worker, serve, dev, demo),
    JOBS: (queues, jobs, job, failures, workers, pause, resume, limits, clean, drain, obliterate),
    RECOVERY: (backup, restore, hold, release),
    MORE: (doctor, settings),
}.items():
    for function in functions:
        app.command(rich_help_panel=panel)(function)
for verb in VERBS:
    app.command(verb, rich_help_panel=JOBS)(command(verb))
app.add_typer(schedules, name="schedules", rich_help_panel=JOBS)
mail.add_typer(messages)
app.command(rich_help_panel=ACCESS)(audit)
for group, name in ((mail, "mail"), (token, "token"), (user, "user")):
    app.add_typer(group, name=name, rich_help_panel=ACCESS)


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
    """Run the command line; what is wrong is said in one line on stderr, with an exit code that tells its kind."""
    try:
        app()
    except TorilError as error:
        print(f"toril: {error}", file=sys.stderr)
        raise SystemExit(_exit_code(error)) from error


def _exit_code(error: TorilError) -> int:
    if isinstance(error, StoreUnavailable):
        return RET_UNAVAILABLE
    usage = (ConfigurationError, InvalidFilter, InvalidJob, InvalidMessage)
    return RET_USAGE if isinstance(error, usage) else RET_FAILED
