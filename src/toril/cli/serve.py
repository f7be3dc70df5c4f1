"""`toril serve`: the admin API, the dashboard and the health checks in a web process of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from toril.messaging import Mailer

__all__ = ["serve"]


def serve(
    app: Annotated[str, typer.Argument(help="Where the application is: module:name.")],
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port.")] = 8000,
    mailer: Annotated[
        str | None, typer.Option(help="Where the mailer is: module:name. Default: the one beside the application.")
    ] = None,
    read_only: Annotated[bool, typer.Option("--read-only", help="Let nobody change anything.")] = False,
    no_login: Annotated[
        bool, typer.Option("--no-login", help="Let in whoever reaches it from this machine. For development.")
    ] = False,
    mailbox: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Keep mail that arrives at this local SMTP port, and show it.")
    ] = None,
) -> None:
    """Serve the admin API (/api), the dashboard (/admin/queues), /health and /metrics.

    Example: toril serve shop.jobs:app --host 0.0.0.0
    """
    import gc

    import uvicorn

    from toril.cli.loading import beside, load_app, load_mailer
    from toril.cli.logs import configure
    from toril.web.server import API, DASHBOARD, check_address, make_server

    application = load_app(app)
    configure(application.settings)
    check_address(application, host, login=not no_login)
    sender: Mailer | None = load_mailer(mailer) if mailer else beside(app, application)
    box = None
    if mailbox is not None:
        from toril.messaging.mailbox import Mailbox

        box = Mailbox(port=mailbox)
    web = make_server(application, sender, read_only=read_only, login=not no_login, mailbox=box)
    shown = f"http://{f'[{host}]' if ':' in host else host}:{port}"
    typer.echo(f"dashboard {shown}{DASHBOARD}  api {shown}{API}  health {shown}/health/ready", err=True)
    gc.collect()
    gc.freeze()  # what is loaded now stays: to walk it in each full collection holds up a request for 0.1 s
    uvicorn.run(
        web, host=host, port=port, server_header=False, access_log=False, log_config=None, timeout_graceful_shutdown=5
    )
