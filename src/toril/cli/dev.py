"""`toril dev`: all that a developer needs in one terminal."""

from __future__ import annotations

from typing import Annotated

import typer

__all__ = ["dev"]


def dev(
    app: Annotated[str, typer.Argument(help="Where the application is: module:name.")],
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port of the dashboard.")] = 8000,
    mailbox: Annotated[int, typer.Option(min=1, max=65535, help="The port of the local mailbox.")] = 1025,
    queues: Annotated[str | None, typer.Option(help="As of toril worker.")] = None,
    mailer: Annotated[
        str | None, typer.Option(help="Where the mailer is: module:name. Default: the one beside the application.")
    ] = None,
) -> None:
    """Run the dashboard, a worker and a mailbox, started anew when the code changes, until Ctrl-C.

    No login is asked for, and only this machine gets in. No mail leaves it: TORIL_MAIL_URL leads to the mailbox.

    Example: toril dev shop.jobs:app
    """
    from toril.cli.reloading import run_reloading

    serving = ["serve", app, "--port", str(port), "--no-login", "--mailbox", str(mailbox)]
    serving += ["--mailer", mailer] if mailer else []
    working = ["worker", app, "--grace", "2", *(["--queues", queues] if queues else [])]
    typer.echo(f"dashboard http://127.0.0.1:{port}/admin/queues, mailbox smtp://127.0.0.1:{mailbox}; Ctrl-C ends all")
    run_reloading([serving, working], _environment(mailbox))


def _environment(mailbox: int) -> dict[str, str]:
    from toril.settings import Settings

    settings = Settings()
    env = {"TORIL_MAIL_URL": f"smtp://127.0.0.1:{mailbox}", "TORIL_DEPLOY_GRACE": "0"}
    if settings.origin("log_level").source == "default":
        env["TORIL_LOG_LEVEL"] = "debug"
    if settings.mail_from is None:
        env["MAIL_FROM_ADDRESS"] = "dev@localhost.localdomain"
    return env
